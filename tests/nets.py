"""Small Keras models of every kind that geometry takes apart, in float64."""

import functools
from collections.abc import Callable

import keras
import numpy as np
from keras import layers as kl
from keras import ops

from tfhash import Encoder, geometry
from tfhash.geometry.inputs import Points


def float64_net(build: Callable[[], keras.Model]) -> Callable[[], keras.Model]:
    """Builds the net once, in float64, so that Keras itself is an oracle of the last digit."""

    @functools.cache
    def built() -> keras.Model:
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("float64")
        try:
            keras.utils.set_random_seed(7)
            net = build()
        finally:
            keras.config.set_dtype_policy(policy)
        rng = np.random.default_rng(7)
        for layer in net._flatten_layers():  # moving statistics and biases as if trained
            if isinstance(layer, kl.BatchNormalization):
                size = layer.moving_mean.shape
                layer.moving_mean.assign(rng.normal(size=size))
                layer.moving_variance.assign(rng.uniform(0.5, 2, size))
                layer.gamma.assign(rng.normal(1, 0.3, size))
            bias = getattr(layer, "bias", None) if isinstance(layer, kl.Layer) else None
            if bias is not None and not isinstance(bias, bool):
                bias.assign(rng.normal(0, 0.3, bias.shape))
        return net

    built.__name__ = build.__name__
    return built


def image(*shape: int) -> keras.KerasTensor:
    return keras.Input(shape, dtype="float64")


@float64_net
def mlp():
    return keras.Sequential(
        [
            image(5, 4),
            kl.Flatten(),
            kl.Dense(17, activation="relu"),
            kl.Dropout(0.5),
            kl.Dense(12),
            kl.BatchNormalization(),
            kl.Activation("relu"),
            kl.Dense(9, activation="relu"),
            kl.Dense(4, activation="softmax"),
        ]
    )


@float64_net
def conv():
    x = inputs = image(9, 9, 2)
    x = kl.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = kl.BatchNormalization()(x)
    x = kl.LeakyReLU(negative_slope=0.25)(x)  # TensorFlow rounds 0.2 to float32
    x = kl.Conv2D(6, 3, strides=2, activation="relu")(x)
    x = kl.AveragePooling2D(2)(x)
    x = kl.DepthwiseConv2D(2)(x)
    x = kl.PReLU(alpha_initializer=keras.initializers.RandomUniform(0.1, 0.5))(x)
    return keras.Model(inputs, kl.Dense(3)(kl.Flatten()(x)))


@float64_net
def grouped():
    """Convolutions in groups, which Keras's TensorFlow backend compiles anew at every call."""
    x = inputs = image(12, 4)
    x = kl.Conv1D(6, 3, groups=2, padding="causal", dilation_rate=2, activation="relu")(x)
    x = kl.ReLU()(kl.Conv1D(3, 3, groups=3, strides=2, padding="same", use_bias=False)(x))
    return keras.Model(inputs, kl.Dense(2)(kl.Flatten()(x)))


@float64_net
def residual():
    """Blocks whose ReLU follows the addition, one of them a model of its own."""

    def block(x, filters, stride=1):
        y = kl.Conv2D(filters, 3, stride, padding="same", use_bias=False)(x)
        y = kl.ReLU()(kl.BatchNormalization()(y))
        y = kl.BatchNormalization()(kl.Conv2D(filters, 3, padding="same", use_bias=False)(y))
        if stride > 1:
            x = kl.Conv2D(filters, 1, stride)(x)
        return kl.ReLU()(kl.Add()([x, y]))

    inner_inputs = image(8, 8, 3)
    inner = keras.Model(inner_inputs, block(inner_inputs, 3))
    x = inputs = image(8, 8, 3)
    x = block(inner(x), 5, 2)
    x = kl.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, kl.Dense(3, activation="softmax")(x))


