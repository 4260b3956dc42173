"""Networks whose layers are of every kind that representations are read of or changed in."""

import functools

import keras
from keras import layers as kl

import nets


@nets.float64_net
def dense():
    return keras.Sequential(
        [
            keras.Input((10,), dtype="float64"),
            kl.Dense(8, name="linear"),
            kl.Dense(8, activation="relu", name="relu"),
            kl.Dense(6, use_bias=False, name="no_bias"),
            kl.BatchNormalization(name="normalized"),
            kl.ReLU(name="rectified"),
            kl.Dropout(0.5),
            kl.Dense(5, name="second"),
            kl.BatchNormalization(name="second_normalized"),
            kl.Dense(3, use_bias=False, name="scores"),
        ]
    )


@nets.float64_net
def convolutional():
    inputs = keras.Input((12, 12, 3), dtype="float64")
    x = kl.Conv2D(6, 3, name="linear")(inputs)
    x = kl.Conv2D(5, 3, padding="same", use_bias=False, name="padded")(x)
    x = kl.ReLU(name="rectified")(kl.BatchNormalization()(x))
    x = kl.Conv2D(4, 3, name="second")(kl.MaxPooling2D()(x))
    x = kl.AveragePooling2D(2)(kl.BatchNormalization(name="normalized")(x))
    return keras.Model(inputs, kl.Dense(3)(kl.Flatten()(x)))


@functools.cache
def float32_of(build):
    model = build()

    def clone(layer):
        return type(layer).from_config({**layer.get_config(), "dtype": "float32"})

    new = keras.models.clone_model(model, clone_function=clone)
    new.set_weights(model.get_weights())
    return new


def two_models():
    """A model, and one of the same layers that multiplies its inputs by three before."""
    layers = [kl.Dense(5, name="first"), kl.ReLU(name="rectified"), kl.Dense(2)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    inputs = keras.Input((4,))
    x = kl.Rescaling(3.0)(inputs)
    for layer in layers:
        x = layer(x)
    return model, keras.Model(inputs, x)
