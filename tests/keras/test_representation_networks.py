"""Identical-output and comparable networks; characteristics of a model's layers."""

import functools

import keras
import numpy as np
import pytest
from keras import layers as kl

import nets
import reference
from tfhash import Encoder, representation
from tfhash.representation.channels import axis_of_site, channel_axis

RNG = np.random.default_rng(0)


def permuted(d):
    rng = np.random.default_rng(d)
    return np.diag(rng.uniform(0.1, 2, d))[rng.permutation(d)]


def invertible(d):
    """Of condition 4: what a matrix magnifies, it magnifies float32 rounding too."""
    rng = np.random.default_rng(d)
    (a, _), (b, _) = (np.linalg.qr(rng.normal(size=(d, d))) for _ in range(2))
    return a @ np.diag(np.linspace(0.5, 2, d)) @ b


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


def grouped():
    convolution = kl.Conv2D(4, 3, groups=2, name="grouped")
    return keras.Sequential([keras.Input((6, 6, 4)), convolution, kl.Conv2D(3, 3)])


def normalized_by_row():
    return keras.Sequential(
        [
            keras.Input((4, 5, 2)),
            kl.Conv2D(4, 1, name="convolution"),
            kl.BatchNormalization(axis=1, name="normalized"),
            kl.Flatten(),
            kl.Dense(2),
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


@pytest.mark.parametrize("precision", ("float64", "float32"))
@pytest.mark.parametrize(
    ("build", "layer", "kind", "shifted"),
    (
        (dense, "linear", invertible, True),
        (dense, "relu", permuted, False),
        (dense, "no_bias", permuted, False),
        (dense, "rectified", permuted, False),
        (dense, "second", invertible, True),
        (dense, "second_normalized", invertible, True),
        (convolutional, "linear", invertible, False),
        (convolutional, "padded", permuted, False),
        (convolutional, "rectified", permuted, False),
        (convolutional, "second", invertible, True),
        (convolutional, "normalized", invertible, True),
    ),
)
def test_outputs_are_identical(build, layer, kind, shifted, precision):
    model = build() if precision == "float64" else float32_of(build)
    d = model.get_layer(layer).output.shape[-1]
    matrix = kind(d)
    shift = RNG.normal(size=d) if shifted else np.zeros(d)
    before = model.get_weights()
    new = representation.identical_output_network(model, layer, matrix, shift)
    x = RNG.normal(size=(20, *model.input_shape[1:])).astype(precision)
    ours, theirs = (keras.ops.convert_to_numpy(m(x)) for m in (new, model))
    np.testing.assert_allclose(
        ours, theirs, rtol=0, atol=(1e-12 if precision == "float64" else 1e-5) * abs(theirs).max()
    )
    z, moved = (
        keras.ops.convert_to_numpy(keras.Model(m.inputs[0], m.get_layer(layer).output)(x))
        for m in (model, new)
    )
    wanted = (z - shift) @ matrix.T
    np.testing.assert_allclose(moved, wanted, rtol=0, atol=1e-4 * abs(wanted).max())
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("build", "layer", "transform", "shift", "message"),
    (
        (dense, "linear", np.ones((8, 8)), None, "rank 1 of 8"),
        (dense, "linear", np.eye(7), None, r"shape \(8, 8\)"),
        (dense, "linear", np.full(8, np.nan), None, "finite transform"),
        (dense, "linear", np.eye(8), np.ones(3), r"shift of shape \(8,\)"),
        (dense, "relu", invertible(8), None, "8 entries that are not 0 in row 0.*comparable_net"),
        (dense, "relu", -np.eye(8), None, r"entry > 0.*-1, a negative entry, at \[0, 0\]"),
        (dense, "relu", np.eye(8), np.arange(8), "a shift of 0.*Received: 1 at unit 1"),
        (dense, "no_bias", invertible(6), None, "'rectified'.*behind it is a ReLU.*comparable_net"),
        (dense, "scores", np.eye(3), None, "the model gives out"),
        (dense, "liner", np.eye(8), None, "linear"),
        (dense, "dropout", np.eye(6), None, "Expected a"),
        (convolutional, "linear", invertible(6), np.ones(6), "'padded'.*pads with zeros"),
        (grouped, "grouped", invertible(4), None, "'grouped'.*convolution in groups"),
        (normalized_by_row, "normalized", np.ones(4), None, "'normalized'.*another axis"),
        (normalized_by_row, "convolution", np.ones(4), None, "'normalized'.*another axis"),
    ),
)
def test_what_is_not_possible_is_named(build, layer, transform, shift, message):
    with pytest.raises(ValueError, match=message):
        representation.identical_output_network(build(), layer, transform, shift)


def test_a_bias_that_is_added_starts_from_zero():
    layers = [kl.Dense(5, name="inner"), kl.Dense(3, use_bias=False, bias_initializer="ones")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    new = representation.identical_output_network(model, "inner", invertible(5), np.ones(5))
    x = RNG.normal(size=(9, 4)).astype(np.float32)
    np.testing.assert_allclose(new(x), model(x), rtol=1e-4, atol=1e-5)


def test_branches_that_join_are_named():
    inputs = keras.Input((4,))
    x = kl.Dense(4, name="inner")(inputs)
    model = keras.Model(inputs, kl.Dense(2)(kl.Add(name="sum")([x, inputs])))
    with pytest.raises(ValueError, match=r"'sum'.*joins the representation with another"):
        representation.identical_output_network(model, "inner", invertible(4))


@pytest.mark.full
def test_comparable_network():
    model = keras.Sequential(
        [keras.Input((6,)), kl.Dense(12, activation="relu", name="hidden"), kl.Dense(3)]
    )
    x = RNG.normal(size=(300, 6)).astype(np.float32)
    wanted = model.predict(x, verbose=0)
    matrix = np.ones((12, 12)) + np.diag(RNG.uniform(0, 1, 12))
    plain = representation.comparable_network(model, "hidden", matrix).predict(x, verbose=0)
    fitted = representation.comparable_network(model, "hidden", matrix, x).predict(x, verbose=0)
    assert np.square(fitted - wanted).mean() < np.square(plain - wanted).mean()
    y = wanted.argmax(axis=1)
    labeled = representation.comparable_network(model, "hidden", matrix, x, y)
    right = (labeled.predict(x, verbose=0).argmax(axis=1) == y).mean()
    assert right >= (fitted.argmax(axis=1) == y).mean()
    with pytest.raises(ValueError, match="y alone"):
        representation.comparable_network(model, "hidden", matrix, y=y)
    for labels, message in (
        (np.where(y == y[0], -1, y), "from 0 to 2.*Received: -1"),
        (y + 0.5, r"whole numbers from 0 to 2"),
        (y + 1, "Received: 3"),
        (np.eye(3)[y], "argmax"),
        (y[:-1], "300 labels"),
    ):
        with pytest.raises(ValueError, match=message):
            representation.comparable_network(model, "hidden", matrix, x, labels)
    layers = [kl.Dense(4, activation="relu", name="hidden"), kl.Dense(1, activation="sigmoid")]
    binary = keras.Sequential([keras.Input((6,)), *layers])
    with pytest.raises(ValueError, match=r"at least two classes.*of 1 unit with activation 'sigm"):
        representation.comparable_network(binary, "hidden", np.eye(4), x, y % 2)


def test_characteristics_of_layers():
    model = float32_of(dense)
    x = RNG.normal(size=(70, 10)).astype(np.float32)
    y = RNG.integers(0, 3, 70)
    table = representation.characteristics(
        model, x, y, layers=["linear", "relu"], mutual_information=True, batch_size=32
    )
    for name in ("linear", "relu"):
        z = keras.Model(model.inputs[0], model.get_layer(name).output).predict(x, verbose=0)
        known = reference.characteristics(z)
        assert set(list(table)[1:7]) == {c for c in known if not c.startswith("absolute")}
        for column, value in known.items():
            if column not in table:
                continue
            np.testing.assert_allclose(table.loc[name, column], value, rtol=1e-4, err_msg=column)
        bounds = reference.information_bounds(z, y)
        np.testing.assert_allclose(table.loc[name].iloc[-4:], bounds, rtol=1e-4)
    own = Encoder(model).characteristics(x)
    assert own.index.tolist() == Encoder(model).layer_names
    np.testing.assert_allclose(own.loc["relu"], table.loc["relu"].iloc[:7], rtol=1e-4)


def test_channels_and_flattened():
    model = float32_of(convolutional)
    x = RNG.normal(size=(4, 12, 12, 3)).astype(np.float32)
    channels = representation.characteristics(model, x, layers="rectified")
    assert channels.loc["rectified", "n_units"] == 5 and channels.attrs["units"] == "channels"
    with pytest.warns(UserWarning, match="fewer samples than units"):
        flat = representation.characteristics(model, x, layers="rectified", flatten=True)
    assert flat.loc["rectified", "n_units"] == 500
    np.testing.assert_allclose(channels["sparsity"], flat["sparsity"])


def test_channels_lie_where_each_layer_has_them():
    """Whatever Keras's own setting is: along the first axis behind such a convolution."""
    inputs = keras.Input((2, 7, 9))
    first = kl.Conv2D(5, 3, data_format="channels_first", activation="relu", name="first")(inputs)
    rectified = kl.ReLU()(kl.BatchNormalization(axis=1)(kl.Dropout(0.1)(first)))
    assert [channel_axis(one) for one in (first, rectified)] == [1, 1]
    dense = kl.Dense(7, activation="relu")(rectified)
    assert channel_axis(dense) == channel_axis(kl.Activation("relu")(dense)) == -1
    encoder = Encoder(keras.Model(inputs, rectified))
    sites = zip(encoder.layer_names, encoder.activation_model.outputs, strict=True)
    assert [axis_of_site(encoder.model, name, output) for name, output in sites] == [1, 1]
    nested = keras.Model(inputs, rectified)
    assert channel_axis(kl.ReLU()(nested(keras.Input((2, 7, 9))))) == 1
    steps = kl.GRU(4, return_sequences=True)(keras.Input((6, 3)))
    setting = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        assert channel_axis(steps) == channel_axis(kl.ReLU()(steps)) == -1
        assert channel_axis(kl.ReLU()(keras.Input((2, 7, 9)))) == 1
        assert channel_axis(kl.Conv2D(4, 1, data_format="channels_last")(inputs)) == -1
    finally:
        keras.config.set_image_data_format(setting)


def test_inputs_that_are_not_good():
    model = float32_of(dense)
    x = np.ones((5, 10), np.float32)
    with pytest.raises(ValueError, match="at least 2 inputs"):
        representation.characteristics(model, x[:1])
    with pytest.raises(ValueError, match="relu"):
        representation.characteristics(model, x, layers="rellu")
    with pytest.raises(ValueError, match="y: Expected 5 labels"):
        representation.characteristics(model, x, [1, 2], mutual_information=True)
    x[3, 2] = np.nan
    with pytest.raises(ValueError, match="3"):
        representation.characteristics(model, x)


def test_constant_units_are_named_and_said():
    """Of three units one is 2 wherever it is positive, and one is dead."""
    model = keras.Sequential([keras.Input((3,)), kl.ReLU(name="rectified")])
    x = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    x[:, 1], x[:, 2] = np.where(x[:, 1] > 0, 2, -1), -1
    with pytest.warns(UserWarning, match="left out of it: 1 of 'rectified'"):
        table = representation.characteristics(model, x)
    assert table.attrs["constant_units"] == {"rectified": [1]}
    assert table.attrs["dead_units"] == {"rectified": 1} and np.isnan(table["correlation"].item())


@pytest.mark.full
def test_characteristics_of_mobile_net():
    model = keras.applications.MobileNetV3Small(weights=None, input_shape=(64, 64, 3))
    x = RNG.uniform(0, 255, (4, 64, 64, 3)).astype(np.float32)
    table = representation.characteristics(model, x)
    assert len(table) > 20 and np.isfinite(table["sparsity"]).all()
