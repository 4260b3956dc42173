"""Lists of numbers, one for each face, that can be replaced and added to."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from tfhash.geometry.faces import Incidence, Numbers

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
