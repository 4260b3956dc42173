"""The largest ball in a polytope: its center is the point deepest inside."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotrs
from scipy.optimize import nnls

Vector = NDArray[np.float64]
Solve = Callable[[Vector], Vector]

_MOST_STEPS = 60
_GAP = 1e-10  # of the radius, between it and a proved upper bound


class Sides:
    """The inequalities ``normals @ z <= offsets`` and ``low <= z <= high``.

    Parameters
    ----------
    normals : float64 [m, d], rows of length 1
    offsets : float64 [m]
    low, high : float64 [d], infinite where there is no bound
    """

    def __init__(self, normals: Vector, offsets: Vector, low: Vector, high: Vector) -> None:
        self.normals, self.offsets, self.low, self.high = normals, offsets, low, high
        self.highs, self.lows = np.flatnonzero(high < np.inf), np.flatnonzero(low > -np.inf)

    @property
    def is_boxed(self) -> bool:
        """Whether every input has a bound on each side."""
        return len(self.lows) == len(self.highs) == len(self.low)

    def times(self, z: Vector) -> Vector:
        """float64 [n]: every inequality's left side at a point; the box's follow the others'."""
        return np.concatenate([self.normals @ z, z[self.highs], -z[self.lows]])

    def combined(self, weights: Vector) -> Vector:
        """float64 [d]: the sum of all normals, each times its weight."""
        m, n_high = len(self.normals), len(self.highs)
        total: Vector = weights[:m] @ self.normals
        total[self.highs] += weights[m : m + n_high]
        total[self.lows] -= weights[m + n_high :]
        return total

    def slack(self, z: Vector) -> Vector:
        """float64 [n]: distances from a point to every side, below 0 where it is outside."""
        others = self.offsets - self.normals @ z
        return np.concatenate([others, (self.high - z)[self.highs], (z - self.low)[self.lows]])

    @cached_property
    def rows(self) -> Vector:
        """float64 [n, d]: all normals, the box's too."""
        identity = np.eye(len(self.low))
        return np.concatenate([self.normals, identity[self.highs], -identity[self.lows]])


def has_largest_ball(sides: Sides) -> bool:
    """Whether the balls inside have a largest: 0 is then a convex combination of the normals."""
    if sides.is_boxed:
        return True
    if not len(sides.rows):
        return False
    system = np.vstack([sides.rows.T, np.ones(len(sides.rows))])
    wanted = np.zeros(len(system))
    wanted[-1] = 1.0
    return bool(nnls(system, wanted)[1] < 1e-9)


