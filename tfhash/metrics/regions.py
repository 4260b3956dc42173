"""How many inputs share a linear region: distinct codes and the redundancy ratio."""

from os import PathLike

import numpy as np
from numpy.typing import NDArray

from tfhash import _native
from tfhash.codes import whole_number
from tfhash.metrics._inputs import CodesLike, as_codes
from tfhash.metrics.out_of_core import count_distinct, least_memory
from tfhash.progress import kernel_progress

NUMBERING_BYTES = 40  # that `region_ids` takes for each code


def region_ids(codes: CodesLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the linear regions that the examples fall in.

    Exact: codes are compared, not only hashed. Linear in the size of the codes, which are read once
    (and those that are equal to others once more); beside them it needs 40 bytes a code.

    Parameters
    ----------
    codes : Codes, or 0/1 matrix [n, n_bits]

    Returns
    -------
    ids : int64 [n]
        The region of each example, numbered from 0 by first appearance.
    counts : int64 [m]
        How many examples each of the `m` regions holds.

    Raises
    ------
    ValueError
        Where there are no codes.
    """
    checked = as_codes(codes)
    with kernel_progress("Linear regions") as report:
        return _native.region_ids(checked.words, checked.n_bits, report)


def count_regions(codes: CodesLike) -> int:
    """The number `m` of distinct codes; parameters and errors as `region_ids`."""
    return len(region_ids(codes)[1])


def region_counts(
    codes: CodesLike,
    memory_limit: int | None = None,
    folder: str | PathLike[str] | None = None,
) -> int:
    """The number of distinct codes, of more codes than fit in memory where a limit is given.

    Exact: codes are compared, not only hashed. With a limit that numbering the regions would pass,
    the codes are read once, in order, and written to a temporary file in groups by their hash;
    each group is then read and counted. So `Codes.load(path, mmap=True)` of any size are counted
    in three passes over their bytes: one read, one write, one read. (Below about a 150th of the
    codes' bytes there are more, as groups are then grouped again.)

    Parameters
    ----------
    codes : Codes, or 0/1 matrix [n, n_bits]
    memory_limit : int, optional
        Bytes of memory that may be used beside the codes and Python itself, at least 1 MiB and
        512 times a code's bytes. None: as much as `region_ids` takes.
    folder : path, optional
        Where the temporary file is made, by default where `tempfile` makes its files (`TMPDIR`).
        It takes as many bytes as the codes, has no name where the system allows that, and is gone
        when this returns, raises or is killed.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        Where there are no codes, or the limit is lower than that.
    OSError
        Where the disk is full, or the folder cannot be written; nothing is lost.
    """
    checked = as_codes(codes)
    if memory_limit is not None:
        limit = whole_number(memory_limit, "memory_limit (bytes)", least_memory(checked))
        if len(checked) * NUMBERING_BYTES > limit:
            return count_distinct(checked, limit, folder)
    return count_regions(checked)


def redundancy_ratio(codes: CodesLike, memory_limit: int | None = None) -> float:
    """The share of examples that another one's region already holds: `(n - m) / n`.

    He et al., "Neural networks behave as hash encoders", Definition 1. 0 where every example has
    a region of its own; `(n - 1) / n` where all share one. Parameters and errors as
    `region_counts`.
    """
    checked = as_codes(codes)
    return (len(checked) - region_counts(checked, memory_limit)) / len(checked)
