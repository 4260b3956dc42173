"""The largest ball in a polytope: its center is the point deepest inside."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotrs

from tfhash import _native

Vector = NDArray[np.float64]
Solve = Callable[[Vector], Vector]

_MOST_STEPS = 60
_SMALL = 20_000  # numbers in the normals
_GAP = 1e-10  # of the radius, between it and a proved upper bound


class Box:
    """Bounds of the inputs, `low <= z <= high`.

    Parameters
    ----------
    low, high : float64 [d], infinite where there is no bound
    """

    def __init__(self, low: Vector, high: Vector) -> None:
        self.low, self.high = low, high
        self.highs, self.lows = np.flatnonzero(high < np.inf), np.flatnonzero(low > -np.inf)
        self.n_sides = len(self.highs) + len(self.lows)
        self.is_closed = len(self.lows) == len(self.highs) == len(low)

    @classmethod
    def unbounded(cls, d: int) -> Box:
        """The box that is all of the space of `d` inputs."""
        free = np.full(d, np.inf)
        return cls(-free, free)

    @property
    def covers(self) -> bool:
        """Whether every input has a bound on some side."""
        return bool(((self.low > -np.inf) | (self.high < np.inf)).all())

    @cached_property
    def normals(self) -> Vector:
        """float64 [n_sides, d]: those of the upper bounds, then those of the lower ones."""
        identity = np.eye(len(self.low))
        return np.concatenate([identity[self.highs], -identity[self.lows]])

    def slack(self, z: Vector) -> list[Vector]:
        """Distances from a point to the upper bounds and to the lower ones."""
        if not self.n_sides:
            return []
        below, above = self.high - z, z - self.low
        return [below, above] if self.is_closed else [below[self.highs], above[self.lows]]


class Sides:
    """The inequalities `normals @ z <= offsets`, and those of a box.

    Parameters
    ----------
    normals : float64 [m, d], rows of length 1
    offsets : float64 [m]
    box : Box
    """

    def __init__(self, normals: Vector, offsets: Vector, box: Box) -> None:
        self.normals, self.offsets, self.box = normals, offsets, box

    def times(self, z: Vector) -> Vector:
        """float64 [n]: every inequality's left side at a point; the box's follow the others'."""
        return np.concatenate([self.normals @ z, z[self.box.highs], -z[self.box.lows]])

    def combined(self, weights: Vector) -> Vector:
        """float64 [d]: the sum of all normals, each times its weight."""
        m, n_high = len(self.normals), len(self.box.highs)
        total: Vector = weights[:m] @ self.normals
        total[self.box.highs] += weights[m : m + n_high]
        total[self.box.lows] -= weights[m + n_high :]
        return total

    def slack(self, z: Vector) -> Vector:
        """float64 [n]: distances from a point to every side, below 0 where it is outside."""
        return np.concatenate([self.offsets - self.normals @ z, *self.box.slack(z)])

    @property
    def rows_size(self) -> int:
        """Numbers in `rows`."""
        return self.normals.shape[1] * (len(self.offsets) + self.box.n_sides)

    @cached_property
    def rows(self) -> Vector:
        """float64 [n, d]: all normals, the box's too."""
        return np.concatenate([self.normals, self.box.normals])


def has_largest_ball(sides: Sides) -> bool:
    """Whether the balls inside have a largest: 0 is then a convex combination of the normals."""
    if sides.box.is_closed:
        return True
    if not len(sides.rows):
        return False
    columns = np.column_stack([sides.rows, np.ones(len(sides.rows))])
    wanted = np.zeros(columns.shape[1])
    wanted[-1] = 1.0
    residual = _native.nonnegative_fit(columns, wanted)[1]
    return bool(residual @ residual < 1e-18)


def deepest_point(sides: Sides, start: Vector, cap: float = np.inf) -> tuple[Vector, float]:
    """Center and radius of the largest ball inside, no larger than `cap`.

    The linear program `max r` such that every side is at least `r` away. A small one by a
    projection, with a proof; others, and those, by Mehrotra's primal-dual interior-point method
    (SIAM Journal on Optimization 2(4), 1992): a dozen steps whatever the size, where HiGHS takes
    as many pivots as there are sides at the ball, seconds for a box of 784 inputs.

    Parameters
    ----------
    start : float64 [d], anywhere
    cap : float
        Needed where no ball is the largest.

    Returns
    -------
    center : float64 [d]
    radius : float
        The least distance from the center to a side; no ball's is larger by more than about 1e-9
        of it. About 0 or below where the sides leave no interior.
    """
    if not sides.rows_size:
        return start, cap
    if len(sides.normals) < len(start) and not sides.box.n_sides:
        # What all inequalities leave free does not matter: the point moves in the rest alone.
        basis, _ = np.linalg.qr(sides.normals.T)
        box = Box.unbounded(basis.shape[1])
        inner = Sides(sides.normals @ basis, sides.offsets - sides.normals @ start, box)
        moved, radius = deepest_point(inner, np.zeros(basis.shape[1]), cap)
        return start + basis @ moved, radius
    if sides.rows_size <= _SMALL:
        ball = _by_projection(sides, start, cap)
        if ball is not None:
            return ball
    return _by_interior_point(sides, start, cap)


def _by_projection(sides: Sides, start: Vector, cap: float) -> tuple[Vector, float] | None:
    """The ball by projecting a far point of the program's own space; None where it is not proved.

    See `csrc/kernels/polytopes.h` for the method and its source.
    """
    found = _native.largest_ball(sides.rows, sides.slack(start), cap)
    if found is None:
        return None
    moved, upper = found
    center = start + moved
    radius = float(sides.slack(center).min())
    good = radius > 0 and min(radius, cap) >= upper - 1e-9 * radius
    return (center, radius) if good else None


