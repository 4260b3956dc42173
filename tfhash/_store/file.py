"""The file that codes are kept in: a checked header, the words, and a checksum of each block.

Described for other readers in `docs/code_file.md`. All numbers are little-endian.

======== ========= ==========================================================================
offset   type      what
======== ========= ==========================================================================
0        8 bytes   `TFHCODES`
8        uint32    version of the format: 2
12       uint32    bytes of the JSON that follows
16       uint32    CRC-32 of bytes 0 to 15 and of the JSON
20       UTF-8     JSON: `n`, `n_bits`, `layers` [[name, start, stop]], `words_offset`,
                   `block_rows`, `blocks_crc32`; `source` where an encoder wrote it
...      zeros     up to `words_offset`, a multiple of 4096
...      uint64    `n * ceil(n_bits / 64)` words, row by row
...      uint32    CRC-32 of the words of every `block_rows` codes; the file ends with them
======== ========= ==========================================================================
"""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tfhash import progress
from tfhash._store.checks import CHUNK, BlockChecksums, bytes_of, check_padding, crc32
from tfhash._store.header import WIDEST, Header, read_header, to_bytes
from tfhash.files import open_regular, replacing

BLOCK_BYTES = 1 << 20  # of words under one checksum, about


class StoredCodes:
    """The contents of a file of codes.

    Attributes
    ----------
    path : Path
    words : uint64 [n, ceil(n_bits / 64)], read-only
        In memory, or mapped from the file.
    n_bits : int
    layers : list of (name, start, stop)
        Their types are checked, not that they follow one another.
    source : dict or None
        `model` and `inputs_crc32`: what the codes were encoded from, where the file says.
    """

    def __init__(
        self, path: Path, head: Header, words: NDArray[np.uint64], table: NDArray[np.uint32]
    ) -> None:
        self.path, self.words = path, words
        self.n_bits, self.layers, self.source = head.n_bits, head.layers, head.source
        self._head, self._table = head, table
        self._verified = np.zeros(len(table), np.bool_)  # of each block

    def verify(self, first: int, stop: int, again: bool) -> None:
        """Read the blocks that hold codes `first` to `stop - 1`, and see that they are undamaged.

        Without `again` those that were found so before are not read.

        Raises
        ------
        ValueError
            Where a block's CRC-32 is not the one stored, or a bit past `n_bits` is 1.
        """
        rows = self._head.block_rows or max(1, self._head.n)
        blocks = np.arange(first // rows, min(-(-stop // rows), len(self._table)))
        if not again:
            blocks = blocks[~self._verified[blocks]]
        wrong = []
        what = f"checking {self.path.name}"
        for block in progress.bar(blocks.tolist(), what, "block", leave=False):
            words = self.words[block * rows : (block + 1) * rows]
            if crc32(bytes_of(words)) != self._table[block]:
                wrong.append(block)
                continue
            try:
                check_padding(words, self.n_bits)
            except ValueError as error:
                raise ValueError(f"{self.path}: {error}") from None
            self._verified[block] = True
        if wrong:
            last = min(self._head.n, (wrong[-1] + 1) * rows) - 1
            raise ValueError(
                f"{self.path}: Expected words whose CRC-32 is the one stored for each block. "
                f"Received: {len(wrong)} of {len(self._table)} blocks with another one, among "
                f"codes {wrong[0] * rows} to {last}; the file is damaged, write it again."
            )

    @property
    def checksum(self) -> int:
        """CRC-32 of the table of checksums, which tells these words from all others."""
        return self._head.checksum

    def release(self, first: int, stop: int) -> None:
        """Let go of the pages of codes `first` to `stop - 1`, where they are mapped."""
        release_pages(self.words, first, stop)


def release_pages(words: NDArray[np.uint64], first: int, stop: int) -> None:
    """Let go of the pages of rows `first` to `stop - 1` of an array that is a mapped file."""
    mapped: Any = words
    while isinstance(mapped, np.ndarray):
        mapped = mapped.base
    mapped = getattr(mapped, "obj", mapped)
    if not isinstance(mapped, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED"):
        return
    whole = np.frombuffer(mapped, np.uint8)
    start = words.ctypes.data + first * words.strides[0] - whole.ctypes.data
    end = start + (stop - first) * words.strides[0]
    start -= start % mmap.PAGESIZE
    mapped.madvise(mmap.MADV_DONTNEED, start, end - start)


def write(
    path: Path, words: NDArray[np.uint64], n_bits: int, layers: Iterable[tuple[str, int, int]]
) -> None:
    """Write the file, whole or not at all."""
    content = new_content(n_bits, layers)
    offset = len(to_bytes(content))
    checksums = BlockChecksums(content["block_rows"] * max(1, 8 * words.shape[1]))
    with replacing(path) as file:
        file.seek(offset)
        data = bytes_of(words)
        starts = range(0, len(data), CHUNK)
        what = f"writing {path.name}"
        for start in progress.bar(starts, what, "MiB", leave=False):
            checksums.update(data[start : start + CHUNK])
            file.write(data[start : start + CHUNK])
        table = checksums.table().tobytes()
        file.write(table)
        file.seek(0)
        file.write(to_bytes(content | counted(len(words), table), offset))


def read(path: Path, map_words: bool) -> StoredCodes:
    """Read and check the file, opened once; with `map_words` the words stay on disk, unread.

    Raises
    ------
    ValueError
        Where the file is no file of codes, of a later version, cut short, added to or, without
        `map_words`, damaged anywhere.
    """
    with open_regular(path, "rb") as file:
        head = read_whole_header(path, file)
        words = _mapped(file, head) if map_words and head.words_bytes else _read(path, file, head)
        table = read_table(path, file, head)
    stored = StoredCodes(path, head, words.reshape(head.n, head.n_words), table)
    if not map_words:
        stored.verify(0, head.n, again=True)
    return stored


def read_whole_header(path: Path, file: IO[bytes]) -> Header:
    """The header of an open file that is as long as it says. Raises ValueError, as `read`."""
    head = read_header(path, file)
    size = os.fstat(file.fileno()).st_size
    if size != head.file_bytes:
        raise ValueError(
            f"{path}: Expected {head.file_bytes} bytes ({head.n} codes of {head.n_bits} bits). "
            f"Received: {size} bytes; the file is cut short or was added to."
        )
    return head


def read_source(path: Path) -> dict[str, Any] | None:
    """What the codes in the file were encoded from; None where it does not say.

    The header alone is read, and must be undamaged (ValueError).
    """
    with open_regular(path, "rb") as file:
        return read_header(path, file).source


def new_content(n_bits: int, layers: Iterable[tuple[str, int, int]]) -> dict[str, Any]:
    """The header's JSON of a file whose codes are still to come: as long as it can become."""
    return {
        "n": WIDEST,
        "n_bits": n_bits,
        "layers": [list(layer) for layer in layers],
        "block_rows": max(1, BLOCK_BYTES // max(1, 8 * -(-n_bits // 64))),
        "blocks_crc32": WIDEST,
    }


def counted(n: int, table: bytes) -> dict[str, Any]:
    """What the JSON of `new_content` says when all `n` codes are there."""
    return {"n": n, "blocks_crc32": zlib.crc32(table)}


def _mapped(file: IO[bytes], head: Header) -> NDArray[np.uint64]:
    # Not np.memmap: joblib would open that again by its name, which may be another file by then.
    start = head.words_offset - head.words_offset % mmap.ALLOCATIONGRANULARITY
    length = head.words_offset + head.words_bytes - start
    mapped = mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ, offset=start)
    words = np.frombuffer(mapped, "<u8", head.words_bytes // 8, head.words_offset - start)
    return words.astype(np.uint64, copy=False)


def _read(path: Path, file: IO[bytes], head: Header) -> NDArray[np.uint64]:
    file.seek(head.words_offset)
    words = np.fromfile(file, "<u8", head.words_bytes // 8)
    if words.nbytes != head.words_bytes:
        raise ValueError(
            f"{path}: Expected {head.words_bytes} bytes of words. Received: {words.nbytes}; the "
            "file was cut short while it was read."
        )
    words.flags.writeable = False
    return words.astype(np.uint64, copy=False)


def read_table(path: Path, file: IO[bytes], head: Header) -> NDArray[np.uint32]:
    """The checksums of the blocks. Raises ValueError where their own is another."""
    if head.block_rows is None:
        return np.array([head.checksum] if head.words_bytes else [], "<u4")
    file.seek(head.words_offset + head.words_bytes)
    table = np.fromfile(file, "<u4", head.table_bytes // 4)
    crc = zlib.crc32(table.tobytes())
    if crc != head.checksum:
        raise ValueError(
            f"{path}: Expected a table of checksums whose own CRC-32 is {head.checksum:08x}. "
            f"Received: {crc:08x}; the file is damaged, write it again."
        )
    return table
