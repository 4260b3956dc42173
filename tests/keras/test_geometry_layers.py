"""Layers and activations that geometry follows, each against the model's own values in float64."""

import functools

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops

import nets
from tfhash import Encoder, geometry

pytestmark = pytest.mark.usefixtures("float64")
IMAGE = (8, 6, 2)


def image_net(layer):
    x = inputs = keras.Input(IMAGE, dtype="float64")
    x = layer(kl.ReLU()(kl.Conv2D(2, 3, padding="same")(x)))
    return keras.Model(inputs, kl.Dense(5, activation="relu")(kl.Flatten()(x)))


def check(net, atol=1e-9):
    """Along a line the model is affine in each region, and in no two neighboring ones together."""
    start, stop = np.random.default_rng(0).normal(size=(2, *net.input_shape[1:]))
    regions = nets.regions_along(net, start, stop, region="linear")
    edges = regions.edges
    wide = np.flatnonzero(np.diff(edges) > 1e-7)
    at = edges[wide] + np.outer([0.05, 0.5, 0.95], np.diff(edges)[wide])
    x = start + at.reshape(-1, *(1,) * start.ndim) * (stop - start)
    y = np.asarray(ops.convert_to_numpy(net(x, training=False)), float).reshape(3, len(wide), -1)
    np.testing.assert_allclose(y[1], (y[0] + y[2]) / 2, atol=atol * max(1, np.abs(y).max()))
    codes = Encoder(net).encode(x[len(wide) : 2 * len(wide)]).to_bits()
    pattern = [layer for layer in regions.layers if layer.is_pattern]
    if not any(">" in layer.name for layer in pattern):
        np.testing.assert_array_equal(regions.codes()[wide].to_bits(), codes)
    return regions


LINEAR = {
    "UpSampling2D nearest": lambda: kl.UpSampling2D(2),
    "UpSampling2D bilinear": lambda: kl.UpSampling2D((2, 3), interpolation="bilinear"),
    "Resizing bilinear": lambda: kl.Resizing(5, 7),
    "Resizing nearest": lambda: kl.Resizing(4, 3, interpolation="nearest"),
    "Resizing bicubic": lambda: kl.Resizing(9, 9, interpolation="bicubic"),
    "CenterCrop": lambda: kl.CenterCrop(5, 4),
    "Cropping2D": lambda: kl.Cropping2D(1),
    "ZeroPadding2D": lambda: kl.ZeroPadding2D((1, 2)),
    "Permute": lambda: kl.Permute((3, 1, 2)),
    "Rescaling": lambda: kl.Rescaling(0.3, 0.1),
    "Normalization": lambda: kl.Normalization(mean=[0.1, 0.2], variance=[0.5, 2]),
    "SeparableConv2D": lambda: kl.SeparableConv2D(3, 2),
    "DepthwiseConv2D": lambda: kl.DepthwiseConv2D(2, depth_multiplier=2),
    "Conv2DTranspose": lambda: kl.Conv2DTranspose(2, 3, strides=2),
    "grouped": lambda: kl.Conv2D(4, 3, groups=2, padding="same"),
    "GlobalAveragePooling2D": lambda: kl.GlobalAveragePooling2D(keepdims=True),
    "AveragePooling2D": lambda: kl.AveragePooling2D(2, padding="same"),
    "EinsumDense": lambda: kl.EinsumDense("abcd,de->abce", (8, 6, 3), bias_axes="e"),
    "TimeDistributed": lambda: kl.TimeDistributed(kl.Conv1D(3, 2)),
    "Dropout": lambda: kl.SpatialDropout2D(0.5),
    "GaussianNoise": lambda: kl.GaussianNoise(0.5),
    "ActivityRegularization": lambda: kl.ActivityRegularization(0.1),
    "Identity": lambda: kl.Identity(),
    "Lambda": lambda: kl.Lambda(lambda x: 0.3 * x - 0.1),
    "RandomFlip": lambda: kl.RandomFlip(),
    "RandomRotation": lambda: kl.RandomRotation(0.1),
    "RandomContrast": lambda: kl.RandomContrast(0.5),
    "RandomBrightness": lambda: kl.RandomBrightness(0.5),
    "RandomZoom": lambda: kl.RandomZoom(0.1),
    "RandomTranslation": lambda: kl.RandomTranslation(0.1, 0.1),
    "MaxPooling2D": lambda: kl.MaxPooling2D(2, padding="same"),
    "GlobalMaxPooling2D": lambda: kl.GlobalMaxPooling2D(),
}
IN_FLOAT32 = ("UpSampling2D bilinear", "Resizing bilinear", "Resizing bicubic")


