"""Plane regions: they tile the window, and each has the code that Keras computes inside it."""

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops
from test_chords import codes_along, one_layer, pool_choices
from test_lines import relu_net

import nets
from tfhash import geometry
from tfhash.geometry import mesh

WINDOW = (-0.25, 0.5, 0.0, 0.5)


def plane(net, seed=0):
    x, directions = nets.points(net, 1, seed)
    return x[0], directions[0], np.roll(directions[0], 1)


@pytest.fixture(params=(*nets.NETS, nets.grouped), ids=lambda net: net.__name__)
def net(request):
    return request.param()


def inputs_at(points, origin, u, v):
    a, b = (points[:, i].reshape(-1, *(1,) * origin.ndim) for i in (0, 1))
    return origin + a * u + b * v


def check_tiling(regions, window=WINDOW):
    width, height = window[1] - window[0], window[3] - window[2]
    assert abs(regions.areas.sum() - width * height) < 1e-9
    assert (regions.areas >= 0).all() and (np.diff(regions.offsets) >= 3).all()
    # Every edge is shared by two polygons, or lies on the window's frame.
    pairs, edges = regions.neighbors()
    on_frame = len(regions.corners) - 2 * len(pairs)
    ends = regions.points
    frame = sum(
        (ends[:, axis] == side).sum()
        for axis, sides in ((0, window[:2]), (1, window[2:]))
        for side in sides
    )
    assert on_frame == frame - 4
    assert len({tuple(edge) for edge in edges.tolist()}) == len(edges)
    return pairs, edges


def test_polygons_tile_the_window_and_have_the_codes_of_points_inside(net):
    origin, u, v = plane(net)
    regions = geometry.plane_regions(net, origin, u, v, WINDOW)
    check_tiling(regions)
    codes = regions.codes()
    wide = np.flatnonzero(regions.areas > 1e-10)[:2000]
    at = inputs_at(regions.centers[wide], origin, u, v)
    sampled = codes_along(
        nets.activation_model(net), at, np.zeros_like(at), np.zeros((len(at), 1))
    )[:, 0]
    np.testing.assert_array_equal(codes[wide].to_bits(), sampled)
    assert regions.n_regions == len(np.unique(codes.words, axis=0)) > 20
    # Points between a polygon's corners and its center have its code as well.
    corner = regions.points[regions.corners[regions.offsets[:-1]]][wide]
    at = inputs_at(0.7 * corner + 0.3 * regions.centers[wide], origin, u, v)[:500]
    again = codes_along(nets.activation_model(net), at, np.zeros_like(at), np.zeros((len(at), 1)))[
        :, 0
    ]
    np.testing.assert_array_equal(again, sampled[:500])


@pytest.mark.parametrize("build", (nets.mlp, nets.conv, nets.residual, nets.custom))
def test_polygons_are_regions_and_neighbors_differ_in_one_unit(build):
    origin, u, v = plane(build(), seed=1)
    regions = geometry.plane_regions(build(), origin, u, v, WINDOW)
    assert regions.n_regions == len(regions)
    assert regions.regions.tolist() == list(range(len(regions)))
    pairs, _ = regions.neighbors()
    bits = regions.codes().to_bits()
    assert ((bits[pairs[:, 0]] != bits[pairs[:, 1]]).sum(axis=1) == 1).all()


def test_a_line_through_the_window_crosses_the_regions_that_line_regions_finds(net):
    origin, u, v = plane(net, seed=2)
    regions = geometry.plane_regions(net, origin, u, v, WINDOW)
    starts, stops = np.array([[-0.25, 0.1], [0, 0], [0.3, 0.5]]), np.array([[0.5, 0.4]] * 3)
    codes = {bytes(words) for words in regions.codes().words}
    for start, stop in zip(starts, stops, strict=True):
        along = nets.regions_along(net, *inputs_at(np.stack([start, stop]), origin, u, v))
        wide = np.diff(along.edges) > 1e-9
        assert {bytes(words) for words in along.codes().words[wide]} <= codes


@pytest.mark.parametrize("build", (nets.mlp, nets.custom), ids=lambda build: build.__name__)
def test_classes_and_the_decision_boundary(build):
    net, window = build(), (-0.5, 1.5, -0.5, 1.5)
    x, _ = nets.points(net, 3)
    origin, u, v = x[0], x[1] - x[0], x[2] - x[0]
    regions = geometry.plane_regions(net, origin, u, v, window, classes=True)
    check_tiling(regions, window)
    wide = np.flatnonzero(regions.areas > 1e-10)
    logits = net(inputs_at(regions.centers[wide], origin, u, v), training=False)
    assert regions.classes is not None
    np.testing.assert_array_equal(
        regions.classes[wide], ops.convert_to_numpy(logits).argmax(axis=1)
    )
    plain = geometry.plane_regions(net, origin, u, v, window)
    assert plain.n_regions == regions.n_regions and plain.classes is None
    boundary = regions.decision_boundary()
    assert len(boundary) > 20
    top = np.sort(net(inputs_at(boundary.reshape(-1, 2), origin, u, v), training=False), axis=1)
    np.testing.assert_allclose(top[:, -1], top[:, -2], atol=1e-9)
    with pytest.raises(ValueError, match="Expected regions with classes"):
        plain.decision_boundary()


