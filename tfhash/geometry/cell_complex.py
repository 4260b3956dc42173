"""A box cut into convex cells by functions that are affine in each cell, with all of its faces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Numbers = NDArray[np.int64]
Signs = list[NDArray[np.uint8]]  # of the faces of each dimension
Rows = NDArray[np.float64]

_TOLERANCE = 2.0**-44  # of a function's largest value: nearer to 0 it goes through a point


class Incidence(NamedTuple):
    """Which faces bound which: `part[i]`, of one dimension less, bounds `whole[i]`."""

    whole: Numbers
    part: Numbers


class Cut(NamedTuple):
    """What cutting made.

    Attributes
    ----------
    rows : float64 [n_points, n]
        With the new points, at which the function that made them is 0.
    origin : int64 [n_cells]
        The cell that each was a part of.
    above : bool [n_cells, n_columns]
        Where each function is above 0.
    is_whole : bool
        Whether all columns were gone through; otherwise as many as `above` has.
    """

    rows: Rows
    origin: Numbers
    above: NDArray[np.bool_]
    is_whole: bool


class CellComplex:
    """The cells of a box, and their faces of every dimension.

    Cutting is combinatorial: the signs of a function at the points, of which those near 0 count as
    0, decide what is cut, and new points are computed on edges alone. This is edge subdivision
    (Berzins, "Polyhedral complex extraction from ReLU networks using edge subdivision", ICML 2023)
    with incidences kept in the place of sign vectors, so that functions need not be in general
    position: they may coincide, meet in one point or be 0 in whole cells.

    Parameters
    ----------
    low, high : float64 [d]

    Attributes
    ----------
    incidences : list of Incidence
        The k-th, from 0 on: points of edges, edges of polygons, and so on up to the cells.
    counts : list of int
        Faces of each dimension: points first, cells last.
    """

    def __init__(self, low: Rows, high: Rows) -> None:
        self.dimension = len(low)
        faces = [
            [face for face in product("-+*", repeat=len(low)) if face.count("*") == k]
            for k in range(len(low) + 1)
        ]
        self.counts = [len(each) for each in faces]
        self.corners = np.array(
            [[low[i] if s == "-" else high[i] for i, s in enumerate(f)] for f in faces[0]]
        )
        self.incidences: list[Incidence] = []
        for wholes, parts in zip(faces[1:], faces[:-1], strict=True):
            place = {face: i for i, face in enumerate(parts)}
            pairs = [
                (i, place[(*face[:j], end, *face[j + 1 :])])
                for i, face in enumerate(wholes)
                for j in range(len(face))
                if face[j] == "*"
                for end in "-+"
            ]
            self.incidences.append(Incidence(*np.array(pairs, np.int64).T))

    @property
    def n_cells(self) -> int:
        return self.counts[-1]

    def corners_of(self, k: int | None = None) -> csr_array:
        """float64 [n_faces, n_points]: 1 where a k-face, or a cell if None, has a point."""
        k = self.dimension if k is None else k
        found = _matrix(self.incidences[0], self.counts[1], self.counts[0])
        for i in range(1, k):
            found = _matrix(self.incidences[i], self.counts[i + 1], self.counts[i]) @ found
        found.data[:] = 1.0
        return found

    def volumes(self, points: Rows) -> Rows:
        """float64 [n_cells]: lengths, areas, volumes and so on of the cells.

        Each is taken apart into simplices with a corner in the middle of a face of each dimension.
        """
        faces, edges = self.incidences[0].whole, self.incidences[0].part
        order = np.argsort(faces, kind="stable")
        ends = points[edges[order]].reshape(-1, 2, self.dimension)
        owner, simplices = np.arange(self.counts[1]), ends
        for k in range(2, self.dimension + 1):
            whole, part = self.incidences[k - 1]
            corners = self.corners_of(k)
            middle = (corners @ points) / corners.sum(axis=1)[:, None]
            whole, which = _joined(whole, part, owner, np.arange(len(owner)))
            simplices = np.concatenate([simplices[which], middle[whole][:, None]], axis=1)
            owner = whole
        sizes = np.abs(np.linalg.det(simplices[:, 1:] - simplices[:, :1]))
        return np.bincount(owner, sizes, self.n_cells) / math.factorial(self.dimension)

    def neighbors(self) -> tuple[Numbers, Numbers]:
        """Pairs of cells, int64 [n, 2], that share a face of one dimension less; those faces."""
        whole, part = self.incidences[-1]
        order = np.lexsort((whole, part))
        same = part[order[1:]] == part[order[:-1]]
        first, second = order[:-1][same], order[1:][same]
        return np.stack([whole[first], whole[second]], axis=1), part[first]

    def cut(self, rows: Rows, columns: Sequence[int], most_cells: int) -> Cut:
        """Cut along the zeros of functions, one after another.

        Parameters
        ----------
        rows : float64 [n_points, n]
            Values at the points, affine in each cell.
        columns : the columns that are cut along
        most_cells : int
            Stop after the column with which there are more cells.
        """
        buffer, n = rows, len(rows)
        origin = np.arange(self.n_cells)
        above = np.zeros((self.n_cells, len(columns)), bool)
        for i, column in enumerate(columns):
            z = buffer[:n, column]
            tolerance = _TOLERANCE * float(np.abs(z).max())
            if z.max() <= tolerance:
                continue
            if z.min() > tolerance:
                above[:, i] = True
                continue
            signs = self._consistent_signs(z, tolerance)
            above[:, i] = (signs[-1] & 1) == 1
            buffer, n = _extended(buffer, n, *self._cut_edges(signs), column)
            (parents,) = np.nonzero(signs[-1] == 3)
            if len(parents):
                origin = np.concatenate([origin, origin[parents]])
                below = above[parents]
                below[:, i] = False
                above = np.concatenate([above, below])
                self._divide(signs)
            if self.n_cells > most_cells:
                return Cut(buffer[:n], origin, above[:, : i + 1], False)
        return Cut(buffer[:n], origin, above, True)

    def _signs(self, z: Rows, tolerance: float) -> Signs:
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

    def _consistent_signs(self, z: Rows, tolerance: float) -> Signs:
        """Signs with which each polygon is cut in two: rounding may leave a point on a wrong side.

        Raises
        ------
        ArithmeticError
            Where no tolerance gives such.
        """
        for _ in range(30):
            signs = self._signs(z, tolerance)
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
        at, reach = _joined(whole[~crossed], part[~crossed], upper[flat], lower[flat])
        if len(at):
            at, reach = np.unique(np.stack([at, reach]), axis=1)
        no = np.full
        return (
            np.concatenate([whole[crossed], at]),
            np.concatenate([part[crossed], no(len(at), -1)]),
            np.concatenate([no(int(crossed.sum()), -1), reach]),
        )

    def _cut_edges(self, signs: Signs) -> tuple[Numbers, Numbers]:
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

    def _divide(self, signs: Signs) -> None:
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


def _extended(buffer: Rows, n: int, start: Numbers, stop: Numbers, column: int) -> tuple[Rows, int]:
    """Add the points of edges at which a column is 0; gives a buffer with room, and its rows."""
    end = n + len(start)
    if end > len(buffer):
        larger = np.empty((max(end, 2 * len(buffer)), buffer.shape[1]))
        larger[:n] = buffer[:n]
        buffer = larger
    one, other = buffer[start], buffer[stop]
    z, other_z = one[:, column], other[:, column]
    weight = (z / (z - other_z))[:, None]
    made = one + weight * (other - one)
    # Between the ends whatever is rounded, so that points stay in their window.
    buffer[n:end] = np.clip(made, np.minimum(one, other), np.maximum(one, other))
    buffer[n:end, column] = 0.0
    return buffer, end


def _matrix(incidence: Incidence, n_wholes: int, n_parts: int) -> csr_array:
    ones = np.ones(len(incidence.whole))
    return csr_array((ones, (incidence.whole, incidence.part)), shape=(n_wholes, n_parts))


def _joined(
    whole: Numbers, part: Numbers, upper: Numbers, lower: Numbers
) -> tuple[Numbers, Numbers]:
    """Pairs `(whole, lower)` over `part == upper`."""
    order = np.argsort(upper, kind="stable")
    upper, lower = upper[order], lower[order]
    first = np.searchsorted(upper, part)
    counts = np.searchsorted(upper, part, side="right") - first
    at = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(whole, counts), lower[np.repeat(first, counts) + at]