@pytest.mark.parametrize("name", LINEAR)
def test_linear_layers_of_every_kind(name):
    # TensorFlow itself interpolates in float32: the model's own values are only so good.
    check(image_net(LINEAR[name]()), 1e-5 if name in IN_FLOAT32 else 1e-9)


def test_sequences_and_mergers():
    x = inputs = keras.Input((6, 3), dtype="float64")
    x = kl.Conv1D(4, 3, padding="causal", activation="relu")(kl.ZeroPadding1D(1)(x))
    y = kl.UpSampling1D(2)(kl.AveragePooling1D(2)(kl.Cropping1D(1)(x)))
    y = kl.Conv1DTranspose(4, 2, padding="same")(y)
    x = kl.Concatenate()([kl.Average()([kl.Cropping1D(1)(x), y]), kl.Subtract()([y, 0.3 * y])])
    x = kl.Maximum()([kl.GlobalAveragePooling1D()(x), kl.GlobalMaxPooling1D()(x)])
    check(keras.Model(inputs, kl.Dense(4, activation="relu")(kl.RepeatVector(2)(x))))


def inner():
    return keras.Sequential(
        [keras.Input((4,), dtype="float64"), kl.Dense(3, activation="relu"), kl.Dense(2), kl.ReLU()]
    )


@pytest.mark.parametrize("make", (lambda: kl.Dense(3, activation="relu"), inner))
def test_time_distributed_units_are_those_of_the_encoder(make):
    net = keras.Sequential(
        [keras.Input((3, 4), dtype="float64"), kl.TimeDistributed(make()), kl.Flatten()]
    )
    net.add(kl.Dense(3, activation="relu"))
    regions = check(net)
    assert [layer.name for layer in regions.layers] == list(Encoder(net).layer_names)


def foreign_functions():
    """Functions, and where each bends first."""
    found = [(keras.activations.hard_tanh, -1), (keras.activations.relu6, 0)]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        found += [(getattr(tf.nn, name), 0) for name in ("relu", "relu6", "leaky_relu")]
        found += [(functools.partial(tf.nn.leaky_relu, alpha=-0.25), 0)]
    elif keras.backend.backend() == "jax":
        import jax

        found += [(getattr(jax.nn, name), 0) for name in ("relu", "relu6", "leaky_relu")]
        found += [(jax.nn.hard_tanh, -1), (jax.nn.hard_sigmoid, -3)]
    else:
        import torch

        functions = torch.nn.functional
        found += [(getattr(functions, name), 0) for name in ("relu", "relu6", "leaky_relu")]
        found += [(functions.hardtanh, -1), (functions.hardsigmoid, -3)]
    return found


@pytest.mark.parametrize("function, kink", foreign_functions())
def test_activation_functions_of_other_libraries(function, kink):
    net = keras.Sequential(
        [keras.Input((4,), dtype="float64"), kl.Dense(9, activation=function), kl.Dense(2)]
    )
    regions = nets.regions_along(net, -5 * np.ones(4), 5 * np.ones(4))
    t = (regions.edges[1:] + regions.edges[:-1]) / 2
    hidden = np.outer(10 * t - 5, np.ones(4)) @ net.layers[0].kernel.numpy()
    np.testing.assert_array_equal(regions.codes().to_bits()[:, :9], hidden > kink)


def last(activation):
    return keras.Sequential(
        [
            keras.Input((4,), dtype="float64"),
            kl.Dense(5, activation="relu"),
            kl.Dense(3, activation, name="last"),
        ]
    )


