"""Geometry of models with several inputs: against NumPy, exact fractions, and planes."""

from fractions import Fraction
from functools import cache

import keras
import numpy as np
import pytest
from keras import layers as kl

import nets
import reference
from tfhash import geometry
from tfhash.geometry import lines
from tfhash.geometry.local_network import local_network
from tfhash.geometry.stack import dense_stack
from tfhash.geometry.trace import plan_for


def input_of(shape, name=None):
    return keras.Input(shape, name=name, dtype="float64")


def added():
    """Two branches whose sum bends; `b` goes round the first layer too."""
    a, b = input_of((2,), "a"), input_of((1,), "b")
    h = kl.ReLU(name="sum")(kl.Add()([kl.Dense(6, name="of_a")(a), kl.Dense(6, name="of_b")(b)]))
    h = kl.Dense(5, "relu", name="second")(kl.Concatenate()([h, b]))
    return keras.Model([a, b], kl.Dense(3, name="logits")(h))


def concatenated():
    """A stack on both inputs, in a dict whose keys are not in order."""
    b, a = input_of((1,), "first"), input_of((2,), "second")
    h = kl.Dense(6, "relu", name="one")(kl.Concatenate()([a, b]))
    h = kl.Dense(5, "relu", name="two")(h)
    return keras.Model({"b": b, "a": a}, kl.Dense(3, name="logits")(h))


def convolved():
    """An image through a convolution and a pool, and a vector."""
    image, vector = input_of((4, 4, 2), "image"), input_of((3,), "vector")
    h = kl.Conv2D(3, 3, activation="relu", padding="same", name="conv")(image)
    h = kl.MaxPooling2D(2, name="pool")(h)
    h = kl.Concatenate()([kl.Flatten()(h), vector])
    return keras.Model((image, vector), kl.Dense(2, name="logits")(kl.Dense(5, "relu")(h)))


BUILD = {"added": added, "concatenated": concatenated, "convolved": convolved}
SMALL = ("added", "concatenated")


@cache
def net(name):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    keras.utils.set_random_seed(3)
    made = BUILD[name]()
    keras.config.set_dtype_policy(policy)
    rng = np.random.default_rng(3)
    for weight in made.weights:
        weight.assign(rng.normal(0, 1 if len(weight.shape) == 1 else 0.8, weight.shape))
    return made


def split(name, rows):
    """Rows of joined numbers, in the structure of the model; joined as `model.inputs` are."""
    if name == "convolved":
        return rows[..., :32].reshape(*rows.shape[:-1], 4, 4, 2), rows[..., 32:]
    a, b = rows[..., :2], rows[..., 2:]
    return [a, b] if name == "added" else {"a": a, "b": b}


def size(name):
    return 35 if name == "convolved" else 3


def weights(name, layer):
    return [np.asarray(w, np.float64) for w in net(name).get_layer(layer).get_weights()]


def dense(name, layer, h):
    kernel, bias = weights(name, layer)
    return h @ kernel + bias


def read(name, rows):
    """Pre-activations [n, n_units] of each layer and the logits, at [n, size], in NumPy."""
    if name == "convolved":
        image, vector = split(name, rows)
        kernel, bias = weights(name, "conv")
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), axis=(1, 2)
        )
        first = np.einsum("nhwcij,ijcf->nhwf", windows, kernel) + bias
        pooled = np.maximum(first, 0).reshape(-1, 2, 2, 2, 2, 3).max(axis=(2, 4))
        h = np.hstack([pooled.reshape(len(rows), -1), vector])
        second = dense(name, net(name).layers[-2].name, h)
        return [first.reshape(len(rows), -1), second], dense(name, "logits", np.maximum(second, 0))
    if name == "added":
        first = dense(name, "of_a", rows[:, :2]) + dense(name, "of_b", rows[:, 2:])
        second = dense(name, "second", np.hstack([np.maximum(first, 0), rows[:, 2:]]))
    else:
        first = dense(name, "one", rows)
        second = dense(name, "two", np.maximum(first, 0))
    return [first, second], dense(name, "logits", np.maximum(second, 0))


def bits(name, rows):
    return np.hstack(read(name, rows)[0]) > 0


def exact_bits(name, point):
    """The pattern at a point of a small net, in fractions."""

    def affine(layer, h):
        kernel, bias = weights(name, layer)
        return [
            sum((x * Fraction(w) for x, w in zip(h, column, strict=True)), Fraction(c))
            for column, c in zip(kernel.T.tolist(), bias.tolist(), strict=True)
        ]

    x = [Fraction(value) for value in point.tolist()]
    if name == "added":
        of_a, of_b = affine("of_a", x[:2]), affine("of_b", x[2:])
        first = [p + q for p, q in zip(of_a, of_b, strict=True)]
        second = affine("second", [max(z, Fraction(0)) for z in first] + x[2:])
    else:
        first = affine("one", x)
        second = affine("two", [max(z, Fraction(0)) for z in first])
    return [z > 0 for z in first + second]


