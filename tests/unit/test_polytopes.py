"""Least squares and facets of polytopes: against SciPy's solvers, and where answers are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, nnls

from tfhash import _native

FIXED = settings(max_examples=40, derandomize=True, deadline=None, database=None)
SEEDS = st.integers(0, 10**6)


def polytope(rng, n, d, coarse):
    """Normals of length 1, and distances from the origin, which is inside."""
    normals = rng.normal(size=(n, d))
    if coarse:  # parallel ones, and many through a corner of the cube
        normals = np.vstack([np.round(normals), np.eye(d)])
        normals = normals[normals.any(axis=1)]
    sizes = np.linalg.norm(normals, axis=1)
    distances = np.abs(normals).sum(axis=1) / sizes if coarse else rng.uniform(0.5, 2, n)
    normals = normals / sizes[:, None]
    sides = np.column_stack([normals, distances]).round(9)
    _, first = np.unique(sides, axis=0, return_index=True)
    return normals[first], distances[first]


def is_facet(normals, distances, i):
    """Whether the polytope is larger without a side: a linear program."""
    others = np.arange(len(normals)) != i
    found = linprog(-normals[i], normals[others], distances[others], bounds=(None, None))
    # It is feasible, so that without an optimum it is unbounded.
    return found.fun is None or bool(-found.fun > distances[i] * (1 + 1e-7))


@FIXED
@given(n=st.integers(1, 60), size=st.integers(1, 12), kind=st.sampled_from("abcd"), seed=SEEDS)
def test_the_fit_is_scipys_and_meets_the_conditions_of_the_optimum(n, size, kind, seed):
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(n, size))
    if kind == "b":  # many equal, many dependent
        columns = np.round(columns)
    if kind == "c":  # nearly equal
        columns = columns[rng.integers(0, n, n)] + 1e-9 * columns
    if kind == "d":
        columns[:, 0] = abs(columns[:, 0]) * 10.0 ** rng.uniform(-6, 6, n)
    wanted = rng.normal(size=size)
    weights, residual = _native.nonnegative_fit(columns, wanted)
    assert (weights >= 0).all()
    np.testing.assert_allclose(residual, wanted - weights @ columns, atol=1e-9)
    ours, (_, theirs) = np.linalg.norm(residual), nnls(columns.T, wanted, maxiter=10_000)
    assert ours == pytest.approx(theirs, abs=1e-7)
    # No column leads nearer, and those in use neither way.
    along = columns @ residual / np.maximum(np.linalg.norm(columns, axis=1), 1e-300)
    assert along.max() < 1e-7 and abs(along[weights > 0]).max(initial=0) < 1e-7


@FIXED
@given(n=st.integers(1, 40), d=st.integers(1, 8), kind=st.sampled_from("abc"), seed=SEEDS)
def test_facets_are_those_of_linear_programs(n, d, kind, seed):
    normals, distances = polytope(np.random.default_rng(seed), n, d, kind == "b")
    if kind == "c":  # unbounded: a side may follow from others with room to spare
        normals[:, 0] = abs(normals[:, 0])
    n = len(normals)
    expected = [is_facet(normals, distances, i) for i in range(n)]
    nothing = np.zeros(n, bool)
    found = _native.settle_facets(normals, distances, nothing, ~nothing, 1e-10)
    assert found.tolist() == expected
    # Sides that are known from the start stay so; those that are not open are not asked of.
    known = np.random.default_rng(seed).random(n) < 0.3
    found = _native.settle_facets(normals, distances, known, ~known, 1e-10)
    assert found.tolist() == [bool(a or b) for a, b in zip(known, expected, strict=True)]
    assert not _native.settle_facets(normals, distances, nothing, nothing, 1e-10).any()


@FIXED
@given(n=st.integers(1, 30), d=st.integers(1, 8), equal=st.booleans(), seed=SEEDS)
def test_the_nearest_point_meets_the_conditions_of_the_optimum(n, d, equal, seed):
    rng = np.random.default_rng(seed)
    normals, _ = polytope(rng, n, d, False)
    slack = rng.uniform(-1, 2, n)
    place = int(rng.integers(n)) if equal else -1
    y = _native.nearest_point(normals, slack, place)
    rows, ends = normals, slack
    if equal:
        rows, ends = np.vstack([normals, -normals[place]]), np.append(slack, -slack[place])
    if y is None:
        assert linprog(np.zeros(d), rows, ends, bounds=(None, None)).status == 2
        return
    gap = ends - rows @ y
    assert gap.min() > -1e-12 * max(1.0, np.abs(y).max())
    # Minus the point is a sum of nonnegative multiples of the normals that it touches.
    touched = rows[gap < 1e-9 * max(1.0, np.abs(y).max())]
    error = nnls(touched.T, -y)[1] if len(touched) else np.linalg.norm(y)
    assert error < 1e-9 * max(1.0, np.abs(y).max())


@pytest.mark.parametrize("angle", (1e-3, 1e-5, 1e-7, 2e-8))
def test_a_nearest_point_that_is_far_away(angle):
    """Two sides that are nearly opposite meet at 2 / angle."""
    normals = np.array([[1, 0], [-np.cos(angle), np.sin(angle)]])
    y = _native.nearest_point(normals, np.array([-1.0, -1.0]), -1)
    wanted = np.array([-1, -(1 + np.cos(angle)) / np.sin(angle)])
    assert np.linalg.norm(y - wanted) < 1e-6 * np.linalg.norm(wanted)


@pytest.mark.parametrize("cap", (0.05, np.inf))
def test_the_largest_ball_is_that_of_a_linear_program(cap):
    n_found = n_proved = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        d = int(rng.integers(1, 9))
        normals, distances = polytope(rng, int(rng.integers(1, 40)), d, bool(seed % 2))
        normals = np.vstack([normals, np.eye(d), -np.eye(d)])
        distances = np.concatenate([distances, rng.uniform(1, 3, 2 * d)])
        distances = distances + 0.3 * normals @ rng.normal(size=d)  # from another point, or outside
        found = _native.largest_ball(normals, distances, cap)
        program = linprog(
            [*np.zeros(d), -1.0],
            np.column_stack([normals, np.ones(len(normals))]),
            distances,
            bounds=[(None, None)] * d + [(None, cap)],
        )
        if found is None:
            continue
        n_found += 1
        center, bound = found
        assert bound > -program.fun - 1e-7  # no ball is larger
        radius = min(cap, (distances - normals @ center).min())
        if radius > bound * (1 - 1e-9):
            n_proved += 1
            assert bound == pytest.approx(-program.fun, rel=1e-7)
    # A ball that is capped has room to move: the sides it touches do not say where it is.
    assert n_found > 50 and (n_proved > 57 or cap < np.inf)


def test_sides_that_touch_a_corner_or_an_edge_are_no_facets():
    for d in (2, 3, 6):
        cube = np.vstack([np.eye(d), -np.eye(d)])
        touching = np.zeros((d, d))
        for i in range(1, d):  # through an edge, a corner and so on
            touching[i, : i + 1] = 1 / np.sqrt(i + 1)
        touching[0, 0], beside = 1.0, np.sqrt(np.arange(1, d + 1.0))
        normals = np.vstack([cube, touching[1:]])
        distances = np.concatenate([np.ones(2 * d), beside[1:]])
        nothing = np.zeros(len(normals), bool)
        found = _native.settle_facets(normals, distances, nothing, ~nothing, 1e-10)
        assert found.tolist() == [True] * (2 * d) + [False] * (d - 1)
        closer = np.concatenate([np.ones(2 * d), beside[1:] * (1 - 1e-6)])
        assert _native.settle_facets(normals, closer, nothing, ~nothing, 1e-10).all()


def test_nothing_is_read_that_is_not_there():
    normals, distances, flags = np.eye(3), np.ones(3), np.ones(3, bool)
    for call in (
        lambda: _native.nonnegative_fit(normals, np.ones(4)),
        lambda: _native.nonnegative_fit(np.ones(3), np.ones(3)),
        lambda: _native.nearest_point(normals, np.ones(2)),
        lambda: _native.nearest_point(normals, distances, 3),
        lambda: _native.nearest_point(normals, distances, -2),
        lambda: _native.largest_ball(normals, np.ones(2), 1.0),
        lambda: _native.settle_facets(normals, distances, flags, flags[:2], 1e-10),
        lambda: _native.settle_facets(normals, np.ones(4), flags, flags, 1e-10),
    ):
        with pytest.raises(ValueError, match=r"Expected .*Received"):
            call()
    for bad in (np.nan, np.inf, -np.inf, 0.0):  # whatever is found: it ends
        for place in range(3):
            rows, ends = normals.copy(), distances.copy()
            ends[place] = rows[place, 1] = bad
            _native.nonnegative_fit(rows, ends)
            _native.nearest_point(rows, ends)
            _native.largest_ball(rows, ends, bad)
            _native.settle_facets(rows, ends, ~flags, flags, 1e-10)
    for shape in ((0, 3), (3, 0), (0, 0)):
        rows, flags = np.ones(shape), np.zeros(shape[0], bool)
        _native.nonnegative_fit(rows, np.ones(shape[1]))
        _native.nearest_point(rows, np.ones(shape[0]))
        _native.largest_ball(rows, np.ones(shape[0]), np.inf)
        _native.settle_facets(rows, np.ones(shape[0]), flags, ~flags, 1e-10)


@FIXED
@given(m=st.integers(0, 40), d=st.integers(1, 9), seed=SEEDS)
def test_half_spaces_are_told_apart(m, d, seed):
    rng = np.random.default_rng(seed)
    rows, x = np.round(rng.normal(size=(m, d))), rng.normal(size=d)
    rows = rows[rows.any(axis=1)]
    offsets = np.round(rng.normal(size=len(rows)))
    sizes = np.linalg.norm(rows, axis=1)
    sides = np.column_stack([rows, offsets]) / sizes[:, None]
    scale = rng.uniform(0.5, 2, len(rows))  # the same half-space, whatever the length
    normals, ends, first, group = _native.distinct_half_spaces(
        rows * scale[:, None], offsets * scale, x, 1e-9
    )
    _, expected, numbers = np.unique(
        sides.round(9) + 0.0, axis=0, return_index=True, return_inverse=True
    )
    np.testing.assert_array_equal(first, np.sort(expected))
    np.testing.assert_array_equal(first[group], expected[numbers.ravel()])
    np.testing.assert_allclose(np.column_stack([normals, ends]), sides[first], atol=1e-14)


@FIXED
@given(m=st.integers(1, 30), d=st.integers(1, 8), seed=SEEDS)
def test_sides_of_units(m, d, seed):
    rng = np.random.default_rng(seed)
    whole = np.round(rng.normal(size=(m, d + 1)))  # slopes and values, as views of one array
    above, counts, x = rng.random(m) < 0.5, rng.random(m) < 0.8, np.round(rng.normal(size=d))
    found = _native.unit_sides(3, whole[:, :-1], whole[:, -1], above, counts, x, 1e-12)
    assert found is not None
    rows, offsets, units, still, at_zero = found
    slopes, values = whole[:, :-1], whole[:, -1]
    moves = slopes.any(axis=1)
    (expected,) = np.nonzero(moves & counts)
    signs = np.where(above, -1.0, 1.0)[expected]
    np.testing.assert_array_equal(rows, signs[:, None] * slopes[expected])
    np.testing.assert_array_equal(offsets, rows @ x - signs * values[expected])
    np.testing.assert_array_equal(units, np.column_stack([np.full(len(expected), 3), expected]))
    np.testing.assert_array_equal(still[:, 1], np.flatnonzero(~moves & counts & (values == 0)))
    np.testing.assert_array_equal(at_zero[:, 1], expected[values[expected] == 0])
    whole[0, 0] = np.inf
    assert _native.unit_sides(3, whole[:, :-1], whole[:, -1], None, None, x, 1e-12) is None


@FIXED
@given(n=st.integers(2, 20), d=st.integers(1, 5), seed=SEEDS)
def test_what_is_said_of_sides_without_a_solver_is_so(n, d, seed):
    rng = np.random.default_rng(seed)
    normals, distances = polytope(rng, n, d, False)
    high = np.where(rng.random(d) < 0.3, np.inf, 0.8)
    low = np.where(rng.random(d) < 0.3, -np.inf, -0.8)
    box = np.eye(d)[high < np.inf], -np.eye(d)[low > -np.inf]
    sides = np.vstack([normals, *box])
    ends = np.concatenate([distances, np.full(len(sides) - n, 0.8)])
    is_known = [is_facet(sides, ends, i) for i in range(len(sides))]
    met = _native.sides_met(normals @ normals.T, distances, normals, -low, high, 1e-10)
    assert not (met & ~np.array(is_known[:n])).any()
    assert not (_native.holding_in_box(normals, distances, low, high) & is_known[:n]).any()
    # From any point: a bound is none too large, and the distance itself where it is exact.
    (places,) = np.nonzero(is_known[:n])
    point = rng.normal(size=d)
    slack = ends - sides @ point
    highs, lows = np.flatnonzero(high < np.inf), np.flatnonzero(low > -np.inf)
    faces = normals[places]
    least, exact = _native.face_bounds(faces @ normals.T, faces, places, slack, highs, lows)
    for i, place in enumerate(places):
        distance = np.linalg.norm(_native.nearest_point(sides, slack, int(place)))
        assert least[i] <= distance * (1 + 1e-9)
        assert not exact[i] or distance == pytest.approx(least[i], rel=1e-9)


def test_no_side_is_read_that_is_not_there():
    square, one, none = np.eye(2), np.ones(2), np.zeros(0, np.int64)
    flags, number = np.ones(3, bool), np.zeros(1, np.int64)
    for call in (
        lambda: _native.unit_sides(0, square, np.ones(3), None, None, one, 1e-12),
        lambda: _native.unit_sides(0, square.T[:, ::-1], one, None, None, one, 1e-12),
        lambda: _native.unit_sides(0, square, one, flags, None, one, 1e-12),
        lambda: _native.unit_sides(0, square, one, None, flags, one, 1e-12),
        lambda: _native.unit_sides(0, square, one, None, None, np.ones(3), 1e-12),
        lambda: _native.distinct_half_spaces(square, np.ones(3), one, 1e-9),
        lambda: _native.distinct_half_spaces(square, one, np.ones(3), 1e-9),
        lambda: _native.holding_in_box(square, one, np.ones(3), one),
        lambda: _native.sides_met(square, np.ones(3), square, one, one, 1e-10),
        lambda: _native.sides_met(square, one, square, one, np.ones(3), 1e-10),
        lambda: _native.face_bounds(square, square, np.array([0, 2]), one, none, none),
        lambda: _native.face_bounds(square, square, np.array([0, -1]), one, none, none),
        lambda: _native.face_bounds(square, square, np.array([0, 1]), one, number, none),
        lambda: _native.face_bounds(square, square, np.array([0, 1]), np.ones(3), number + 2, none),
    ):
        with pytest.raises(ValueError, match=r"Expected .*Received"):
            call()
    for bad in (np.nan, np.inf, 0.0):
        rows = np.array([[1.0, bad], [bad, 1.0], [0.0, 0.0]])
        _native.distinct_half_spaces(rows, np.full(3, bad), one, 1e-9)
        _native.holding_in_box(rows, np.full(3, bad), one * bad, one * bad)
        _native.sides_met(np.full((3, 3), bad), np.full(3, bad), rows, one * bad, one * bad, 1e-10)
