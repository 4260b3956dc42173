"""From activations, bits and other codes to words."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash import _native
from tfhash.codes.words import plain_array


class Packer:
    """Packs the layers of a batch side by side.

    Parameters
    ----------
    layers : sequence of (name, n_units)

    Attributes
    ----------
    spans : list of (name, start, stop)
    n_bits : int
    """

    def __init__(self, layers: Iterable[tuple[str, int]]) -> None:
        self.spans: list[tuple[str, int, int]] = []
        self.n_bits = 0
        for name, n_units in layers:
            self.spans.append((name, self.n_bits, self.n_bits + n_units))
            self.n_bits += n_units

    def pack(self, outputs: Sequence[NDArray[Any]], row_base: int) -> NDArray[np.uint64]:
        """The words of activations: 1 where > 0.

        Parameters
        ----------
        outputs : float [rows, n_units] for each layer
        row_base : int
            Is added to the row that an error names.

        Raises
        ------
        ValueError
            Where an activation is NaN or infinite; layer, row and column are named.
        """
        words = self._empty(len(outputs[0]))
        for (name, start, _), output in zip(self.spans, outputs, strict=True):
            try:
                floats = np.require(native_floats(output), requirements=["C", "A"])
                _native.pack(floats, words, start, row_base)
            except ValueError as error:
                raise ValueError(f"layer {name!r}: {error}") from None
        return words

    def join(self, parts: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint64]:
        """The words of layers that are packed already.

        Parameters
        ----------
        parts : uint8 [rows, 8 * ceil(n_units / 64)] for each layer
            Bit `j` is `part[row, j // 8] >> (j % 8) & 1`; bits past `n_units` are 0.
        """
        words = self._empty(len(parts[0]))
        for (_, start, stop), part in zip(self.spans, parts, strict=True):
            packed = np.require(np.ascontiguousarray(part).view("<u8"), np.uint64, ["C", "A"])
            _native.copy_bits(packed, stop - start, 0, stop - start, words, start)
        return words

    def _empty(self, rows: int) -> NDArray[np.uint64]:
        return np.zeros((rows, -(-self.n_bits // 64)), np.uint64)


def join_bits(
    spans: Sequence[tuple[NDArray[np.uint64], int, int, int]],
) -> tuple[NDArray[np.uint64], int]:
    """Spans `(words, n_bits, start, stop)` of the bits of codes side by side, and how many bits.

    At least one; all of as many codes.
    """
    n, n_bits = len(spans[0][0]), sum(stop - start for _, _, start, stop in spans)
    joined = np.zeros((n, -(-n_bits // 64)), np.uint64)
    at = 0
    for words, width, start, stop in spans:
        _native.copy_bits(words, width, start, stop - start, joined, at)
        at += stop - start
    return joined, n_bits


def matrix_of(values: ArrayLike, what: str) -> NDArray[Any]:
    """`values` as a matrix; ValueError where they are none, or some of them masked."""
    matrix = plain_array(values)
    if matrix.ndim != 2:
        raise ValueError(
            f"Expected a matrix of {what}, one row an example. Received shape: {matrix.shape}."
        )
    return matrix


def native_floats(array: NDArray[Any]) -> NDArray[Any]:
    """float32 and float64 as they are, narrower floats (float16, bfloat16) as float32.

    Raises ValueError for anything that is not floating-point.
    """
    if array.dtype.kind == "f" and array.dtype.itemsize in (4, 8):
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    narrow = array.dtype.kind == "f" or array.dtype.name in ("bfloat16", "float8_e4m3fn")
    if not narrow or array.dtype.itemsize > 8:
        raise ValueError(
            "Expected activations of dtype float16, bfloat16, float32 or float64. "
            f"Received: {array.dtype}. For 0/1 bits use Codes.from_bits."
        )
    return array.astype(np.float32)


def bit_matrix(matrix: NDArray[Any]) -> NDArray[np.uint8]:
    """A matrix of 0 and 1 as uint8; of other types only where no other number is in it.

    Raises ValueError for what is neither bool nor a number that is 0 or 1.
    """
    if matrix.dtype == np.bool_:
        return np.ascontiguousarray(matrix).view(np.uint8)
    if matrix.dtype == np.uint8:
        return matrix
    if matrix.dtype.kind not in "iuf":
        raise ValueError(f"Expected bits that are 0 or 1. Received dtype: {matrix.dtype}.")
    wrong = ~((matrix == 0) | (matrix == 1))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            "Expected bits that are 0 or 1. "
            f"Received: {matrix[row, column]} at row {row}, column {column}."
        )
    return matrix.astype(np.uint8)
