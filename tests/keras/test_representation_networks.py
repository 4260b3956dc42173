"""Identical-output and comparable networks."""

import keras
import numpy as np
import pytest
from keras import layers as kl

import reference
from representation_nets import convolutional, dense, float32_of, two_models
from tfhash import regularizers, representation

RNG = np.random.default_rng(0)


def permuted(d):
    rng = np.random.default_rng(d)
    return np.diag(rng.uniform(0.1, 2, d))[rng.permutation(d)]


def invertible(d):
    """Of condition 4: what a matrix magnifies, it magnifies float32 rounding too."""
    rng = np.random.default_rng(d)
    (a, _), (b, _) = (np.linalg.qr(rng.normal(size=(d, d))) for _ in range(2))
    return a @ np.diag(np.linspace(0.5, 2, d)) @ b


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


def given_out():
    """A model with one of its outputs from before the ReLU."""
    inputs = keras.Input((4,))
    inner = kl.Dense(5, name="inner")(inputs)
    return keras.Model(inputs, [inner, kl.Dense(2)(kl.ReLU(name="rectified")(inner))])


def called_twice():
    inputs = [keras.Input((4,)), keras.Input((4,))]
    inner, scores = kl.Dense(5, name="inner"), kl.Dense(2, name="scores")
    return keras.Model(inputs, kl.Add()([scores(inner(one)) for one in inputs]))


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
        (dense, "relu", np.full(8, 1e-305), None, r"weights of float64.*of 1e\+305"),
        (given_out, "rectified", np.arange(1, 6), None, "'inner'.*the model gives out"),
        (called_twice, "inner", np.arange(1, 6), None, "'scores'.*called more than once"),
        (convolutional, "linear", invertible(6), np.ones(6), "'padded'.*pads with zeros"),
        (grouped, "grouped", invertible(4), None, "'grouped'.*convolution in groups"),
        (normalized_by_row, "normalized", np.ones(4), None, "'normalized'.*another axis"),
        (normalized_by_row, "convolution", np.ones(4), None, "'normalized'.*another axis"),
    ),
)
def test_what_is_not_possible_is_named(build, layer, transform, shift, message):
    with pytest.raises(ValueError, match=message):
        representation.identical_output_network(build(), layer, transform, shift)


def test_a_layer_that_the_model_gives_out_before_its_relu_is_named():
    with pytest.raises(ValueError, match=r"'inner'.*the model gives out"):
        representation.comparable_network(given_out(), "rectified", np.arange(1, 6))


def test_a_convolution_of_one_place_pads_nothing():
    layers = [kl.Conv2D(4, 3, name="inner"), kl.Conv2D(3, 1, padding="same"), kl.Flatten()]
    model = keras.Sequential([keras.Input((6, 6, 2)), *layers, kl.Dense(2)])
    new = representation.identical_output_network(model, "inner", invertible(4), np.ones(4))
    outputs_are_as_before(new, model, (6, 6, 2))


@pytest.mark.parametrize("factor", (1e-5, 1e3, 1e6))
def test_weights_are_fitted_to_units_of_any_size(factor):
    layers = [kl.Dense(4, activation="relu", name="inner"), kl.Dense(3)]
    model = keras.Sequential([keras.Input((6,)), *layers])
    x = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    new = representation.comparable_network(model, "inner", np.array([factor, 1, 1, 1]), x)
    outputs_are_as_before(new, model, (6,))
    kernel, _ = model.get_layer("inner").get_weights()
    model.get_layer("inner").set_weights([kernel, np.array([3e4, 0, 0, 0])])
    before, after = (
        keras.ops.convert_to_numpy(one(x)).astype(np.float64)
        for one in (model, representation.comparable_network(model, "inner", np.ones(4), x))
    )
    np.testing.assert_allclose(before, after, atol=1e-2)  # of 1e4: what float32 holds


