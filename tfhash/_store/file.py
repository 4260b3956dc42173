"""The file that codes are kept in: a checked header, then the words.

Described for other readers in ``docs/code_file.md``. All numbers are little-endian.

======== ========= ==========================================================================
offset   type      what
======== ========= ==========================================================================
0        8 bytes   ``TFHCODES``
8        uint32    version of the format: 1
12       uint32    bytes of the JSON that follows
16       uint32    CRC-32 of bytes 0 to 15 and of the JSON
20       UTF-8     JSON: ``n``, ``n_bits``, ``layers`` [[name, start, stop]], ``words_offset``,
                   ``words_crc32``; ``source`` where an encoder wrote it
...      zeros     up to ``words_offset``, a multiple of 4096
...      uint64    ``n * ceil(n_bits / 64)`` words, row by row; the file ends with them
======== ========= ==========================================================================
"""

import json
import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfhash.files import replacing

MAGIC = b"TFHCODES"
VERSION = 1
PAGE = 4096
PREFIX = struct.Struct("<8sII")
CHUNK = 1 << 24

Contents = tuple[NDArray[np.uint64], int, list[tuple[str, int, int]]]


def write(
    path: Path, words: NDArray[np.uint64], n_bits: int, layers: Iterable[tuple[str, int, int]]
) -> None:
    """Write the file, whole or not at all."""
    data = np.ascontiguousarray(words, "<u8").reshape(-1).view(np.uint8).data
    with replacing(path) as file:
        content = {
            "n": words.shape[0],
            "n_bits": n_bits,
            "layers": [list(layer) for layer in layers],
            "words_crc32": crc32(data),
        }
        file.write(header(content))
        for start in range(0, len(data), CHUNK):
            file.write(data[start : start + CHUNK])


def read(path: Path, mmap: bool) -> Contents:
    """Read and check the file; with ``mmap`` the words stay on disk, unread."""
    with open(path, "rb") as file:
        head, offset = _read_header(path, file)
        n, n_bits = head["n"], head["n_bits"]
        shape = (n, -(-n_bits // 64))
        size, expected = os.fstat(file.fileno()).st_size, offset + 8 * shape[0] * shape[1]
        if size != expected:
            raise ValueError(
                f"{path}: Expected {expected} bytes ({n} codes of {n_bits} bits). "
                f"Received: {size} bytes; the file is cut short or was added to."
            )
        if mmap and shape[0] * shape[1] > 0:
            words: NDArray[np.uint64] = np.memmap(path, "<u8", "r", offset, shape)
        else:
            file.seek(offset)
            words = np.fromfile(file, "<u8").reshape(shape)
            crc = crc32(words.reshape(-1).view(np.uint8).data)
            if crc != head["words_crc32"]:
                raise ValueError(
                    f"{path}: Expected words of CRC-32 {head['words_crc32']:08x}. "
                    f"Received: {crc:08x}; the file is damaged, write it again."
                )
    return words, n_bits, [tuple(layer) for layer in head["layers"]]


def read_source(path: Path) -> dict[str, Any] | None:
    """What the codes in the file were encoded from; None where it does not say."""
    with open(path, "rb") as file:
        return _read_header(path, file)[0].get("source")


def header(content: dict[str, Any], offset: int | None = None) -> bytes:
    """The file up to its words, which begin at ``offset``, by default the first page that is free.

    ``content`` is the JSON but for ``words_offset``.
    """
    if offset is None:
        # It stands inside the header whose length it depends on: leave room for its digits.
        longest = len(json.dumps(content | {"words_offset": 0}).encode()) + 20
        offset = -(-(PREFIX.size + 4 + longest) // PAGE) * PAGE
    text = json.dumps(content | {"words_offset": offset}).encode()
    prefix = PREFIX.pack(MAGIC, VERSION, len(text))
    crc = struct.pack("<I", zlib.crc32(prefix + text))
    return (prefix + crc + text).ljust(offset, b"\0")


def _read_header(path: Path, file: Any) -> tuple[dict[str, Any], int]:
    prefix = file.read(PREFIX.size)
    if len(prefix) < PREFIX.size or not prefix.startswith(MAGIC):
        raise ValueError(
            f"{path}: Expected a file written by Codes.save (it begins with {MAGIC.decode()}). "
            f"Received: {len(prefix)} bytes that begin with {prefix[:8]!r}."
        )
    _, version, length = PREFIX.unpack(prefix)
    crc, text = file.read(4), file.read(min(length, 1 << 30))
    if len(crc) < 4 or struct.unpack("<I", crc)[0] != zlib.crc32(prefix + text):
        raise ValueError(
            f"{path}: Expected a header that matches its checksum. "
            "Received: one that does not; the file is cut short or damaged."
        )
    if version != VERSION:
        raise ValueError(
            f"{path}: Expected version {VERSION} of the format. Received: version {version}; "
            "read it with a later tfhash."
        )
    head = json.loads(text)
    return head, head["words_offset"]


def crc32(data: memoryview, crc: int = 0) -> int:
    """CRC-32 of ``data`` after the bytes whose CRC-32 is ``crc``."""
    for start in range(0, len(data), CHUNK):
        crc = zlib.crc32(data[start : start + CHUNK], crc)
    return crc