def test_one_logit_is_two_classes():
    inputs = keras.Input((2,), dtype="float64")
    hidden = kl.Dense(5, activation="relu", dtype="float64")(inputs)
    net = keras.Model(inputs, kl.Dense(1, activation="sigmoid", dtype="float64")(hidden))
    regions = geometry.plane_regions(net, [0, 0], [1, 0], [0, 1], 3.0, classes=True)
    sure = ops.convert_to_numpy(net(regions.centers))[:, 0]
    np.testing.assert_array_equal(regions.classes, sure > 0.5)
    ends = ops.convert_to_numpy(net(regions.decision_boundary().reshape(-1, 2)))
    np.testing.assert_allclose(ends, 0.5, atol=1e-9)


def test_linear_regions_tell_apart_what_pools_choose():
    net = nets.pooled()
    origin, u, v = plane(net, seed=4)
    window = (0, 0.1, 0, 0.1)
    linear = geometry.plane_regions(net, origin, u, v, window, region="linear")
    activation = geometry.plane_regions(net, origin, u, v, window)
    assert linear.n_regions > activation.n_regions
    check_tiling(linear, window)
    wide = np.flatnonzero(linear.areas > 1e-10)
    choices = pool_choices(net, inputs_at(linear.centers[wide], origin, u, v))
    codes = linear.codes()[wide].to_bits()
    both = np.hstack([choices, codes])
    # Equal region, equal choices and codes; and the other way about.
    found, first = np.unique(linear.regions[wide], return_index=True)
    place = np.searchsorted(found, linear.regions[wide])
    np.testing.assert_array_equal(both, both[first][place])
    assert len(np.unique(both, axis=0)) == len(found)


def test_little_memory_gives_the_same(net, monkeypatch):
    origin, u, v = plane(net, seed=5)
    window = np.array(WINDOW) / 4
    whole = geometry.plane_regions(net, origin, u, v, window)
    monkeypatch.setattr(mesh, "MESH_BYTES", 0)
    parts = geometry.plane_regions(net, origin, u, v, window)
    assert len(parts) == len(whole) and parts.n_regions == whole.n_regions
    for regions in (whole, parts):
        np.testing.assert_allclose(regions.areas.sum(), np.prod(window[1::2] - window[::2]))
    order = [np.lexsort(regions.codes().words.T) for regions in (whole, parts)]
    if net is not nets.pooled():  # there several polygons have one code
        np.testing.assert_array_equal(whole.codes().words[order[0]], parts.codes().words[order[1]])
        np.testing.assert_allclose(whole.areas[order[0]], parts.areas[order[1]], atol=1e-12)


def test_lines_that_meet_in_a_point_or_are_one():
    # x, y and x + y meet at 0; 2 x is x's line again; the last is the window's side.
    net = one_layer([[1, 0, 1, 2, 1], [0, 1, 1, 0, 0]], [0, 0, 0, 0, 1])
    regions = geometry.plane_regions(net, [0, 0], [1, 0], [0, 1])
    assert len(regions) == regions.n_regions == 6
    check_tiling(regions, (-1, 1, -1, 1))
    np.testing.assert_allclose(np.sort(regions.areas), [0.5, 0.5, 0.5, 0.5, 1, 1])
    pairs, _ = regions.neighbors()
    bits = regions.codes().to_bits()
    assert sorted((bits[pairs[:, 0]] != bits[pairs[:, 1]]).sum(axis=1)) == [1, 1, 1, 1, 2, 2]


def test_a_count_that_is_known():
    """n lines in general position make 1 + n + the number of their crossings, all in the window."""
    angles = np.arange(7) * np.pi / 7
    lines = np.array([np.cos(angles), np.sin(angles)])
    net = one_layer(lines, np.cos(5 * np.arange(7)))
    regions = geometry.plane_regions(net, [0, 0], [1, 0], [0, 1], 100.0)
    assert len(regions) == 1 + 7 + 21
    deeper = relu_net([(lines, np.cos(5 * np.arange(7))), (np.ones((7, 1)), np.array([-20.0]))])
    assert 29 < geometry.plane_regions(deeper, [0, 0], [1, 0], [0, 1], 100.0).n_regions < 58


@pytest.mark.parametrize(
    "given, message",
    (
        (([0, 0], [1, 0], [2, 0]), "directions that are parallel or 0"),
        (([0, 0], [1, 0], [0, 0]), "directions that are parallel or 0"),
        (([0, 0, 0], [1, 0], [0, 1]), "Expected origin of shape"),
        (([0, 0], [1, 0], [[0, 1]]), "Expected v of shape"),
        (([0, 0], [1, np.nan], [0, 1]), "u to be finite"),
        (([0, 0], [1, 0], [0, 1], 0), "extent to be a number above 0"),
        (([0, 0], [1, 0], [0, 1], -1.0), "extent to be a number above 0"),
        (([0, 0], [1, 0], [0, 1], np.inf), "extent to be a number above 0"),
        (([0, 0], [1, 0], [0, 1], (0, 1, 2)), "extent to be a number above 0"),
        (([0, 0], [1, 0], [0, 1], (0, 1, 1, 0)), "extent to be a number above 0"),
    ),
)
def test_bad_input(given, message):
    with pytest.raises(ValueError, match=message):
        geometry.plane_regions(one_layer(np.eye(2), [1, 1]), *given)


