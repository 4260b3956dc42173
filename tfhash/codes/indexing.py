"""Rows of codes, chosen in any of the ways in which NumPy chooses them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def chosen_rows(rows: Any, n: int) -> slice | NDArray[Any]:
    """What chooses rows of a matrix of words, given what chooses some of `n` codes.

    Raises IndexError where that is no index, slice, list of indices or mask over the codes.
    """
    asked = rows
    if isinstance(rows, tuple) and len(rows) == 2:  # scikit-learn asks for X[rows, ...]
        bits = rows[1]
        if bits is Ellipsis or (isinstance(bits, slice) and bits == slice(None)):
            rows = rows[0]
    if rows is Ellipsis:
        return slice(None)
    if isinstance(rows, slice):
        return rows
    chosen = np.empty(0, object) if isinstance(rows, tuple | bool) else np.asarray(rows)
    if chosen.size == 0 and chosen.dtype.kind == "f":
        chosen = chosen.astype(np.int64)  # NumPy reads an empty list as float64
    if chosen.ndim == 0 and chosen.dtype.kind in "iu":
        if not -n <= chosen < n:
            raise IndexError(f"Expected a row of {n} codes. Received: {chosen}.")
        chosen = chosen.reshape(1)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iub":
        raise IndexError(
            "Expected one index, a slice, indices or a mask over the codes. "
            f"Received: {asked!r:.80}. Layers are chosen with select(names), bits with "
            "metrics.keep_bits(codes, bits)."
        )
    return chosen
