"""What a box of a slice is cut into: cells, their volumes, faces and codes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash.codes import Codes, real_array, whole_number
from tfhash.geometry.cell_complex import CellComplex
from tfhash.geometry.inputs import InputSpace, check_finite
from tfhash.geometry.steps import Layer, codes_of_layers


@dataclass(frozen=True, eq=False)
class SliceRegions:
    """The regions of a network in a box of the slice `origin + coordinates @ directions`.

    Attributes
    ----------
    points : float64 [n_points, d]
        Corners of the cells, as coordinates in the slice.
    regions : int64 [n_cells]
        The region each cell lies in, from 0 on in order of appearance. A region is one cell,
        unless the model has maxima (max pooling) or classes were asked for, which cut it.
    classes : int64 [n_cells] or None
        The likeliest class of each cell.
    layers : tuple of Layer
        The layers of units: name, number of units, and whether their switches change the code.
    is_complete : bool
        False where there were more cells than `max_regions`: cells are then those of the units that
        were gone through by then, and units after them count as off.
    """

    points: NDArray[np.float64]
    regions: NDArray[np.int64]
    classes: NDArray[np.int64] | None
    layers: tuple[Layer, ...]
    is_complete: bool
    _cells: CellComplex = field(repr=False)
    _words: tuple[NDArray[np.uint64], ...] = field(repr=False)
    _space: InputSpace = field(repr=False)
    _at: NDArray[np.float64] = field(repr=False)
    _directions: NDArray[np.float64] = field(repr=False)

    def __len__(self) -> int:
        return self._cells.n_cells

    @property
    def n_regions(self) -> int:
        """Regions that meet the box."""
        return int(self.regions.max()) + 1

    @property
    def volumes(self) -> NDArray[np.float64]:
        """float64 [n_cells]: volumes (areas, in two dimensions), in the slice's coordinates.

        The sum over cells is the box's. In units of the input they are larger by
        `sqrt(det(directions @ directions.T))`, which is 1 for `box_regions`.
        """
        return self._cells.volumes(self.points)

    @property
    def centers(self) -> NDArray[np.float64]:
        """float64 [n_cells, d]: the mean of each cell's corners, a point inside it."""
        corners = self._cells.corners_of()
        found: NDArray[np.float64] = (corners @ self.points) / corners.sum(axis=1)[:, None]
        return found

    def corners(self, cell: int) -> NDArray[np.float64]:
        """float64 [n, d]: the corners of a cell, in no particular order.

        Raises
        ------
        ValueError
            Where it is no whole number from 0 to `len(self) - 1`.
        """
        cell = whole_number(cell, "cell", 0, len(self) - 1)
        return self.points[np.flatnonzero(self._cells.corners_of()[[cell]].toarray())]

    def polygons(self, faces: ArrayLike | None = None) -> list[NDArray[np.float64]]:
        """The polygons that cells are made of, or bounded by in three dimensions.

        Parameters
        ----------
        faces : int [n], optional
            Their numbers; all of them if None.

        Returns
        -------
        list of float64 [n_corners, d]
            The corners of each in order around it.

        Raises
        ------
        ValueError
            Where there is no polygon of such a number.
        """
        of_polygons = self._cells.corners_of(2)
        n_polygons = of_polygons.shape[0]
        wanted = np.arange(n_polygons) if faces is None else _checked_faces(faces, n_polygons)
        return [
            _around(self.points[of_polygons.indices[start:stop]])
            for start, stop in zip(
                of_polygons.indptr[wanted], of_polygons.indptr[wanted + 1], strict=True
            )
        ]

    def faces(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """int64 [n] and [n]: cells, and the numbers of faces that bound them, side by side.

        In three dimensions a face is a polygon (see `polygons`), in two an edge.
        """
        return self._cells.faces.incidences[-1]

    def neighbors(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """int64 [n, 2] and [n]: pairs of cells that share a face, and that face's number."""
        return self._cells.neighbors()

    def codes(self) -> Codes:
        """The activation pattern in each cell: `len(self)` codes.

        One bit for each unit of the layers whose switches change the code, as in
        `LineRegions.codes`.
        """
        return codes_of_layers(self.layers, self._words)

    def inputs(self, coordinates: ArrayLike) -> Any:
        """float64 [n, ...input shape]: the model's inputs at coordinates [n, d] in the slice.

        Of a model with several inputs, a list or dict with an array for each, as it takes them.

        Raises
        ------
        ValueError
            Where the coordinates are not finite numbers, d for each input.
        """
        given, d = real_array(coordinates, "coordinates"), len(self._directions)
        if given.ndim == 0 or given.shape[-1] != d:
            raise ValueError(
                f"Expected coordinates of shape (n, {d}). Received shape: {given.shape}."
            )
        check_finite(given, "coordinates", given.ndim - 1)
        return self._space.split(self._at + given @ self._directions)


def _checked_faces(faces: ArrayLike, n_polygons: int) -> NDArray[np.int64]:
    given = real_array(faces, "faces")
    if given.size == 0:
        return np.empty(0, np.int64)
    numbers = given.dtype.kind in "iu" and given.ndim == 1
    if not numbers or given.min() < 0 or given.max() >= n_polygons:
        raise ValueError(
            f"Expected faces, int [n], of numbers from 0 to {n_polygons - 1}. Received: {faces!r}."
        )
    return given.astype(np.int64)


def _around(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """The corners of a convex polygon, in order around it."""
    spokes = corners - corners.mean(axis=0)
    plane = np.linalg.svd(spokes, full_matrices=False)[2][:2]
    a, b = plane @ spokes.T
    return corners[np.argsort(np.arctan2(b, a))]
