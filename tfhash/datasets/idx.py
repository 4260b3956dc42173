"""IDX files, the format of MNIST and of the datasets that are laid out as it is."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from tfhash.datasets import files
from tfhash.datasets.files import Unreadable


def names(stem: str) -> list[str]:
    """What the file `stem` is called where people have it: plain or gzipped, "-idx" or ".idx"."""
    stems = [stem, stem.replace("-idx", ".idx")]
    return [name for each in stems for name in (each, f"{each}.gz")]


def read(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The unsigned bytes of one IDX file, gzipped or not, as uint8 of `shape`.

    Raises
    ------
    Unreadable
        The file is no such array, or is cut off.
    OSError
        The file cannot be read.
    """
    start = 4 + 4 * len(shape)
    expected = start + math.prod(shape)
    content = files.content(path, expected)
    if files.kind(content) != files.IDX or content[2] != 8 or files.idx_sizes(content) != shape:
        raise Unreadable(files.describe(content))
    if len(content) < expected:
        raise Unreadable(
            f"{files.describe(content)} of which {len(content) - start:,} bytes are there: it is "
            "truncated"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
