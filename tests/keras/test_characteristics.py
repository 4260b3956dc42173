"""Characteristics of a model's layers."""

import keras
import numpy as np
import pytest
from keras import layers as kl

import reference
from representation_nets import convolutional, dense, float32_of, two_models
from tfhash import Encoder, representation
from tfhash.representation.channels import axis_of_site, channel_axis

RNG = np.random.default_rng(0)


def test_a_layer_that_is_called_twice_is_two_rows():
    inputs = keras.Input((4,))
    shared, linear = kl.Dense(4, activation="relu", name="shared"), kl.Dense(4, name="linear")
    x = shared(linear(shared(linear(inputs))))
    model = keras.Model(inputs, kl.Dense(2)(x))
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    own = representation.characteristics(model, x, layers="shared")
    encoded = Encoder(model).characteristics(x)
    assert own.index.tolist() == encoded.index.tolist() == ["shared", "shared#2"]
    np.testing.assert_allclose(own, encoded, rtol=1e-6)
    table = representation.characteristics(model, x, layers=["linear", "shared"])
    assert table.index.tolist() == ["linear", "linear#2", "shared", "shared#2"]
    assert axis_of_site(model, "shared#2", keras.KerasTensor((None, 3, 4, 5))) == -1
    with pytest.raises(ValueError, match=r"Expected one layer. Received: shared, shared#2"):
        representation.unit_tables(model, "shared", x)


def test_layers_of_an_encoder_can_be_asked_for():
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    model, _ = two_models()
    encoder = Encoder(model)
    assert representation.characteristics(encoder, x, layers="first").index.tolist() == ["first"]
    with pytest.raises(ValueError, match="such as rectified"):
        representation.characteristics(encoder, x, layers="rectfied")


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


class Block(kl.Layer):
    """A convolution with its channels first, and a ReLU, in code of a user's own."""

    def __init__(self, other=None, **options):
        super().__init__(**options)
        self.convolution = kl.Conv2D(5, 3, data_format="channels_first", name="convolution")
        self.rectified = kl.ReLU(name="rectified")
        self.other = other

    def build(self, shape):
        self.convolution.build(shape)

    def call(self, x):
        return self.rectified(self.convolution(x))

    def compute_output_shape(self, shape):
        return self.convolution.compute_output_shape(shape)


def test_channels_lie_where_code_of_a_users_own_has_them():
    inputs = keras.Input((2, 7, 9))
    model = keras.Model(inputs, Block(name="block")(inputs))
    read = keras.KerasTensor((None, 5, 5, 7))
    for name in ("block", "block/rectified", "block/relu"):
        assert axis_of_site(model, name, read) == 1
    pooled = keras.Model(inputs, Block(kl.MaxPooling2D(), name="block")(inputs))
    with pytest.raises(ValueError, match=r"'block/rectified'.*channels_first, channels_last"):
        axis_of_site(pooled, "block/rectified", read)


def test_a_users_layer_may_have_a_kernel_size_of_its_own():
    layer = Block(name="block")
    layer.kernel_size = 3
    inputs = keras.Input((2, 7, 9))
    model = keras.Model(inputs, layer(inputs))
    assert axis_of_site(model, "block/rectified", keras.KerasTensor((None, 5, 5, 7))) == 1


def test_channels_lie_where_operations_and_steps_have_them():
    inputs = keras.Input((2, 7, 9))
    convolution = kl.Conv2D(5, 3, data_format="channels_first")
    model = keras.Model(inputs, keras.ops.relu(convolution(inputs)))
    encoder = Encoder(model)
    read = encoder.activation_model.outputs[0]
    assert axis_of_site(model, encoder.layer_names[0], read) == 1
    steps = keras.Input((3, 2, 7, 9))
    model = keras.Model(steps, kl.TimeDistributed(convolution, name="steps")(steps))
    assert axis_of_site(model, "steps", model.outputs[0]) == channel_axis(model.outputs[0]) == 2


def test_layers_of_nested_models_beside_linear_ones():
    inner = keras.Sequential([keras.Input((4,)), kl.Dense(3, "relu", name="hidden")], name="inner")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, kl.Dense(2, name="scores")(inner(inputs)))
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    table = representation.characteristics(model, x, layers=["inner/hidden", "scores"])
    assert table["n_units"].to_dict() == {"scores": 2, "inner/hidden": 3}
    for name, one in (("hidden", inner), ("scores", model)):
        alone = representation.characteristics(one, x, layers=name)
        row = "scores" if name == "scores" else "inner/hidden"
        np.testing.assert_allclose(table.loc[row], alone.loc[name], rtol=1e-6)
    with pytest.raises(ValueError, match="Expected different layers"):
        representation.characteristics(model, x, layers=["scores", "scores", "inner/hidden"])


@pytest.mark.parametrize("size", (5, 8, 100))
def test_batches_of_several_lengths(size):
    """A channel's samples are the positions of all inputs, however many each has."""
    layers = [kl.Conv1D(4, 2, activation="relu", name="hidden"), kl.GlobalMaxPooling1D()]
    model = keras.Sequential([keras.Input((None, 3)), *layers, kl.Dense(2)])
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(8, n, 3)).astype(np.float32) for n in (4, 4, 5, 7)]
    table = representation.characteristics(model, iter(x), layers=["hidden"], batch_size=size)
    hidden = keras.Model(model.inputs[0], model.get_layer("hidden").output)
    z = np.concatenate([keras.ops.convert_to_numpy(hidden(one)).reshape(-1, 4) for one in x])
    wanted = reference.characteristics(z)
    for column in list(table)[1:]:
        np.testing.assert_allclose(table.loc["hidden", column], wanted[column], rtol=1e-4)
    with pytest.raises(ValueError, match=r"'hidden'.*from 12 to 24 of them: pad"):
        representation.characteristics(model, iter(x), None, ["hidden"], mutual_information=True)


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