def test_weights_of_many_units_do_not_fit_rounding():
    """Of 500 units that nearly depend on one another, from 400 examples of ten numbers."""
    keras.utils.set_random_seed(0)
    layers = [kl.Dense(500, activation="relu", name="inner"), kl.Dense(3)]
    model = keras.Sequential([keras.Input((10,)), *layers])
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 10)).astype(np.float32)
    rotation = np.linalg.qr(rng.normal(size=(500, 500)))[0]
    shift = np.full(500, 5.0)
    new = representation.comparable_network(model, "inner", rotation, x[:400], shift=shift)
    before, after = (keras.ops.convert_to_numpy(one(x[400:])) for one in (model, new))
    assert np.square(after - before).mean() < 0.3 * np.square(before).mean()


def test_weights_of_units_that_are_never_on_are_fitted():
    layers = [kl.Dense(4, activation="relu", use_bias=False, name="inner")]
    model = keras.Sequential([keras.Input((6,)), *layers, kl.Dense(3, use_bias=False)])
    model.get_layer("inner").set_weights([np.ones((6, 4))])
    new = representation.comparable_network(model, "inner", -np.eye(4), np.ones((5, 6)))
    assert not keras.ops.convert_to_numpy(new(np.ones((5, 6)))).any()


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


def outputs_are_as_before(new, model, shape, tolerance=1e-5):
    x = np.random.default_rng(7).normal(size=(20, *shape)).astype(np.float32)
    ours, theirs = (keras.ops.convert_to_numpy(m(x)) for m in (new, model))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * abs(theirs).max())


@pytest.mark.parametrize("change", ("identical_output_network", "comparable_network"))
def test_a_normalization_behind_a_relu_is_named(change):
    """It cannot be folded into the weights before the ReLU."""
    for layers, name in (
        ([kl.Dense(5, activation="relu", name="before")], "before"),
        ([kl.Dense(5), kl.ReLU(name="rectified")], "rectified"),
        ([kl.Dense(5), kl.ReLU(name="rectified"), kl.Activation("linear")], "rectified"),
    ):
        after = [kl.BatchNormalization(name="normalized"), kl.Dense(2)]
        model = keras.Sequential([keras.Input((4,)), *layers, *after])
        with pytest.raises(ValueError, match=f"'normalized' behind the ReLU of '{name}'"):
            getattr(representation, change)(model, "normalized", np.ones(5))
        new = getattr(representation, change)(model, name, np.arange(1, 6))
        outputs_are_as_before(new, model, (4,))


@pytest.mark.parametrize("change", ("identical_output_network", "comparable_network"))
def test_another_activation_is_named_wherever_it_is(change):
    for first in ("linear", "relu"):
        layers = [kl.Dense(5, activation=first), kl.Activation("gelu", name="bent"), kl.Dense(2)]
        model = keras.Sequential([keras.Input((4,)), *layers])
        with pytest.raises(ValueError, match="'bent' with another activation"):
            getattr(representation, change)(model, "bent", np.ones(5))


class Sines(kl.Dense):
    """A layer of a user's: not what its base class is."""

    def call(self, inputs, training=None):
        return keras.ops.sin(super().call(inputs))


class Identity(kl.Layer):
    """A layer of a user's that is called as one of Keras's, and is another."""

    def build(self, shape):
        self.matrix = self.add_weight(shape=(shape[-1], shape[-1]), initializer="orthogonal")

    def call(self, inputs):
        return keras.ops.matmul(inputs, self.matrix)


@pytest.mark.parametrize("own", (Sines(4, name="own"), Identity(name="own")))
def test_layers_with_calls_of_their_own_are_named(own):
    model = keras.Sequential([keras.Input((3,)), kl.Dense(4, name="first"), own, kl.Dense(2)])
    with pytest.raises(ValueError, match=r"layer 'own'.*call of its own"):
        representation.identical_output_network(model, "first", np.ones(4))
    with pytest.raises(ValueError, match=f"'own' of class {type(own).__name__}, with a call of"):
        representation.identical_output_network(model, "own", np.ones(4))


