"""Distances of a dataset to where regions end, and regions along paths."""

from itertools import pairwise

import keras
import numpy as np
import pytest
from keras import layers as kl

import nets
from tfhash import Encoder, geometry


def pre_activations(net, x):
    """float64 [n, n_units] of each dense layer of a plain stack, in NumPy."""
    found, h = [], x
    for layer in net.layers[:-1]:
        kernel, bias = (np.asarray(w, np.float64) for w in layer.get_weights())
        found.append(h @ kernel + bias)
        h = np.maximum(found[-1], 0)
    return found


def dense_net(*widths, seed=0):
    keras.utils.set_random_seed(seed)
    net = [keras.Input((widths[0],), dtype="float64")]
    for width in widths[1:-1]:
        net.append(kl.Dense(width, "relu", bias_initializer="normal", dtype="float64"))
    return keras.Sequential([*net, kl.Dense(widths[-1], dtype="float64")])


def kinds():
    """The same networks whether their steps are matrices or passes of the model."""
    return {"dense": dense_net(20, 7, 6, 3), "wide": dense_net(5, 16, 8, 3), "conv": nets.conv()}


@pytest.mark.parametrize("name", ("dense", "wide", "conv", "passes"))
def test_they_are_those_of_regions(name, monkeypatch):
    net = kinds()["wide" if name == "passes" else name]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, *net.input_shape[1:]))
    if name == "passes":
        monkeypatch.setattr("tfhash.geometry.matrix_maps.MOST_NUMBERS", 0)
    found = geometry.boundary_distances(net, x)
    for i, point in enumerate(x):
        here = geometry.region(net, point)
        rows, offsets = here.inequalities
        apart = (offsets - rows @ point.ravel()) / np.linalg.norm(rows, axis=1)
        assert found.distances[i] == pytest.approx(here.boundary_distance, rel=1e-9)
        assert found.units[i].tolist() == here.units[apart.argmin()].tolist()
        by_layer = [
            apart[here.units[:, 0] == k].min(initial=np.inf) for k in range(len(here.layers))
        ]
        np.testing.assert_allclose(found.by_layer[i], np.minimum.accumulate(by_layer), rtol=1e-9)
        np.testing.assert_array_equal(
            found.is_exact[i], by_layer <= np.minimum.accumulate(by_layer)
        )


def pooled():
    keras.utils.set_random_seed(0)
    net = [keras.Input((5, 5, 1), dtype="float64"), kl.Conv2D(2, 2, dtype="float64")]
    net += [kl.MaxPooling2D(2, padding="same", dtype="float64"), kl.ReLU(dtype="float64")]
    net += [kl.Flatten(dtype="float64"), kl.Dense(3, "relu", dtype="float64")]
    return keras.Sequential([*net, kl.Dense(2, dtype="float64")])


def test_max_pooling_is_a_layer():
    net = pooled()
    x = np.random.default_rng(1).normal(size=(3, *net.input_shape[1:]))
    found = geometry.boundary_distances(net, x)
    for i, point in enumerate(x):
        here = geometry.region(net, point)
        assert found.distances[i] == pytest.approx(here.boundary_distance, rel=1e-9)
    assert not all(layer.is_pattern for layer in found.layers)


def test_walks_are_exact_by_dense_sampling():
    net = dense_net(2, 6, 6, 5, 2, seed=3)
    x = np.random.default_rng(0).normal(size=(6, 2))
    one, walked = (geometry.boundary_distances(net, x, n) for n in (1, 2000))
    assert walked.is_exact.all() and not one.is_exact.all()
    np.testing.assert_array_equal(walked.distances, one.distances)
    assert (walked.by_layer >= one.by_layer * (1 - 1e-12)).all()
    np.testing.assert_allclose(
        walked.by_layer[one.is_exact], one.by_layer[one.is_exact], rtol=1e-12
    )
    angles = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    some = 0
    for i, layer in np.ndindex(walked.by_layer.shape):
        distance = walked.by_layer[i, layer]
        here = pre_activations(net, x[i : i + 1])[layer] > 0
        if np.isinf(distance):
            continue
        for radius, differs in ((0.999 * distance, False), (1.01 * distance, True)):
            around = pre_activations(net, x[i] + radius * circle)[layer] > 0
            assert (around != here).any() == differs, (i, layer)
        some += not one.is_exact[i, layer]
    assert some > 2


