"""The kernels of the geometry, on arrays alone: neither Keras nor TensorFlow is needed."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from tfhash import _native


def reduced(z, u, limit=np.inf, layer=3, first_unit=0):
    n = len(z)
    lower, upper = np.full(n, limit), np.full(n, limit)
    lower_unit, upper_unit = np.full((n, 2), -1), np.full((n, 2), -1)
    bad = _native.reduce_chords(z, u, layer, first_unit, lower, upper, lower_unit, upper_unit)
    assert bad == -1
    for unit in (lower_unit, upper_unit):
        assert set(unit[:, 0]) <= {-1, layer}
    return lower, lower_unit[:, 1], upper, upper_unit[:, 1]


@settings(max_examples=60, deadline=None)
@given(
    n=st.sampled_from(reference.ROW_SIZES),
    n_units=st.sampled_from((0, *reference.BIT_SIZES, 1023, 1024, 1025, 2100)),
    dtype=st.sampled_from((np.float32, np.float64)),
    coarse=st.booleans(),
    exponent=st.sampled_from((0, 0, 0, -38, 37, -307)),
    limit=st.sampled_from((np.inf, 0.01, 1e39)),
    seed=st.integers(0, 99),
)
def test_the_reduction_equals_its_oracle(n, n_units, dtype, coarse, exponent, limit, seed):
    rng = np.random.default_rng(seed)
    z, u = rng.normal(size=(2, n, n_units))
    if coarse:  # many ties, zeros and infinite quotients
        z, u = np.round(z), np.round(u)
    with np.errstate(over="ignore", under="ignore"):
        z, u = (z * 10.0**exponent).astype(dtype), u.astype(dtype)
    for got, expected in zip(reduced(z, u, limit), reference.chord_ends(z, u, limit), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_the_reduction_reports_the_first_row_that_is_not_finite(dtype):
    for n_units in (1, 17, 100, 1030):
        for bad in (np.nan, np.inf, -np.inf):
            z, u = np.ones((2, 300, n_units), dtype)
            (z if n_units % 2 else u)[[250, 70], n_units - 1] = bad
            out = np.full((2, 300), np.inf)
            units = np.full((2, 300, 2), -1)
            assert _native.reduce_chords(z, u, 0, 0, *out, *units) == 70


@settings(max_examples=60, deadline=None)
@given(
    n=st.sampled_from((0, 1, 2, 3, 9, 40)),
    n_units=st.sampled_from((0, *reference.BIT_SIZES)),
    coarse=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_kernels_equal_their_oracles(n, n_units, coarse, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, n_units))
    if coarse:
        z = np.round(z)
    events = _native.line_events(z)
    assert list(zip(*(e.tolist() for e in events), strict=True)) == reference.line_events(z)
    piece = np.sort(rng.integers(0, max(n - 1, 1), 10 if n > 1 else 0))
    weight = rng.random(len(piece))
    rows = [z[p : p + 1] for p in range(n)]
    for p, w in zip(piece[::-1], weight[::-1], strict=True):
        rows.insert(p + 1, z[p : p + 1] + w * (z[p + 1 : p + 2] - z[p : p + 1]))
    expected = np.concatenate([np.empty((0, n_units)), *rows])
    np.testing.assert_array_equal(_native.blend_rows(z, piece, weight), expected)


def test_pieces_that_are_not_there_are_refused():
    for piece in ([-1], [2], [1, 0]):
        with pytest.raises(ValueError, match="ascending pieces from 0 to 1"):
            _native.blend_rows(np.zeros((3, 2)), np.array(piece), np.zeros(len(piece)))


@settings(max_examples=60, deadline=None)
@given(
    widths=st.lists(
        st.sampled_from((1, 2, 3, 4, 5, 7, 8, 9, 11, 13, 33, 47, 49, 70, 95)),
        min_size=2,
        max_size=4,
    ),
    n=st.sampled_from((0, 1, 2, 3, 9, 17)),
    dtype=st.sampled_from((np.float32, np.float64)),
    scaled=st.booleans(),
    coarse=st.booleans(),
    slope=st.sampled_from((0.0, 0.1)),
    seed=st.integers(0, 99),
)
def test_dense_networks_along_lines_equal_their_oracle(
    widths, n, dtype, scaled, coarse, slope, seed
):
    rng = np.random.default_rng(seed)
    layers = []
    for n_in, n_out in pairwise(widths):
        weights = rng.normal(size=(n_in, n_out)) / np.sqrt(n_in)
        scale, shift = rng.normal(size=(2, n_out))
        if coarse:  # zeros at ends and corners, units that switch together, inputs that are off
            weights, scale, shift = np.round(2 * weights), np.round(scale), np.round(shift)
        layers.append((weights.astype(dtype), scale if scaled else None, shift, slope))
    ends = rng.normal(scale=3, size=(2 * n, widths[0]))
    ends = np.round(ends) if coarse else ends
    outcomes, offsets, t, units, codes = _native.dense_lines(layers, ends, 10_000)
    assert outcomes.tolist() == [0] * n and codes.shape == (n, sum(widths[1:]))
    for i in range(n):
        expected, code = reference.dense_line(layers, ends[2 * i], ends[2 * i + 1])
        here = slice(offsets[i], offsets[i + 1])
        got = [(a, *unit) for a, unit in zip(t[here].tolist(), units[here].tolist(), strict=True)]
        assert got == expected
        np.testing.assert_array_equal(codes[i], code)


@pytest.mark.parametrize("size", (1.0, 1e-170, 1e120))
@pytest.mark.parametrize("slope", (0.0, 0.3))
def test_lines_of_many_points_equal_their_oracle(size, slope):
    """Most units are surely on or off in most blocks; squares of numbers so small are 0."""
    rng = np.random.default_rng(0)
    layers: list[Any] = []
    for n_in, n_out in pairwise((5, 40, 40, 40)):
        weights = rng.normal(size=(n_in, n_out)) * np.sqrt(2 / n_in)
        layers.append((weights * (1 if layers else size), None, np.zeros(n_out), slope))
    start, stop = rng.normal(size=(2, 5))
    _, _, t, units, codes = _native.dense_lines(layers, np.stack([start, stop]), 10_000)
    expected, code = reference.dense_line(layers, start, stop)
    assert [(a, *unit) for a, unit in zip(t.tolist(), units.tolist(), strict=True)] == expected
    assert len(expected) > 60
    np.testing.assert_array_equal(codes[0], code)


@pytest.mark.parametrize("slope", (0.0, 0.3))
@pytest.mark.parametrize("scaled", (False, True))
def test_many_lines_of_few_to_many_points_equal_their_oracle(slope, scaled):
    """Weights are put in order; the longest line has more ends of blocks than there are lanes."""
    rng = np.random.default_rng(0)
    layers: list[Any] = []
    for n_in, n_out in pairwise((4, 200, 90, 21)):
        weights = (rng.normal(size=(n_in, n_out)) * np.sqrt(2 / n_in)).astype(np.float32)
        scale = rng.normal(size=n_out) if scaled else None
        layers.append((weights, scale, rng.normal(size=n_out), slope))
    lengths = np.array([40, 4, 2, 1, 0.5, 0.2] + 10 * [0.1])
    middles, directions = rng.normal(size=(2, len(lengths), 4))
    steps = directions * lengths[:, None] / 2
    ends = np.stack([middles - steps, middles + steps], axis=1).reshape(-1, 4)
    _, offsets, t, units, codes = _native.dense_lines(layers, ends, 10_000)
    n_points = []
    for i in range(6):
        expected, code = reference.dense_line(layers, ends[2 * i], ends[2 * i + 1])
        here = slice(offsets[i], offsets[i + 1])
        got = [(a, *unit) for a, unit in zip(t[here].tolist(), units[here].tolist(), strict=True)]
        assert got == expected
        np.testing.assert_array_equal(codes[i], code)
        n_points.append(2 + sum(layer < 2 for _, layer, _ in expected))
    assert max(n_points) > 15 * 16 and min(n_points) < 15 * 4


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    widths=st.lists(st.integers(2, 6), min_size=2, max_size=3),
    scaled=st.booleans(),
    seed=st.integers(0, 9999),
)
def test_units_that_are_0_between_switches_agree_with_rational_arithmetic(widths, scaled, seed):
    rng = np.random.default_rng(seed)
    layers, matrices = [], []
    for shape in pairwise([3, *widths]):
        weights, shift = np.round(1.2 * rng.normal(size=shape)), np.round(rng.normal(size=shape[1]))
        scale = 2.0 ** rng.integers(-1, 2, shape[1]) if scaled else None
        layers.append((weights, scale, shift, 0.0))
        matrices.append((weights if scale is None else weights * scale, shift))
    start, stop = np.round(rng.normal(scale=3, size=(2, 3)))
    stop[0] = start[0] + 1
    _, _, t, units, _ = _native.dense_lines(layers, np.stack([start, stop]), 10_000)
    got = sorted((round(a, 9), *unit) for a, unit in zip(t.tolist(), units.tolist(), strict=True))
    expected = reference.exact_line_regions(matrices, start, stop)
    assert got == sorted((round(float(a), 9), layer, unit) for a, layer, unit in expected)


def test_lines_with_too_many_points_or_numbers_that_overflow_are_given_up():
    rng = np.random.default_rng(0)
    first = (rng.normal(size=(3, 20)), None, np.zeros(20), 0.0)
    layers = [first, (np.ones((20, 1)), None, np.ones(1), 0.0)]
    ends = rng.normal(size=(4, 3))
    counts = np.diff(_native.dense_lines([first], ends, 0)[1])  # a last layer holds no points
    assert counts.min() > 3
    outcomes, offsets, _, _, _ = _native.dense_lines(layers, ends, 10_000)
    assert outcomes.tolist() == [0, 0]
    np.testing.assert_array_equal(np.diff(offsets), counts)
    outcomes, offsets, _, _, _ = _native.dense_lines(layers, ends, int(counts.max()) + 1)
    assert sorted(outcomes.tolist()) == ([0, 1] if counts.min() < counts.max() else [1, 1])
    layers[0][0][0, 0] = np.inf
    assert _native.dense_lines(layers, ends, 10_000)[0].tolist() == [2, 2]


@pytest.mark.parametrize(
    "layers, shape, message",
    (
        ([], (2, 3), "Received: 0 layers"),
        ([(np.ones((3, 2)), None, np.zeros(2), 0.0)], (3, 3), "ends of shape"),
        ([(np.ones((3, 2)), None, np.zeros(2), 0.0)], (2, 4), "ends of shape"),
        ([(np.ones((3, 2)), None, np.zeros(3), 0.0)], (2, 3), "scale and shift of shape"),
        ([(np.ones((3, 2)), np.ones(2, np.float32), np.zeros(2), 0.0)], (2, 3), "float64 scale"),
        ([(np.ones((3, 2), int), None, np.zeros(2), 0.0)], (2, 3), "float32 or float64 weights"),
        ([(np.ones((3, 2)), None, np.zeros(2))], (2, 3), "weights, scale, shift, slope"),
        (2 * [(np.ones((3, 2)), None, np.zeros(2), 0.0)], (2, 3), "weights of shape"),
    ),
)
def test_networks_that_are_none_are_refused(layers, shape, message):
    with pytest.raises(ValueError, match=message):
        _native.dense_lines(layers, np.zeros(shape), 100)


def square_grid(rng, n):
    """n by n squares that share their corners: points, offsets, corners."""
    ticks = np.sort(rng.random(n + 1))
    points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    corner = (np.arange(n)[:, None] * (n + 1) + np.arange(n)).reshape(-1, 1)
    corners = corner + np.array([0, 1, n + 2, n + 1])
    return points, np.arange(0, 4 * n * n + 1, 4), np.ascontiguousarray(corners.ravel())


@pytest.mark.full
@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 9),
    n_units=st.sampled_from((0, 1, 2, 5, 63, 64, 65)),
    coarse=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_kernel_cuts_as_clipping_does(n, n_units, coarse, seed):
    """Against Sutherland-Hodgman clipping, one polygon, one unit at a time."""
    rng = np.random.default_rng(seed)
    points, offsets, corners = square_grid(rng, n)
    slopes, constants = rng.normal(size=(2, n_units)), rng.normal(scale=0.3, size=n_units)
    if coarse:
        points, slopes, constants = np.round(8 * points), np.round(slopes), np.round(8 * constants)
    z = points @ slopes + constants
    within = 1e-12 * np.abs(z).max(axis=0, initial=0)
    start, stop, weight, zero_point, zero_unit, new_offsets, new_corners, parent = (
        _native.cut_polygons(z, within, offsets, corners)
    )
    no = np.empty(0, np.int64)
    cut_points = _native.blend_points(points, start, stop, weight, no, no)
    values = _native.blend_points(z, start, stop, weight, zero_point, zero_unit)
    np.testing.assert_allclose(values, cut_points @ slopes + constants, atol=1e-9)
    assert (values[zero_point, zero_unit] == 0).all()
    pieces = [cut_points[new_corners[a:b]] for a, b in pairwise(new_offsets)]
    expected = [
        reference.cut_polygon(points[corners[a:b]], slopes, constants) for a, b in pairwise(offsets)
    ]
    for polygon, parts in enumerate(expected):
        got = [piece for piece, of in zip(pieces, parent, strict=True) if of == polygon]
        areas = sorted(reference.area(piece) for piece in got)
        np.testing.assert_allclose(areas, sorted(map(reference.area, parts)), atol=1e-9)
    codes = _native.polygon_codes(values, within, new_offsets, new_corners)
    for row, piece in zip(codes, pieces, strict=True):
        if reference.area(piece) > 1e-6:
            bits = np.unpackbits(row.view(np.uint8), bitorder="little")[:n_units]
            middle = piece.mean(axis=0) @ slopes + constants
            np.testing.assert_array_equal(bits[middle != 0], middle[middle != 0] > 0)


def test_polygons_that_are_none_are_refused():
    z, within = np.zeros((4, 1)), np.zeros(1)
    for offsets, corners in (
        ([0, 2], [0, 1]),
        ([0, 3], [0, 1, 4]),
        ([0, 3], [0, 1, -1]),
        ([0, 3], [0, 1, 2, 3]),
        ([1, 4], [0, 1, 2, 3]),
        ([0], [1]),
    ):
        with pytest.raises(ValueError, match="Expected offsets from 0"):
            _native.cut_polygons(z, within, np.array(offsets), np.array(corners))
    with pytest.raises(ValueError, match="points before them"):
        _native.blend_points(
            z,
            np.array([0]),
            np.array([4]),
            np.array([0.5]),
            np.empty(0, np.int64),
            np.empty(0, np.int64),
        )


SQUARE = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])


def dense_plane(layers, patch_bytes):
    found = _native.dense_plane(layers, SQUARE, SQUARE, patch_bytes)
    assert found is not None
    return found


def dense_stack(rng, widths, slope=0.0):
    return [
        (rng.normal(size=(n_in, n_out)) / np.sqrt(n_in), None, rng.normal(size=n_out) / 4, slope)
        for n_in, n_out in pairwise(widths)
    ]


def bits_at(layers, points):
    found, h = [], points
    for weights, _, shift, slope in layers:
        z = h @ weights + shift
        found.append(z > 0)
        h = np.where(z > 0, z, slope * z)
    return np.hstack(found)


def plane_bits(layers, codes):
    return np.hstack(
        [
            np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, : weights.shape[1]]
            for (weights, *_), words in zip(layers, codes, strict=True)
        ]
    ).astype(bool)


@pytest.mark.full
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    widths=st.sampled_from(((2, 9), (2, 70), (2, 12, 12), (2, 16, 20, 8, 5), (2, 1, 1))),
    slope=st.sampled_from((0.0, 0.25, -1.0)),
    patch_bytes=st.sampled_from((0, 3000, 1 << 25)),
    seed=st.integers(0, 99),
)
def test_polygons_of_a_dense_stack_have_the_codes_of_points_inside(
    widths, slope, patch_bytes, seed
):
    rng = np.random.default_rng(seed)
    layers = dense_stack(rng, widths, slope)
    points, offsets, corners, codes = dense_plane(layers, patch_bytes)
    polygons = [points[corners[a:b]] for a, b in pairwise(offsets)]
    areas = np.array([reference.area(polygon) for polygon in polygons])
    assert areas.sum() == pytest.approx(4, abs=1e-12)
    bits = plane_bits(layers, codes)
    assert len(np.unique(bits, axis=0)) == len(bits)
    wide = areas > 1e-9
    centers = np.array([polygon.mean(axis=0) for polygon in polygons])
    np.testing.assert_array_equal(bits[wide], bits_at(layers, centers[wide]))
    # What dense sampling meets has been found.
    met = np.unique(bits_at(layers, rng.uniform(-1, 1, (3000, 2))), axis=0)
    assert {row.tobytes() for row in met} <= {row.tobytes() for row in bits}
    # Every edge but those of the frame has a polygon on either side, across patches too.
    edges = [
        tuple(sorted(edge))
        for a, b in pairwise(offsets)
        for edge in zip(corners[a:b], np.roll(corners[a:b], 1), strict=True)
    ]
    once = [edge for edge in set(edges) if edges.count(edge) == 1] if len(edges) < 3000 else []
    ends = points[np.array(once, int).reshape(-1, 2)]
    assert ((np.abs(ends) == 1).all(axis=1).any(axis=1)).all()


@pytest.mark.parametrize("n_layers", (1, 2))
def test_units_off_at_many_points_near_each_other_cut_the_polygons_there(n_layers):
    """Values that surely are below 0 are made all the same where a polygon goes on beyond."""
    rng = np.random.default_rng(4)
    point, lines = np.array([-0.9, -0.9]), rng.normal(size=(2, 12))
    first = np.hstack([lines, np.eye(2)]), None, np.append(-point @ lines, [2, 2]), 0.0
    first[2][:12] += rng.normal(size=12) / 50
    weights = np.vstack([rng.normal(size=(12, 40)) / 50, rng.normal(size=(2, 40))])
    second = weights, None, -weights[12:].T @ [2, 2] - rng.uniform(0.5, 2, 40), 0.0
    layers = [first, second, *dense_stack(rng, (40, 9)[:n_layers])]
    points, offsets, corners, codes = dense_plane(layers, 1 << 20)
    polygons = [points[corners[a:b]] for a, b in pairwise(offsets)]
    areas = np.array([reference.area(polygon) for polygon in polygons])
    assert areas.sum() == pytest.approx(4, abs=1e-12)
    wide = areas > 1e-12
    centers = np.array([polygon.mean(axis=0) for polygon in polygons])
    bits = plane_bits(layers, codes)
    np.testing.assert_array_equal(bits[wide], bits_at(layers, centers[wide]))
    # A line that crosses a polygon cuts it: no corner is on another side than the center.
    h = points
    for i, (kernel, _, shift, _) in enumerate(layers):
        z, sides = h @ kernel + shift, plane_bits(layers[: i + 1], codes[: i + 1])
        sides = sides[:, -kernel.shape[1] :]
        for polygon, (a, b) in enumerate(pairwise(offsets)):
            at = z[corners[a:b]]
            assert (np.where(sides[polygon], at, -at) > -1e-11).all()
        h = np.maximum(z, 0)


def test_patches_give_the_same_polygons():
    layers = dense_stack(np.random.default_rng(3), (2, 30, 30, 30))
    whole, parts = (dense_plane(layers, size) for size in (1 << 25, 20_000))
    assert len(whole[0]) == len(parts[0]) and len(whole[1]) == len(parts[1]) > 500
    ordered = [np.unique(plane_bits(layers, found[3]), axis=0) for found in (whole, parts)]
    np.testing.assert_array_equal(*ordered)


def test_many_lines_have_as_many_cells_as_euler_says():
    """n lines make 1 + n + c cells, c the crossings inside; also with lines that are repeated."""
    rng = np.random.default_rng(0)
    weights, shift = rng.normal(size=(2, 300)), rng.normal(size=300) / 3
    values = SQUARE @ weights + shift
    inside = np.flatnonzero((values > 0).any(axis=0) & (values < 0).any(axis=0))
    a, b = np.triu_indices(len(inside), 1)
    pairs = weights[:, inside].T[np.stack([a, b], axis=1)]
    at = np.linalg.solve(pairs, -shift[inside][np.stack([a, b], axis=1)][..., None])[..., 0]
    crossings = int((np.abs(at) < 1).all(axis=1).sum())
    twice = [(np.hstack([weights, -2 * weights]), None, np.append(shift, -2 * shift), 0.0)]
    for layers in ([(weights, None, shift, 0.0)], twice):
        _, offsets, _, _ = dense_plane(layers, 1 << 25)
        assert len(offsets) - 1 == 1 + len(inside) + crossings


def test_planes_of_numbers_that_overflow_are_given_up():
    layers = [(np.full((2, 3), np.inf), None, np.zeros(3), 0.0)]
    assert _native.dense_plane(layers, SQUARE, SQUARE, 100) is None


@pytest.mark.parametrize(
    "window, inputs, size, message",
    (
        (SQUARE[:2], SQUARE[:2], 1, "a window of shape"),
        (SQUARE, SQUARE[:3], 1, "a window of shape"),
        (SQUARE, np.zeros((4, 3)), 1, "a window of shape"),
        (SQUARE, SQUARE, -1, "patch_bytes from 0"),
    ),
)
def test_planes_that_are_none_are_refused(window, inputs, size, message):
    layers = dense_stack(np.random.default_rng(0), (2, 3))
    with pytest.raises(ValueError, match=message):
        _native.dense_plane(layers, window, inputs, size)


def window_steps(layers, n_pixels):
    """Steps of windows, each followed by a ReLU, and their matrices."""
    steps: list[dict[str, Any]] = []
    matrices: list[np.ndarray] = []
    n_inputs = 1
    for i, (table, weights, shift) in enumerate(layers):
        n_channels = weights.shape[1]
        shape = {"n_pixels": len(table), "n_channels": n_channels}
        given = {"table": table, "n_inputs": n_inputs, "weights": weights, "shift": shift}
        given |= {"channel_weights": None, "scale": None}
        steps.append({"kind": "windows", "inputs": [2 * i], "output": 2 * i + 1, **shape, **given})
        bends = {"kinks": [np.zeros(1)], "slopes": [np.zeros(1), np.ones(1)], "layer": i}
        bends |= {"offsets": [np.zeros(1)] * 2, "first_state": sum(m.shape[1] for m, _ in matrices)}
        ends = {"inputs": [2 * i + 1], "output": 2 * i + 2}
        steps.append({"kind": "activation", **ends, **shape, **bends})
        matrix = np.zeros((n_pixels, n_inputs, len(table), n_channels))
        for pixel, tap in np.argwhere(table >= 0):
            rows = weights[tap * n_inputs : (tap + 1) * n_inputs]
            matrix[table[pixel, tap], :, pixel] += rows
        matrix = matrix.reshape(n_pixels * n_inputs, -1)
        matrices.append((matrix, np.tile(shift, len(table))))
        n_pixels, n_inputs = len(table), n_channels
    return steps, matrices


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    pixels=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    n_taps=st.integers(1, 4),
    n_channels=st.integers(1, 3),
    coarse=st.booleans(),
    seed=st.integers(0, 999),
)
def test_lines_through_windows_agree_with_rational_arithmetic(
    pixels, n_taps, n_channels, coarse, seed
):
    rng = np.random.default_rng(seed)
    layers, n_inputs = [], 1
    for before, here in pairwise(pixels):
        table = rng.integers(-1, before, (here, n_taps)).astype(np.int32)
        weights = rng.normal(size=(n_taps * n_inputs, n_channels))
        shift = rng.normal(size=n_channels)
        if coarse:  # units that switch together, or are 0 throughout
            weights, shift = np.round(weights), np.round(shift)
        layers.append((table, weights, shift))
        n_inputs = n_channels
    steps, matrices = window_steps(layers, pixels[0])
    start, stop = np.round(rng.normal(scale=3, size=(2, pixels[0])), 3)
    stop[0] = start[0] + 1
    n_states = sum(matrix.shape[1] for matrix, _ in matrices)
    expected = reference.exact_line_regions(matrices, start, stop)
    ends = np.stack([start, stop])
    ((outcome, t, units),), states = _native.local_lines(
        steps, 2 * len(layers) + 1, pixels[0], ends, 1 << 28, n_states
    )
    assert outcome == 0 and states.shape == (2, n_states)
    got = sorted((round(at, 9), *unit) for at, unit in zip(t.tolist(), units.tolist(), strict=True))
    assert got == sorted((round(float(at), 9), layer, unit) for at, layer, unit in expected)
    # From the first piece to the last, each unit has switched as often as was found.
    firsts = np.cumsum([0, *(matrix.shape[1] for matrix, _ in matrices)])
    times = np.bincount(firsts[units[:, 0]] + units[:, 1], minlength=n_states)
    np.testing.assert_array_equal(states[0] ^ states[1], times % 2)


def test_a_line_through_windows_with_too_little_memory_is_given_up():
    table = np.arange(4, dtype=np.int32)[:, None]
    steps, _ = window_steps([(table, np.ones((1, 3)), np.zeros(3))] * 1, 4)
    ends = np.ones((2, 4)) * [[-1], [1]]
    (few,), _ = _native.local_lines(steps, 3, 4, ends, 100, 12)
    (enough,), _ = _native.local_lines(steps, 3, 4, ends, 1000, 12)
    assert few[0] == 1 and enough[0] == 0 and enough[1].tolist() == [0.5] * 12
