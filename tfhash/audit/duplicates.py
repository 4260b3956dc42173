"""Examples that a model hardly tells apart, within a dataset and between two."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tfhash.codes import Codes, Origin, plain_array, whole_number
from tfhash.metrics import NearPairs, iter_close_pairs, iter_radius_neighbors
from tfhash.metrics._inputs import CodesLike, as_codes

MAX_PAIRS = 50_000_000  # 1.2 GB of pairs
UNPACKED_BYTES = 1 << 24


def usual_radius(codes: Codes) -> int:
    """The default radius, the bits in which near-duplicates may differ: 1 in 100, at least 1."""
    return max(1, codes.n_bits // 100)


def near_duplicates(codes: CodesLike, radius: int, max_pairs: int = MAX_PAIRS) -> NDArray[np.int64]:
    """Find all pairs of examples whose codes are at most `radius` bits apart.

    Exact: each pair of codes is compared.

    Parameters
    ----------
    codes : Codes, or 0/1 matrix [n, n_bits]
    radius : int, 0 or more
        In bits; 0 finds the examples in one region.
    max_pairs : int
        More pairs than this are refused, because `n` equal codes are `n * (n - 1) / 2` pairs.
        `metrics.iter_close_pairs` gives any number of them in blocks.

    Returns
    -------
    int64 [m, 3]
        Rows `(i, j, distance)` with `i < j`, ordered by `i`, then `j`; [0, 3] where there is none.

    Raises
    ------
    ValueError
        Where there are no codes, the radius is no whole number >= 0, or there are more pairs.
    """
    pairs = _gathered(iter_close_pairs(codes, radius), max_pairs)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def leakage(
    train: CodesLike, test: CodesLike, radius: int, max_pairs: int = MAX_PAIRS
) -> NDArray[np.int64]:
    """Find the test examples whose codes are at most `radius` bits from one of the training set.

    Parameters
    ----------
    train : Codes, or 0/1 matrix [n, n_bits]
    test : Codes, or 0/1 matrix [q, n_bits]
    radius : int, 0 or more
        In bits.
    max_pairs : int
        More pairs than this are refused; `metrics.iter_radius_neighbors` gives any number of them.

    Returns
    -------
    int64 [m, 3]
        Rows `(test row, train row, distance)`, ordered by test row, then distance, then train row.

    Raises
    ------
    ValueError
        Where the two differ in width, or in layers or model where both are known, there are no
        codes in `train`, the radius is no whole number >= 0, or there are more pairs.
    """
    base = as_codes(train, "train")
    asked = as_codes(test, "test", allow_empty=True)
    Origin.of(base).check(Origin.of(asked), "test", "as train")
    return _gathered(iter_radius_neighbors(base, asked, radius), max_pairs)


def _gathered(blocks: Iterable[NearPairs], max_pairs: int) -> NDArray[np.int64]:
    max_pairs = whole_number(max_pairs, "max_pairs", 0)
    parts, total = [np.zeros((0, 3), np.int64)], 0
    for block in blocks:
        total += len(block.queries)
        if total > max_pairs:
            raise ValueError(
                f"Expected at most max_pairs = {max_pairs} pairs within the radius. Received: more "
                f"than that up to row {block.queries[-1]}. Lower the radius, raise max_pairs, or "
                "read the pairs in blocks with metrics.iter_close_pairs or "
                "metrics.iter_radius_neighbors."
            )
        parts.append(np.stack([block.queries, block.codes, block.distances], axis=1))
    return np.concatenate(parts)


@dataclass(frozen=True)
class DuplicateGroup:
    """Examples that near-duplicates connect.

    Attributes
    ----------
    rows : int64 [m], at least 2
        Ascending.
    medoid : int
        The row whose code has the least sum of distances to the group's, the lowest of several:
        the example to keep.
    """

    rows: NDArray[np.int64]
    medoid: int


def duplicate_groups(codes: CodesLike, pairs: NDArray[np.int64]) -> list[DuplicateGroup]:
    """Group examples that pairs connect, directly or through others.

    Parameters
    ----------
    codes : Codes, or 0/1 matrix [n, n_bits]
    pairs : int [m, 2] or [m, 3]
        Rows `(i, j)` or `(i, j, distance)`, as `near_duplicates` gives them; none at all give no
        groups.

    Returns
    -------
    list of DuplicateGroup
        The largest first, equally large ones by their first row.

    Raises
    ------
    ValueError
        Where the pairs are not of this form, or name rows that there are not.
    """
    checked = as_codes(codes, "codes")
    edges = plain_array(pairs)
    if edges.shape == (0,):  # a list without pairs
        edges = np.zeros((0, 2), np.int64)
    n = len(checked)
    if edges.ndim != 2 or edges.shape[1] not in (2, 3) or edges.dtype.kind not in "iu":
        raise ValueError(
            "Expected pairs as a matrix of whole numbers of shape [m, 2] or [m, 3]. "
            f"Received: {edges.dtype} of shape {edges.shape}."
        )
    if len(edges) and not (edges[:, :2].min() >= 0 and edges[:, :2].max() < n):
        raise ValueError(f"Expected pairs of rows from 0 to {n - 1}. Received: others.")
    ones = np.ones(len(edges), np.int8)
    graph = sparse.coo_array((ones, (edges[:, 0], edges[:, 1])), shape=(n, n))
    _, labels = sparse.csgraph.connected_components(graph, directed=False)
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    several = [group for group in groups if len(group) > 1]
    several.sort(key=lambda group: (-len(group), group[0]))
    return [DuplicateGroup(rows, _medoid(checked, rows)) for rows in several]


def _medoid(codes: Codes, rows: NDArray[np.int64]) -> int:
    # A bit that `count` of m codes have adds m - count to the sum of a code that has it, and
    # count to that of one that has not: no pairs are needed.
    m, step = len(rows), max(1, UNPACKED_BYTES // max(1, codes.n_bits))
    parts = [rows[start : start + step] for start in range(0, m, step)]
    counts = np.zeros(codes.n_bits, np.int64)
    for part in parts:
        counts += codes[part].to_bits().sum(axis=0, dtype=np.int64)
    sums = np.concatenate([codes[part].to_bits() @ (m - 2 * counts) for part in parts])
    return int(rows[sums.argmin()])
