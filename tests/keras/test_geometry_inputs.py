"""The forms in which points of models with several inputs are given, and what fits none."""

import keras
import numpy as np
import pytest
from keras import layers as kl
from test_several_inputs import input_of, net

import nets
from tfhash import geometry
from tfhash.geometry.inputs import input_space


def test_bounds_for_each_input():
    model, x = net("added"), [[0.1, -0.2], [0.3]]
    low, high = [-1, [0.0]], [[0.5, 1.0], 2.0]
    here = geometry.region(model, x, bounds=(low, high))
    sides = [[-1, -1, 0], [0.5, 1, 2]]
    center = np.concatenate(here.center)
    assert (sides[0] < center).all() and (center < sides[1]).all()
    cells = geometry.box_regions(model, (low, high))
    assert cells.volumes.sum() == pytest.approx(1.5 * 2 * 2)
    assert (cells.points.min(axis=0) == sides[0]).all()
    assert (cells.points.max(axis=0) == sides[1]).all()
    by_name = {"a": [0.5, 1.0], "b": 2.0}
    assert geometry.box_regions(model, (low, by_name)).n_regions == cells.n_regions
    with pytest.raises(ValueError, match=r"a list or dict of them for \['a', 'b'\], low below"):
        geometry.region(model, x, bounds=([0, 0, 0], 1))


def test_a_list_and_a_dict_are_the_same():
    x = np.random.default_rng(6).normal(size=(4, 3))
    a, b = x[:, :2], x[:, 2:]
    expected = geometry.boundary_distances(net("added"), [a, b]).distances
    for given in (
        (a, b),
        {"b": b, "a": a, "labels": 0},
        [a.tolist(), b.astype("float64").tolist()],
    ):
        np.testing.assert_array_equal(
            geometry.boundary_distances(net("added"), given).distances, expected
        )
    of_dict = geometry.boundary_distances(net("concatenated"), {"a": a, "b": b}).distances
    for other in ([a, b], {"second": a, "first": b}):
        found = geometry.boundary_distances(net("concatenated"), other).distances
        np.testing.assert_array_equal(found, of_dict)


