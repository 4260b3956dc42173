"""The exact graph of codes: the nearest of each among the others, and all pairs within a radius."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tfhash import _native
from tfhash.codes import Codes, whole_number
from tfhash.metrics._inputs import CodesLike, as_codes, check_same_width
from tfhash.progress import kernel_progress

PAIRS_AT_ONCE = 1 << 22  # what a block of a stream holds, more or less


def knn_graph(codes: CodesLike, k: int) -> sparse.csr_matrix:
    """Find the `k` nearest of the other codes for each code.

    Exact, and the same on every machine. Each pair of codes is met once, for both of its ends.
    Beside the result it needs about 16 bytes for each of the `n * k` neighbors and a few hundred
    megabytes at most, never `n * n`; codes on disk (`Codes.load(path, mmap=True)`) are read in
    blocks. Ctrl-C stops it.

    Parameters
    ----------
    codes : Codes, or 0/1 matrix [n, n_bits]
    k : int, from 1 to n - 1

    Returns
    -------
    scipy.sparse.csr_matrix, float64 [n, n], k entries in each row
        Distances in bits. As scikit-learn's `kneighbors_graph(mode="distance")`: a code is no
        neighbor of itself, the zeros of equal codes are kept as entries, and a row is ordered by
        distance, equally near codes by index (of more such codes than there is room for, the lower
        indices are kept). It can be given to estimators with `metric="precomputed"`.

    Raises
    ------
    ValueError
        Where `k` is not from 1 to `n - 1`, or there are fewer than two codes.
    """
    checked = as_codes(codes, "codes")
    n = len(checked)
    if n < 2:
        raise ValueError("Expected at least two codes, to be neighbors. Received: one.")
    k = whole_number(k, f"k, of {n} codes,", 1, n - 1)
    with kernel_progress("Graph of neighbors") as report:
        distances, indices = _native.knn_graph(checked.words, checked.n_bits, k, report)
    return graph_of(distances, indices)


def graph_of(distances: NDArray[np.int32], indices: NDArray[np.int64]) -> sparse.csr_matrix:
    """The matrix of `knn_graph` from the distances and rows [n, k] of each code's neighbors."""
    n, k = distances.shape
    return _csr(distances.ravel(), indices.ravel(), np.arange(0, n * k + 1, k), (n, n))


def radius_neighbors(codes: CodesLike, queries: CodesLike, radius: int) -> sparse.csr_matrix:
    """Find all codes that are at most `radius` bits from each query.

    Exact. Where there may be more pairs than fit in memory, `iter_radius_neighbors` gives them in
    blocks.

    Parameters
    ----------
    codes : Codes, or 0/1 matrix [n, n_bits]
    queries : Codes, or 0/1 matrix [q, n_bits]
    radius : int, 0 or more
        In bits.

    Returns
    -------
    scipy.sparse.csr_matrix, float64 [q, n]
        Distances in bits, as scikit-learn's `radius_neighbors_graph(mode="distance")`: the zeros
        of equal codes are entries, and a row is ordered by distance, then by index. Rows without
        neighbors are empty. Queries that are among the codes find themselves.

    Raises
    ------
    ValueError
        Where the two differ in width, there are no codes, or the radius is no whole number >= 0.
    """
    base, asked, bits = _checked(codes, queries, radius)
    counts = np.zeros(len(asked), np.int64)
    blocks = list(_stream(base, asked, bits, PAIRS_AT_ONCE, later=False))
    for block in blocks:
        counts += np.bincount(block.queries, minlength=len(asked))
    starts = np.concatenate([[0], np.cumsum(counts)])
    distances = np.concatenate([np.zeros(0, np.int32), *(block.distances for block in blocks)])
    indices = np.concatenate([np.zeros(0, np.int64), *(block.codes for block in blocks)])
    return _csr(distances, indices, starts, (len(asked), len(base)))


class NearPairs(NamedTuple):
    """Pairs of a query and a code within a radius, in the order of the queries.

    Attributes
    ----------
    queries, codes : int64 [m]
        Rows of the queries and of the codes.
    distances : int32 [m]
        In bits; ascending for each query, equal ones by the row of the code.
    """

    queries: NDArray[np.int64]
    codes: NDArray[np.int64]
    distances: NDArray[np.int32]


def iter_radius_neighbors(
    codes: CodesLike, queries: CodesLike, radius: int, pairs_at_once: int = PAIRS_AT_ONCE
) -> Iterator[NearPairs]:
    """The pairs of `radius_neighbors` in blocks, so that they need not fit in memory.

    Parameters
    ----------
    codes, queries, radius : see `radius_neighbors`
    pairs_at_once : int, at least 1
        About how many pairs a block holds: at most twice as many, or those of six queries.

    Yields
    ------
    NearPairs
        At least one pair each; all pairs of a query are in one block.

    Raises
    ------
    ValueError
        As `radius_neighbors`, and where `pairs_at_once` is no whole number >= 1; when the first
        block is asked for.
    """
    yield from _stream(*_checked(codes, queries, radius), pairs_at_once, later=False)


def iter_close_pairs(
    codes: CodesLike, radius: int, pairs_at_once: int = PAIRS_AT_ONCE
) -> Iterator[NearPairs]:
    """The pairs of different codes within a radius, each pair once, with `queries < codes`.

    Parameters, blocks and errors as `iter_radius_neighbors`, which each code would ask with.
    """
    base, _, bits = _checked(codes, codes, radius)
    yield from _stream(base, base, bits, pairs_at_once, later=True)


def _stream(
    codes: Codes, queries: Codes, radius: int, pairs_at_once: int, later: bool
) -> Iterator[NearPairs]:
    whole_number(pairs_at_once, "pairs_at_once", 1)
    at = 0
    while at < len(queries):
        with kernel_progress("Pairs within the radius") as report:
            at, rows, near, distances = _native.radius_pairs(
                codes.words, queries.words, codes.n_bits, radius, later, at, pairs_at_once, report
            )
        pairs = NearPairs(rows, near, distances)
        if len(pairs.codes):
            yield pairs


def _checked(codes: CodesLike, queries: CodesLike, radius: int) -> tuple[Codes, Codes, int]:
    base = as_codes(codes, "codes")
    asked = base if queries is codes else as_codes(queries, "queries", allow_empty=True)
    check_same_width(base, asked, "codes", "queries")
    return base, asked, checked_radius(radius, base.n_bits)


def checked_radius(radius: int, n_bits: int) -> int:
    """The radius in bits, at most `n_bits`. Raises ValueError unless it is whole and >= 0."""
    return min(whole_number(radius, "radius (bits)", 0), n_bits)


def _csr(
    distances: NDArray[Any], indices: NDArray[Any], starts: NDArray[Any], shape: tuple[int, int]
) -> sparse.csr_matrix:
    index = np.int32 if max(*shape, len(indices)) < 2**31 else np.int64
    parts = (distances.astype(np.float64), indices.astype(index), starts.astype(index))
    return sparse.csr_matrix(parts, shape=shape)
