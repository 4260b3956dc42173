"""The words that codes are packed in: theirs alone, and 0 past the last bit."""

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfhash import _store


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """`array`, from now on read-only: for one that was just made and that nobody else holds."""
    array.flags.writeable = False
    return array


def own_words(words: Any, n_bits: int) -> NDArray[np.uint64]:
    """Words that nobody can write to: `words` where that is so, else a copy.

    Parameters
    ----------
    words : uint64 [n, ceil(n_bits / 64)]
    n_bits : int

    Returns
    -------
    uint64 [n, ceil(n_bits / 64)], C-contiguous, aligned, read-only

    Raises
    ------
    ValueError
        Where the dtype or shape is another, or a bit past `n_bits` is 1.
    """
    array, n_words = plain_array(words), -(-n_bits // 64)
    if array.dtype.kind != "u" or array.dtype.itemsize != 8 or array.shape[1:] != (n_words,):
        raise ValueError(
            f"Expected uint64 words of shape [n, {n_words}] for codes of {n_bits} bits. "
            f"Received: {array.dtype} of shape {array.shape}."
        )
    if not _is_frozen(array):
        array = frozen(array.copy())
    array = frozen(
        np.require(array, np.uint64, ["C", "A"])
    )  # also in this machine's order of bytes
    _store.check_padding(array, n_bits)
    return array


def plain_array(values: Any) -> NDArray[Any]:
    """`values` as an array of NumPy's own class; ValueError where some of them are masked."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(
            f"Expected an array without masked entries. Received: one with {values.mask.sum()}; "
            "fill them in or leave them out."
        )
    return np.asarray(values)


def whole_number(value: Any, name: str, low: int, high: int | None = None) -> int:
    """`value` as an int; ValueError where it is no whole number from `low` to `high`, or a bool."""
    try:
        number = low - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = low - 1
    if number < low or (high is not None and number > high):
        to = "on" if high is None else f"to {high}"
        raise ValueError(
            f"Expected {name} to be a whole number from {low} {to}. Received: {value!r}."
        )
    return number


def _is_frozen(array: NDArray[Any]) -> bool:
    """Whether neither `array` nor what it is a view of can be written to."""
    base: Any = array
    while isinstance(base, np.ndarray | memoryview):
        if isinstance(base, np.ndarray) and base.flags.writeable:
            return False
        base = base.base if isinstance(base, np.ndarray) else base.obj
    try:
        return base is None or memoryview(base).readonly  # bytes, or a map of a file
    except TypeError:
        return False