def test_classes_need_logits():
    inputs = keras.Input((2,))
    net = keras.Model(inputs, [kl.ReLU()(inputs), kl.Dense(2)(inputs)])
    with pytest.raises(ValueError, match="Expected a model with one output, a logit for each"):
        geometry.plane_regions(net, [0, 0], [1, 0], [0, 1], classes=True)


def three_layers():
    rng = np.random.default_rng(0)
    return relu_net([(rng.normal(size=(n, 30)), rng.normal(size=30)) for n in (2, 30, 30)])


def test_edges_on_seams_between_patches_are_kept(monkeypatch):
    net = three_layers()
    net = keras.Sequential([*net.layers[:-1], kl.Dense(3, dtype="float64")])
    net.build((None, 2))
    logits = ops.convert_to_numpy(net(np.random.default_rng(1).uniform(-1, 1, (500, 2))))
    net.layers[-1].bias.assign(-np.median(logits, axis=0))
    plane = net, np.zeros(2), *np.eye(2), 1.0
    whole = geometry.plane_regions(*plane, classes=True)
    patches = []
    halve = mesh._halve

    def counted(*args):
        patches.append(args)
        return halve(*args)

    monkeypatch.setattr(mesh, "_halve", counted)
    monkeypatch.setattr(mesh, "MESH_BYTES", 1 << 15)
    parts = geometry.plane_regions(*plane, classes=True)
    assert len(patches) > 5
    pairs, _ = check_tiling(parts, (-1, 1, -1, 1))
    assert len(parts.points) == len(whole.points)
    assert len(pairs) == len(whole.neighbors()[0])
    segments = [regions.decision_boundary() for regions in (whole, parts)]
    assert len(segments[0]) == len(segments[1]) > 5
    lengths = [np.linalg.norm(s[:, 0] - s[:, 1], axis=1).sum() for s in segments]
    assert lengths[0] == pytest.approx(lengths[1])


def test_wide_windows_have_as_many_regions_as_polygons_and_lose_none():
    rng = np.random.default_rng(0)
    net = relu_net([(rng.normal(size=(n, 16)), rng.normal(size=16)) for n in (2, 16)])
    counts = []
    for extent in (1e6, 1e7, 1e8, 1e9):
        regions = geometry.plane_regions(net, np.zeros(2), *np.eye(2), extent)
        assert len(regions) == regions.n_regions
        counts.append(len(regions))
    assert len(set(counts)) == 1


@pytest.mark.parametrize("extent", (1.0, 100.0))
def test_lines_through_one_point_make_two_regions_each(extent):
    rng = np.random.default_rng(1)
    for n in (3, 8, 20):
        point, lines = rng.normal(size=2) / 2, rng.normal(size=(2, n))
        net = relu_net([(lines, -point @ lines)])
        assert len(geometry.plane_regions(net, [0, 0], [1, 0], [0, 1], 3 * extent)) == 2 * n


def test_the_former_name_of_neighbors_warns():
    regions = geometry.plane_regions(three_layers(), np.zeros(2), *np.eye(2), 1.0)
    with pytest.warns(DeprecationWarning, match="now called neighbors"):
        before = regions.neighbours()
    np.testing.assert_array_equal(before[0], regions.neighbors()[0])


@pytest.mark.parametrize("seed", [2, 5, 7, 13, 16, 26])
def test_without_biases_all_regions_meet_in_one_point(seed):
    """Rounding there is that of the values which cancel: it makes no slivers. Against a circle."""
    keras.utils.set_random_seed(seed)
    widths = np.random.default_rng(seed).integers(4, 14, 2 + seed % 3)
    bare = {"activation": "relu", "use_bias": False, "dtype": "float64"}
    hidden = [keras.layers.Dense(int(width), **bare) for width in widths]
    net = keras.Sequential([keras.Input((2,)), *hidden, keras.layers.Dense(2, use_bias=False)])
    angles = np.linspace(0, 2 * np.pi, 100_000, endpoint=False)
    h, bits = np.column_stack([np.cos(angles), np.sin(angles)]), []
    for layer in hidden:
        z = h @ np.asarray(layer.kernel)
        bits.append(z > 0)
        h = np.maximum(z, 0)
    around = np.concatenate(bits, axis=1)
    changes = (around != np.roll(around, 1, axis=0)).any(axis=1).sum()
    for center in ([0.0, 0.0], [0.1, -0.2]):
        found = geometry.plane_regions(net, center, [1, 0], [0, 1], 1.0)
        assert found.n_regions == len(found) == changes
