"""CRC-32 of blocks of bytes that come in parts of any size."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 20  # bytes: what is read or written at a time stays in the processor's cache


class BlockChecksums:
    """CRC-32 of every block of a stream of bytes.

    Parameters
    ----------
    block_bytes : int
        Of each block but the last, which may be shorter.
    """

    def __init__(self, block_bytes: int) -> None:
        self._block_bytes = block_bytes
        self._crcs: list[int] = []
        self._left = 0  # bytes that the last block still takes

    def update(self, data: memoryview) -> None:
        """Take in the bytes that come next."""
        while len(data):
            if self._left == 0:
                self._crcs.append(0)
                self._left = self._block_bytes
            part = data[: min(self._left, CHUNK)]
            self._crcs[-1] = zlib.crc32(part, self._crcs[-1])
            self._left -= len(part)
            data = data[len(part) :]

    def mark(self) -> tuple[int, int, int]:
        """Where the stream is, for `go_back`."""
        return len(self._crcs), self._crcs[-1] if self._crcs else 0, self._left

    def go_back(self, mark: tuple[int, int, int]) -> None:
        """Forget the bytes that came after `mark`."""
        n, last, self._left = mark
        del self._crcs[n:]
        self._crcs[-1:] = [last] if n else []

    def table(self) -> NDArray[np.uint32]:
        """Of the blocks so far, uint32 [blocks], little-endian."""
        return np.array(self._crcs, "<u4")


def crc32(data: memoryview, crc: int = 0) -> int:
    """CRC-32 of `data` after the bytes whose CRC-32 is `crc`; Ctrl-C is seen in between."""
    for start in range(0, len(data), CHUNK):
        crc = zlib.crc32(data[start : start + CHUNK], crc)
    return crc
