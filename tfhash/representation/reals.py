"""Arrays of real numbers, checked where they come in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash.codes.words import plain_array


def real_array(values: ArrayLike, what: str) -> NDArray[Any]:
    """`values` as an array of floats, integers or bools.

    Other numbers, such as bfloat16 or those in an array of objects, are read as float64.

    Parameters
    ----------
    values
        Anything that NumPy makes an array of.
    what
        What the caller calls it, for the error.

    Raises
    ------
    ValueError
        Where they are words or complex, are masked, or make no array.
    """
    try:
        array = plain_array(values)
        kind = array.dtype.kind
        if kind in "fiub":
            return array
        words = kind == "O" and any(isinstance(one, str | bytes) for one in array.flat)
        if kind in "OV" and not words and values is not None:
            return array.astype(np.float64)
        came = "words" if words or kind in "SUT" else f"an array of dtype {array.dtype}"
    except (TypeError, ValueError) as error:
        came = str(error).rstrip(".")
    raise ValueError(f"Expected {what} of real numbers. Received: {came}.")
