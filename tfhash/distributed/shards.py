"""The shards of a collection, as each task opens its own."""

from __future__ import annotations

import errno
from itertools import accumulate
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from tfhash import _store
from tfhash.codes import Codes


class Part(NamedTuple):
    """One shard: its file, and where its codes are in the whole collection."""

    path: Path
    start: int
    n: int

    @property
    def rows(self) -> slice:
        """Its rows in the whole collection."""
        return slice(self.start, self.start + self.n)

    def codes(self) -> Codes:
        """Its codes, memory-mapped and verified: what a node computes with is undamaged."""
        codes = Codes.load(self.path, mmap=True)
        codes.verify()
        return codes


def parts_of(folder: str | PathLike[str]) -> list[Part]:
    """The shards of a collection that have codes, after the collection has been checked.

    Raises
    ------
    OSError, ValueError
        As `Codes.load` of the folder; NotADirectoryError where there is none.
    """
    root = Path(folder).expanduser().resolve()
    if not root.is_dir():
        there = "a file" if root.exists() else "nothing"
        raise NotADirectoryError(
            errno.ENOTDIR,
            f"Expected a folder that distributed.encode wrote. Received: {there}",
            str(root),
        )
    _store.read_shards(root, map_words=True)
    shards = _store.read_manifest(root).shards
    starts = accumulate((shard.n for shard in shards), initial=0)
    parts = [
        Part(root / shard.file, start, shard.n)
        for shard, start in zip(shards, starts, strict=False)
    ]
    return [part for part in parts if part.n > 0]
