"""Bits that are the same in every code: found in one reading, and left out."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash import _native
from tfhash.codes import Codes, frozen
from tfhash.metrics._inputs import CodesLike, as_codes, check_same_width


def varying_bits(*codes: CodesLike) -> NDArray[np.int64]:
    """The bits that differ between some two codes, of all sets given taken together.

    A unit that is always on, or always off, tells no two inputs apart: leaving its bit out changes
    no distance, no count of regions, no cluster and no prediction. The estimators of this package
    leave out constant bits by themselves wherever that saves work.

    Parameters
    ----------
    *codes : Codes, or 0/1 matrices [n, n_bits]
        One or more, of the same width: for instance the training and the test codes.

    Returns
    -------
    int64 [m], ascending

    Raises
    ------
    ValueError
        Where there are no codes, or their widths differ.
    """
    parts = _checked(codes)
    return _native.varying_bits([part.words for part in parts], parts[0].n_bits)


def keep_bits(codes: CodesLike, bits: ArrayLike) -> Codes:
    """The codes with some of their bits alone, in order, packed anew.

    Parameters
    ----------
    codes : Codes, or 0/1 matrix [n, n_bits]
    bits : int [m], ascending
        For instance `varying_bits(train, test)`.

    Returns
    -------
    Codes [n, m]
        In memory; layers keep their names, and what is left of their bits.

    Raises
    ------
    ValueError
        Where a bit is not from 0 to `n_bits - 1`, or they do not ascend.
    """
    checked = as_codes(codes, allow_empty=True)
    kept = np.ascontiguousarray(bits)
    if kept.size == 0:
        kept = kept.astype(np.int64)
    if kept.ndim != 1 or kept.dtype.kind not in "iu":
        raise ValueError(
            f"bits: Expected a list of whole numbers. Received: {kept.dtype} of shape {kept.shape}."
        )
    kept = kept.astype(np.int64)
    words = np.empty((len(checked), -(-len(kept) // 64)), np.uint64)
    _native.keep_bits(checked.words, checked.n_bits, kept, words)
    ends = [0, *np.searchsorted(kept, [layer.stop for layer in checked.layers]).tolist()]
    layers = [
        (layer.name, start, stop)
        for layer, start, stop in zip(checked.layers, ends, ends[1:], strict=False)
    ]
    return Codes(frozen(words), len(kept), layers)


def _checked(codes: tuple[CodesLike, ...]) -> list[Codes]:
    if not codes:
        raise ValueError("Expected at least one set of codes. Received: none.")
    parts = [as_codes(part) for part in codes]
    for part in parts[1:]:
        check_same_width(parts[0], part, "codes", "codes")
    return parts
