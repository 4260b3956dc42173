"""Cutting convex cells in NumPy: what the kernel `cut_cells` is compared with, bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from tfhash.geometry.faces import Faces, Incidence, Numbers, Rows, joined

Signs = list[NDArray[np.uint8]]  # of the faces of each dimension
T = TypeVar("T", bound=np.generic)


class Growing(Generic[T]):
    """An array to which rows can be added at the end, at a constant cost each."""

    def __init__(self, rows: NDArray[T]) -> None:
        self._room, self._n = rows, len(rows)

    def __len__(self) -> int:
        return self._n

    @property
    def rows(self) -> NDArray[T]:
        """The rows so far, which may be written to."""
        return self._room[: self._n]

    def append(self, rows: NDArray[T]) -> None:
        end = self._n + len(rows)
        if end > len(self._room):
            room = np.empty((max(end, 2 * self._n), *self._room.shape[1:]), self._room.dtype)
            room[: self._n] = self.rows
            self._room = room
        self._room[self._n : end] = rows
        self._n = end


class FaceLists:
    """For each face of one dimension, the faces of one dimension less that bound it.

    Parameters
    ----------
    incidence : Incidence
    n : int
        Faces.
    """

    def __init__(self, incidence: Incidence, n: int) -> None:
        counts = np.bincount(incidence.whole, minlength=n)
        order = np.argsort(incidence.whole, kind="stable")
        self._counts, self._parts = Growing(counts), Growing(incidence.part[order])
        self._starts = Growing(np.cumsum(counts) - counts)

    def of(self, faces: Numbers) -> Incidence:
        """What bounds some faces: `whole` are places in `faces`, ascending."""
        counts = self._counts.rows[faces]
        whole = np.repeat(np.arange(len(faces)), counts)
        first = self._starts.rows[faces] - (np.cumsum(counts) - counts)
        return Incidence(whole, self._parts.rows[np.arange(len(whole)) + first[whole]])

    def all(self) -> Incidence:
        return self.of(np.arange(len(self._counts)))

    def put(self, faces: Numbers, bounds: Incidence) -> None:
        """Replace what bounds some faces, of which new ones follow the last; as `of` gives it."""
        counts = np.bincount(bounds.whole, minlength=len(faces))
        starts = len(self._parts) + np.cumsum(counts) - counts
        is_new = faces >= len(self._counts)
        self._counts.append(counts[is_new])
        self._starts.append(starts[is_new])
        self._counts.rows[faces] = counts
        self._starts.rows[faces] = starts
        self._parts.append(bounds.part)


class CuttableFaces(Faces):
    """Some cells with their faces, which a function divides."""

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


class CuttableCells:
    """Cells by the faces that bound them: offsets and parts for each dimension from 1 on."""

    def __init__(self, bounds: Sequence[tuple[Numbers, Numbers]], n_points: int) -> None:
        self.dimension = len(bounds)
        self.counts = [n_points, *(len(offsets) - 1 for offsets, _ in bounds)]
        self._lists = [
            FaceLists(
                Incidence(np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)), parts),
                len(offsets) - 1,
            )
            for offsets, parts in bounds
        ]
        self._places = [np.empty(0, np.int64) for _ in self._lists]

    @property
    def bounds(self) -> list[tuple[Numbers, Numbers]]:
        """Offsets and parts, as they are now."""
        found = []
        for lists, count in zip(self._lists, self.counts[1:], strict=True):
            whole, part = lists.all()
            found.append((np.searchsorted(whole, np.arange(count + 1)), part))
        return found

    def cut(
        self, rows: Rows, wanted: Numbers, tolerances: Rows, most_cells: int
    ) -> tuple[Rows, Numbers, NDArray[np.bool_]]:
        """Values, origin and above, as the kernel gives them."""
        corners = CuttableFaces([lists.all() for lists in self._lists], self.counts).corners_of()
        points = Growing(_packed(rows[:, wanted], tolerances))
        cells = Growing(_united(points.rows, corners.indices, corners.indptr))
        origin = Growing(np.arange(self.counts[-1]))
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
            if self.counts[-1] > most_cells:
                break
        above = np.unpackbits(cells.rows[:, 0].view(np.uint8), axis=1, bitorder="little")
        return values.rows, origin.rows, above[:, :n_done].astype(bool)

    def _part(self, cells: Numbers) -> tuple[CuttableFaces, list[Numbers]]:
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
        return CuttableFaces(incidences, [len(each) for each in numbers]), numbers

    def _divide(self, part: CuttableFaces, numbers: list[Numbers], signs: Signs) -> None:
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