@pytest.fixture(params=BUILD)
def name(request):
    return request.param


@pytest.mark.parametrize("region", ("activation", "linear"))
def test_chords_end_where_numpys_signs_change(name, region):
    rng = np.random.default_rng(0)
    x, along = rng.normal(size=(2, 12, size(name)))
    found = geometry.chords(net(name), split(name, x), split(name, along), 3.0, region=region)
    assert (~found.clipped).sum() > 8
    np.testing.assert_allclose(found.norms, np.linalg.norm(along, axis=1))
    for end, unit in ((found.lower, found.lower_unit), (found.upper, found.upper_unit)):
        inside = x + (end * (1 - 1e-7))[:, None] * along
        np.testing.assert_array_equal(bits(name, x), bits(name, inside))
        for i in np.flatnonzero(unit[:, 0] >= 0):
            if "pool" in found.layers[unit[i, 0]]:
                assert region == "linear"
                continue
            z = read(name, x[i : i + 1] + end[i] * along[i])[0][int(unit[i, 0] > 0)]
            assert abs(z[0, unit[i, 1]]) < 1e-12
    one = geometry.chords(net(name), split(name, x), split(name, along[0]), 3.0, region=region)
    assert one.upper[0] == found.upper[0]
    random = geometry.stochastic_chords(net(name), split(name, x), region=region)
    given = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(0,))).standard_normal(
        (64, size(name))
    )[:12]
    again = geometry.chords(net(name), split(name, x), split(name, given), region=region)
    lengths = np.minimum(again.upper * again.norms, 5) - np.maximum(again.lower * again.norms, -5)
    np.testing.assert_allclose(random.lengths, lengths, rtol=1e-12)
    there = geometry.stochastic_diameters(
        net(name), split(name, x), direction="to_center", region=region
    )
    assert there.shape == (12,)


def test_regions_along_lines_have_numpys_signs(name):
    start, stop = 2 * np.random.default_rng(1).normal(size=(2, 5, size(name)))
    found = geometry.line_regions(net(name), split(name, start), split(name, stop))
    assert isinstance(found, list)
    for line, a, b in zip(found, start, stop, strict=True):
        middle = (line.edges[1:] + line.edges[:-1]) / 2
        wide = np.diff(line.edges) > 1e-9
        at = a + middle[:, None] * (b - a)
        np.testing.assert_array_equal(line.codes().to_bits()[wide], bits(name, at)[wide])
        t = np.linspace(0, 1, 4000)
        signs = bits(name, a + t[:, None] * (b - a))
        assert (signs[1:] != signs[:-1]).any(axis=1).sum() <= len(line) - 1 < 60
        assert line.length == pytest.approx(np.linalg.norm(b - a))
    alone = nets.regions_along(net(name), split(name, start[0]), split(name, stop[0]))
    np.testing.assert_allclose(alone.breakpoints, found[0].breakpoints, rtol=1e-14)
    path = geometry.path_regions(net(name), split(name, np.array([start[0], stop[0], start[1]])))
    assert isinstance(path, geometry.PathRegions)
    assert path.counts[0] == len(found[0]) and path.joined.all()
    paths = geometry.path_regions(net(name), split(name, np.stack([start, stop])))
    assert isinstance(paths, list) and [len(each.segments) for each in paths] == [4, 4]


def test_lines_of_a_stack_agree_with_rational_arithmetic():
    layers = [weights("concatenated", layer) for layer in ("one", "two")]
    start, stop = np.random.default_rng(2).normal(scale=3, size=(2, 3))
    expected = reference.exact_line_regions(layers, start, stop)
    found = nets.regions_along(
        net("concatenated"), split("concatenated", start), split("concatenated", stop)
    )
    np.testing.assert_allclose(found.breakpoints, [float(t) for t, _, _ in expected], atol=1e-13)
    assert found.units.tolist() == [[layer, unit] for _, layer, unit in expected]


def test_lines_have_a_kernel_and_are_the_same_without(name, monkeypatch):
    with plan_for(net(name)) as plan:
        assert local_network(plan, "activation") is not None
        assert (dense_stack(plan) is not None) == (name == "concatenated")
    start, stop = np.random.default_rng(3).normal(size=(2, size(name)))
    ends = split(name, start), split(name, stop)
    kernel = nets.regions_along(net(name), *ends)
    monkeypatch.setattr(lines, "dense_stack", lambda *_: None)
    pixels = nets.regions_along(net(name), *ends)
    monkeypatch.setattr(lines, "local_network", lambda *_: None)
    swept = nets.regions_along(net(name), *ends)
    for other in (pixels, swept):
        np.testing.assert_allclose(kernel.breakpoints, other.breakpoints, atol=1e-13)
        np.testing.assert_array_equal(kernel.codes().words, other.codes().words)


