"""Surgery: fewer units, the same outputs, and a report that says why."""

import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers as kl
from keras import ops

from tfhash import models, regularizers, surgery
from tfhash.surgery.bounds import ranges_over_box
from tfhash.surgery.simplify import _boxes, _difference
from tfhash.surgery.trace import network_of


def float64(build):
    """What `build` makes, in float64: differences are then those of surgery alone."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        return build()
    finally:
        keras.config.set_dtype_policy(policy)


def plant(layer, rng, on=True):
    """Give some units of a layer weights that make them dead, always on, or like another."""
    weights = [array.copy() for array in layer.get_weights()]
    kernel, bias = weights[0], weights[1]
    bias[:] = rng.normal(0, 0.3, bias.shape)
    n = kernel.shape[-1]
    kinds = rng.integers(0, 7, n)
    kernel[..., kinds == 1] = -abs(kernel[..., kinds == 1])
    bias[kinds == 1] = -abs(bias[kinds == 1])  # dead where the inputs are not negative
    if on:
        bias[kinds == 2] = 20
    kernel[..., kinds == 3] = 0
    for at in np.flatnonzero(kinds == 4)[: n - 1]:
        other = (at + 1) % n
        factor = rng.choice([1.0, 0.5, 3.0])
        kernel[..., at], bias[at] = factor * kernel[..., other], factor * bias[other]
    layer.set_weights([kernel, bias, *weights[2:]])


FORMS = ("dense", "conv", "residual", "joined", "one_dimension")
ACTIVATIONS = ("relu", "relu", "leaky_relu", "relu6", "tanh", "gelu")
RECIPES = st.tuples(
    st.integers(0, 2**31 - 1),
    st.sampled_from(FORMS),
    st.sampled_from(ACTIVATIONS),
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(1, 7), min_size=3, max_size=3),
    st.sampled_from(["same", "valid"]),
)


def net_of(recipe):
    """A small random net in float64, with units planted that can go."""
    seed, form, activation, norm, drop, widths, padding = recipe
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    made = []

    def weighted(layer, x):
        made.append(layer)
        x = layer(x)
        return kl.BatchNormalization()(x) if norm else x

    def dense(width, x):
        return kl.Activation(activation)(weighted(kl.Dense(width), x))

    def conv(width, x, size=3, pad=padding):
        return weighted(kl.Conv2D(width, size, padding=pad), x)

    def build():
        if form == "dense":
            inputs = keras.Input((4,), dtype="float64")
            x = inputs
            for width in widths:
                x = dense(width, x)
                x = kl.Dropout(0.5)(x) if drop else x
        elif form == "one_dimension":
            inputs = keras.Input((8, 2), dtype="float64")
            x = weighted(kl.Conv1D(widths[0], 3, padding=padding, activation=activation), inputs)
            x = kl.MaxPooling1D(2)(x)
            x = weighted(kl.Conv1D(widths[1], 1), x)
            x = dense(widths[2], kl.Flatten()(x))
        else:
            inputs = keras.Input((7, 7, 2), dtype="float64")
            x = kl.Activation(activation)(conv(widths[0], inputs))
            if form == "conv":
                x = kl.DepthwiseConv2D(2)(x) if drop else kl.MaxPooling2D(2)(x)
                x = kl.Activation(activation)(conv(widths[1], x, 2))
                x = kl.Flatten()(x)
            else:
                y = kl.Activation(activation)(conv(widths[1], x, pad="same"))
                y = conv(widths[0], y, pad="same")
                x = kl.Add()([x, y]) if form == "residual" else kl.Concatenate()([x, y])
                x = kl.Activation(activation)(x)
                x = kl.GlobalAveragePooling2D()(x) if drop else kl.Flatten()(x)
            x = dense(widths[2], x)
        return keras.Model(inputs, kl.Dense(2, activation="softmax" if norm else None)(x))

    model = float64(build)
    for layer in made:
        plant(layer, rng)
    for layer in model.layers:
        if isinstance(layer, kl.BatchNormalization):
            size = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(0, 0.1, size))
            layer.moving_variance.assign(rng.uniform(0.5, 2, size))
    return model, rng


def outputs(model, x):
    return ops.convert_to_numpy(model(x, training=False))


def same(model, small, x, tolerance=1e-10):
    one, other = outputs(model, x), outputs(small, x)
    assert np.abs(one - other).max() <= tolerance * max(1, np.abs(one).max())


@pytest.mark.full
@settings(max_examples=15)
@given(RECIPES, st.sampled_from(["none", "bounds", "x", "both"]))
def test_outputs_are_the_same(recipe, known):
    check(recipe, known)


@pytest.mark.parametrize("form", FORMS)
def test_outputs_of_each_form_are_the_same(form):
    check((FORMS.index(form), form, "relu", form != "dense", True, [5, 6, 4], "same"), "bounds")


def check(recipe, known):
    model, rng = net_of(recipe)
    shape = (60, *model.input_shape[1:])
    x = rng.uniform(0, 1, shape)
    before = [array.copy() for array in model.get_weights()]
    small, report = surgery.simplify(
        model,
        x=x if known in ("x", "both") else None,
        bounds=(0, 1) if known in ("bounds", "both") else None,
    )
    same(model, small, x)
    if known == "bounds":
        corners = rng.integers(0, 2, shape).astype(float)
        same(model, small, corners)
    if known == "none":
        same(model, small, rng.normal(0, 5, shape))
    if known in ("none", "bounds"):
        assert report.is_proven
    assert small.count_params() == report.parameters[1] <= report.parameters[0]
    for a, b in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(a, b)
    assert json.loads(json.dumps(report.to_dict()))["n_examples"] == report.n_examples


def mlp(*widths, n_inputs=3):
    def build():
        layers = [kl.Dense(n, "relu", name=f"hidden_{i}") for i, n in enumerate(widths)]
        layers = [keras.Input((n_inputs,), dtype="float64"), *layers, kl.Dense(2, name="last")]
        return keras.Sequential(layers, name="net")

    return float64(build)


def test_each_reason_is_told_with_its_proof():
    model = mlp(5, n_inputs=2)
    kernel = np.array([[-1, 1, 0, 1, 2], [-2, 1, 0, -1, -2]], float)
    bias = np.array([0, -1.5, 0.5, 0.0, 0.0])
    model.layers[0].set_weights([kernel, bias])
    small, report = surgery.simplify(model, bounds=(0, 1))
    told = {c.unit: (c.change, c.reason, c.proof, c.into) for c in report.changes}
    assert told[0] == ("removed", "never fires", "intervals", None)
    assert told[2] == ("removed", "is constant", "intervals", None)
    assert told[4] == ("merged", "proportional weights", "weights", 3)
    assert set(told) == {0, 2, 4} and report.layers["hidden_0"] == (5, 2)
    assert isinstance(small, keras.Sequential) and small.layers[0].units == 2
    x = np.random.default_rng(0).uniform(0, 1, (50, 2))
    same(model, small, x)
    x[:, 0] *= 0.4  # the sum stays below 1.5
    small, report = surgery.simplify(model, x=x)
    proofs = {c.unit: c.proof for c in report.changes}
    assert proofs == {0: "data", 1: "data", 2: "intervals", 4: "weights"}
    assert not report.is_proven and "rest on 50 examples alone" in str(report)
    assert "hidden_0" in str(report) and "never fires" in str(report)


def test_linear_bounds_prove_what_intervals_cannot():
    """relu(x) - (x + 1) - 0.1 < 0 for x from -1 to 1; intervals allow up to 0.9."""
    model = mlp(2, 2, n_inputs=1)
    model.layers[0].set_weights([np.array([[1.0, 1.0]]), np.array([0.0, 1.0])])
    model.layers[1].set_weights([np.array([[1.0, 1.0], [-1.0, 1.0]]), np.array([-0.1, -0.5])])
    small, report = surgery.simplify(model, bounds=(-1, 1))
    (change,) = report.changes
    assert (change.layer, change.unit) == ("hidden_1", 0)
    assert (change.reason, change.proof) == ("never fires", "linear bounds")
    same(model, small, np.linspace(-1, 1, 50)[:, None])


def test_what_pooling_gives_is_bounded_below_without_bounds():
    """Whatever the input, maxima and means of ReLUs are at least 0."""
    for pool in (kl.MaxPooling1D(2), kl.AveragePooling1D(2)):
        layers = [kl.Conv1D(2, 1, activation="relu"), pool, kl.Flatten(), kl.Dense(3, "relu")]
        model = keras.Sequential([keras.Input((4, 3)), *layers, kl.Dense(2)])
        kernel, bias = model.layers[3].get_weights()
        model.layers[3].set_weights([abs(kernel), bias + 0.5])
        _, report = surgery.simplify(model)
        assert [one.reason for one in report.changes[:3]] == ["is always on"] * 3
        assert report.is_proven


def test_a_mean_whose_terms_cancel_is_not_taken_for_a_constant():
    """The mean of 1e16, 1 to 2, and -1e16 comes out as a constant in float64, and is none."""
    low, high = (np.array([[1e16], [middle], [-1e16]]) for middle in (1, 2))
    network = network_of(
        keras.Sequential([keras.Input((3, 1), dtype="float64"), kl.GlobalAveragePooling1D()])
    )
    first, mean = network.nodes
    found = ranges_over_box(network, {first: (low, high)})[mean]
    assert found.low[0] <= 1 / 3 and found.high[0] >= 2 / 3


def test_bounds_hold_the_numbers_that_inputs_are_rounded_to():
    """0.1 as a float32 is above 0.1, and -0.1 below -0.1."""
    model = keras.Sequential([keras.Input((3,)), kl.Dense(4, "relu"), kl.Dense(2)])
    for sign in (1, -1):
        x = np.full((4, 3), sign * 0.1, np.float32)
        _, report = surgery.simplify(model, x=x, bounds=(-0.1, 0.1))
        assert report.n_examples == 4
    x = keras.Input((1,), dtype="bfloat16")
    network = network_of(keras.Model(x, kl.Dense(2, "relu")(x)))
    ((low, high),) = _boxes(network, (-0.1005, 0.1005)).values()
    assert high[0] == -low[0] == 0.1005859375  # the next number


def of_one_channel(layer, inputs, bias):
    """A unit that fires where what the layer gives is above -bias, and one that always may."""
    x = keras.Input(inputs)
    units = kl.Dense(2, "relu")
    model = keras.Model(x, kl.Dense(1)(units(layer(x))))
    units.set_weights([np.ones((1, 2)), np.array([bias, 0.0])])
    model.layers[-1].set_weights([np.ones((2, 1)), np.zeros(1)])
    return model


def test_functions_that_decrease_somewhere_are_not_bounded_by_their_ends():
    """Interpolations with negative weights overshoot, and some activations turn back."""
    steps = np.zeros((1, 4, 4, 1))
    steps[:, 1:3, 1:3] = 1
    for interpolation in ("bicubic", "lanczos3", "lanczos5"):
        layer = kl.UpSampling2D(3, interpolation=interpolation)
        model = of_one_channel(layer, (4, 4, 1), -1.001)
        small, _ = surgery.simplify(model, bounds=(0, 1))
        same(model, small, steps, 1e-6)
        assert ops.convert_to_numpy(layer(steps)).max() > 1.001
    model = of_one_channel(kl.ELU(alpha=-1.0), (1,), -0.5)
    small, _ = surgery.simplify(model, bounds=(-2, 0.1))
    same(model, small, np.array([[-2.0], [0.1]]), 1e-6)


def test_a_difference_that_is_no_number_is_told():
    network = network_of(mlp(4))
    for outputs, told in (([np.inf, np.nan, 2.0], 0.0), ([np.inf, 1.0, 2.0], np.inf)):
        pair = [constant(np.array([np.inf, np.nan, 2.0])), constant(np.array(outputs))]
        rows = [np.zeros((5, 3), np.float32)]
        assert _difference(*pair, network, rows, {}) == told


def constant(outputs):
    """A model that gives these whatever it is given."""
    x = keras.Input((3,))
    return keras.Model(x, kl.Lambda(lambda z: 0 * z + outputs)(x))


def test_a_layer_that_is_always_on_is_folded_into_the_next():
    model = mlp(40)
    kernel = model.layers[0].get_weights()[0]
    model.layers[0].set_weights([kernel, np.full(40, 30.0)])
    small, report = surgery.simplify(model, bounds=(-1, 1))
    assert [type(layer).__name__ for layer in small.layers] == ["Dense"]
    assert small.count_params() == 3 * 2 + 2
    assert {c.reason for c in report.changes} == {
        "is always on",
        "no activation between two layers",
    }
    same(model, small, np.random.default_rng(0).uniform(-1, 1, (50, 3)))


@pytest.mark.parametrize("n_inputs", [1, 6])
def test_always_on_units_are_replaced_by_as_many_as_are_needed(n_inputs):
    model = mlp(12, n_inputs=n_inputs)
    kernel, bias = model.layers[0].get_weights()
    bias[:9] = 40
    model.layers[0].set_weights([kernel, bias])
    small, report = surgery.simplify(model, bounds=(-1, 1))
    on = [c for c in report.changes if c.reason == "is always on"]
    assert len(on) == 9 and {c.change for c in on} == {"folded"}
    assert report.layers["hidden_0"][1] <= 3 + min(2, n_inputs)
    same(model, small, np.random.default_rng(0).uniform(-1, 1, (50, n_inputs)))


def test_additions_keep_what_one_branch_needs():
    def build():
        inputs = keras.Input((5, 5, 1), dtype="float64")
        x = kl.ReLU(name="first")(kl.Conv2D(3, 1, name="stem")(inputs))
        y = kl.ReLU()(kl.Conv2D(3, 1, name="branch")(x))
        x = kl.Add()([x, y])
        x = kl.GlobalMaxPooling2D()(x)
        return keras.Model(inputs, kl.Dense(2)(x))

    model = float64(build)
    one = np.array([[[[1.0, -1.0, 1.0]]]])
    model.get_layer("stem").set_weights([one, np.zeros(3)])
    kernel = abs(np.random.default_rng(0).normal(size=(1, 1, 3, 3)))
    kernel[..., 1] *= -1  # dead in the branch
    kernel[..., 2] *= -1
    model.get_layer("branch").set_weights([kernel, np.zeros(3)])
    small, report = surgery.simplify(model, bounds=(0, 1))
    # Channel 1 is dead in both branches, channel 2 in one alone.
    assert {(c.layer, c.unit) for c in report.changes} >= {("stem", 1), ("branch", 1)}
    assert ("branch", 2) not in {(c.layer, c.unit) for c in report.changes if c.change == "removed"}
    same(model, small, np.random.default_rng(1).uniform(0, 1, (9, 5, 5, 1)))


def test_layers_left_whole_are_named():
    def build():
        inputs = keras.Input((6,), dtype="float64")
        x = kl.LayerNormalization(name="norm")(kl.Dense(4, "relu")(inputs))
        return keras.Model(inputs, kl.Dense(2)(x))

    model = float64(build)
    small, report = surgery.simplify(model, bounds=(0, 1))
    assert list(report.left_whole) == ["norm"] and "norm" in str(report)
    same(model, small, np.random.default_rng(0).uniform(0, 1, (9, 6)))


def test_normalization_with_more_statistics_is_left_whole():
    """`BatchNormalization(renorm=True)` has seven weights (Keras 3.15)."""
    model = keras.Sequential(
        [
            keras.Input((4,)),
            kl.Dense(6, "relu"),
            kl.BatchNormalization(renorm=True, name="norm"),
            kl.Dense(3),
        ]
    )
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 2, weight.shape))
    small, report = surgery.simplify(model)
    assert "renormalizes" in report.left_whole["norm"]
    x = rng.normal(size=(9, 4)).astype("float32")
    np.testing.assert_allclose(small.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)
    for ours, theirs in zip(small.get_layer("norm").weights, model.layers[1].weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_nested_models_and_several_outputs():
    def build():
        inner = keras.Sequential(
            [keras.Input((4,), dtype="float64"), kl.Dense(5, "relu")], name="inner"
        )
        inputs = [keras.Input((2,), dtype="float64", name=n) for n in "ab"]
        x = inner(kl.Concatenate()(inputs))
        return keras.Model(dict(zip("ab", inputs, strict=True)), [kl.Dense(2)(x), x])

    model = float64(build)
    rng = np.random.default_rng(0)
    x = {name: rng.uniform(0, 1, (7, 2)) for name in "ab"}
    small, report = surgery.simplify(model, x)
    for one, other in zip(model(x), small(x), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)
    assert report.layers[
        "inner_dense" if "inner_dense" in report.layers else next(iter(report.layers))
    ] == (5, 5)  # an output: every unit stays


def test_bare_operations_are_followed_and_left_in_no_other_graph():
    def build():
        inputs = keras.Input((3,), dtype="float64")
        x = ops.relu(kl.Dense(6, name="first")(inputs))
        x = ops.relu(kl.Dense(6, name="second")(x) + x)
        return keras.Model(inputs, kl.Dense(2)(x))

    model = float64(build)
    for name in ("first", "second"):  # the same units are dead in both branches
        layer = model.get_layer(name)
        kernel, bias = layer.get_weights()
        kernel[:, :2] = -abs(kernel[:, :2])
        layer.set_weights([kernel, bias - 0.1])
    nodes = [len(operation._inbound_nodes) for operation in model.operations]
    small, report = surgery.simplify(model, bounds=(0, 1))
    assert nodes == [len(operation._inbound_nodes) for operation in model.operations]
    assert {(c.layer, c.unit) for c in report.changes} >= {
        ("first", 0),
        ("first", 1),
        ("second", 0),
        ("second", 1),
    }
    same(model, small, np.random.default_rng(0).uniform(0, 1, (30, 3)))


@pytest.mark.full
def test_a_residual_network_in_float32():
    model = models.resnet((8, 8, 1), 3, [(4, 1), (8, 1)], seed=0)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, kl.BatchNormalization):
            size = layer.gamma.shape
            layer.moving_variance.assign(rng.uniform(0.5, 2, size))
            layer.gamma.assign(rng.normal(1, 0.3, size))
            layer.beta.assign(rng.choice([-100.0, 0.1, 0.2], size))  # some are never on
    x = rng.uniform(0, 1, (64, 8, 8, 1)).astype(np.float32)
    small, report = surgery.simplify(model, x)
    assert small.count_params() < model.count_params() and report.changes
    one, other = outputs(model, x), outputs(small, x)
    assert np.abs(one - other).max() <= 1e-6 * np.abs(one).max() * 4
    assert report.difference is not None and report.difference <= 4e-6


def test_penalties_are_left_out_of_the_small_model():
    """In training alone they do something; other layers of a user's may do anything."""
    plain = mlp(5, 4)
    model = regularizers.apply(plain, "hidden_0", "cr")
    small, report = surgery.simplify(model, bounds=(0, 1))
    assert not report.left_whole and "hidden_0_cr" not in [layer.name for layer in small.layers]
    same(plain, small, np.random.default_rng(0).uniform(0, 1, (9, 3)))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: kl.EinsumDense("ab,bc->ac", 4, activation="relu"), (4,)),
        (lambda: kl.SeparableConv1D(3, 2, activation="relu"), (6, 2)),
        (lambda: kl.SeparableConv2D(3, 2, activation="relu"), (6, 6, 2)),
        (lambda: kl.Conv1DTranspose(3, 2, activation="relu"), (6, 2)),
        (lambda: kl.Conv2DTranspose(3, 3, activation="relu"), (4, 4, 2)),
        (lambda: kl.TimeDistributed(kl.Dense(4, activation="relu")), (3, 4)),
        (lambda: kl.SpectralNormalization(kl.Dense(4, activation="relu")), (4,)),
    ],
)
def test_layers_with_weights_before_an_activation_are_left_whole(layer, shape):
    """They are not the activation that they are called with."""
    keras.utils.set_random_seed(0)
    layers = [layer(), kl.Flatten(), kl.Dense(8, activation="relu"), kl.Dense(2)]
    model = keras.Sequential([keras.Input(shape), *layers])
    small, report = surgery.simplify(model, bounds=(-1, 1))
    assert model.layers[0].name in report.left_whole
    x = np.random.default_rng(0).uniform(-1, 1, (50, *shape)).astype(np.float32)
    same(model, small, x, 1e-5)


