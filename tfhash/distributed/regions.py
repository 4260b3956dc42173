"""Distinct codes of a sharded collection: each shard's are grouped by hash, groups are merged."""

from __future__ import annotations

import secrets
import shutil
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfhash.distributed.cluster import joined, tasks
from tfhash.distributed.shards import Part, parts_of
from tfhash.files import FileLock
from tfhash.metrics.out_of_core import count_groups, write_groups

GROUP_BYTES = 64 << 20  # of codes in a group, about: what a task has in memory three times
MOST_BITS = 12
SCRATCH = ".region_counts"


def region_counts(folder: str | PathLike[str], address: str | None = None) -> int:
    """The number of distinct codes of a sharded collection, as `metrics.region_counts` finds it.

    Each shard's distinct codes are written once to the shared folder, grouped by hash; each group
    is then counted over all shards. A shard must fit three times in the memory of its node.

    Parameters
    ----------
    folder : path
        What `encode` wrote, shared by all nodes; it must be writable.
    address : str, optional
        As for `encode`.

    Raises
    ------
    OSError, ValueError, InputError, ModuleNotFoundError
        As `encode`, and as `Codes.load` of the folder. BlockingIOError where another process
        counts the same folder now.
    """
    with joined(address) as ray:
        parts = parts_of(folder)
        root = Path(folder).expanduser().resolve()
        with FileLock(root / f"{SCRATCH}.lock") as held:
            if not held:
                raise BlockingIOError(
                    f"{root}: Expected a collection that nobody else counts. Received: one that "
                    "another process counts now."
                )
            shutil.rmtree(root / SCRATCH, ignore_errors=True)  # of a driver that was killed
            # Tasks of that driver that still run write to a folder that is gone.
            scratch = root / SCRATCH / secrets.token_hex(8)
            scratch.mkdir(parents=True)
            try:
                n_words = parts[0].codes().words.shape[1] if parts else 1
                n_bytes = 8 * n_words * sum(part.n for part in parts)
                bits = min(MOST_BITS, (n_bytes // GROUP_BYTES).bit_length())
                asked = [(part, bits, scratch / f"{i}.words") for i, part in enumerate(parts)]
                starts = list(tasks(ray, _write_groups, asked, "grouping codes"))
                paths = [path for _, _, path in asked]
                shared = ray.put(starts)  # once to each node, not with each task
                groups = [(paths, shared, group, n_words) for group in range(1 << bits)]
                return sum(tasks(ray, count_groups, groups, "counting groups")) if parts else 0
            finally:
                shutil.rmtree(root / SCRATCH, ignore_errors=True)


def _write_groups(part: Part, bits: int, path: Path) -> NDArray[np.int64]:
    return write_groups(part.codes(), bits, path)
