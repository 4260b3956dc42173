"""The faces of convex cells, of every dimension, and how a function divides them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Numbers = NDArray[np.int64]
Signs = list[NDArray[np.uint8]]  # of the faces of each dimension
Rows = NDArray[np.float64]


class Incidence(NamedTuple):
    """Which faces bound which: `part[i]`, of one dimension less, bounds `whole[i]`."""

    whole: Numbers
    part: Numbers


class Faces:
    """Some convex cells and their faces of every dimension.

    Parameters
    ----------
    incidences : list of Incidence
        The k-th, from 0 on: points of edges, edges of polygons, and so on up to the cells.
    counts : list of int
        Faces of each dimension: points first, cells last.
    """

    def __init__(self, incidences: list[Incidence], counts: list[int]) -> None:
        self.incidences, self.counts = incidences, counts
        self.dimension = len(incidences)

    def corners_of(self, k: int | None = None) -> csr_array:
        """float64 [n_faces, n_points]: 1 where a k-face, or a cell if None, has a point."""
        k = self.dimension if k is None else k
        found = _matrix(self.incidences[0], self.counts[1], self.counts[0])
        for i in range(1, k):
            found = _matrix(self.incidences[i], self.counts[i + 1], self.counts[i]) @ found
        found.data[:] = 1.0
        return found

    def signs(self, z: Rows, tolerance: float) -> Signs:
        """Of each face, by dimension: 1 where it has points above 0, plus 2 where below."""
        above, below = (side.astype(np.uint8) for side in (z > tolerance, z < -tolerance))
        signs: Signs = [np.asarray(above + 2 * below, np.uint8)]
        for (whole, part), count in zip(self.incidences, self.counts[1:], strict=True):
            bound = signs[-1][part]
            made = np.zeros(count, np.uint8)
            made[whole[(bound & 1) > 0]] = 1
            made[whole[(bound & 2) > 0]] |= 2
            signs.append(made)
        return signs

    def consistent_signs(self, z: Rows, tolerance: float) -> Signs:
        """Signs with which each polygon is cut in two: rounding may leave a point on a wrong side.

        Raises
        ------
        ArithmeticError
            Where no tolerance gives such.
        """
        for _ in range(30):
            signs = self.signs(z, tolerance)
            if self._is_consistent(signs):
                return signs
            tolerance *= 2
        raise ArithmeticError(
            "Expected values that are affine in each cell. Received: values that are not, by more "
            "than roundings: the numbers of the network are too far apart for float64."
        )

    def _is_consistent(self, signs: Signs) -> bool:
        if self.dimension < 2:
            return True
        for k in range(1, self.dimension):  # no face of a cut one lies in the cut
            whole, part = self.incidences[k]
            if ((signs[k + 1][whole] == 3) & (signs[k][part] == 0)).any():
                return False
        polygons = self._zero_points(signs, 2)[0]
        met = np.bincount(polygons, minlength=self.counts[2])
        return bool((met[signs[2] == 3] == 2).all())

    def _zero_points(self, signs: Signs, k: int) -> tuple[Numbers, Numbers, Numbers]:
        """What of the boundary of cut k-faces lies in the cut.

        Returns
        -------
        whole : the k-faces
        cut : faces of one dimension less that are cut there, or -1
        touching : faces of two less that lie in the cut, or -1
        """
        whole, part = self.incidences[k - 1]
        is_cut = signs[k][whole] == 3
        whole, part = whole[is_cut], part[is_cut]
        crossed = signs[k - 1][part] == 3
        # Faces that only touch the cut do so at faces of theirs, which lie in it.
        upper, lower = self.incidences[k - 2]
        flat = signs[k - 2][lower] == 0
        if not flat.any():
            return whole[crossed], part[crossed], np.full(int(crossed.sum()), -1)
        at, reach = joined(whole[~crossed], part[~crossed], upper[flat], lower[flat])
        if len(at):
            at, reach = np.unique(np.stack([at, reach]), axis=1)
        no = np.full
        return (
            np.concatenate([whole[crossed], at]),
            np.concatenate([part[crossed], no(len(at), -1)]),
            np.concatenate([no(int(crossed.sum()), -1), reach]),
        )

    def cut_edges(self, signs: Signs) -> tuple[Numbers, Numbers]:
        """The points above 0 and below 0 of each edge that is cut."""
        whole, part = self.incidences[0]
        is_cut = signs[1] == 3
        rank = np.cumsum(is_cut) - 1
        ends = np.empty((2, int(is_cut.sum())), np.int64)
        here = is_cut[whole]
        whole, part = whole[here], part[here]
        below = signs[0][part] == 2
        ends[below.astype(np.int64), rank[whole]] = part
        return ends[0], ends[1]

    def divide(self, signs: Signs) -> None:
        """Divide all faces that are cut. What is above 0 keeps its number."""
        d = self.dimension
        cut = [np.flatnonzero(each == 3) for each in signs]
        ranks = [np.cumsum(each == 3) - 1 for each in signs]
        # After the old faces come the parts below 0, and then the faces in the cut.
        below = [count + rank for count, rank in zip(self.counts, ranks, strict=True)]
        within = [
            self.counts[k] + len(cut[k]) + ranks[k + 1] if k < d else ranks[d] for k in range(d + 1)
        ]
        made: list[Incidence] = []
        for k in range(1, d + 1):
            whole, part = (each.copy() for each in self.incidences[k - 1])
            at = np.flatnonzero(signs[k][whole] == 3)
            side = signs[k - 1][part[at]]
            under, both = at[side == 2], at[side == 3]
            doubled = Incidence(below[k][whole[both]], below[k - 1][part[both]])
            whole[under] = below[k][whole[under]]
            wholes = [whole, doubled.whole, cut[k], below[k][cut[k]]]
            parts = [part, doubled.part, within[k - 1][cut[k]], within[k - 1][cut[k]]]
            if k < d:  # what bounds the faces in the cut
                faces, crossed, touching = self._zero_points(signs, k + 1)
                wholes.append(within[k][faces])
                parts.append(np.where(crossed >= 0, within[k - 1][crossed], touching))
            made.append(Incidence(np.concatenate(wholes), np.concatenate(parts)))
        self.incidences = made
        for k in range(d + 1):
            self.counts[k] += len(cut[k]) + (len(cut[k + 1]) if k < d else 0)


def _matrix(incidence: Incidence, n_wholes: int, n_parts: int) -> csr_array:
    ones = np.ones(len(incidence.whole))
    return csr_array((ones, (incidence.whole, incidence.part)), shape=(n_wholes, n_parts))


def joined(
    whole: Numbers, part: Numbers, upper: Numbers, lower: Numbers
) -> tuple[Numbers, Numbers]:
    """Pairs `(whole, lower)` over `part == upper`."""
    order = np.argsort(upper, kind="stable")
    upper, lower = upper[order], lower[order]
    first = np.searchsorted(upper, part)
    counts = np.searchsorted(upper, part, side="right") - first
    at = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(whole, counts), lower[np.repeat(first, counts) + at]