@float64_net
def pooled():
    """Max pooling after ReLU and before, overlapping and padded; a maximum over an axis."""
    x = inputs = image(10, 10, 1)
    x = kl.Conv2D(3, 3, padding="same", activation="relu")(x)
    x = kl.MaxPooling2D(3, strides=2, padding="same")(x)
    x = kl.Conv2D(4, 3, padding="same")(x)
    x = kl.MaxPooling2D(2)(x)
    x = kl.ReLU()(x)
    x = kl.GlobalMaxPooling2D()(x)
    x = kl.Dense(7, activation="relu")(x)
    return keras.Model(inputs, kl.Dense(3)(x))


@keras.saving.register_keras_serializable("tests")
class Block(kl.Layer):
    """A residual block as a user would write it: layers within a layer, and keras.ops."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.first = kl.Conv2D(filters, 3, padding="same", name="first")
        self.norm = kl.BatchNormalization(name="norm")
        self.act = kl.ReLU(name="act")
        self.second = kl.Conv2D(filters, 3, padding="same", name="second")

    def build(self, shape):
        for layer in (self.first, self.norm, self.second):
            layer.build(shape)

    def call(self, x, training=None):
        y = self.act(self.norm(self.first(x), training=training))
        return ops.relu(ops.add(x, self.second(y)))


@float64_net
def custom():
    x = inputs = image(6, 6, 2)
    x = Block(2, name="block")(x)
    x = kl.Conv2D(3, 3)(x)
    return keras.Model(inputs, kl.Dense(2)(kl.Flatten()(kl.ReLU(name="last")(x))))


def opened(net: keras.Model) -> keras.Model:
    """The same net, without a layer that holds layers: what an encoder can look into."""
    if net is not custom():
        return net
    block, *rest = net.layers[1:]
    inputs = image(6, 6, 2)
    y = block.second(block.act(block.norm(block.first(inputs))))
    x = kl.ReLU(dtype="float64")(kl.Add(dtype="float64")([inputs, y]))
    for layer in rest:
        x = layer(x)
    return keras.Model(inputs, x)


@float64_net
def volume():
    """One and three dimensions, transposed and separable convolutions, mergers and croppings."""
    x = inputs = image(6, 5, 4, 1)
    x = kl.Conv3D(2, 2, activation="relu")(x)
    x = kl.Reshape((20, 6))(x)
    x = kl.ZeroPadding1D(1)(kl.Permute((1, 2))(x))
    x = kl.Conv1D(4, 3, padding="causal", activation="relu")(x)
    y = kl.SeparableConv1D(4, 3, padding="same", activation="relu")(x)
    x = kl.Average()([kl.Cropping1D(0)(x), kl.Subtract()([x, y])])
    x = kl.Conv1DTranspose(2, 3, activation="relu")(x)
    x = kl.AveragePooling1D(2)(kl.UpSampling1D(2)(x))
    x = kl.Concatenate()([kl.GlobalAveragePooling1D()(x), kl.Flatten()(x)])
    return keras.Model(inputs, kl.Dense(2)(kl.Dense(6, activation="relu")(x)))


def activation_model(net: keras.Model) -> keras.Model:
    """The encoder's model of the outputs of the units, in float64 throughout."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        return Encoder(opened(net)).activation_model
    finally:
        keras.config.set_dtype_policy(policy)


NETS = (mlp, conv, residual, custom, volume, pooled)


def points(net: keras.Model, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and directions, float64 [n, *input shape]."""
    rng = np.random.default_rng(seed)
    shape = (n, *net.input_shape[1:])
    return rng.normal(size=shape), rng.normal(size=shape)


def regions_along(
    net: keras.Model, start: Points, stop: Points, *, region: str = "activation"
) -> geometry.LineRegions:
    """The line regions of one segment: of several, `geometry.line_regions` gives a list."""
    found = geometry.line_regions(net, start, stop, region=region)
    assert isinstance(found, geometry.LineRegions)
    return found
