"""Plans that are kept between calls: right when weights or layers change, gone with the model."""

import gc
import threading
import weakref

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops

import nets
from tfhash import geometry
from tfhash.geometry import lines, trace
from tfhash.geometry.stack import dense_stack


def small(activation="relu", **options):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((4,)),
            kl.Dense(9, activation=activation, **options),
            kl.BatchNormalization(),
            kl.Dense(5),
            kl.ReLU(negative_slope=0.1),
            kl.Dense(2),
        ]
    )


def count_traces(monkeypatch):
    calls = []
    original = trace.trace

    def counted(*args):
        calls.append(args)
        return original(*args)

    monkeypatch.setattr(trace, "trace", counted)
    return calls


X, D = np.random.default_rng(0).normal(size=(2, 3, 4))


def test_a_model_is_taken_apart_once_and_its_weights_are_read_each_time(monkeypatch):
    calls = count_traces(monkeypatch)
    net = small()
    first = geometry.chords(net, X, D).upper
    np.testing.assert_array_equal(geometry.chords(net, X, D).upper, first)
    on_first = nets.regions_along(net, X[0], X[0] + 3 * D[0]).breakpoints
    assert len(calls) == 1
    for weight in (net.layers[0].bias, net.layers[1].moving_mean, net.layers[2].kernel):
        before = ops.convert_to_numpy(weight)
        weight.assign(before + 0.3)
        fresh = keras.models.clone_model(net)
        fresh.set_weights(net.get_weights())
        changed = geometry.chords(net, X, D).upper
        np.testing.assert_array_equal(changed, geometry.chords(fresh, X, D).upper)
        on_line = nets.regions_along(net, X[0], X[0] + 3 * D[0]).breakpoints
        expected = nets.regions_along(fresh, X[0], X[0] + 3 * D[0]).breakpoints
        np.testing.assert_array_equal(on_line, expected)
        assert (changed != first).any() or not np.array_equal(on_line, on_first)
        weight.assign(before)
    assert len([model for model, *_ in calls if model is net]) == 1
    np.testing.assert_array_equal(geometry.chords(net, X, D).upper, first)


def test_a_model_that_is_changed_is_taken_apart_again(monkeypatch):
    calls = count_traces(monkeypatch)
    net = small()
    geometry.chords(net, X, D)
    net.layers[0].activation = keras.activations.relu6
    assert len(geometry.chords(net, X, D).layers) == 3  # two kinks, and the leaky ReLU
    assert len(calls) == 2
    net.pop()
    net.add(kl.Dense(3, activation="relu"))
    assert len(geometry.chords(net, X, D).layers) == 4


def test_what_python_computes_in_a_layer_is_computed_each_time(monkeypatch):
    calls = count_traces(monkeypatch)
    factor = [1.0]
    inputs = keras.Input((4,))
    doubled = kl.Lambda(lambda x: x * factor[0])(inputs)
    net = keras.Model(inputs, kl.Dense(3)(kl.ReLU()(kl.Dense(6)(doubled))))
    net.layers[2].bias.assign(np.linspace(-1, 1, 6))
    before = geometry.chords(net, 0 * X, D).upper
    factor[0] = 2.0
    np.testing.assert_allclose(geometry.chords(net, 0 * X, D).upper, before / 2, rtol=1e-6)
    assert len(calls) == 2


def test_a_plan_goes_with_its_model_and_holds_no_weights_between_calls():
    net = small()
    geometry.chords(net, X, D)
    geometry.line_regions(net, X[0], X[1])
    ((_, plan),) = trace._plans[net].values()
    assert plan.constants and all(constant._value is None for constant in plan.constants)
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None


def test_an_error_leaves_a_plan_that_works():
    net = small()
    expected = geometry.chords(net, X, D).upper
    with pytest.raises(ValueError, match="x of shape"):
        geometry.chords(net, X[:, :2], D)
    np.testing.assert_array_equal(geometry.chords(net, X, D).upper, expected)


def test_several_threads_may_measure_one_model():
    net = nets.conv()
    x, directions = nets.points(net, 6)
    expected = geometry.chords(net, x, directions).upper
    results = {}

    def work(i):
        results[i] = geometry.chords(net, x, directions).upper

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        np.testing.assert_allclose(results[i], expected, rtol=1e-12)


def stack_net(kind):
    """Stacks that the kernel takes: scales and shifts at every place they may stand."""
    keras.utils.set_random_seed(2)
    x = inputs = keras.Input((2, 3))
    if kind == "scaled":
        x = kl.Rescaling(0.7, offset=-0.2)(x)
    x = kl.Flatten()(x)
    if kind == "scaled":
        x = kl.BatchNormalization()(x)
    x = kl.Dense(20, use_bias=kind != "scaled")(x)
    if kind == "scaled":
        x = kl.Dropout(0.5)(kl.BatchNormalization()(x))
    x = kl.ReLU()(x)
    if kind == "scaled":
        x = kl.BatchNormalization()(x)
    x = kl.LeakyReLU(negative_slope=0.2)(kl.Dense(17)(x))
    x = kl.Dense(11, activation="relu", dtype="float64" if kind == "float64" else None)(x)
    net = keras.Model(inputs, kl.Dense(2, activation="softmax")(x))
    rng = np.random.default_rng(3)
    for weight in net.weights:
        drawn = rng.normal(size=weight.shape)
        weight.assign(np.abs(drawn) + 0.5 if "variance" in weight.path else drawn)
    return net


@pytest.mark.parametrize("kind", ("plain", "scaled", "float64"))
def test_dense_stacks_give_what_the_layer_by_layer_way_gives(kind, monkeypatch):
    net = stack_net(kind)
    with trace.plan_for(net) as plan:
        assert dense_stack(plan) is not None
    starts, stops = np.random.default_rng(4).normal(scale=2, size=(2, 300, 2, 3))
    fast = geometry.line_regions(net, starts, stops)
    assert isinstance(fast, list)
    monkeypatch.setattr(lines, "dense_stack", lambda plan: None)
    for i in range(0, 300, 23):
        slow = nets.regions_along(net, starts[i], stops[i])
        np.testing.assert_allclose(fast[i].breakpoints, slow.breakpoints, atol=1e-10)
        np.testing.assert_array_equal(fast[i].units, slow.units)
        np.testing.assert_array_equal(fast[i].codes().words, slow.codes().words)
        assert fast[i].layers == slow.layers and fast[i].length == pytest.approx(slow.length)


@pytest.mark.parametrize("build", (nets.conv, nets.residual, nets.pooled))
def test_other_networks_are_no_stacks(build):
    with trace.plan_for(build()) as plan:
        assert dense_stack(plan) is None


def test_weights_that_are_not_finite_are_reported():
    net = small()
    net.layers[0].bias.assign(np.full(9, np.nan))
    with pytest.raises(ValueError, match="Expected finite pre-activations"):
        geometry.line_regions(net, X[0], X[1])
