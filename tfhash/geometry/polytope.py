"""A polytope about a point: which of its inequalities are facets, its largest ball, distances."""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfhash.geometry.interior import Box, Sides, Vector, deepest_point, has_largest_ball
from tfhash.geometry.projections import distinct_half_spaces, face_bounds, facets, nearest_point

_FLAT = 1e-13  # of the distances to the sides: a polytope of a smaller radius has no interior


class Ball(NamedTuple):
    """A ball inside: no smaller than any other, or of a size that is enough.

    Attributes
    ----------
    center : float64 [d]
    radius : float
    slack : float64 [n]
        Distances from the center to all sides.
    is_largest : bool
        Whether no ball inside is larger.
    """

    center: Vector
    radius: float
    slack: Vector
    is_largest: bool


class Polytope:
    """Where `rows @ z <= offsets`, within a box.

    Parameters
    ----------
    rows, offsets : float64 [m, d], float64 [m]
        None of the rows is 0.
    x : float64 [d]
        The point that distances are measured from; it may be outside.
    box : Box

    Attributes
    ----------
    first : int64 [k]
        The first row of each distinct half-space, ascending.
    group : int64 [m]
        For each row, the number of its half-space.
    sides : Sides
        The distinct half-spaces, with normals of length 1, and the box.
    slack : float64 [n]
        Distances from `x` to the sides, below 0 where it is outside.
    """

    def __init__(self, rows: Vector, offsets: Vector, x: Vector, box: Box) -> None:
        normals, ends, self.first, self.group = distinct_half_spaces(rows, offsets, x)
        self.x, self.sides = x, Sides(normals, ends, box)
        self.slack = self.sides.slack(x)

    @cached_property
    def ball(self) -> Ball:
        """The largest ball, or where there is none a ball inside."""
        is_largest = has_largest_ball(self.sides)
        cap = np.inf if is_largest else 1 + float(np.abs(self.slack).max(initial=0.0))
        center, radius = deepest_point(self.sides, self.x, cap)
        return Ball(center, radius, self.sides.slack(center), is_largest)

    @property
    def has_interior(self) -> bool:
        """Whether a ball is inside that is no rounding."""
        return self.ball.radius > _FLAT * float(np.abs(self.ball.slack).max(initial=0.0))

    @cached_property
    def facets(self) -> NDArray[np.int64]:
        """int64 [n_facets]: the half-spaces that are facets, ascending; it has an interior."""
        return facets(self.sides, self.ball.center, self.ball.slack)

    @cached_property
    def distance(self) -> float:
        """L2 distance from `x` to the polytope: 0 inside."""
        if float(self.slack.min(initial=0.0)) >= 0:
            return 0.0
        return _distance(self.sides.rows, self.slack)

    @cached_property
    def boundary_distance(self) -> float:
        """L2 distance from `x` to the boundary, the box left out; infinite where there is none."""
        if float(self.slack.min(initial=0.0)) < 0:
            return self.distance
        nearest = math.inf
        slack = self.slack[: len(self.first)]
        for i in np.argsort(slack):
            if slack[i] >= nearest:
                break
            nearest = min(nearest, self._hyperplane_distance(int(i)))
        return nearest

    def face_distance(self, i: int) -> float:
        """L2 distance from `x` to the i-th of `facets`."""
        return _distance(*self._bounding, i)

    def face_bounds(self) -> tuple[Vector, NDArray[np.bool_]]:
        """Lower bounds of the distances to `facets`, and whether they are it."""
        return face_bounds(self.sides, self.slack, self.facets)

    def contains(self, z: Vector) -> bool:
        """Whether a point is inside or on the boundary."""
        slack = self.sides.slack(z)
        return bool(slack.min(initial=0.0) >= -1e-12 * np.abs(slack).max(initial=0.0))

    @cached_property
    def _bounding(self) -> tuple[Vector, Vector]:
        """Normals and slack of the sides that it has: facets, and the box."""
        box = np.arange(len(self.first), len(self.slack))
        among = np.concatenate([self.facets, box])
        return self.sides.rows[among], self.slack[among]

    def _hyperplane_distance(self, place: int) -> float:
        """L2 distance from `x`, inside, to the part of the polytope on a hyperplane."""
        normal, slack = self.sides.normals[place], self.slack[place]
        foot = self.sides.slack(self.x + slack * normal)
        foot[place] = 0.0
        if foot.min() >= 0:
            return abs(float(slack))
        return _distance(self.sides.rows, self.slack, place)


def _distance(rows: Vector, slack: Vector, equal: int = -1) -> float:
    """How long `nearest_point` is; infinite where there is none."""
    moved = nearest_point(rows, slack, equal)
    return math.inf if moved is None else math.sqrt(moved @ moved)
