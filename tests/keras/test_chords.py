"""Chords, against codes that Keras computes in float64 at points along the line."""

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops

import nets
import reference
from tfhash import geometry


@pytest.fixture(params=nets.NETS, ids=lambda net: net.__name__)
def net(request):
    return request.param()


def codes_along(units, x, directions, ts):
    """bool [n, m, n_bits]: which units are on at each of `x + ts * directions`, by Keras."""
    t = np.asarray(ts).reshape(*np.shape(ts), *(1,) * (x.ndim - 1))
    at = (x[:, None] + t * directions[:, None]).reshape(-1, *x.shape[1:])
    outputs = keras.tree.flatten(units(at, training=False))
    rows = [ops.convert_to_numpy(out).reshape(len(at), -1) > 0 for out in outputs]
    return np.concatenate(rows, axis=1).reshape(*np.shape(ts), -1)


def first_bits(units, layers):
    """For each of a chord's layers, at which bit of the code it starts."""
    sizes = iter(np.prod(out.shape[1:]) for out in units.outputs)
    counts = [0 if "pool" in name else int(next(sizes)) for name in layers]
    return np.cumsum([0, *counts])[:-1]


@pytest.mark.parametrize("build", (*nets.NETS, nets.grouped), ids=lambda build: build.__name__)
def test_inside_the_code_is_that_of_the_point_and_outside_it_is_another(build):
    net = build()
    x, directions = nets.points(net, 6)
    ends = geometry.chords(net, x, directions)
    assert ((ends.lower < 0) & (ends.upper > 0)).all() and np.isfinite(ends.lengths).all()
    units = nets.activation_model(net)
    both = np.stack([ends.lower, ends.upper], axis=1)
    inside = np.linspace(*(both.T * (1 - 1e-9)), 301, axis=1)
    codes = codes_along(units, x, directions, np.hstack([inside, both * (1 + 1e-9), 0 * both]))
    here = codes[:, -1:]
    assert (codes[:, :301] == here).all()
    starts = first_bits(units, ends.layers)
    for side, unit in enumerate((ends.lower_unit, ends.upper_unit)):
        row, bit = np.nonzero(codes[:, 301 + side] != here[:, 0])
        assert row.tolist() == list(range(len(x)))  # one unit switches, the one named
        assert bit.tolist() == (starts[unit[:, 0]] + unit[:, 1]).tolist()


@pytest.mark.full
def test_bisection_of_code_changes_finds_the_same_ends(net):
    x, directions = nets.points(net, 4, seed=1)
    ends = geometry.chords(net, x, directions)
    units = nets.activation_model(net)
    here = codes_along(units, x, directions, np.zeros((4, 1)))
    for end in (ends.lower, ends.upper):
        # Dense sampling first, for a code may leave and return between two samples.
        ts = np.linspace(0, 1.5 * end, 1001, axis=1)
        left = (codes_along(units, x, directions, ts) != here).any(axis=2)
        first = left.argmax(axis=1)
        same, other = ts[range(4), first - 1], ts[range(4), first]
        for _ in range(40):
            middle = (same + other) / 2
            changed = codes_along(units, x, directions, middle[:, None]) != here
            changed = changed.any(axis=(1, 2))
            same, other = np.where(changed, same, middle), np.where(changed, middle, other)
        np.testing.assert_allclose(end, other, rtol=1e-10)


def test_the_affine_map_of_the_point_is_the_network_inside_and_not_outside(net):
    x, directions = nets.points(net, 5, seed=2)
    ends = geometry.chords(net, x, directions, region="linear")
    logits = keras.Model(net.inputs, net.layers[-1].input)  # before a softmax

    def value(t):
        t = np.asarray(t).reshape(-1, *(1,) * (x.ndim - 1))
        return ops.convert_to_numpy(logits(x + t * directions, training=False)).reshape(len(x), -1)

    spans = ends.upper - ends.lower
    first, second = ends.lower + spans / 3, ends.lower + 2 * spans / 3
    slope = (value(second) - value(first)) / (second - first)[:, None]
    scale = np.abs(value(first)).max()
    for share in (0.01, 0.5, 0.99):
        t = ends.lower + share * spans
        predicted = value(first) + (t - first)[:, None] * slope
        np.testing.assert_allclose(value(t), predicted, atol=1e-9 * scale)
    past = ends.upper + 0.3 * spans
    missed = np.abs(value(past) - (value(first) + (past - first)[:, None] * slope)).max(axis=1)
    assert missed.max() > 1e-6 * scale  # of some lines: the unit may not reach the output


