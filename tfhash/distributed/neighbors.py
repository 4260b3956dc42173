"""Nearest codes over a sharded collection: found in each shard, and merged."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, reduce
from os import PathLike

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tfhash import metrics
from tfhash.codes import Codes, whole_number
from tfhash.distributed.cluster import joined, tasks
from tfhash.distributed.shards import Part, parts_of
from tfhash.metrics._inputs import CodesLike, as_codes
from tfhash.metrics.graph import graph_of

Near = tuple[NDArray[np.int32], NDArray[np.int64]]


def hamming_knn(
    folder: str | PathLike[str], queries: CodesLike, k: int, address: str | None = None
) -> Near:
    """The `k` nearest codes of a sharded collection, exactly as `metrics.hamming_knn` finds them.

    Each node reads its own shards; `k` distances and rows for each query come back from each.

    Parameters
    ----------
    folder : path
        What `encode` wrote, shared by all nodes.
    queries : Codes, or 0/1 matrix [q, n_bits]
        Sent to the nodes.
    k : int, from 1 to the number of codes in the collection
    address : str, optional
        As for `encode`.

    Returns
    -------
    distances : int32 [q, k], in bits
    indices : int64 [q, k], rows of the collection

    Raises
    ------
    OSError, ValueError, InputError, ModuleNotFoundError
        As `metrics.hamming_knn`, `encode`, and `Codes.load` of the folder.
    """
    asked = as_codes(queries, "queries", allow_empty=True)
    with joined(address) as ray:
        parts = parts_of(folder)
        k = whole_number(k, "k", 1, sum(part.n for part in parts))
        sent = ray.put(asked)
        found = tasks(ray, _near, [(part, sent, k) for part in parts], "nearest neighbors")
        return reduce(partial(_merged, k), found)


def knn_graph(folder: str | PathLike[str], k: int, address: str | None = None) -> sparse.csr_matrix:
    """The graph of nearest codes of a sharded collection, exactly as `metrics.knn_graph` gives it.

    A task searches all shards for the neighbors of one shard's codes; so each pair of codes of two
    shards is met twice, where one machine meets it once. Parameters and errors as `hamming_knn`;
    `k` is from 1 to the number of other codes.
    """
    with joined(address) as ray:
        parts = parts_of(folder)
        n = sum(part.n for part in parts)
        k = whole_number(k, "k", 1, n - 1)
        shared = ray.put(parts)  # once to each node, not with each task
        distances, indices = np.empty((n, k), np.int32), np.empty((n, k), np.int64)
        found = tasks(ray, _near_of_part, [(part, shared, k) for part in parts], "graph")
        for part, (near, rows) in zip(parts, found, strict=True):
            distances[part.rows], indices[part.rows] = near, rows
    return graph_of(distances, indices)


def _near(part: Part, queries: Codes, k: int) -> Near:
    distances, indices = metrics.hamming_knn(part.codes(), queries, min(k, part.n))
    return distances, indices + part.start


def _near_of_part(part: Part, parts: list[Part], k: int) -> Near:
    codes = part.codes()
    return reduce(partial(_merged, k), _near_in_each(part, codes, parts, k))


def _near_in_each(part: Part, codes: Codes, parts: list[Part], k: int) -> Iterator[Near]:
    """The neighbors of a shard's codes in each of the shards, its own included."""
    for other in parts:
        if other.start != part.start:
            yield _near(other, codes, k)
        elif part.n > 1:
            inner = min(k, part.n - 1)
            graph = metrics.knn_graph(codes, inner)
            shape = (part.n, inner)
            distances = graph.data.astype(np.int32).reshape(shape)
            yield distances, graph.indices.astype(np.int64).reshape(shape) + part.start


def _merged(k: int, first: Near, second: Near) -> Near:
    """The nearest of what two shards have found, the first of which has the lower rows.

    The sort is stable: of equally near codes the one of the lower row stays first.
    """
    distances = np.concatenate((first[0], second[0]), axis=1)
    indices = np.concatenate((first[1], second[1]), axis=1)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, 1), np.take_along_axis(indices, order, 1)