def test_sizes_that_inputs_leave_open_and_subclassed_models(float64):
    steps, one = input_of((None, 2), "steps"), input_of((3,), "one")
    h = kl.GlobalAveragePooling1D()(kl.Conv1D(4, 2, activation="relu")(steps))
    open_ = keras.Model(
        [steps, one], kl.Dense(2)(kl.Dense(4, "relu")(kl.Add()([h, kl.Dense(4)(one)])))
    )
    rng = np.random.default_rng(7)
    for n in (5, 7):
        x = rng.normal(size=(n, 2)), rng.normal(size=3)
        here = geometry.region(open_, x)
        assert here.x[0].shape == (n, 2) and here.weights.shape == (2, 2 * n + 3)
        found = here.weights @ np.concatenate([x[0].ravel(), x[1]]) + here.bias
        outputs = open_.predict([x[0][None], x[1][None]], verbose=0)[0]  # of float32
        np.testing.assert_allclose(found, outputs, rtol=1e-4, atol=1e-5)
        assert nets.regions_along(open_, [x[0], x[1]], [-x[0], -x[1]]).n_regions > 1
    with pytest.raises(ValueError, match=r"\(None, None, 2\) for input 'steps'"):
        geometry.region(open_, [[0.0], [0.0, 1.0, 2.0]])

    class OfList(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.last = kl.Dense(4), kl.Dense(4), kl.Dense(2)

        def call(self, inputs):
            return self.last(keras.ops.relu(self.first(inputs[0]) + self.second(inputs[1])))

    class OfTwo(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = OfList()

        def call(self, one, other):
            return self.inner([one, other])

    x = rng.normal(size=(1, 2)), rng.normal(size=(1, 3))
    subclassed, of_two = OfList(), OfTwo()
    expected = keras.ops.convert_to_numpy(subclassed(list(x)))
    here = geometry.region(subclassed, [part[0] for part in x])
    found = here.weights @ np.hstack(x)[0] + here.bias
    np.testing.assert_allclose(found, expected[0], rtol=1e-4, atol=1e-5)
    of_two(*x)
    with pytest.raises(ValueError, match=r"takes several, .*Wrap it: keras.Model\(\[a, b\]"):
        geometry.region(of_two, x)
    a, b = input_of((2,)), input_of((3,))
    wrapped = geometry.region(keras.Model([a, b], of_two(a, b)), x)
    assert wrapped.weights.shape == (2, 5)


def test_weights_are_those_of_the_call():
    model, x = keras.models.clone_model(net("added")), [[0.1, -0.2], [0.3]]
    model.set_weights(net("added").get_weights())
    before = geometry.region(model, x)
    model.set_weights([2 * weight for weight in model.get_weights()])
    after = geometry.region(model, x)
    assert not np.allclose(before.bias, after.bias)
    np.testing.assert_allclose(before.bias, geometry.region(net("added"), x).bias)


def test_what_does_not_fit_is_named():
    a, b = np.zeros((4, 2)), np.ones((4, 1))
    for given, message in (
        (np.zeros((4, 3)), r"x as a list or dict of 2 arrays, .*\['a', 'b'\]. Received: a ndarray"),
        ([a], r"Received: a list of 1"),
        ([a, b, b], r"Received: a list of 3"),
        ({"a": a, "c": b}, r"inputs named \['a', 'b'\].* without 'b'"),
        ([b, a], r"x for input 'a' of shape \(n, 2\). Received shape: \(4, 1\)"),
        ([a, b[:3]], r"as many points for each input. .*'a': \(4, 2\), 'b': \(3, 1\)"),
        ([a, b * np.nan], r"x for input 'b' to be finite. .* row 0"),
        ([a, b.astype(str)], r"x for input 'b' of real numbers"),
        ([a, [[1.0], [2.0, 3.0]]], r"x for input 'b' of real numbers.* different lengths"),
    ):
        with pytest.raises(ValueError, match=message):
            geometry.boundary_distances(net("added"), given)
    with pytest.raises(ValueError, match=r"x for input 'a' to be one input, of shape \(2,\)"):
        geometry.region(net("added"), [a, b])
    with pytest.raises(ValueError, match=r"origin for input 'a' of shape \(2,\). .*\(4, 2\)"):
        geometry.plane_regions(net("added"), [a, b], [a, b], [a, b])
    with pytest.raises(ValueError, match=r"directions for input 'a' of shape \(4, 2\) or \(2,\)"):
        geometry.chords(net("added"), [a, b], [a[:3] + 1, b[:3]])
    assert input_space(net("added")).shape == (3, 1)


ODD = (None, "a", -1, 99, 1.5, [0.5], [True, False], {"a": 1}, {1, 2}, keras.KerasTensor((2,)))


def test_parts_of_results_are_asked_for_by_numbers_that_there_are():
    model = net("added")
    plane = geometry.plane_regions(model, [[0, 0], [0]], [[1, 0], [0]], [[0, 1], [0]])
    cells = geometry.box_regions(model, (-1, 1))
    for odd in ODD:
        for ask in (plane.polygon, cells.corners):
            with pytest.raises(ValueError, match="whole number from 0 to"):
                ask(odd)
        with pytest.raises(ValueError, match="Expected coordinates"):
            cells.inputs(odd)
        if odd is not None:
            with pytest.raises(ValueError, match="Expected faces"):
                cells.polygons(odd)
    assert cells.polygons([]) == [] and len(cells.polygons()) > len(cells)
    for odd in ([np.nan, 0, 0], [1j, 0, 0], np.ma.masked_greater([0.0, 5.0, 1.0], 2)):
        with pytest.raises(ValueError, match=r"finite|real numbers|masked"):
            cells.inputs(odd)


def test_ends_of_boxes_and_windows_are_pairs_of_real_numbers():
    model, x = net("added"), [[0, 0], [0]]
    u, v = [[1, 0], [0]], [[0, 1], [0]]
    complex_, strings = (-1j, 1j), ("-1", "1")
    for odd in (*ODD[1:3], *ODD[5:], complex_, strings, (1, -1), (0, np.nan), (0, 1, 2), None):
        with pytest.raises(ValueError, match="low below high"):
            geometry.box_regions(model, odd)
        if odd is not None:
            with pytest.raises(ValueError, match="low below high"):
                geometry.region(model, x, bounds=odd)
        with pytest.raises(ValueError, match="low below high"):
            geometry.slice_regions(model, x, [[[1, 0], [0, 1]], [[0], [0]]], odd)
        with pytest.raises(ValueError, match=r"a_min, a_max, b_min, b_max"):
            geometry.plane_regions(model, x, u, v, odd)
    with pytest.raises(ValueError, match="bounds that are finite"):
        geometry.box_regions(model, (-np.inf, np.inf))
