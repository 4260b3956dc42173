"""From activations, as a network gives them, to words."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfhash import _native


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
                _native.pack(np.ascontiguousarray(native_floats(output)), words, start, row_base)
            except ValueError as error:
                raise ValueError(f"layer {name!r}: {error}") from None
        return words

    def join(self, parts: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint64]:
        """The words of layers that are packed already.

        Parameters
        ----------
        parts : uint8 [rows, 8 * ceil(n_units / 64)] for each layer
            Bit ``j`` is ``part[row, j // 8] >> (j % 8) & 1``; bits past ``n_units`` are 0.
        """
        words = self._empty(len(parts[0]))
        for (_, start, stop), part in zip(self.spans, parts, strict=True):
            packed = np.ascontiguousarray(part).view("<u8").astype(np.uint64, copy=False)
            _native.copy_bits(packed, stop - start, 0, stop - start, words, start)
        return words

    def _empty(self, rows: int) -> NDArray[np.uint64]:
        return np.zeros((rows, -(-self.n_bits // 64)), np.uint64)


def native_floats(array: NDArray[Any]) -> NDArray[Any]:
    """float32 and float64 as they are, narrower floats (float16, bfloat16) as float32.

    Raises ValueError for anything that is not floating-point.
    """
    if array.dtype in (np.float32, np.float64):
        return array
    narrow = array.dtype.kind == "f" or array.dtype.name in ("bfloat16", "float8_e4m3fn")
    if not narrow or array.dtype.itemsize > 8:
        raise ValueError(
            "Expected activations of dtype float16, bfloat16, float32 or float64. "
            f"Received: {array.dtype}. For 0/1 bits use Codes.from_bits."
        )
    return array.astype(np.float32)