def pool_choices(net, x):
    """Which element of its window each max pooling chooses, by NumPy, from the pool's input."""
    choices = []
    for layer in net.layers:
        if not isinstance(layer, kl.MaxPooling2D | kl.GlobalMaxPooling2D):
            continue
        values = ops.convert_to_numpy(keras.Model(net.inputs, layer.input)(x, training=False))
        if isinstance(layer, kl.GlobalMaxPooling2D):
            choices.append(values.reshape(len(x), -1, values.shape[-1]).argmax(axis=1))
            continue
        size, step = layer.pool_size[0], layer.strides[0]
        if layer.padding == "same":
            n_out = -(-values.shape[1] // step)
            total = max((n_out - 1) * step + size - values.shape[1], 0)
            pad = (total // 2, total - total // 2)
            values = np.pad(values, ((0, 0), pad, pad, (0, 0)), constant_values=-np.inf)
        windows = np.lib.stride_tricks.sliding_window_view(values, (size, size), axis=(1, 2))
        windows = windows[:, ::step, ::step]
        choices.append(windows.reshape(*windows.shape[:4], -1).argmax(axis=-1))
    return np.concatenate([choice.reshape(len(x), -1) for choice in choices], axis=1)


@pytest.mark.full
def test_linear_regions_end_at_switches_of_maxima_too():
    net = nets.pooled()
    x, directions = nets.points(net, 40, seed=3)
    activation = geometry.chords(net, x, directions, region="activation")
    linear = geometry.chords(net, x, directions, region="linear")
    assert (linear.lower >= activation.lower).all() and (linear.upper <= activation.upper).all()
    at_maximum = np.array(["pool" in name for name in linear.layers])[linear.upper_unit[:, 0]]
    assert 3 < at_maximum.sum() < len(x)
    assert not np.array(["pool" in n for n in linear.layers])[activation.upper_unit[:, 0]].any()
    for i in np.flatnonzero(at_maximum):
        ts = np.linspace(linear.lower[i], linear.upper[i], 203)[1:-1]
        t = np.array([0, *ts, linear.upper[i] * (1 + 1e-9)]).reshape(-1, 1, 1, 1)
        here, *inside, outside = pool_choices(net, x[i] + t * directions[i])
        assert (inside == here).all()
        assert (outside != here).any()
    np.testing.assert_array_equal(linear.upper[~at_maximum], activation.upper[~at_maximum])


@pytest.mark.full
@pytest.mark.parametrize("region", ("activation", "linear"))
def test_limits_batches_and_shared_directions(net, region):
    x, directions = nets.points(net, 7, seed=4)
    ends = geometry.chords(net, x, directions, region=region)
    limit = 1.001 * float(np.median(ends.upper))
    cut = geometry.chords(net, x, directions, limit, region=region, batch_size=3)
    np.testing.assert_allclose(cut.upper, np.minimum(ends.upper, limit), rtol=1e-9)
    np.testing.assert_allclose(cut.lower, np.maximum(ends.lower, -limit), rtol=1e-9)
    beyond = (ends.upper > limit)[:, None]
    np.testing.assert_array_equal(cut.upper_unit, np.where(beyond, -1, ends.upper_unit))
    np.testing.assert_array_equal(cut.clipped, (ends.upper > limit) | (ends.lower < -limit))
    shared = geometry.chords(net, x, directions[0], region=region)
    alone = geometry.chords(net, x[:1], directions[:1], region=region)
    np.testing.assert_allclose(shared.upper[0], alone.upper[0], rtol=1e-12)
    assert len(geometry.chords(net, x[:0], directions[:0], region=region)) == 0


@pytest.mark.full
def test_scaling_a_direction_scales_t_and_leaves_the_length(net):
    x, directions = nets.points(net, 5, seed=5)
    ends = geometry.chords(net, x, directions)
    for factor in (1e-30, 0.5, 3.0, 1e30):
        scaled = geometry.chords(net, x, factor * directions)
        np.testing.assert_allclose(factor * scaled.upper, ends.upper, rtol=1e-10)
        np.testing.assert_allclose(scaled.lengths, ends.lengths, rtol=1e-10)
        np.testing.assert_array_equal(scaled.lower_unit, ends.lower_unit)
    turned = geometry.chords(net, x, -directions)
    np.testing.assert_allclose(-turned.lower, ends.upper, rtol=1e-10)
    moved = geometry.chords(net, x + 0.25 * (ends.upper * directions.T).T, directions)
    np.testing.assert_allclose(moved.upper, 0.75 * ends.upper, rtol=1e-9)
    np.testing.assert_allclose(moved.lower, ends.lower - 0.25 * ends.upper, rtol=1e-9)


def test_moving_and_turning_the_input_moves_the_chords():
    """A first layer that undoes y = x Q / scale + shift leaves chords as they were."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    shift, scale = rng.normal(size=20), 2.5
    net = nets.mlp()
    x, directions = nets.points(net, 8)
    x, directions = x.reshape(8, 20), directions.reshape(8, 20)
    undo = kl.Dense(20, dtype="float64")
    inputs = keras.Input((20,), dtype="float64")
    moved = keras.Model(inputs, net(kl.Reshape((5, 4), dtype="float64")(undo(inputs))))
    undo.set_weights([scale * turn, -scale * shift @ turn])
    before = geometry.chords(net, x.reshape(8, 5, 4), directions.reshape(8, 5, 4))
    after = geometry.chords(moved, x @ turn.T / scale + shift, directions @ turn.T)
    np.testing.assert_allclose(scale * after.upper, before.upper, rtol=1e-9)
    np.testing.assert_allclose(scale * after.lengths, before.lengths, rtol=1e-9)
    np.testing.assert_array_equal(after.lower_unit, before.lower_unit)


def one_layer(weights, bias, activation="relu"):
    """A net of one layer of units with the given pre-activations, and a linear layer."""
    weights = np.asarray(weights, float)
    dense = kl.Dense(weights.shape[1], activation=activation)
    net = keras.Sequential([keras.Input((len(weights),)), dense, kl.Dense(1)])
    dense.set_weights([weights, np.asarray(bias, float)])
    return net


def test_points_on_a_boundary_units_that_do_not_move_and_ties():
    # At 0 the units are: on a boundary and rising, on it and falling, on it and staying there,
    # off for good, and two that switch together at 2.
    net = one_layer([[1, -1, 0, 0, 0.5, 1], [0, 0, 1, 0, 0, 0]], [0, 0, 0, -1, -1, -2])
    ends = geometry.chords(net, [[0, 0]], [1, 0])
    assert (ends.lower[0], ends.upper[0]) == (0, 0)
    assert (ends.lower_unit[0].tolist(), ends.upper_unit[0].tolist()) == ([0, 1], [0, 0])
    ends = geometry.chords(one_layer([[0.5, 1, 0]], [-1, -2, 0]), [[0]], [[1]])
    assert (ends.lower[0], ends.upper[0]) == (-np.inf, 2)
    assert (ends.lower_unit[0].tolist(), ends.upper_unit[0].tolist()) == ([-1, -1], [0, 0])
    assert not ends.clipped[0] and ends.lengths[0] == np.inf
    # Rising from exactly 0: off behind the point, where nothing else switches.
    ends = geometry.chords(one_layer([[1.0]], [0]), [[0]], [[2]])
    assert (ends.lower[0], ends.upper[0]) == (-np.inf, 0)


@pytest.mark.parametrize(
    "activation, kinks, names",
    (
        ("relu6", (0, 6), ("dense", "dense>6")),
        ("hard_sigmoid", (-3, 3), ("dense", "dense>3")),
        ("hard_tanh", (-1, 1), ("dense", "dense>1")),
        ("soft_shrink", (-0.5, 0.5), ("dense", "dense>0.5")),
        (lambda z: ops.clip(z, -2, 5), (-2, 5), ("dense", "dense>5")),
        (lambda z: ops.minimum(ops.maximum(-1.5, z), 2), (-1.5, 2), ("dense", "dense#2")),
        (lambda z: ops.relu(z) - ops.abs(z - 3.0), (0, 3), ("dense", "dense#2")),
        (lambda z: keras.activations.relu(z, negative_slope=0.1, max_value=2), (0, 2), None),
    ),
)
def test_activations_with_two_kinks(activation, kinks, names):
    net = one_layer([[1.0]], [0], activation)
    net.layers[0].name = "dense"
    for x in (-10, kinks[0] + 0.3, kinks[1] + 1.3):
        ends = geometry.chords(net, [[x]], [[2.0]])
        below = max((k for k in kinks if k < x), default=-np.inf)
        above = min((k for k in kinks if k >= x), default=np.inf)
        assert ends.lower[0] == pytest.approx((below - x) / 2)
        assert ends.upper[0] == pytest.approx((above - x) / 2)
        if names:
            assert ends.layers == names
            assert ends.upper_unit[0, 0] == (kinks.index(above) if above < np.inf else -1)


def test_float32_weights_are_taken_as_they_are():
    keras.utils.set_random_seed(0)
    net = keras.Sequential([keras.Input((6,)), kl.Dense(5, activation="relu"), kl.Dense(2)])
    x, directions = nets.points(net, 9)
    kernel, bias = (w.astype(float) for w in net.layers[0].get_weights())
    lower, lower_unit, upper, _ = reference.chord_ends(
        x @ kernel + bias, directions @ kernel, np.inf
    )
    for dtype, rtol in (("float64", 1e-12), ("float32", 1e-4)):
        ends = geometry.chords(net, x, directions, dtype=dtype)
        np.testing.assert_allclose(ends.upper, upper, rtol=rtol)
        np.testing.assert_allclose(ends.lower, -lower, rtol=rtol)
        np.testing.assert_array_equal(ends.lower_unit[:, 1], lower_unit)


def test_the_weights_are_those_at_the_time_of_the_call_and_the_model_stays_as_it_was():
    net = nets.custom()
    x, directions = nets.points(net, 3)
    before = geometry.chords(net, x, directions)
    nodes = [len(layer._inbound_nodes) for layer in net._flatten_layers()]
    config = net.to_json()
    bias = net.get_layer("block").norm.moving_mean
    old = bias.numpy()
    bias.assign(old + 0.1)
    assert (geometry.chords(net, x, directions).upper != before.upper).any()
    bias.assign(old)
    np.testing.assert_array_equal(geometry.chords(net, x, directions).upper, before.upper)
    assert nodes == [len(layer._inbound_nodes) for layer in net._flatten_layers()]
    assert config == net.to_json()


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = kl.Dense(6, activation="relu"), kl.Dense(2)

    def call(self, x, training=None):
        return self.out(self.hidden(x))


def test_a_subclassed_model_gives_what_the_functional_one_gives():
    net = Subclassed()
    net(np.zeros((1, 4)))
    x, directions = nets.points(one_layer(np.ones((4, 1)), [0]), 5)
    same = keras.Sequential([keras.Input((4,)), net.hidden, net.out])
    np.testing.assert_array_equal(
        geometry.chords(net, x, directions).upper, geometry.chords(same, x, directions).upper
    )


def gelu_net():
    return keras.Sequential(
        [keras.Input((3,)), kl.Dense(4, activation="gelu", name="bent"), kl.Dense(2), kl.ReLU()]
    )


def norm_net():
    return keras.Sequential(
        [keras.Input((3,)), kl.LayerNormalization(name="layer_norm"), kl.Dense(2), kl.ReLU()]
    )


def product_net():
    inputs = keras.Input((3,))
    x = kl.Multiply(name="gate")([inputs, kl.Dense(3)(inputs)])
    return keras.Model(inputs, kl.ReLU()(x))


def jump_net():
    return keras.Sequential([keras.Input((3,)), kl.ReLU(threshold=1.0, name="jump"), kl.Dense(2)])


def recurrent_net():
    inputs = keras.Input((3,))
    x = kl.SimpleRNN(4, name="loop")(kl.Reshape((3, 1))(inputs))
    return keras.Model(inputs, kl.ReLU()(x))


def middle_net():
    """A smooth layer that no unit depends on, but the output does."""
    return keras.Sequential(
        [
            keras.Input((3,)),
            kl.Dense(4, activation="relu"),
            kl.Dense(2, "tanh", name="bent"),
            kl.Dense(2),
        ]
    )


class Trains(kl.Layer):
    """Its normalization takes the statistics of the batch, at inference too."""

    def __init__(self):
        super().__init__()
        self.norm = kl.BatchNormalization(name="norm")

    def call(self, x):
        return self.norm(x, training=True)


def training_net():
    inputs = keras.Input((3,))
    return keras.Model(inputs, kl.ReLU()(Trains()(inputs)))


def no_kink_net():
    return keras.Sequential([keras.Input((3,)), kl.Dense(4), kl.Dense(2, activation="softmax")])


def two_inputs_net():
    a, b = keras.Input((3,)), keras.Input((3,))
    return keras.Model([a, b], kl.ReLU()(kl.Add()([a, b])))


@pytest.mark.parametrize(
    "build, message",
    (
        (gelu_net, r"Received: layer 'bent' \(Dense\), which applies gelu"),
        (norm_net, r"'layer_norm' \(LayerNormalization\).*not piecewise linear"),
        (product_net, r"'gate' \(Multiply\).*not piecewise linear"),
        (jump_net, r"'jump' \(ReLU\), which jumps"),
        (recurrent_net, r"'loop' \(SimpleRNN\), which is recurrent"),
        (middle_net, r"'bent' \(Dense\), which applies tanh"),
        (training_net, r"norm' \(BatchNormalization\), which is called with training=True"),
        (no_kink_net, "activation functions that have a kink"),
        (two_inputs_net, "x as a list or dict of 2 arrays"),
        (lambda: keras.Sequential([kl.Dense(2)]), "Expected a built model"),
        (lambda: "net", "Expected a keras.Model. Received: the path 'net': load it first"),
    ),
)
def test_models_that_cannot_be_measured(build, message):
    with pytest.raises(ValueError, match=message):
        geometry.chords(build(), np.zeros((1, 3)), np.ones((1, 3)))


@pytest.mark.parametrize(
    "x, directions, options, message",
    (
        (np.zeros((2, 3)), np.ones((2, 3)), {}, r"x of shape \(n, 2\). Received shape: \(2, 3\)"),
        (np.zeros(2), np.ones(2), {}, "x of shape"),
        (np.zeros((2, 2)), np.ones((3, 2)), {}, r"Expected directions of shape \(2, 2\)"),
        (np.zeros((2, 2)), [[1, 0], [0, 0]], {}, "other than 0. Received: zeros at row 1"),
        (np.zeros((2, 2)), [0, 0], {}, "other than 0"),
        ([[0, 0], [0, np.nan]], np.ones(2), {}, "x to be finite. Received: NaN or infinity, row 1"),
        (np.zeros((1, 2)), [[1, np.inf]], {}, "directions to be finite"),
        ([["a", "b"]], [1, 1], {}, "real numbers"),
        (np.zeros((1, 2)), [1, 1], {"limit": 0}, "a limit above 0. Received: 0"),
        (np.zeros((1, 2)), [1, 1], {"limit": np.nan}, "a limit above 0. Received: nan"),
        (np.zeros((1, 2)), [1, 1], {"region": "max"}, "region='activation' or 'linear'"),
        (np.zeros((1, 2)), [1, 1], {"dtype": "float16"}, "dtype='float64' or 'float32'"),
        (np.zeros((1, 2)), [1, 1], {"batch_size": 0}, "batch_size to be a whole number from 1"),
    ),
)
def test_bad_input(x, directions, options, message):
    with pytest.raises(ValueError, match=message):
        geometry.chords(one_layer(np.eye(2), [1, 1]), x, directions, **options)


def test_weights_that_are_not_finite_are_reported_with_their_layer():
    net = one_layer(np.eye(2), [1, 1])
    net.layers[0].name = "broken"
    net.layers[0].bias.assign([np.nan, 0])
    with pytest.raises(ValueError, match="layer 'broken', example 0"):
        geometry.chords(net, np.zeros((2, 2)), np.ones(2))
