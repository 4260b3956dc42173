"""The nearest point of a polytope, and which of its inequalities are facets: by least squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfhash import _native
from tfhash.geometry.interior import Sides, Vector

_SAME = 1e-9  # of their distance: two hyperplanes no farther apart are one
_CLEAR = 1e-10  # of a distance: by less, one inequality is not told from another
_RAYS = 1024  # at a time


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


def facets(sides: Sides, center: Vector, slack: Vector) -> NDArray[np.int64]:
    """The inequalities, the box's left out, that are facets: their rows, ascending.

    Rays from a point inside: what a ray meets first is a facet, so that one along each normal
    proves most facets (Maréchal and Périn, "Efficient elimination of redundancies in polyhedra by
    raytracing", VMCAI 2017). What is left is tried against the facets known so far (Clarkson,
    "More output-sensitive geometric algorithms", FOCS 1994): by Farkas' lemma an inequality
    follows from others where nonnegative multiples of them imply it, a nonnegative least-squares
    problem, and where none do the residual is the direction of a ray that meets a facet not known
    yet. So each such problem, of as many columns as there are facets, settles one inequality; see
    `csrc/kernels/half_spaces.h` and `polytopes.h`.

    Parameters
    ----------
    sides : Sides
        No two rows the same half-space.
    center : float64 [d], inside all sides
    slack : float64 [n], of the center
    """
    m, box = len(sides.normals), sides.box
    is_open = np.ones(m, bool)
    if box.n_sides:
        is_open = ~_native.holding_in_box(sides.normals, sides.offsets, box.low, box.high)
    # The box's sides are at hand when others are tried: that they bound is what is known of them.
    is_known = np.ones(len(slack), bool)
    is_known[:m] = False
    places = np.flatnonzero(is_open)
    below, above = center - box.low, box.high - center
    tried, near = sides.normals[places], slack[places]
    for start in range(0, len(places), _RAYS):
        rays = tried[start : start + _RAYS]
        met = _native.sides_met(rays @ tried.T, near, rays, below, above, _CLEAR)
        is_known[places[met]] = True
    is_open &= ~is_known[:m]
    if is_open.any():
        is_open = np.concatenate([is_open, np.zeros(box.n_sides, bool)])
        is_known = _native.settle_facets(sides.rows, slack, is_known, is_open, _CLEAR)
    return np.flatnonzero(is_known[:m])


def face_bounds(
    sides: Sides, slack: Vector, places: NDArray[np.int64]
) -> tuple[Vector, NDArray[np.bool_]]:
    """Lower bounds of the distances to faces, from a point, and whether they are exact.

    See `csrc/kernels/half_spaces.h`.

    Parameters
    ----------
    slack : float64 [n], of the point, negative where it is outside a side
    places : int64 [k], the rows of the faces
    """
    normals, box = sides.normals[places], sides.box
    cosines = normals @ sides.normals.T
    return _native.face_bounds(cosines, normals, places, slack, box.highs, box.lows)


def distinct_half_spaces(
    rows: Vector, offsets: Vector, x: Vector
) -> tuple[Vector, Vector, NDArray[np.int64], NDArray[np.int64]]:
    """Half-spaces `rows @ z <= offsets`, each once, with normals of length 1.

    Returns
    -------
    normals, offsets : float64 [k, d], float64 [k]
    first : int64 [k], the first row of each half-space
    group : int64 [m], for each row the number of its half-space
    """
    return _native.distinct_half_spaces(rows, offsets, x, _SAME)
