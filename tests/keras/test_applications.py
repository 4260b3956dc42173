"""Every architecture of keras.applications is encoded, with the units that its graph has."""

import math

import keras
import numpy as np
import pytest

from tfhash import Encoder

# The smallest sizes that each can be built for, so that the test is quick. MobileNetV3Small is the
# base of the transfer model below.
QUICK = {
    "ConvNeXtTiny": 32,
    "MobileNetV2": 32,
    "ResNet50V2": 32,
}
SLOW = sorted(
    name
    for name in dir(keras.applications)
    if callable(getattr(keras.applications, name)) and name not in QUICK
)
ACTIVATIONS = {"relu", "relu6", "gelu", "silu", "swish", "hard_silu", "hard_swish", "elu", "selu"}
LAYERS = {"ReLU", "LeakyReLU", "PReLU", "ELU"}


def n_units_of_graph(model):
    """From configurations and the shapes of symbolic outputs alone."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += n_units_of_graph(layer)
        elif type(layer).__name__ in LAYERS or layer.get_config().get("activation") in ACTIVATIONS:
            for node in layer._inbound_nodes:
                total += math.prod(node.outputs[0].shape[1:])
    return total


def check(name, model):
    encoder = Encoder(model)
    assert encoder.n_bits == n_units_of_graph(model) > 0
    x = np.random.default_rng(0).random((2, *model.input_shape[1:]), np.float32)
    codes = encoder.encode(x, batch_size=2)
    assert 0.01 < codes.to_bits().mean() < 0.99
    lines: list[str] = []
    encoder.summary(print_fn=lines.append)
    assert f"codes of {encoder.n_bits:,} bits, of {len(encoder.layer_names)} layers" in lines[0]
    print(f"{name}: {lines[0]}")


@pytest.mark.full
@pytest.mark.parametrize("name", QUICK)
def test_an_application_is_encoded(name):
    size = QUICK[name]
    check(name, getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3)))


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_every_other_application_is_encoded(name):
    model = getattr(keras.applications, name)(weights=None)
    if None in model.input_shape[1:]:
        model = getattr(keras.applications, name)(weights=None, input_shape=(224, 224, 3))
    check(name, model)
    keras.backend.clear_session()


@pytest.mark.full
def test_a_transfer_model_is_encoded():
    base = keras.applications.MobileNetV3Small(
        weights=None, include_top=False, input_shape=(32, 32, 3), include_preprocessing=False
    )
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Rescaling(1 / 127.5, offset=-1),
            base,
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(12, activation="relu", name="head"),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )
    encoder = Encoder(model)
    assert encoder.n_bits == n_units_of_graph(base) + 12
    assert encoder.layer_names[-1] == "head"
    x = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    inner = Encoder(base).encode(x.astype("float32") / 127.5 - 1)
    codes = encoder.encode(x)
    assert 0.01 < inner.to_bits().mean() < 0.99
    assert np.mean(codes.select(encoder.layer_names[:-1]).to_bits() == inner.to_bits()) > 0.999
