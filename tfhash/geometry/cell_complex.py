"""A box cut into convex cells by functions that are affine in each cell, with all of its faces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tfhash import _native
from tfhash.geometry.faces import Faces, Incidence, Numbers, Rows, joined

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
        self._bounds: list[tuple[Numbers, Numbers]] = []
        for wholes, parts in zip(faces[1:], faces[:-1], strict=True):
            place = {face: i for i, face in enumerate(parts)}
            pairs = [
                (i, place[(*face[:j], end, *face[j + 1 :])])
                for i, face in enumerate(wholes)
                for j in range(len(face))
                if face[j] == "*"
                for end in "-+"
            ]
            whole, part = np.array(pairs, np.int64).T
            offsets = np.searchsorted(whole, np.arange(len(wholes) + 1))
            self._bounds.append((offsets, np.ascontiguousarray(part)))
        self._faces: Faces | None = None

    @property
    def n_cells(self) -> int:
        return self.counts[-1]

    @property
    def faces(self) -> Faces:
        """All of them, as they are now."""
        if self._faces is None:
            incidences = [
                Incidence(np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)), parts)
                for offsets, parts in self._bounds
            ]
            self._faces = Faces(incidences, list(self.counts))
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

        Raises
        ------
        ArithmeticError
            Where the values are not affine in each cell, by more than roundings.
        """
        wanted = np.asarray(columns, np.int64)
        tolerances = _TOLERANCE * np.abs(rows[:, wanted]).max(axis=0, initial=0.0)
        made = _native.cut_cells(
            np.ascontiguousarray(rows), wanted, tolerances, self._bounds, most_cells
        )
        if made is None:
            raise ArithmeticError(
                "Expected values that are affine in each cell. Received: values that are not, by "
                "more than roundings: the numbers of the network are too far apart for float64."
            )
        values, self._bounds, origin, above = made
        self._faces = None
        self.counts = [len(values), *(len(offsets) - 1 for offsets, _ in self._bounds)]
        return Cut(values, origin, above, self.n_cells <= most_cells)