def test_a_users_layer_keeps_its_weights_in_a_copy():
    """Keras counts up the names of weights that have none."""
    layers = [Identity(), kl.Dense(4, name="first"), kl.Dense(2)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    new = representation.identical_output_network(model, "first", invertible(4))
    outputs_are_as_before(new, model, (3,))


def test_layers_whose_channels_come_first_are_named():
    for layer in (
        kl.Flatten(data_format="channels_first", name="first"),
        kl.AveragePooling1D(2, data_format="channels_first", name="first"),
        kl.GlobalMaxPooling1D(data_format="channels_first", name="first"),
    ):
        layers = [kl.Dense(4, name="inner"), layer, kl.Dense(2)]
        model = keras.Sequential([keras.Input((6, 3)), *layers])
        with pytest.raises(ValueError, match=r"'first'.*its channels come first"):
            representation.identical_output_network(model, "inner", np.ones(4))


@pytest.mark.parametrize("factor", (0.01, 3.0, 100.0, 1e4))
def test_a_normalization_without_scale_holds_what_its_variance_can(factor):
    normalization = kl.BatchNormalization(scale=False, name="normalized")
    model = keras.Sequential([keras.Input((4,)), kl.Dense(5), normalization, kl.Dense(2)])
    rng = np.random.default_rng(0)
    for weight in normalization.weights:
        weight.assign(rng.uniform(0.5, 2, weight.shape))
    if factor < 1e4:
        new = representation.identical_output_network(model, 0, np.full(5, 1 / factor))
        outputs_are_as_before(new, model, (4,))
    else:  # 1e-8 of the variance beside an epsilon of 1e-3
        with pytest.raises(ValueError, match=r"'normalized'.*without a scale of its own"):
            representation.identical_output_network(model, 0, np.full(5, 1 / factor))


def test_penalties_are_passed():
    layers = [kl.Dense(5, activation="relu", name="inner"), kl.Dense(2, activation="softmax")]
    model = regularizers.apply(keras.Sequential([keras.Input((4,)), *layers]), "inner", "cr", 1.0)
    for layer in ("inner", "inner_cr"):
        new = representation.identical_output_network(model, layer, permuted(5))
        outputs_are_as_before(new, model, (4,))
        assert isinstance(new, regularizers.RegularizedModel)


def test_layers_of_two_models_are_those_of_the_model_that_is_given():
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    for model, factor in zip(two_models(), (1, 3), strict=True):
        kernel, _ = model.get_layer("first").get_weights()
        known = reference.characteristics(np.maximum(factor * x @ kernel, 0))
        for layers in ("rectified", ["first", "rectified"]):
            table = representation.characteristics(model, x, layers=layers)
            np.testing.assert_allclose(
                table.loc["rectified", "amplitude"], known["amplitude"], 1e-5
            )
        for name in ("first", "rectified"):
            diagonal = np.arange(1, 6)
            new = representation.identical_output_network(model, name, diagonal)
            outputs_are_as_before(new, model, (4,))
            new = representation.comparable_network(model, name, diagonal, x)
            outputs_are_as_before(new, model, (4,), 1e-4)


def test_networks_of_weights_or_inputs_that_are_no_numbers_are_refused():
    model, _ = two_models()
    x = np.ones((3, 4), np.float32)
    for given, message in (
        (x * np.nan, "Expected finite inputs"),
        (x[:0], "at least one input"),
        (x[:, 1:], r"shape \(n, 4\). Received shape: \(3, 3\)"),
        ((x for _ in range(2)), "batches"),
    ):
        with pytest.raises(ValueError, match=message):
            representation.comparable_network(model, "rectified", np.ones(5), given)
    model.get_layer("first").set_weights([np.full((4, 5), np.inf), np.zeros(5)])
    for change in (representation.identical_output_network, representation.comparable_network):
        with pytest.raises(ValueError, match="finite weights"):
            change(model, "rectified", np.ones(5))


def test_weights_are_fitted_over_positions():
    layers = [kl.Dense(5, activation="relu", name="inner"), kl.Dense(2)]
    model = keras.Sequential([keras.Input((6, 3)), *layers])
    x = np.random.default_rng(0).normal(size=(30, 6, 3)).astype(np.float32)
    new = representation.comparable_network(model, "inner", np.arange(1, 6), x)
    outputs_are_as_before(new, model, (6, 3), 1e-4)
    with pytest.raises(ValueError, match="scores each position"):
        representation.comparable_network(model, "inner", np.ones(5), x, np.zeros(30, int))


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
