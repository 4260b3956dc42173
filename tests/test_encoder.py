"""The encoder: its codes are the signs of what predict gives, and the model stays as it was."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from tfhash import Encoder


def dense_net():
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            kl.Flatten(),
            kl.Dense(33, activation="relu", name="h1"),
            kl.Dropout(0.5),
            kl.Dense(40, name="plain"),
            kl.BatchNormalization(),
            kl.Activation("relu", name="h2"),
            kl.Dense(10, activation="softmax"),
        ]
    )


def branching_net():
    """Convolutions, a residual branch, and each kind of ReLU-like unit."""
    x = inputs = keras.Input((8, 8, 3))
    x = kl.Conv2D(4, 3, padding="same", activation="relu", name="conv")(x)
    y = kl.LeakyReLU(negative_slope=0.2, name="leaky")(kl.Conv2D(4, 3, padding="same")(x))
    y = kl.PReLU(alpha_initializer="random_normal", name="prelu")(kl.Conv2D(4, 1)(y))
    x = kl.ReLU(max_value=6.0, name="after_add")(kl.Add()([x, y]))
    x = kl.MaxPooling2D(2)(x)
    x = keras.ops.relu(kl.Dense(5)(kl.Flatten()(x)))  # named "relu", "relu_1", ... by Keras
    return keras.Model(inputs, kl.Dense(3)(x), name="branching")


def names_of(net, encoder):
    names = encoder.layer_names
    if net is branching_net:
        assert names.pop().startswith("relu")
    return names


def nested_net():
    """A model in a model, one of its layers called twice."""
    inner_input = keras.Input((6,))
    inner = keras.Model(
        inner_input, kl.Dense(7, activation="relu", name="deep")(inner_input), name="inner"
    )
    shared = kl.Activation("relu", name="shared")
    inputs = keras.Input((4,))
    x = shared(kl.Dense(6)(inputs))
    x = shared(kl.Dense(9)(inner(x, training=False)))
    tail = keras.Sequential([keras.Input((9,)), kl.Dense(2), kl.ReLU(name="last")], name="tail")
    return keras.Model(inputs, tail(x))


NETS = (dense_net, branching_net, nested_net)
NAMES = {
    dense_net: ["h1", "h2"],
    branching_net: ["conv", "leaky", "prelu", "after_add"],
    nested_net: ["shared", "inner/deep", "shared#2", "tail/last"],
}


def inputs_for(model, n=37, seed=0):
    return np.random.default_rng(seed).normal(size=(n, *model.input_shape[1:])).astype("float32")


def outputs(encoder, x):
    found = encoder.activation_model.predict(x, verbose=0)
    found = found if isinstance(found, list) else [found]
    return np.concatenate([output.reshape(len(x), -1) for output in found], axis=1)


@pytest.mark.parametrize("net", NETS)
def test_codes_are_the_signs_of_the_outputs(net):
    model = net()
    encoder = Encoder(model)
    assert names_of(net, encoder) == NAMES[net]
    x = inputs_for(model)
    codes = encoder.encode(x)
    expected = outputs(encoder, x)
    assert codes.n_bits == encoder.n_bits == expected.shape[1]
    assert [layer.name for layer in codes.layers] == encoder.layer_names
    np.testing.assert_array_equal(codes.to_bits(), expected > 0)


def test_codes_are_the_signs_of_a_network_computed_by_hand():
    model = dense_net()
    bn = model.layers[4]
    rng = np.random.default_rng(1)
    bn.set_weights([rng.normal(size=40), rng.normal(size=40), rng.normal(size=40), rng.random(40)])
    x = inputs_for(model)
    w1, b1, w2, b2 = (w for i in (1, 3) for w in model.layers[i].get_weights())
    h1 = np.maximum(x.reshape(len(x), -1).astype("f8") @ w1 + b1, 0)
    gamma, beta, mean, variance = bn.get_weights()
    h2 = gamma * (h1 @ w2 + b2 - mean) / np.sqrt(variance + bn.epsilon) + beta
    expected = np.concatenate([h1, h2], axis=1) > 0
    np.testing.assert_array_equal(Encoder(model).encode(x).to_bits(), expected)


@pytest.mark.parametrize("net", NETS)
def test_the_batch_size_does_not_matter(net):
    model = net()
    encoder = Encoder(model)
    x = inputs_for(model)
    whole = encoder.encode(x)
    for batch_size in (1, 5, 36, 37, 38):
        # Another batch size may round an output that is 0 but for rounding to the other side.
        parts = encoder.encode(x, batch_size=batch_size)
        differing = whole.to_bits() != parts.to_bits()
        assert np.abs(outputs(encoder, x)[differing]).max(initial=0) < 1e-5
        assert parts.layers == whole.layers
    assert len(encoder.encode(x[:0])) == 0


@pytest.mark.parametrize("net", NETS)
def test_the_model_is_left_as_it_was(net):
    model = net()

    def state():
        operations = [
            op for m in model._flatten_layers() for op in (m, *getattr(m, "operations", ()))
        ]
        return [(op.name, len(op._inbound_nodes), len(op._outbound_nodes)) for op in operations]

    before, config, weights = state(), model.get_config(), model.get_weights()
    Encoder(model).encode(inputs_for(model))
    assert state() == before
    assert str(model.get_config()) == str(config)
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("net", NETS)
def test_chosen_layers_are_those_of_the_whole_code(net):
    model = net()
    x = inputs_for(model)
    whole = Encoder(model).encode(x)
    for name in NAMES[net]:
        assert Encoder(model, layers=[name]).encode(x) == whole.select(name)
    some = NAMES[net][:2]
    assert Encoder(model, layers=some[::-1]).encode(x) == whole.select(some)


def test_weights_changed_later_are_used():
    model = dense_net()
    encoder, x = Encoder(model), inputs_for(model)
    model.layers[1].set_weights([-w for w in model.layers[1].get_weights()])
    np.testing.assert_array_equal(encoder.encode(x).to_bits(), outputs(encoder, x) > 0)
    assert encoder.encode(x) == Encoder(model).encode(x)


def test_a_saved_model_gives_the_same_codes(tmp_path):
    model = branching_net()
    model.save(tmp_path / "m.keras")
    x = inputs_for(model)
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert Encoder(loaded).encode(x) == Encoder(model).encode(x)


def test_half_precision_activations_are_packed():
    policy = keras.mixed_precision.DTypePolicy("mixed_bfloat16")
    model = keras.Sequential([keras.Input((5,)), kl.Dense(70, activation="relu", dtype=policy)])
    encoder, x = Encoder(model), inputs_for(model)
    np.testing.assert_array_equal(encoder.encode(x).to_bits(), outputs(encoder, x) > 0)


class Raw(kl.Layer):
    """Not written with layers and keras.ops, so that it cannot be taken apart."""

    def call(self, x):
        return _cubed(x)


def _cubed(x):
    if isinstance(x, keras.KerasTensor):
        raise TypeError("a tensor is needed here")
    return x * x * x


class Untraceable(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = kl.Dense(3, activation="relu")

    def call(self, x):
        return _cubed(self.dense(x))


def built(model, *shape):
    model(np.zeros(shape, "float32"))
    return model


@pytest.mark.parametrize(
    "make, message",
    (
        (lambda: "model.keras", "Expected a keras.Model. Received: str"),
        (lambda: keras.Sequential([kl.Dense(3, activation="relu")]), "Expected a built model"),
        (Untraceable, "Expected a built model"),
        (lambda: built(Untraceable(), 2, 4), r"can be traced.*TypeError.*expose its layers"),
        (
            lambda: keras.Sequential([keras.Input((3,)), kl.Dense(2), kl.Softmax()]),
            "units to encode.*Dense, Softmax.*no sign",
        ),
        (
            lambda: keras.Sequential([keras.Input((3,)), kl.Dense(2, "tanh"), kl.Dense(2)]),
            r"units to encode.*activations=\['tanh'\]",
        ),
        (
            lambda: keras.Sequential([keras.Input((4, 3)), kl.SimpleRNN(2, activation="relu")]),
            "units to encode",
        ),
        (
            lambda: keras.Sequential([keras.Input((None, 3)), kl.Dense(2, activation="relu")]),
            "known size.*fixed input shape",
        ),
    ),
)
def test_models_that_cannot_be_encoded_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        Encoder(make())


@pytest.mark.parametrize("layers", (["h3"], [], "h1", ["h1", "h1"], ["*3"], [kl.PReLU], kl.ReLU))
def test_layers_that_are_not_there_are_refused(layers):
    with pytest.raises(ValueError, match=r"Expected .*layer"):
        Encoder(dense_net(), layers=layers)
    with pytest.raises(ValueError, match=r"such as h2, h1|such as h1, h2"):
        Encoder(dense_net(), layers=["h3"])


def test_layers_are_chosen_by_pattern_and_class():
    model = branching_net()
    assert Encoder(model, layers=["*e*"]).layer_names[:3] == ["leaky", "prelu", "after_add"]
    assert Encoder(model, layers=[kl.ReLU, "conv"]).layer_names == ["conv", "after_add"]
    assert Encoder(nested_net(), layers=["shared*"]).layer_names == ["shared", "shared#2"]
    assert Encoder(nested_net(), layers=["inner/*"]).layer_names == ["inner/deep"]


def test_inputs_of_another_shape_are_refused():
    encoder = Encoder(dense_net())
    for shape in ((3, 28), (3, 28, 27), (28, 28), (3, 28, 28, 1)):
        with pytest.raises(ValueError, match=r"shape \('n', 28, 28\)"):
            encoder.encode(np.zeros(shape))
    with pytest.raises(ValueError, match="batch size"):
        encoder.encode(np.zeros((3, 28, 28)), batch_size=0)


def test_activations_that_are_not_finite_name_their_layer():
    encoder = Encoder(dense_net())
    x = np.zeros((30, 28, 28), "float32")
    x[17] = np.finfo("float32").max
    with pytest.raises(ValueError, match=r"layer 'h1': Expected finite.*inf at row 17, column"):
        encoder.encode(x, batch_size=10)


@pytest.mark.parametrize("value", (np.nan, np.inf))
def test_inputs_that_are_not_finite_are_refused(value):
    # Some backends' ReLU turns a NaN into 0: it would not be seen in the activations.
    x = np.zeros((30, 28, 28), "float32")
    x[17, 3, 3] = value
    with pytest.raises(ValueError, match=rf"finite inputs.*{value} in row 17"):
        Encoder(dense_net()).encode(x, batch_size=10)


def test_weights_that_are_not_finite_are_refused():
    model = dense_net()
    kernel = model.layers[3].kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(ValueError, match=r"finite weights.*plain/kernel"):
        Encoder(model).encode(inputs_for(model))
