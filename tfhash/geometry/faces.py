"""The faces of convex cells, of every dimension."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Numbers = NDArray[np.int64]
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
