"""The polygons of a plane through a network's inputs, as a run keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class StoredPlane:
    """A `geometry.PlaneRegions` with classes, read from a file.

    Attributes
    ----------
    points : float64 [n_points, 2]
        Corners of the polygons, in the plane's own coordinates.
    offsets : int64 [n_polygons + 1]
        Polygon i has the corners `corners[offsets[i]:offsets[i + 1]]`.
    corners : int64 [n_corners]
        Rows of `points`.
    regions, classes : int64 [n_polygons]
        Linear region and predicted class of each polygon.
    boundary : float64 [n_edges, 2, 2]
        Both ends of each edge between two classes.
    """

    points: NDArray[np.float64]
    offsets: NDArray[np.int64]
    corners: NDArray[np.int64]
    regions: NDArray[np.int64]
    classes: NDArray[np.int64]
    boundary: NDArray[np.float64]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> StoredPlane:
        """The plane in a file.

        Raises
        ------
        ValueError, KeyError, TypeError
            The values are not those of a plane.
        """
        points = np.array(values["points"], np.float64).reshape(-1, 2)
        boundary = np.array(values["boundary"], np.float64).reshape(-1, 2, 2)
        offsets, corners, regions, classes = (
            _whole_numbers(values[name]) for name in ("offsets", "corners", "regions", "classes")
        )
        n = len(regions)
        sound = (
            n > 0
            and len(classes) == n
            and len(offsets) == n + 1
            and offsets[0] == 0
            and offsets[-1] == len(corners)
            and bool((np.diff(offsets) >= 3).all())
            and corners.min() >= 0
            and corners.max() < len(points)
            and regions.min() >= 0
        )
        if not sound or not (np.isfinite(points).all() and np.isfinite(boundary).all()):
            raise ValueError("polygons that do not fit together")
        return cls(points, offsets, corners, regions, classes, boundary)

    def __len__(self) -> int:
        return len(self.regions)

    @property
    def n_regions(self) -> int:
        """Number of linear regions."""
        return int(self.regions.max()) + 1

    def decision_boundary(self) -> NDArray[np.float64]:
        """Edges between two classes, [n_edges, 2, 2], as `geometry.PlaneRegions` gives them."""
        return self.boundary


def _whole_numbers(values: Any) -> NDArray[np.int64]:
    found = np.array(values)
    if found.ndim != 1 or not np.issubdtype(found.dtype, np.integer):
        raise ValueError("Expected a list of whole numbers")
    return found.astype(np.int64)
