"""Distinct codes of more codes than memory holds, by way of a temporary file."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfhash import _native, progress
from tfhash.codes import Codes
from tfhash.files import named

LEAST_MEMORY = 1 << 20  # bytes
LEAST_ROWS = 64  # that must fit into memory twice
MOST_GROUP_BITS = 8
BLOCK_BYTES = 64 << 20  # of codes that are read, grouped and written at once, at most

Words = NDArray[np.uint64]


def count_distinct(codes: Codes, memory: int, folder: str | PathLike[str] | None = None) -> int:
    """The number of distinct codes, within `memory` bytes beside the codes.

    Codes are read once, in order, and written to a temporary file, in blocks whose rows are grouped
    by hash. Then each group is read from all blocks and counted: codes of two groups differ. A
    group with more distinct codes than fit is grouped again, by another hash.

    Parameters
    ----------
    codes : Codes, at least one of at least one bit
    memory : int
        In bytes, at least `least_memory(codes)`.
    folder : path, optional
        Where the temporary file is made, by default where `tempfile` makes its files.

    Raises
    ------
    OSError
        The disk is full, or the folder cannot be written.
    """
    row_bytes = codes.words.strides[0]
    limits = _Limits.of(memory, row_bytes)
    with _Spill(folder, row_bytes) as spill:
        spill.check_room(codes.nbytes)
        with progress.bar(
            None, "Linear regions", "code", total=2 * len(codes), unit_scale=True
        ) as bar:
            bits = limits.group_bits(len(codes))
            groups = spill.write_grouped(_blocks_of(codes, limits.block_rows, bar), bits, 0)
            rows: Words = np.empty((limits.rows, row_bytes // 8), np.uint64)
            scratch = np.empty_like(rows)
            return sum(
                _count_group(spill, group, limits, rows, scratch, bar, 1) for group in groups
            )


def least_memory(codes: Codes) -> int:
    """The lowest limit, in bytes, that `count_distinct` can keep."""
    return max(LEAST_MEMORY, 8 * LEAST_ROWS * codes.words.strides[0])


def write_groups(codes: Codes, bits: int, path: Path) -> NDArray[np.int64]:
    """Write the distinct ones of codes that fit in memory to a file, grouped by hash.

    Returns
    -------
    int64 [2^bits + 1]
        The row of the file where each group begins, and the end.

    Raises
    ------
    OSError
        The disk is full, or the file cannot be written; it is named.
    """
    rows, scratch = codes.words.copy(), np.empty_like(codes.words)
    n = _native.keep_distinct(rows, len(rows), 1 << 32, scratch)
    starts = _native.group_by_hash(rows[:n], codes.n_bits, 0, bits, scratch)
    try:
        with open(path, "wb") as file:
            file.write(scratch[:n].reshape(-1).view(np.uint8).data)
    except OSError as error:
        raise named(error, path) from error
    return starts


def count_groups(
    paths: Sequence[Path], starts: Sequence[NDArray[np.int64]], group: int, n_words: int
) -> int:
    """The number of distinct rows of one group, in the files that `write_groups` has written.

    Raises OSError where a file cannot be read, or is shorter than it was written; it is named.
    """
    parts = []
    for path, at in zip(paths, starts, strict=True):
        n = int(at[group + 1] - at[group]) * n_words
        part = np.fromfile(path, np.uint64, n, offset=8 * n_words * int(at[group]))
        if len(part) < n:
            what = f"Expected {8 * n:,} bytes of codes. Received: {part.nbytes:,}"
            raise OSError(errno.EIO, what, str(path))
        parts.append(part)
    rows = np.concatenate(parts).reshape(-1, n_words)
    return _native.keep_distinct(rows, len(rows), 1 << 32, np.empty_like(rows))


class _Limits(NamedTuple):
    """How many rows are in memory at once."""

    rows: int  # of a group, beside as many that are scratch
    block_rows: int  # of a block that is grouped

    @classmethod
    def of(cls, memory: int, row_bytes: int) -> _Limits:
        # Of each row: itself, its copy in scratch, its group's number. A quarter is for a block
        # that is grouped meanwhile (where a group is grouped again), for tables and lists.
        rows = 3 * memory // 4 // (2 * row_bytes + 2)
        block = min(memory // 8, BLOCK_BYTES) // (row_bytes + 2)
        return cls(max(1, rows), max(1, block))

    def group_bits(self, n: int) -> int:
        """As many groups that one of `n` rows in all fills half of `rows` at most."""
        return min(MOST_GROUP_BITS, max(0, (2 * n // self.rows).bit_length()))


class _Run(NamedTuple):
    """Rows of one group that stand together in the temporary file."""

    start: int
    rows: int


def _blocks_of(codes: Codes, block_rows: int, bar: Any) -> Iterator[Words]:
    for start in range(0, len(codes), block_rows):
        block = codes[start : start + block_rows]
        yield block.words
        block.release()
        bar.update(len(block))


def _count_group(
    spill: _Spill,
    group: list[_Run],
    limits: _Limits,
    rows: Words,
    scratch: Words,
    bar: Any,
    level: int,
) -> int:
    """The distinct rows of a group: repeats are dropped whenever `rows` is full."""
    kept = 0
    left = list(reversed(group))
    while left:
        if kept > limits.rows // 2 and sum(run.rows for run in left) > limits.rows - kept:
            # Too many differ. What is kept goes back as one run, which comes first.
            left.append(spill.write(rows[:kept]))
            n = sum(run.rows for run in left)
            blocks = spill.blocks(reversed(left), limits.block_rows)
            groups = spill.write_grouped(blocks, max(1, limits.group_bits(n)), level)
            return sum(
                _count_group(spill, one, limits, rows, scratch, bar, level + 1) for one in groups
            )
        at = kept
        while left and at < limits.rows:
            run = left.pop()
            taken = min(run.rows, limits.rows - at)
            spill.read(run.start, rows[at : at + taken])
            if taken < run.rows:
                left.append(_Run(run.start + taken, run.rows - taken))
            at += taken
        # A group's codes have a hash in common, but under another salt they have not.
        kept = _native.keep_distinct(rows, at, (1 << 32) + level, scratch)
        if level == 1:
            bar.update(at)
    return kept


class _Spill:
    """The temporary file, in rows. It has no name where the system allows, and never outlives us.

    Parameters
    ----------
    folder : path or None
    row_bytes : int
    """

    def __init__(self, folder: str | PathLike[str] | None, row_bytes: int) -> None:
        self._folder = tempfile.gettempdir() if folder is None else str(folder)
        self._row_bytes = row_bytes
        self._end = 0  # rows so far

    def __enter__(self) -> _Spill:
        with self._named():
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=self._folder, buffering=0)
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def check_room(self, n_bytes: int) -> None:
        """Raise OSError, before anything is read, where so much does not fit on the disk."""
        with self._named():
            free = shutil.disk_usage(self._folder).free
        if n_bytes > free:
            raise OSError(
                errno.ENOSPC,
                f"Expected {n_bytes:,} bytes free for the codes that are counted out of core. "
                f"Received: {free:,}. Free some, or name another disk with folder",
                self._folder,
            )

    def write_grouped(self, blocks: Iterable[Words], bits: int, level: int) -> list[list[_Run]]:
        """Write blocks, each grouped by hash. Returns the runs of each of the `2^bits` groups."""
        groups: list[list[_Run]] = [[] for _ in range(1 << bits)]
        grouped: Words = np.empty((0, self._row_bytes // 8), np.uint64)
        for block in blocks:
            if len(grouped) < len(block):
                grouped = np.empty((len(block), self._row_bytes // 8), np.uint64)
            starts = _native.group_by_hash(block, 8 * self._row_bytes, level, bits, grouped)
            first = self.write(grouped[: len(block)]).start
            for group, start, stop in zip(groups, starts[:-1], starts[1:], strict=True):
                if stop > start:
                    group.append(_Run(first + int(start), int(stop - start)))
        return groups

    def write(self, rows: Words) -> _Run:
        """Append rows."""
        run = _Run(self._end, len(rows))
        data = rows.reshape(-1).view(np.uint8).data
        with self._named():
            self._file.seek(self._end * self._row_bytes)
            while data:
                data = data[self._file.write(data) :]
        self._end += len(rows)
        return run

    def read(self, start: int, rows: Words) -> None:
        """Fill `rows` from row `start` on."""
        data = rows.reshape(-1).view(np.uint8).data
        with self._named():
            self._file.seek(start * self._row_bytes)
            while data:
                taken = self._file.readinto(data)  # type: ignore[attr-defined]
                if not taken:
                    raise OSError(errno.EIO, "the temporary file was cut short")
                data = data[taken:]

    def blocks(self, runs: Iterable[_Run], block_rows: int) -> Iterator[Words]:
        """The rows of some runs, in blocks; each is valid until the next."""
        block: Words = np.empty((block_rows, self._row_bytes // 8), np.uint64)
        for run in runs:
            for start in range(0, run.rows, block_rows):
                part = block[: min(block_rows, run.rows - start)]
                self.read(run.start + start, part)
                yield part

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            expected, do = (
                ("room for", "free some, or name another disk with folder")
                if is_full
                else ("a folder for", "name another one with folder")
            )
            raise OSError(
                error.errno,
                f"Expected {expected} the temporary file of codes that are counted out of core. "
                f"Received: {error.strerror}. The codes are as they were: {do}",
                self._folder,
            ) from None