def test_an_example_on_a_boundary_is_at_distance_0():
    net = keras.Sequential([keras.Input((2,), dtype="float64"), kl.Dense(2, "relu")])
    net.layers[0].set_weights([np.eye(2), np.zeros(2)])
    found = geometry.boundary_distances(net, [[0.0, 0.5], [3.0, 4.0]])
    assert found.distances.tolist() == [0.0, 3.0] and found.units.tolist() == [[0, 0], [0, 0]]
    with pytest.raises(ValueError, match=r"max_regions to be a whole number from 1 on"):
        geometry.boundary_distances(net, [[0.0, 0.5]], 0)
    with pytest.raises(ValueError, match=r"x of shape"):
        geometry.boundary_distances(net, [0.0, 0.5])


def one_path(net, points):
    found = geometry.path_regions(net, points)
    assert isinstance(found, geometry.PathRegions)
    return found


def test_a_path_has_the_regions_of_its_segments():
    net = dense_net(4, 9, 7, 3)
    points = np.random.default_rng(0).normal(size=(5, 4))
    path = one_path(net, points)
    assert len(path.segments) == 4 and path.joined.all()
    # Dense samples of the whole path meet the same codes in the same order, but for tiny regions.
    t = np.linspace(0, 1, 20_000, endpoint=False)[:, None]
    along = np.concatenate([a + t * (b - a) for a, b in pairwise(points)])
    codes = Encoder(net).encode(along).words
    changes = (codes[1:] != codes[:-1]).any(axis=1)
    assert path.n_regions == changes.sum() + 1 == len(path.codes()) == len(path)
    np.testing.assert_array_equal(codes[np.flatnonzero([True, *changes])], path.codes().words)
    assert path.n_distinct == len(np.unique(codes, axis=0)) < path.n_regions + 1
    assert path.length == pytest.approx(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())
    assert path.density == path.n_regions / path.length
    there_and_back = one_path(net, points[[0, 1, 1, 0]])
    assert there_and_back.n_distinct == nets.regions_along(net, points[0], points[1]).n_regions
    assert there_and_back.n_regions == 2 * there_and_back.n_distinct - 1


def test_no_examples_and_no_paths():
    model = nets.mlp()
    found = geometry.boundary_distances(model, np.zeros((0, *model.input_shape[1:])))
    assert len(found.distances) == 0 and found.by_layer.shape[0] == 0
    with pytest.raises(ValueError, match="two different points"):
        geometry.path_regions(model, np.zeros((1, *model.input_shape[1:])))
    with pytest.raises(ValueError, match="at least one path"):
        geometry.path_regions(model, np.zeros((0, 2, *model.input_shape[1:])))


def test_several_paths_and_what_is_no_path():
    net = dense_net(4, 9, 7, 3)
    points = np.random.default_rng(0).normal(size=(3, 5, 4))
    several = geometry.path_regions(net, points)
    assert isinstance(several, list)
    for path, given in zip(several, points, strict=True):
        assert path.n_regions == one_path(net, given).n_regions
    with pytest.raises(ValueError, match="one that does not move, path 0"):
        geometry.path_regions(net, points[0, [0, 0, 0]])
    with pytest.raises(ValueError, match=r"Received shape: \(4,\)"):
        geometry.path_regions(net, points[0, 0])


def test_a_corner_exactly_on_a_boundary_that_is_turned_back_at():
    net = keras.Sequential([keras.Input((2,), dtype="float64"), kl.Dense(1, "relu")])
    net.layers[0].set_weights([np.array([[1.0], [0.0]]), np.zeros(1)])
    crossed = one_path(net, [[-1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    touched = one_path(net, [[-1.0, 0.0], [0.0, 0.0], [-1.0, 1.0]])
    assert (crossed.n_regions, touched.n_regions) == (2, 1)