class Doubled(kl.Layer):
    def call(self, x):
        return 2 * x


class Standardized(kl.Conv2D):
    """Multiplies by another kernel than it holds, with Keras's own `call`."""

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel - keras.ops.mean(kernel))


class Own(keras.Model):
    def __init__(self):
        super().__init__(name="own")
        self.dense = kl.Dense(2)

    def call(self, x):
        return self.dense(x)


def test_models_that_cannot_be_taken_apart_are_refused_by_layer():
    model = keras.Sequential([keras.Input((3,)), kl.Dense(4, "relu"), Doubled(name="twice")])
    with pytest.raises(ValueError, match=r"layer 'twice' \(Doubled\), which has a call.*left as"):
        surgery.simplify(model)
    images = keras.Sequential([keras.Input((5, 5, 1)), Standardized(2, 3, name="standardized")])
    with pytest.raises(ValueError, match=r"'standardized'.*has a convolution_op of its own"):
        surgery.simplify(images)
    own = Own()
    own(np.zeros((1, 3), np.float32))
    with pytest.raises(ValueError, match=r"'own'.*build it as keras\.Model"):
        surgery.simplify(own)
    with pytest.raises(ValueError, match=r"keras\.Model"):
        surgery.simplify("model.keras")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bounds": 1}, "a pair"),
        ({"bounds": (1, 0)}, "low <= high"),
        ({"bounds": (np.zeros(2), 1)}, "broadcast"),
        ({"bounds": ("0", "one")}, r"as numbers or arrays.*\('0', 'one'\)"),
        ({"x": iter([np.zeros((4, 3))])}, r"read more than once\. Received: list_iterator"),
        ({"x": np.zeros((0, 3))}, "at least one example"),
        ({"x": np.zeros((4, 5))}, "Expected inputs of shape"),
        ({"x": np.full((4, 3), np.nan)}, "finite"),
        ({"x": np.full((4, 3), 2.0), "bounds": (0, 1)}, "within the bounds"),
    ],
)
def test_bad_input_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        surgery.simplify(mlp(3), **given)
