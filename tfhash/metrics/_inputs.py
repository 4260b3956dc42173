"""What every metric takes: codes (or a plain 0/1 matrix) and labels, checked at the door."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash.codes import Codes, plain_array
from tfhash.errors import InputError

CodesLike = Codes | ArrayLike


def as_codes(x: CodesLike, name: str = "codes", allow_empty: bool = False) -> Codes:
    """`Codes` as they are; a matrix of 0/1 packed.

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
    """Labels as an array [n] of any dtype, one for each of `n` codes.

    Raises ValueError where they are not as many, and as `as_labels`.
    """
    labels = as_labels(y, name)
    if labels.shape != (n,):
        raise ValueError(
            f"{name}: Expected {n} labels, one for each example. Received shape: {labels.shape}."
        )
    return labels


def as_labels(y: ArrayLike, name: str = "y") -> NDArray[Any]:
    """Labels as an array [n] of any dtype that can be sorted; a column [n, 1] is flattened.

    Parameters
    ----------
    y : [n] or [n, 1]
        Strings, numbers, or whatever objects can be sorted.
    name : str
        What the caller calls it, for the error.

    Raises
    ------
    ValueError
        Where the shape is another (of one-hot labels it is said what to do), or a label is masked,
        missing (NaN, NaT, None, `pandas.NA`), infinite or complex, or they cannot be sorted.
    """
    try:
        labels = plain_array(y)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise ValueError(
            f"{name}: Expected one label for each example, of shape [n]. Received shape: "
            f"{labels.shape}; for one-hot labels or probabilities use argmax: "
            f"np.argmax({name if name.isidentifier() else 'y'}, axis=1)."
        )
    if labels.ndim != 1:
        raise ValueError(
            f"{name}: Expected one label for each example, of shape [n]. Received shape: "
            f"{labels.shape}."
        )
    kind = labels.dtype.kind
    if kind == "c":
        # The first words are scikit-learn's, which its estimator checks look for.
        raise ValueError(
            f"{name}: Complex data not supported. Expected labels that can be sorted. "
            f"Received: {labels.dtype}."
        )
    if kind == "f" and not np.isfinite(labels).all():
        raise ValueError(f"{name}: Expected labels that are finite. Received: NaN or infinity.")
    if kind in "mM" and np.isnat(labels).any():
        raise ValueError(f"{name}: Expected a label for each example. Received: NaT.")
    if kind == "O":
        _check_objects(labels.tolist(), name)
    elif kind in "US" and isinstance(y, list | tuple):
        _check_objects(list(y), name)  # NumPy makes the string "nan" of a NaN among strings
    return labels


def plain_labels(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels of objects (as pandas has words) as words or numbers of NumPy's, where they are.

    Dates and times are in microseconds, whatever they came in, which Python has types for.
    """
    kind = labels.dtype.kind
    if kind in "mM":
        return labels.astype(f"{kind}8[us]")
    if kind == "T":
        return np.array(labels.tolist())
    kinds = (str, bool | int | float | np.number)
    if kind == "O" and any(all(isinstance(one, of) for one in labels) for of in kinds):
        return np.array(labels.tolist())
    return labels


def check_classes(labels: NDArray[Any], name: str = "y") -> None:
    """Raise InputError where labels are measured values: numbers that are not whole."""
    between = labels[labels != np.round(labels)] if labels.dtype.kind == "f" else labels[:0]
    if len(between):
        raise InputError(
            f"{name}: Expected labels of classes, whole numbers or words. Received: "
            f"{between[0]!s}. Give classes, as of np.digitize(y, edges)."
        )


def _check_objects(labels: list[Any], name: str) -> None:
    for row, label in enumerate(labels):
        if label is None or _differs_from_itself(label):
            raise ValueError(
                f"{name}: Expected a label for each example. Received: {label!r} in row {row}."
            )
    kinds = sorted({type(label).__name__ for label in labels})
    try:
        sorted(set(labels))
    except TypeError:
        raise ValueError(
            f"{name}: Expected labels that can be sorted, all of one type. "
            f"Received types: {', '.join(kinds)}."
        ) from None


def _differs_from_itself(label: Any) -> bool:
    """Whether it is NaN, NaT or `pandas.NA`, which cannot even say so."""
    try:
        return bool(label != label)
    except TypeError:
        return True
    except ValueError:  # an array: not sorted either
        return False