def _by_interior_point(sides: Sides, start: Vector, cap: float) -> tuple[Vector, float]:
    ends = [cap] if np.isfinite(cap) else []
    is_wide = len(sides.normals) < len(start) and sides.box.covers
    balls: _Balls | _WideBalls = (_WideBalls if is_wide else _Balls)(sides, len(ends))
    distances = sides.slack(start)
    best, radius = start, float(distances.min())
    scale = float(np.abs(distances).mean()) or 1.0
    ball = np.append(start, min(radius, cap) - scale)  # its center and its radius
    slack = np.append(distances, ends) - ball[-1]
    weights = 1 / slack
    weights /= weights.sum()
    wanted = np.zeros(len(ball))
    wanted[-1] = 1.0
    for _ in range(_MOST_STEPS):
        missing = wanted - balls.combined(weights)
        product = weights * slack
        gap = float(product.sum())
        if gap <= max(_GAP * abs(ball[-1]), 1e-15 * scale) and np.abs(missing).max() < 1e-8:
            break
        ratio = weights / slack
        solve = balls.solver(ratio)
        if solve is None:
            break
        # First straight at the optimum, then with what that tells of how far to go.
        move = solve(missing + balls.combined(weights))
        slack_step = -balls.times(move)
        weight_step = -weights - ratio * slack_step
        ahead = slack + _reach(slack, slack_step) * slack_step
        ahead_weights = weights + _reach(weights, weight_step) * weight_step
        target = (float(ahead @ ahead_weights) / gap) ** 3 * gap / len(slack)
        back = (target - product - slack_step * weight_step) / slack
        move = solve(missing - balls.combined(back))
        slack_step = -balls.times(move)
        weight_step = back - ratio * slack_step
        ball = ball + 0.995 * _reach(slack, slack_step) * move
        weights = weights + 0.995 * _reach(weights, weight_step) * weight_step
        distances = sides.slack(ball[:-1])
        depth = float(distances.min())
        slack = np.append(distances, ends) - ball[-1]
        if not (slack.min() > 0 and weights.min() > 0):  # as near as float64 comes
            break
        if depth > radius:
            best, radius = ball[:-1], depth
    return best, radius


class _Balls:
    """The matrix `G` of the program: all sides' normals, and a column of 1 for the radius."""

    def __init__(self, sides: Sides, n_caps: int) -> None:
        n, d = sides.rows.shape
        self.matrix = np.ones((n + n_caps, d + 1))
        self.matrix[:n, :-1] = sides.rows
        self.matrix[n:, :-1] = 0

    def times(self, ball: Vector) -> Vector:
        """`G @ ball`."""
        return np.asarray(self.matrix @ ball)

    def combined(self, weights: Vector) -> Vector:
        """`G.T @ weights`."""
        return np.asarray(weights @ self.matrix)

    def solver(self, ratio: Vector) -> Solve | None:
        """Solves with `G.T @ diag(ratio) @ G`; None where it is singular."""
        matrix = (self.matrix.T * ratio) @ self.matrix
        matrix.flat[:: len(matrix) + 1] *= 1 + 1e-14
        factor, info = dpotrf(matrix, lower=1, overwrite_a=1)
        return None if info else lambda right: dpotrs(factor, right, lower=1)[0]


class _WideBalls:
    """The same with more inputs than inequalities, all of them in a box, whose part is diagonal.

    What is solved is as large as the inequalities, by the Woodbury identity.
    """

    def __init__(self, sides: Sides, n_caps: int) -> None:
        self.sides, self.n_caps = sides, n_caps

    def times(self, ball: Vector) -> Vector:
        made = self.sides.times(ball[:-1]) + ball[-1]
        return np.append(made, np.full(self.n_caps, ball[-1]))

    def combined(self, weights: Vector) -> Vector:
        inner = weights[: len(weights) - self.n_caps]
        return np.append(self.sides.combined(inner), weights.sum())

    def solver(self, ratio: Vector) -> Solve | None:
        normals, highs, lows = self.sides.normals, self.sides.box.highs, self.sides.box.lows
        m, n_high = len(normals), len(highs)
        diagonal = np.zeros(normals.shape[1])
        diagonal[highs] += ratio[m : m + n_high]
        diagonal[lows] += ratio[m + n_high : m + n_high + len(lows)]
        half = normals / np.sqrt(diagonal)
        matrix = half @ half.T  # a symmetric product: half the work
        matrix.flat[:: len(matrix) + 1] += 1 / ratio[:m]
        factor, info = dpotrf(matrix, lower=1, overwrite_a=1)
        if info:
            return None

        def inner(right: Vector) -> Vector:
            free = right / diagonal
            return free - dpotrs(factor, normals @ free, lower=1)[0] @ normals / diagonal

        border = self.combined(ratio)
        along = inner(border[:-1])
        pivot = border[-1] - float(border[:-1] @ along)

        def once(right: Vector) -> Vector:
            found = inner(right[:-1])
            last = (right[-1] - float(border[:-1] @ found)) / pivot
            return np.append(found - along * last, last)

        def solve(right: Vector) -> Vector:
            found = once(right)
            # The identity loses digits near the box's sides: once more on what is left.
            return found + once(right - self.combined(ratio * self.times(found)))

        return solve


def _reach(values: Vector, steps: Vector) -> float:
    """How far along the steps the values stay above 0, at most 1."""
    steepest = float((steps / values).min())
    return 1.0 if steepest >= -1 else -1 / steepest
