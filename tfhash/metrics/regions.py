"""How many inputs share a linear region: distinct codes and the redundancy ratio."""

import numpy as np
from numpy.typing import NDArray

from tfhash import _native
from tfhash.metrics._inputs import CodesLike, as_codes
from tfhash.progress import kernel_progress


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


def redundancy_ratio(codes: CodesLike) -> float:
    """The share of examples that another one's region already holds: `(n - m) / n`.

    He et al., "Neural networks behave as hash encoders", Definition 1. 0 where every example has
    a region of its own; `(n - 1) / n` where all share one. Parameters and errors as
    `region_ids`.
    """
    checked = as_codes(codes)
    return (len(checked) - count_regions(checked)) / len(checked)
