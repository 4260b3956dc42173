"""The nearest point of a polytope, and which of its inequalities are facets: by least squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfhash import _native
from tfhash.geometry.interior import Sides, Vector

_SAME = 1e-9  # of their distance: two hyperplanes no farther apart are one
_CLEAR = 1e-10  # of a distance: by less, one inequality is not told from another
_RAYS = 1024  # at a time
_FEW_INPUTS = 16  # up to which rays cost more than they save


def nearest_point(rows: Vector, slack: Vector, equal: int = -1) -> Vector | None:
    """The shortest `y` with `rows @ y <= slack`; None where there is none.

    Least distance programming by nonnegative least squares (Lawson and Hanson, Solving Least
    Squares Problems, 1974, chapter 23): an active-set method, exact but for rounding.

    Parameters
    ----------
    rows : float64 [n, d], of length 1
    slack : float64 [n]
    equal : int
        The row at which the two are to be equal; -1 for none.
    """
    return _native.nearest_point(np.ascontiguousarray(rows), np.ascontiguousarray(slack), equal)


def facets(sides: Sides, center: Vector) -> NDArray[np.int64]:
    """The inequalities, the box's left out, that are facets: their rows, ascending.

    Of more than 16 inputs, rays from a point inside: what a ray meets first is a facet, so that
    one along each normal proves most facets (Maréchal and Périn, "Efficient elimination of
    redundancies in polyhedra by raytracing", VMCAI 2017). What is left is tried against the
    facets known so far (Clarkson, "More output-sensitive geometric algorithms", FOCS 1994): by
    Farkas' lemma an inequality follows from others where nonnegative multiples of them imply
    it, a nonnegative least-squares problem, and where none do the residual is the direction of
    a ray that meets a facet not known yet. So each such problem, of as many columns as there
    are facets, settles one inequality; see `csrc/kernels/polytopes.h`.

    Parameters
    ----------
    sides : Sides
        No two rows the same half-space.
    center : float64 [d], inside all sides
    """
    m = len(sides.normals)
    slack = sides.slack(center)
    near = slack[:m]
    is_open = ~_outside_box(sides)
    # The box's sides are at hand when others are tried: that they bound is what is known of them.
    is_known = np.zeros(len(slack), bool)
    is_known[m:] = True
    places = np.flatnonzero(is_open)
    if len(center) > _FEW_INPUTS:
        for start in range(0, len(places), _RAYS):
            rays = sides.normals[places[start : start + _RAYS]]
            is_known[_met_first(sides, near, center, places, rays)] = True
    is_open &= ~is_known[:m]
    if is_open.any():
        is_open = np.concatenate([is_open, np.zeros(len(slack) - m, bool)])
        is_known = _native.settle_facets(sides.rows, slack, is_known, is_open, _CLEAR)
    return np.flatnonzero(is_known[:m])


def _met_first(
    sides: Sides, near: Vector, center: Vector, places: NDArray[np.int64], rays: Vector
) -> NDArray[np.int64]:
    """The sides, among some, that rays meet clearly before any other and the box."""
    # How soon each side is met: the reciprocal of the distance.
    soon = (sides.normals[places] @ rays.T) / near[places, None]
    first, each = soon.argmax(axis=0), np.arange(len(rays))
    at = soon[first, each]
    soon[first, each] = 0
    next_ = np.maximum(soon.max(axis=0), _box_met(sides, rays, center))
    found: NDArray[np.int64] = places[first[at > next_ * (1 + _CLEAR)]]
    return found


def face_bounds(
    sides: Sides, slack: Vector, places: NDArray[np.int64]
) -> tuple[Vector, NDArray[np.bool_]]:
    """Lower bounds of the distances to faces, from a point, and whether they are exact.

    The face lies in its hyperplane, and there on the right side of every other: the distance to the
    hyperplane and, within it, to the farthest of those sides bound it from below. Where the
    hyperplane's nearest point is inside all of them, it is exact.

    Parameters
    ----------
    slack : float64 [n], of the point, negative where it is outside a side
    places : int64 [k], the rows of the faces
    """
    normals = sides.normals[places]
    cosines = np.hstack(
        [normals @ sides.normals.T, normals[:, sides.highs], -normals[:, sides.lows]]
    )
    foot = slack - slack[places, None] * cosines
    foot[np.arange(len(places)), places] = 0.0
    sines = np.sqrt(np.maximum(1 - cosines**2, 0.0))
    # Of sides that are nearly parallel nothing is said: the sine is a rounding.
    past = np.where((foot < 0) & (sines > 1e-5), -foot / np.maximum(sines, 1e-5), 0.0)
    least = np.hypot(slack[places], past.max(axis=1, initial=0.0) * (1 - 1e-9))
    return least, foot.min(axis=1, initial=0.0) >= 0


def _outside_box(sides: Sides) -> NDArray[np.bool_]:
    """bool [m]: the inequalities that hold in the whole box."""
    if not len(sides.highs) and not len(sides.lows):
        return np.zeros(len(sides.normals), bool)
    with np.errstate(invalid="ignore"):
        ends = sides.normals * np.where(sides.normals > 0, sides.high, sides.low)
    return np.asarray(np.where(sides.normals == 0, 0.0, ends).sum(axis=1) <= sides.offsets)


def _box_met(sides: Sides, rays: Vector, center: Vector) -> Vector:
    """float64 [n]: how soon rays meet the box, the reciprocal of the distance."""
    if not len(sides.highs) and not len(sides.lows):
        return np.zeros(len(rays))
    soon = np.maximum(rays / (sides.high - center), rays / (sides.low - center))
    return np.asarray(soon.max(axis=1))


def distinct_half_spaces(
    normals: Vector, slack: Vector
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first row of each half-space, and for each row the number of its half-space."""
    n, d = normals.shape
    if n == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    probe = normals @ np.sin(1.0 + np.arange(d))  # equal rows come to lie side by side
    order = np.argsort(probe, kind="stable")
    close = np.diff(probe[order]) <= _SAME * d
    if not close.any():
        return np.arange(n), np.arange(n)
    same = np.zeros(n, bool)
    largest = float(np.abs(slack).max())
    for i in np.flatnonzero(close):
        one, other = order[i], order[i + 1]
        apart = abs(slack[one] - slack[other])
        same[i + 1] = (
            apart <= _SAME * (abs(slack[one]) + 1e-3 * largest)
            and np.abs(normals[one] - normals[other]).max() <= _SAME
        )
    number = np.empty(n, np.int64)
    number[order] = np.cumsum(~same) - 1
    _, first, group = np.unique(number, return_index=True, return_inverse=True)
    rank = np.argsort(first)
    place = np.empty(len(first), np.int64)
    place[rank] = np.arange(len(first))
    return first[rank].astype(np.int64), place[group]