def test_planes_and_slices_have_numpys_signs_and_volumes(name):
    rng = np.random.default_rng(4)
    at, *rows = rng.normal(size=(4, size(name)))
    u, v = (split(name, row) for row in rows[:2])
    plane = geometry.plane_regions(net(name), split(name, at), u, v, 1.5)
    assert plane.n_regions > 15 and plane.areas.sum() == pytest.approx(9)
    wide = plane.areas > 1e-9
    np.testing.assert_array_equal(
        plane.codes().to_bits()[wide], bits(name, at + plane.centers[wide] @ np.stack(rows[:2]))
    )
    classes = geometry.plane_regions(net(name), split(name, at), u, v, 1.5, classes=True)
    assert classes.classes is not None
    np.testing.assert_array_equal(
        classes.classes[classes.areas > 1e-9],
        read(name, at + classes.centers @ np.stack(rows[:2]))[1].argmax(axis=1)[
            classes.areas > 1e-9
        ],
    )
    directions = split(name, np.stack(rows))
    found = geometry.slice_regions(net(name), split(name, at), directions, 0.7)
    assert found.volumes.sum() == pytest.approx(1.4**3)
    wide = found.volumes > 1e-9
    expected = at + found.centers @ np.stack(rows)
    np.testing.assert_array_equal(found.codes().to_bits()[wide], bits(name, expected[wide]))
    inputs = found.inputs(found.centers)
    assert type(inputs) is type(split(name, at))
    outputs = keras.ops.convert_to_numpy(net(name)(inputs))  # of float32 on JAX
    np.testing.assert_allclose(outputs, read(name, expected)[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("passes", (False, pytest.param(True, marks=pytest.mark.full)))
def test_regions_are_polytopes_of_all_inputs(name, passes, monkeypatch):
    if passes:
        monkeypatch.setattr("tfhash.geometry.matrix_maps.MOST_NUMBERS", 0)
    rng = np.random.default_rng(5)
    x = rng.uniform(-0.5, 0.5, size(name))
    here = geometry.region(net(name), split(name, x), bounds=(-1, 1))
    np.testing.assert_array_equal(here.code.to_bits(), bits(name, x[None]))
    around = here.center
    for given, parts in ((here.x, split(name, x)), (around, split(name, x))):
        keras.tree.assert_same_structure(given, parts)
        shapes = keras.tree.map_structure(np.shape, given)
        assert shapes == keras.tree.map_structure(np.shape, parts)
    center = np.concatenate([np.ravel(part) for part in keras.tree.flatten(around)])
    rows, offsets = here.inequalities
    slack = np.concatenate(
        [(offsets - rows @ center) / np.linalg.norm(rows, axis=1), 1 - np.abs(center)]
    )
    assert slack.min() == pytest.approx(here.radius, rel=1e-8) and here.contains(around)
    z = center + here.radius * 0.5 * rng.normal(size=(20, size(name))) / size(name)
    np.testing.assert_allclose(z @ here.weights.T + here.bias, read(name, z)[1], atol=1e-12)
    nearest = here.decision_boundary
    if nearest.point is not None:
        point = np.concatenate([np.ravel(part) for part in keras.tree.flatten(nearest.point)])
        logits = np.sort(read(name, point[None])[1][0])
        assert logits[-1] - logits[-2] < 1e-10
        assert np.linalg.norm(point - x) == pytest.approx(nearest.distance)
    distances = geometry.boundary_distances(net(name), split(name, np.stack([x, x / 2])))
    free = geometry.region(net(name), split(name, x[None]))
    assert distances.distances[0] == pytest.approx(free.boundary_distance, rel=1e-9)


@pytest.mark.parametrize("name", SMALL)
def test_all_regions_of_a_box_in_fractions(name):
    model, x = net(name), np.array([0.1, -0.2, 0.3])
    found = geometry.explore(model, split(name, x), 5000, bounds=(-1, 1))
    cells = geometry.box_regions(model, (-1, 1))
    assert found.is_complete and len(found) == cells.n_regions > 25
    assert sorted(map(bytes, found.codes().to_bits())) == sorted(
        map(bytes, cells.codes().to_bits())
    )
    assert cells.volumes.sum() == pytest.approx(8)
    for code, center in zip(cells.codes().to_bits(), cells.centers, strict=True):
        assert code.tolist() == exact_bits(name, center)
    for there in geometry.neighbors(model, split(name, x), bounds=(-1, 1)):
        center = np.concatenate([np.ravel(part) for part in keras.tree.flatten(there.center)])
        assert there.code.to_bits()[0].tolist() == exact_bits(name, center)
    walked = geometry.boundary_distances(model, split(name, x[None]), max_regions=500)
    assert walked.is_exact.all()
