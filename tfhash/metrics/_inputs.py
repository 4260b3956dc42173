"""What every metric takes: codes (or a plain 0/1 matrix) and labels, checked at the door."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash.codes import Codes

CodesLike = Codes | ArrayLike


def as_codes(x: CodesLike, name: str = "codes", allow_empty: bool = False) -> Codes:
    """``Codes`` as they are; a matrix of 0/1 packed.

    Parameters
    ----------
    x : Codes, or [n, n_bits] of bool or numbers that are all 0 or 1
        A uint8 matrix is one bit per byte, never taken to be packed.
    name : str
        What the caller calls it, for the error.
    allow_empty : bool
        Whether there may be no codes at all.

    Raises
    ------
    ValueError
        Where it is not such a matrix, or there are no codes, or they have no bits.
    """
    codes = x if isinstance(x, Codes) else _pack(x, name)
    if codes.n_bits == 0 or (len(codes) == 0 and not allow_empty):
        raise ValueError(
            f"{name}: Expected at least one code of at least one bit. "
            f"Received: {len(codes)} codes of {codes.n_bits} bits."
        )
    return codes


def _pack(x: Any, name: str) -> Codes:
    try:
        return Codes.from_bits(x)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def check_same_width(a: Codes, b: Codes, name_a: str, name_b: str) -> None:
    """Raise ValueError unless the codes of both have the same number of bits."""
    if a.n_bits != b.n_bits:
        raise ValueError(
            f"Expected {name_a} and {name_b} of the same width. "
            f"Received: {a.n_bits} and {b.n_bits} bits."
        )


def check_labels(y: ArrayLike, n: int, name: str = "y") -> NDArray[Any]:
    """Labels as an array [n] of any dtype.

    A column [n, 1] is flattened. Raises ValueError where the shape is another, or a label is NaN.
    """
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (n,):
        raise ValueError(
            f"{name}: Expected {n} labels, one for each code. Received shape: {labels.shape}."
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError(f"{name}: Expected labels that are finite. Received: NaN or infinity.")
    return labels
