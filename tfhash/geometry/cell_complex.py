"""A box cut into convex cells by functions that are affine in each cell, with all of its faces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tfhash.geometry.face_lists import FaceLists, Growing
from tfhash.geometry.faces import Faces, Incidence, Numbers, Rows, Signs, joined

_TOLERANCE = 2.0**-44  # of a function's largest value: nearer to 0 it goes through a point


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

    A cut costs what it makes: of each cell it is known which functions change sign in it, and a cut
    looks at the cells in which its own does, and at their faces.

    Parameters
    ----------
    low, high : float64 [d]

    Attributes
    ----------
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
        self._lists: list[FaceLists] = []
        for wholes, parts in zip(faces[1:], faces[:-1], strict=True):
            place = {face: i for i, face in enumerate(parts)}
            pairs = [
                (i, place[(*face[:j], end, *face[j + 1 :])])
                for i, face in enumerate(wholes)
                for j in range(len(face))
                if face[j] == "*"
                for end in "-+"
            ]
            incidence = Incidence(*np.array(pairs, np.int64).T)
            self._lists.append(FaceLists(incidence, len(wholes)))
        self._places = [np.empty(0, np.int64) for _ in self._lists]
        self._faces: Faces | None = None

    @property
    def n_cells(self) -> int:
        return self.counts[-1]

    @property
    def faces(self) -> Faces:
        """All of them, as they are now."""
        if self._faces is None:
            self._faces = Faces([lists.all() for lists in self._lists], list(self.counts))
        return self._faces

    def corners_of(self, k: int | None = None) -> csr_array:
        """float64 [n_faces, n_points]: 1 where a k-face, or a cell if None, has a point."""
        return self.faces.corners_of(k)

    def volumes(self, points: Rows) -> Rows:
        """float64 [n_cells]: lengths, areas, volumes and so on of the cells.

        Each is taken apart into simplices with a corner in the middle of a face of each dimension.
        """
        faces, edges = self.faces.incidences[0]
        order = np.argsort(faces, kind="stable")
        ends = points[edges[order]].reshape(-1, 2, self.dimension)
        owner, simplices = np.arange(self.counts[1]), ends
        for k in range(2, self.dimension + 1):
            whole, part = self.faces.incidences[k - 1]
            corners = self.corners_of(k)
            middle = (corners @ points) / corners.sum(axis=1)[:, None]
            whole, which = joined(whole, part, owner, np.arange(len(owner)))
            simplices = np.concatenate([simplices[which], middle[whole][:, None]], axis=1)
            owner = whole
        sizes = np.abs(np.linalg.det(simplices[:, 1:] - simplices[:, :1]))
        return np.bincount(owner, sizes, self.n_cells) / math.factorial(self.dimension)

    def neighbors(self) -> tuple[Numbers, Numbers]:
        """Pairs of cells, int64 [n, 2], that share a face of one dimension less; those faces."""
        whole, part = self.faces.incidences[-1]
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
        wanted = np.asarray(columns, np.int64)
        tolerances = _TOLERANCE * np.abs(rows[:, wanted]).max(axis=0, initial=0.0)
        corners = self.corners_of()
        self._faces = None
        points = Growing(_packed(rows[:, wanted], tolerances))
        cells = Growing(_united(points.rows, corners.indices, corners.indptr))
        origin = Growing(np.arange(self.n_cells))
        values, n_done = Growing(rows), 0
        for i, column in enumerate(wanted.tolist()):
            n_done = i + 1
            at = i // 64, np.uint64(1 << (i % 64))
            here = cells.rows[:, :, at[0]]
            (crossed,) = np.nonzero(here[:, 0] & here[:, 1] & at[1])
            if not len(crossed):
                continue
            part, numbers = self._part(crossed)
            signs = part.consistent_signs(values.rows[numbers[0], column], float(tolerances[i]))
            for side in (0, 1):  # rounding may leave a cell on one side
                cells.rows[crossed[(signs[-1] & (1 << side)) == 0], side, at[0]] &= ~at[1]
            (parents,) = np.nonzero(signs[-1] == 3)
            if not len(parents):
                continue
            start, stop = part.cut_edges(signs)
            made = _between(values.rows, numbers[0][start], numbers[0][stop], column)
            values.append(made)
            new = _packed(made[:, wanted], tolerances)
            halves = _of_halves(part, signs, points.rows[numbers[0]], new)
            points.append(new)
            self._divide(part, numbers, signs)
            # What is above 0 keeps its number; what is below is new.
            cut = crossed[parents]
            later = _packed_later(i, halves.shape[-1])
            halves = (halves[parents] & later) | (cells.rows[cut, None] & ~later)
            halves[:, 0, 1, at[0]] &= ~at[1]
            halves[:, 1, 0, at[0]] &= ~at[1]
            cells.rows[cut] = halves[:, 0]
            cells.append(halves[:, 1])
            origin.append(origin.rows[cut])
            if self.n_cells > most_cells:
                break
        above = np.unpackbits(cells.rows[:, 0].view(np.uint8), axis=1, bitorder="little")
        is_whole = self.n_cells <= most_cells
        return Cut(values.rows, origin.rows, above[:, :n_done].astype(bool), is_whole)

    def _part(self, cells: Numbers) -> tuple[Faces, list[Numbers]]:
        """Some cells with their faces, numbered anew, and the numbers of those here."""
        numbers, incidences = [cells], []
        for k in range(self.dimension - 1, -1, -1):
            whole, part = self._lists[k].of(numbers[-1])
            if len(self._places[k]) < self.counts[k]:
                self._places[k] = np.empty(2 * self.counts[k], np.int64)
            place, order = self._places[k], np.arange(len(part))
            place[part] = order  # of several that are equal one stays
            kept = part[place[part] == order]
            place[kept] = np.arange(len(kept))
            numbers.append(kept)
            incidences.append(Incidence(whole, place[part]))
        numbers.reverse()
        incidences.reverse()
        return Faces(incidences, [len(each) for each in numbers]), numbers

    def _divide(self, part: Faces, numbers: list[Numbers], signs: Signs) -> None:
        """Divide the faces of some cells that are cut, there and here."""
        part.divide(signs)
        changed = []
        for k, count in enumerate(part.counts):
            n_new = count - len(numbers[k])
            changed.append(np.append(signs[k] == 3, np.ones(n_new, bool)))
            numbers[k] = np.append(numbers[k], self.counts[k] + np.arange(n_new))
            self.counts[k] += n_new
        for k in range(1, self.dimension + 1):
            whole, bound = part.incidences[k - 1]
            kept = np.flatnonzero(changed[k][whole])
            kept = kept[np.argsort(whole[kept], kind="stable")]
            rank = np.cumsum(changed[k]) - 1
            bounds = Incidence(rank[whole[kept]], numbers[k - 1][bound[kept]])
            self._lists[k - 1].put(numbers[k][changed[k]], bounds)


# Signs of functions, packed: uint64 [n, 2, words], where each is above 0 and where it is below.
Packed = NDArray[np.uint64]


def _packed(z: Rows, tolerances: Rows) -> Packed:
    padded = np.zeros((len(z), 2, -(-z.shape[1] // 64) * 64), bool)
    np.greater(z, tolerances, out=padded[:, 0, : z.shape[1]])
    np.less(z, -tolerances, out=padded[:, 1, : z.shape[1]])
    return np.packbits(padded, axis=-1, bitorder="little").view(np.uint64)


def _packed_later(i: int, n_words: int) -> NDArray[np.uint64]:
    """The bits of the functions after the i-th."""
    bits = np.arange(64 * n_words) > i
    return np.packbits(bits, bitorder="little").view(np.uint64)


def _united(points: Packed, indices: Numbers, starts: Numbers) -> Packed:
    """Of each cell, whose corners are `indices[starts[i]:starts[i + 1]]`: on which sides it is."""
    return np.bitwise_or.reduceat(points[indices], starts[:-1], axis=0)


def _of_halves(part: Faces, signs: Signs, points: Packed, made: Packed) -> Packed:
    """uint64 [n_cells, 2, 2, words]: the sides on which cells' halves above 0 and below 0 are.

    From the points up, `made` being those new ones that cut the edges.
    """
    is_there = np.stack([signs[0] != 2, signs[0] != 1], axis=1)
    found = points[:, None] * is_there[:, :, None, None]
    for k, (whole, bound) in enumerate(part.incidences):  # sorted by whole
        starts = np.flatnonzero(np.diff(whole, prepend=-1))
        found = np.bitwise_or.reduceat(found[bound], starts, axis=0)
        if k == 0:
            found[signs[1] == 3] |= made[:, None]
    return found


def _between(rows: Rows, start: Numbers, stop: Numbers, column: int) -> Rows:
    """The points of edges at which a column is 0."""
    one, other = rows[start], rows[stop]
    z, other_z = one[:, column], other[:, column]
    made = other - one
    made *= (z / (z - other_z))[:, None]
    made += one
    # Between the ends whatever is rounded, so that points stay in their window.
    np.maximum(made, np.minimum(one, other), out=made)
    np.minimum(made, np.maximum(one, other, out=other), out=made)
    made[:, column] = 0.0
    return made
