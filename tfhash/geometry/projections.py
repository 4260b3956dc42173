"""The nearest point of a polytope, and which of its inequalities are facets: by least squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.spatial import ConvexHull, QhullError

from tfhash.geometry.interior import Sides, Vector

_SAME = 1e-9  # of their distance: two hyperplanes no farther apart are one
_CLEAR = 1e-10  # of a distance: by less, one inequality is not told from another
_RAYS = 1024  # at a time
_ABOUT = 16  # rays about the normal of each inequality that is still open
_FEW_INPUTS = 64  # up to which such rays are worth it
_FLAT_HULLS = 4  # dimensions in which a hull is found faster than what is in it


def nearest_point(rows: Vector, slack: Vector) -> Vector | None:
    """The shortest `y` with `rows @ y <= slack`; None where there is none.

    Least distance programming by nonnegative least squares (Lawson and Hanson, Solving Least
    Squares Problems, 1974, chapter 23): an active-set method, exact but for rounding.

    Parameters
    ----------
    rows : float64 [n, d], of length 1
    slack : float64 [n]
    """
    least = float(slack.min(initial=0.0))
    if least >= 0:
        return np.zeros(rows.shape[1])
    # In units of a lower bound of the distance, so that its size does not matter.
    system = np.vstack([rows.T, slack / least])
    system[:-1] *= -1
    wanted = np.zeros(len(system))
    wanted[-1] = 1.0
    weights, error = nnls(system, wanted, maxiter=10 * sum(system.shape))
    if error < 1e-9:
        return None
    residual = system @ weights - wanted
    y = residual[:-1] * (least / residual[-1])
    active = weights > 0
    touched = rows[active]
    try:  # on those sides to the last digits
        exact: Vector = np.linalg.solve(touched @ touched.T, slack[active]) @ touched
    except np.linalg.LinAlgError:
        return y
    return exact if np.abs(exact - y).max() <= 1e-7 * np.abs(y).max() else y


def facets(sides: Sides, center: Vector) -> NDArray[np.int64]:
    """The inequalities, the box's left out, that are facets: their rows, ascending.

    Rays from a point inside: what a ray meets first is a facet, so that one along each normal
    proves most facets (Maréchal and Périn, "Efficient elimination of redundancies in polyhedra by
    raytracing", VMCAI 2017). What is left is tried against the facets known so far (Clarkson, "More
    output-sensitive geometric algorithms", FOCS 1994): by Farkas' lemma an inequality follows from
    others where nonnegative multiples of them add up to it, a nonnegative least-squares problem,
    and where none do the residual is the direction of a ray that meets a facet not known yet.
    So each such problem, of as many columns as there are facets, settles one inequality.

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
    for start in range(0, len(places), _RAYS):
        rays = sides.normals[places[start : start + _RAYS]]
        is_known[_met_first(sides, near, center, places, rays)] = True
    is_open &= ~is_known[:m]
    left = np.flatnonzero(is_open)
    if len(left) > 0 and len(center) <= _FEW_INPUTS:  # a facet is seen from about its normal
        spread = np.random.default_rng(0).normal(size=(_ABOUT * len(left), len(center)))
        sizes = np.repeat([0.25, 0.5, 1.0, 1.0], len(spread) // 4) / np.sqrt(len(center))
        rays = np.tile(sides.normals[left], (_ABOUT, 1)) + sizes[:, None] * spread
        for start in range(0, len(rays), _RAYS):
            found = _met_first(sides, near, center, places, rays[start : start + _RAYS])
            is_known[found] = True
        is_open &= ~is_known[:m]
    if 2 <= len(center) <= _FLAT_HULLS and is_open.sum() > 3:
        is_open &= _may_bound(sides, slack)[:m]
    for i in np.flatnonzero(is_open):
        while is_open[i]:
            ray = _ray_past(sides.rows[is_known], slack[is_known], sides.normals[i], near[i])
            if ray is None:
                is_open[i] = False
            else:
                among = np.flatnonzero(is_open)
                first_met = among[_first_met(sides.normals[among], near[among], ray)]
                is_known[first_met], is_open[first_met] = True, False
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
    least = np.hypot(slack[places], past.max(axis=1) * (1 - 1e-9))
    return least, foot.min(axis=1) >= 0


def _may_bound(sides: Sides, slack: Vector) -> NDArray[np.bool_]:
    """bool [n]: all but sides that follow from others, in few dimensions.

    Sides that bound are the corners of the convex hull of the polar points and of 0, which Qhull
    finds.
    """
    polar = sides.rows * (slack.min() / slack)[:, None]
    may = np.zeros(len(slack) + 1, bool)
    try:
        may[ConvexHull(np.vstack([polar, np.zeros(polar.shape[1])])).vertices] = True
    except QhullError:  # the points are in a plane
        may[:] = True
    return may[:-1]


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


def _ray_past(known: Vector, slack: Vector, normal: Vector, distance: float) -> Vector | None:
    """A direction in which a half-space is left before the known ones; None where it follows."""
    system = np.empty((len(normal) + 1, len(known) + 1))
    system[:-1, :-1] = known.T
    system[-1, :-1] = slack / distance
    system[:, -1] = 0
    system[-1, -1] = 1
    wanted = np.append(normal, 1.0)
    weights, error = nnls(system, wanted, maxiter=10 * sum(system.shape))
    return None if error <= _CLEAR else (wanted - system @ weights)[:-1]


def _first_met(normals: Vector, slack: Vector, ray: Vector) -> int:
    """The inequality that a ray meets first."""
    soon = (normals @ ray) / slack
    met = np.flatnonzero(soon >= soon.max() * (1 - _CLEAR))
    # Of several at once, the nearest to the center is no combination of the others.
    return int(met[np.argmin(slack[met])])


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