def own(x):
    return ops.where(x > 0, x, 0.1 * ops.sin(x))


@pytest.mark.parametrize("name", ("mish", "hard_silu", "gelu", "silu", "elu", "softplus", own))
def test_a_last_layer_that_cannot_be_followed_is_named(name):
    with pytest.raises(ValueError, match=r"'last' \(Dense\), which .*not piecewise linear"):
        geometry.chords(last(name), np.zeros((1, 4)), np.ones(4))


@pytest.mark.parametrize(
    "name", ("softmax", "log_softmax", "sigmoid", "tanh", "softsign", "linear")
)
def test_a_smooth_output_activation_is_left_out(name):
    model = last(name)
    ends = geometry.chords(model, np.zeros((1, 4)), np.ones(4))
    assert len(ends.layers) == 1


def test_what_cannot_be_looked_into_is_named_with_a_true_reason():
    def curved(x):
        import numpy

        return ops.convert_to_tensor(numpy.sin(ops.convert_to_numpy(x)))

    inputs = keras.Input((4,), dtype="float64")
    x = kl.Lambda(curved, output_shape=(4,), name="curved")(inputs)
    net = keras.Model(inputs, kl.ReLU()(x))
    with pytest.raises(ValueError, match=r"'curved' \(Lambda\), which is not linear, and whose"):
        geometry.chords(net, np.zeros((1, 4)), np.ones(4))


@pytest.mark.parametrize("given", (True, False, None))
def test_training_in_the_graph_of_a_model_is_inference_as_in_predict(given):
    inputs = keras.Input((4,), dtype="float64")
    x = kl.BatchNormalization()(inputs, training=given)
    x = kl.Dropout(0.5)(x, training=given)
    net = keras.Model(inputs, kl.Dense(5, activation="relu")(x))
    net.layers[1].moving_mean.assign(np.arange(4.0))
    before = [variable.numpy().copy() for variable in net.variables]
    check(net)
    for old, new in zip(before, net.variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_open_sizes_are_those_of_the_points():
    inputs = keras.Input((None, None, 1), dtype="float64")
    x = kl.Conv2D(3, 3, padding="same", activation="relu")(inputs)
    net = keras.Model(inputs, kl.Conv2D(1, 3, padding="same")(x))
    fixed = keras.Input((5, 4, 1), dtype="float64")
    wrapped = keras.Model(fixed, net(fixed))
    x = np.random.default_rng(0).normal(size=(3, 5, 4, 1))
    np.testing.assert_array_equal(
        geometry.chords(net, x, x[::-1] + 0.1).upper,
        geometry.chords(wrapped, x, x[::-1] + 0.1).upper,
    )
    one, several = nets.regions_along(net, x[0], x[1]), geometry.line_regions(net, x[:2], x[1:])
    assert isinstance(several, list)
    assert one.n_regions == several[0].n_regions > 3
    larger = np.random.default_rng(0).normal(size=(2, 7, 6, 1))
    assert nets.regions_along(net, *larger).n_regions > one.n_regions
    assert geometry.plane_regions(net, *x, 0.1).n_regions > 1
    with pytest.raises(ValueError, match=r"from which to take the sizes that .* leaves open"):
        geometry.chords(net, np.zeros((3, 5)), np.ones((3, 5)))


def test_numbers_of_python_are_rounded_as_the_model_rounds_them():
    keras.config.set_dtype_policy("float32")

    def net(number):
        keras.utils.set_random_seed(0)
        parts = [keras.Input((5,), dtype="float64"), kl.Rescaling(number), kl.Dense(9)]
        parts += [kl.LeakyReLU(negative_slope=number), kl.Lambda(lambda x: x * number)]
        return keras.Sequential([*parts, kl.Dense(7), kl.LeakyReLU(negative_slope=number)])

    x, directions = np.random.default_rng(0).normal(size=(2, 50, 5))
    ends = [geometry.chords(net(n), x, directions).upper for n in (0.3, float(np.float32(0.3)))]
    np.testing.assert_array_equal(*ends)
