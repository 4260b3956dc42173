"""Rows that are encoded again before a file of codes is trusted.

A fingerprint cannot see all that a model of a user's own code computes. These rows are seen to
give the codes that are in the file: the first, the last, and rows spread over all between them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfhash.codes import Codes
from tfhash.encoder.inputs import Batch

ROWS = 16
BYTES = 64 << 20  # of these rows: fewer where each is large
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio
# Rounding changes fewer bits than these shares, on other devices and in other batches.
ROUNDING = {"bfloat16": 0.03, "float16": 0.004}
ROUNDING_IN_FULL = 0.001


class Sample:
    """Keeps up to 16 rows of all that go by: the first, the last, and others evenly spread."""

    def __init__(self) -> None:
        self._n = 0
        self._rows = np.zeros(0, np.int64)
        self._arrays: Batch = []

    @property
    def rows(self) -> NDArray[np.int64]:
        """int64 [k], ascending: which rows."""
        return self._rows

    @property
    def arrays(self) -> Batch:
        """The rows of each input, [k, ...]."""
        return self._arrays

    def update(self, arrays: Batch) -> None:
        """Take the next rows in."""
        size = len(arrays[0])
        if size == 0:
            return
        rows = np.concatenate([self._rows, np.arange(self._n, self._n + size)])
        # Multiples of the golden ratio lie evenly: so do the rows where they are smallest.
        places = rows.astype(np.uint64) * GOLDEN
        row_bytes = sum(array[:1].nbytes for array in arrays)
        most = max(2, min(ROWS, BYTES // max(1, row_bytes)))
        kept = np.sort(np.argsort(places[:-1], kind="stable")[: most - 1])
        kept = np.append(kept, len(rows) - 1)
        old, new = kept[kept < len(self._rows)], kept[kept >= len(self._rows)] - len(self._rows)
        self._arrays = [
            np.concatenate([before[old], array[new]])
            for before, array in zip(
                self._arrays or [array[:0] for array in arrays], arrays, strict=True
            )
        ]
        self._rows, self._n = rows[kept], self._n + size


def check_rows(
    path: Path, rows: NDArray[np.int64], again: Codes, stored: Codes, dtypes: set[Any]
) -> None:
    """Raise ValueError where codes made again of some rows are not those stored.

    Parameters
    ----------
    path : the file that holds them
    rows : int64 [k]
    again, stored : Codes of these rows
    dtypes : names of the dtypes in which the units are computed
    """
    wrong = again.to_bits() != stored.to_bits()
    share = max((ROUNDING.get(str(dtype), 0) for dtype in dtypes), default=0)
    if wrong.sum() <= wrong.size * max(share, ROUNDING_IN_FULL):
        return
    row = rows[int(np.argmax(wrong.any(axis=1)))]
    raise ValueError(
        f"{path}: Expected codes of this model. Received: codes that differ from it in "
        f"{int(wrong.sum())} of {wrong.size} bits of the {len(rows)} rows that were encoded again, "
        f"first in row {row}, more than rounding explains: they are of a model of the same weights "
        "and configuration that computes something else, of one that is random at inference, or "
        "of another version of tfhash. Choose another path, or remove the file."
    )
