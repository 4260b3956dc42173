"""Arrays of real numbers, checked where they come in: the one check of all that takes numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def real_array(values: ArrayLike, what: str) -> NDArray[Any]:
    """`values` as an array of floats, integers or bools.

    Other numbers, such as bfloat16 or those in an array of objects, are read as float64. Tensors of
    Keras's backends are read as NumPy reads them.

    Parameters
    ----------
    values
        Anything that NumPy makes an array of.
    what
        What the caller calls it, for the error.

    Raises
    ------
    ValueError
        Where they are words or complex, are masked, or make no array, as lists of different lengths
        and symbolic tensors do.
    """
    try:
        array = np.asarray(values)
        kind = array.dtype.kind
        words = kind == "O" and any(isinstance(one, str | bytes) for one in array.flat)
        if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
            n_masked = int(values.mask.sum())
            came = f"an array with {n_masked} masked entries: fill them in or leave them out"
        elif kind in "fiub":
            return array
        elif kind in "OV" and not words and values is not None:
            return array.astype(np.float64)
        else:
            came = "words" if words or kind in "SUT" else f"an array of dtype {array.dtype}"
    except (RuntimeError, TypeError, ValueError) as error:  # the first of PyTorch's gradients
        ragged = "inhomogeneous" in str(error)
        came = "lists of different lengths" if ragged else str(error).rstrip(".")
    raise ValueError(f"Expected {what} of real numbers. Received: {came}.")