def deepest_point(sides: Sides, start: Vector, cap: float = np.inf) -> tuple[Vector, float]:
    """Center and radius of the largest ball inside, no larger than ``cap``.

    The linear program ``max r`` such that every side is at least ``r`` away, by Mehrotra's
    primal-dual interior-point method (SIAM Journal on Optimization 2(4), 1992): a dozen steps
    whatever the size. HiGHS takes as many pivots as there are sides at the ball, seconds for a
    box of 784 inputs.

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
    if len(sides.normals) < len(start) and not len(sides.highs) and not len(sides.lows):
        # What all inequalities leave free does not matter: the point moves in the rest alone.
        basis, _ = np.linalg.qr(sides.normals.T)
        free = np.full(basis.shape[1], np.inf)
        inner = Sides(sides.normals @ basis, sides.offsets - sides.normals @ start, -free, free)
        moved, radius = deepest_point(inner, np.zeros(basis.shape[1]), cap)
        return start + basis @ moved, radius
    z, distances = start, sides.slack(start)
    n = len(distances)
    ends = [cap] if np.isfinite(cap) else []
    best, radius = z, float(distances.min())
    scale = float(np.abs(distances).mean()) or 1.0
    r = min(radius, cap) - scale
    slack = np.append(distances, ends) - r
    weights = 1 / slack
    weights /= weights.sum()
    for _ in range(_MOST_STEPS):
        missing = np.append(-sides.combined(weights[:n]), 1 - weights.sum())
        gap = float(weights @ slack)
        if gap <= max(_GAP * abs(r), 1e-15 * scale) and np.abs(missing).max() < 1e-8:
            break
        newton = _Newton(sides, slack, weights, missing)
        if not newton.is_solvable:
            break
        product = weights * slack
        _, slack_step, weight_step = newton.step(-product)
        ahead = slack + _reach(slack, slack_step) * slack_step
        ahead_weights = weights + _reach(weights, weight_step) * weight_step
        target = (float(ahead @ ahead_weights) / gap) ** 3 * gap / len(slack)
        move, slack_step, weight_step = newton.step(target - product - slack_step * weight_step)
        far = 0.995 * _reach(slack, slack_step)
        z, r = z + far * move[:-1], r + far * move[-1]
        weights = weights + 0.995 * _reach(weights, weight_step) * weight_step
        distances = sides.slack(z)
        depth = float(distances.min())
        slack = np.append(distances, ends) - r
        if not (slack.min() > 0 and weights.min() > 0):  # as near as float64 comes
            break
        if depth > radius:
            best, radius = z, depth
    return best, radius


class _Newton:
    """The equations of one step: ``G.T @ diag(weights / slack) @ G``, ``G`` all sides and r."""

    def __init__(self, sides: Sides, slack: Vector, weights: Vector, missing: Vector) -> None:
        self.sides, self.slack, self.missing = sides, slack, missing
        self.n = len(sides.offsets) + len(sides.highs) + len(sides.lows)
        self.ratio = weights / slack
        m, d = sides.normals.shape
        diagonal = np.zeros(d)
        diagonal[sides.highs] += self.ratio[m : m + len(sides.highs)]
        diagonal[sides.lows] += self.ratio[m + len(sides.highs) : self.n]
        self.is_wide = m < d and bool(diagonal.all())
        make = _by_woodbury if self.is_wide else _by_cholesky
        solve = make(sides.normals, self.ratio[:m], diagonal)
        self.is_solvable = solve is not None
        if solve is not None:
            self.solve_inner = solve
            self.border = sides.combined(self.ratio[: self.n])
            self.corner = float(self.ratio.sum())
            self.along = solve(self.border)
            self.pivot = self.corner - float(self.border @ self.along)

    def step(self, complement: Vector) -> tuple[Vector, Vector, Vector]:
        """Steps of (z, r), of the slack and of the weights."""
        back = complement / self.slack
        right = self.missing.copy()
        right[:-1] -= self.sides.combined(back[: self.n])
        right[-1] -= back.sum()
        move = self.solve(right)
        if self.is_wide:  # the identity loses digits near the box's sides: what is left, again
            move += self.solve(right - self.combined(self.ratio * self.times(move)))
        slack_step = -self.times(move)
        return move, slack_step, back - self.ratio * slack_step

    def solve(self, right: Vector) -> Vector:
        inner = self.solve_inner(right[:-1])
        last = (right[-1] - float(self.border @ inner)) / self.pivot
        return np.append(inner - self.along * last, last)

    def times(self, move: Vector) -> Vector:
        made = np.full(len(self.slack), move[-1])
        made[: self.n] += self.sides.times(move[:-1])
        return made

    def combined(self, weights: Vector) -> Vector:
        return np.append(self.sides.combined(weights[: self.n]), weights.sum())


def _by_cholesky(normals: Vector, ratio: Vector, diagonal: Vector) -> Solve | None:
    matrix = (normals.T * ratio) @ normals
    step = len(matrix) + 1
    matrix.flat[::step] += diagonal
    matrix.flat[::step] *= 1 + 1e-14
    factor, info = dpotrf(matrix, lower=1, overwrite_a=1)
    return None if info else lambda right: dpotrs(factor, right, lower=1)[0]


def _by_woodbury(normals: Vector, ratio: Vector, diagonal: Vector) -> Solve | None:
    """With more inputs than inequalities, equations as many as the latter."""
    scaled = normals / diagonal
    matrix = scaled @ normals.T
    matrix.flat[:: len(matrix) + 1] += 1 / ratio
    factor, info = dpotrf(matrix, lower=1, overwrite_a=1)
    if info:
        return None

    def solve(right: Vector) -> Vector:
        free = right / diagonal
        return free - dpotrs(factor, normals @ free, lower=1)[0] @ scaled

    return solve


def _reach(values: Vector, steps: Vector) -> float:
    """How far along the steps the values stay above 0, at most 1."""
    steepest = float((steps / values).min())
    return 1.0 if steepest >= -1 else -1 / steepest
