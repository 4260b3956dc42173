"""A folder of code files that are read as one, in the order of its manifest."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Sequence
from math import gcd
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tfhash._store.file import StoredCodes, read_table, read_whole_header, release_pages
from tfhash._store.header import LARGEST, PAGE
from tfhash._store.manifest import MANIFEST, Manifest, read_manifest
from tfhash.files import open_regular

MAP_FIXED = 0x10  # of Linux


class StoredShards:
    """The contents of a folder of shards; attributes as those of `StoredCodes`.

    `source` has the `model` alone: each shard has the checksum of its own inputs.
    """

    def __init__(
        self, path: Path, shards: Sequence[StoredCodes], words: NDArray[np.uint64]
    ) -> None:
        first = shards[0]
        self.path, self.words, self.n_bits, self.layers = path, words, first.n_bits, first.layers
        self.source = None if first.source is None else {"model": first.source["model"]}
        self._shards = shards

    def verify(self, first: int, stop: int, again: bool) -> None:
        """As `StoredCodes.verify`: of the shards that hold the codes; the damaged one is named."""
        start = 0
        for shard in self._shards:
            low, high = max(first - start, 0), min(stop - start, len(shard.words))
            if low < high:
                shard.verify(low, high, again)
            start += len(shard.words)

    def release(self, first: int, stop: int) -> None:
        """As `StoredCodes.release`."""
        release_pages(self.words, first, stop)


def rows_per_page(n_bits: int) -> int:
    """The fewest rows whose words are whole pages.

    Where every shard but the last has a multiple of it, they are mapped one behind the other.
    """
    return PAGE // gcd(PAGE, 8 * max(1, -(-n_bits // 64)))


def read_shards(folder: Path, map_words: bool) -> StoredShards:
    """Read and check a folder of shards; with `map_words` the words stay on disk, unread.

    They are read all the same where they cannot be mapped one behind the other: on another system
    than Linux, or where a shard's words are not whole pages.

    Raises
    ------
    OSError
        Where the manifest or a shard is missing; it is named.
    ValueError
        Where the manifest is none, or a shard is damaged, cut short, or not the one that the
        manifest lists; it is named.
    """
    manifest = read_manifest(folder)
    n, n_words = sum(shard.n for shard in manifest.shards), -(-manifest.n_bits // 64)
    if 8 * n * n_words > LARGEST:
        raise ValueError(
            f"{folder / MANIFEST}: Expected codes of at most {LARGEST} bytes. Received: {n}."
        )
    maps = map_words and _can_map(manifest)
    stored: list[StoredCodes] = []
    files = [_checked_size(folder, manifest, i) for i in range(len(manifest.shards))]
    words = _span(8 * n * n_words) if maps else np.empty(n * n_words, np.uint64)
    words = words.reshape(n, n_words)
    start = 0
    for path, shard in zip(files, manifest.shards, strict=True):
        part = words[start : start + shard.n]
        with open_regular(path, "rb") as file:
            head = read_whole_header(path, file)
            manifest.check(path, shard, head)
            (_map_into if maps else _read_into)(path, file, head.words_offset, part)
            one = StoredCodes(path, head, part, read_table(path, file, head))
        if not maps:
            one.verify(0, shard.n, again=True)
        if stored and one.layers != stored[0].layers:
            raise ValueError(
                f"{path}: Expected a shard of the layers of {files[0].name}. Received: others. "
                "Encode again to another folder."
            )
        stored.append(one)
        start += shard.n
    words.flags.writeable = False
    return StoredShards(folder, stored, words)


def _checked_size(folder: Path, manifest: Manifest, i: int) -> Path:
    """The path of a shard that is there and at least as long as its words, before any is read."""
    shard = manifest.shards[i]
    path = folder / shard.file
    try:
        size = os.stat(path).st_size
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path}: Expected shard {i} of {len(manifest.shards)}, which {MANIFEST} lists. "
            "Received: no such file. Put it back, or encode again to the same folder."
        ) from None
    least = 8 * shard.n * -(-manifest.n_bits // 64)
    if size < least:
        raise ValueError(
            f"{path}: Expected the shard that {MANIFEST} lists, of more than {least} bytes. "
            f"Received: {size}; the file is cut short. Put the right one back, or remove it and "
            "encode again to the same folder."
        )
    return path


def _can_map(manifest: Manifest) -> bool:
    row_bytes = 8 * -(-manifest.n_bits // 64)
    sizes = [shard.n * row_bytes for shard in manifest.shards]
    whole = all(size > 0 and size % PAGE == 0 for size in sizes[:-1])
    is_linux = sys.platform == "linux" and sys.byteorder == "little" and mmap.PAGESIZE == PAGE
    return is_linux and whole and sizes[-1] > 0


def _span(n_bytes: int) -> NDArray[np.uint64]:
    """Addresses with nothing behind them yet; what is mapped there goes when nobody holds them."""
    span = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ)
    return np.frombuffer(span, np.uint64)


def _map_into(path: Path, file: IO[bytes], offset: int, words: NDArray[np.uint64]) -> None:
    # By hand: Python's own mmap does not take an address, and holds a file open for each map.
    libc: Any = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    address = words.ctypes.data
    flags = mmap.MAP_SHARED | MAP_FIXED
    found = libc.mmap(address, words.nbytes, mmap.PROT_READ, flags, file.fileno(), offset)
    if found != address:
        raise OSError(ctypes.get_errno(), "Expected a shard that can be mapped", str(path))


def _read_into(path: Path, file: IO[bytes], offset: int, words: NDArray[np.uint64]) -> None:
    file.seek(offset)
    read = np.fromfile(file, "<u8", words.size)
    if read.size != words.size:
        raise ValueError(
            f"{path}: Expected {words.nbytes} bytes of words. Received: {read.nbytes}."
        )
    words[...] = read.reshape(words.shape)
