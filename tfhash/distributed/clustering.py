"""K-Means over a sharded collection: each shard sends sums, and the driver takes the steps.

The arithmetic is that of the kernel (`csrc/kernels/lloyd.cpp`, `kmeans_seed.cpp`), in its order, so
that results are the same to the bit. Tasks keep nothing between steps: one that is lost is done
again.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from itertools import chain
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfhash import metrics, progress
from tfhash._native import kmeans_assign
from tfhash.codes import Codes
from tfhash.distributed.cluster import joined, tasks
from tfhash.distributed.shards import Part, parts_of
from tfhash.metrics._inputs import as_codes
from tfhash.metrics.units import times_on

BLOCK_BYTES = 1 << 25  # of bits that are unpacked at once, as float64
WORD, CHUNK = 64, 8  # bits, words: how the kernel groups the sums of shifts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Each = Callable[..., Iterable[Any]]
Far = tuple[float, int, int, NDArray[np.uint8]]  # squared distance, row, label, bits of a code
Found = tuple[NDArray[np.int32], Floats, float, int, Ints]


def kmeans(
    folder: str | PathLike[str],
    n_clusters: int = 10,
    n_init: int = 10,
    max_iter: int = 300,
    random_state: int | np.random.RandomState | None = None,
    tol: float = 1e-4,
    address: str | None = None,
) -> metrics.CodeKMeans:
    """K-Means on a sharded collection, exactly as `metrics.CodeKMeans` fits it.

    Each node reads its own shards. Of each shard and step come back the sizes and the bit counts
    of the clusters, of all starts together, and are added up as they come; in the end its labels.
    So the driver's memory grows with the codes by their labels alone. A step reads all codes once;
    choosing the starts reads them twice a cluster, and looks at all centers chosen so far.

    Parameters
    ----------
    folder : path
        What `encode` wrote, shared by all nodes.
    n_clusters, n_init, max_iter, random_state, tol
        As for `metrics.CodeKMeans`.
    address : str, optional
        As for `encode`.

    Returns
    -------
    CodeKMeans
        Fitted.

    Raises
    ------
    OSError, ValueError, InputError, ModuleNotFoundError
        As `CodeKMeans.fit`, `encode`, and `Codes.load` of the folder.
    """
    estimator = metrics.CodeKMeans(n_clusters, n_init, max_iter, random_state, tol)
    with joined(address) as ray, progress.bar(None, "K-Means", "pass") as bar:
        parts = parts_of(folder)

        def each(function: Callable[..., Any], *given: Any) -> Iterator[Any]:
            shared = [ray.put(one) for one in given]
            bar.update()
            return tasks(ray, function, [(part, *shared) for part in parts], "K-Means")

        codes = Codes.load(folder, mmap=True)
        found = fit(estimator, codes, parts, each)
    estimator.n_features_in_ = codes.n_bits
    estimator._keep(*found)  # called here, so that its warning is about the user's line
    return estimator


def fit(estimator: metrics.CodeKMeans, codes: Codes, parts: Sequence[Part], each: Each) -> Found:
    """What `estimator` keeps of codes that lie in `parts`.

    `each(f, *given)` is `f(part, *given)` of each part, in order.

    Returns
    -------
    labels : int32 [n]
    centers : float64 [n_clusters, n_bits]
    inertia : float
    n_iter : int
    seeds : int64 [n_clusters], rows
    """
    codes = as_codes(codes)
    draws = estimator._draws(codes)
    on: Ints = reduce(np.add, each(_bit_counts))
    kept = np.flatnonzero((on > 0) & (on < len(codes)))
    variance = _mean_variance(on[kept] / len(codes), codes.n_bits)
    limit = float(estimator.tol) * variance if estimator.tol else 0.0
    seeds = _seeds(codes, parts, each, draws, int(estimator.n_clusters))
    runs = [_Run(rows, codes[rows].to_bits().astype(np.float64)) for rows in seeds]
    for iteration in range(1, int(estimator.max_iter) + 1):
        active = [run for run in runs if not run.done]
        if not active:
            break
        _assign(active, each)
        for run in active:
            run.step(iteration, kept, limit, partial(each, _farthest))
    _assign([run for run in runs if not run.settled], each)

    def labels_of(run: _Run) -> NDArray[np.int32]:
        labels = np.empty(len(codes), np.int32)
        for part, of_part in zip(parts, each(_labels, run.assigned), strict=True):
            labels[part.rows] = of_part
        return labels

    run, labels = _best(runs, labels_of)
    return labels, run.centers, run.inertia(), run.n_iter, np.array(run.seeds)


@dataclass
class _Run:
    """One start of Lloyd's algorithm.

    Attributes
    ----------
    seeds : list of int
        The rows that it started from.
    centers : float64 [k, n_bits]
    assigned : float64 [k, n_bits]
        The centers that codes were last assigned to.
    sizes, counts : int64 [k], [k, n_bits]
        Codes of each cluster, and how many of them have each bit, as last assigned.
    digest : bytes
        Of all labels, as last assigned.
    """

    seeds: list[int]
    centers: Floats
    assigned: Floats = field(default_factory=lambda: np.empty(0))
    sizes: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    counts: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    digest: bytes = b""
    n_iter: int = 0
    done: bool = False
    settled: bool = False

    def step(self, iteration: int, kept: Ints, limit: float, farthest: Each) -> None:
        """Move the centers to the means, and see whether that is the end."""
        sizes, counts = self.sizes.copy(), self.counts.copy()
        empty = np.flatnonzero(sizes == 0)
        if len(empty):
            # As scikit-learn: each empty cluster gets one of the codes farthest from their centers.
            found = _first(len(empty), farthest(self.assigned, len(empty)))
            if found[0][0] > 0:
                for to, (_, _, label, bits) in zip(empty, found, strict=False):
                    counts[label] -= bits
                    sizes[label] -= 1
                    counts[to], sizes[to] = bits, 1
        source = np.where(sizes > 0, np.arange(len(sizes)), np.argmax(sizes))
        means = counts[source] / sizes[source][:, None]
        shift = _grouped_sums((means[:, kept] - self.centers[:, kept]) ** 2)
        self.centers, self.n_iter = means, iteration
        self.done = self.settled or float(_sum(shift)) <= limit

    def inertia(self) -> float:
        """The sum of squared distances of the codes to the centers of their clusters."""
        on, c = self.counts.astype(np.float64), self.centers
        off = self.sizes[:, None] - on
        return float(_sum((on * ((1 - c) * (1 - c)) + off * (c * c)).ravel()))


def _assign(runs: Sequence[_Run], each: Each) -> None:
    """Assign all codes to the centers of runs."""
    if not runs:
        return
    k, n_bits = runs[0].centers.shape
    sizes = np.zeros((len(runs), k), np.int64)
    counts = np.zeros((len(runs), k, n_bits), np.int64)
    digests = [_digest() for _ in runs]
    for of_part in each(_assigned, [run.centers for run in runs]):
        for r, (size, count, digest) in enumerate(of_part):
            sizes[r] += size
            counts[r] += count
            digests[r].update(digest)
    for r, run in enumerate(runs):
        run.settled = digests[r].digest() == run.digest
        run.digest, run.assigned = digests[r].digest(), run.centers
        run.sizes, run.counts = sizes[r], counts[r]


def _best(
    runs: Sequence[_Run], labels_of: Callable[[_Run], NDArray[np.int32]]
) -> tuple[_Run, NDArray[np.int32]]:
    """The run of the lowest inertia, but none for the same clusters with another rounding."""
    best, labels = runs[0], labels_of(runs[0])
    for run in runs[1:]:
        if run.inertia() < best.inertia():
            others = labels_of(run)
            pairs = np.unique(np.stack([others, labels]), axis=1)
            if pairs.shape[1] > len(np.unique(others)):
                best, labels = run, others
    return best, labels


def _seeds(
    codes: Codes, parts: Sequence[Part], each: Each, draws: Floats, k: int
) -> list[list[int]]:
    """Rows that each start begins from: greedy k-means++ with the numbers `draws`."""
    n_trials = (draws.shape[1] - 1) // max(1, k - 1)
    chosen = [[min(int(draw * len(codes)), len(codes) - 1)] for draw in draws[:, 0]]
    if k == 1:
        return chosen
    trials = [[rows[0]] for rows in chosen]
    sums = np.stack([*each(_potentials, [], [codes[rows] for rows in trials])])[:, :, 0]
    for c in range(1, k):
        before = [codes[rows] for rows in chosen]
        targets = []
        for r, row in enumerate(draws[:, 1 + (c - 1) * n_trials : 1 + c * n_trials]):
            ends = np.cumsum(sums[:, r])
            for t, draw in enumerate(row):
                target = float(draw) * float(ends[-1])
                part = min(int(np.searchsorted(ends.astype(np.float64), target)), len(parts) - 1)
                targets.append((r, t, part, target, int(ends[part] - sums[part, r])))
        rows_at = {
            (r, t): row
            for found in each(_rows_at, before, targets, [p.start for p in parts])
            for r, t, row in found
        }
        trials = [[rows_at[r, t] for t in range(n_trials)] for r in range(len(chosen))]
        potentials = np.stack([*each(_potentials, before, [codes[rows] for rows in trials])])
        best = np.argmin(potentials.sum(axis=0), axis=1)
        for r, t in enumerate(best):
            chosen[r].append(trials[r][t])
        sums = potentials[:, np.arange(len(chosen)), best]
    return chosen


def _bit_counts(part: Part) -> Ints:
    return times_on(part.codes())


def _potentials(part: Part, before: list[Codes], candidates: list[Codes]) -> Ints:
    """Of each run and candidate, the sum of distances to the nearest center if it were one."""
    codes = part.codes()
    found = np.empty((len(candidates), len(candidates[0])), np.int64)
    for r, of_run in enumerate(candidates):
        closest = _closest(codes, before[r]) if before else np.int64(codes.n_bits)
        for t in range(len(of_run)):
            distances = _closest(codes, of_run[t : t + 1])
            found[r, t] = np.minimum(closest, distances).sum()
    return found


def _rows_at(
    part: Part,
    before: list[Codes],
    targets: list[tuple[int, int, int, float, int]],
    starts: list[int],
) -> list[tuple[int, int, int]]:
    """The row at which the running sum of distances reaches each target that is in this shard."""
    codes, found = part.codes(), []
    sums: dict[int, Ints] = {}
    for r, t, at, target, base in targets:
        if starts[at] == part.start:
            if r not in sums:
                sums[r] = np.cumsum(_closest(codes, before[r]), dtype=np.int64)
            row = int(np.searchsorted((base + sums[r]).astype(np.float64), target))
            found.append((r, t, part.start + min(row, part.n - 1)))
    return found


def _closest(codes: Codes, centers: Codes) -> Ints:
    return metrics.hamming_knn(centers, codes, 1)[0][:, 0].astype(np.int64)


def _assigned(part: Part, centers: list[Floats]) -> list[tuple[Ints, Ints, bytes]]:
    """Of each run: sizes, bit counts, and what tells the labels from others."""
    codes = part.codes()
    labels = [_nearest(codes, one) for one in centers]
    k = len(centers[0])
    counts = np.zeros((len(centers), k, codes.n_bits), np.int64)
    for start, bits in _blocks(codes):
        values = bits.astype(np.float32)  # counts in a block are exact in it
        for r, of_run in enumerate(labels):
            one_hot = of_run[start : start + len(bits), None] == np.arange(k)
            counts[r] += (one_hot.T.astype(np.float32) @ values).astype(np.int64)
    return [
        (
            np.bincount(of_run, minlength=k).astype(np.int64),
            counts[r],
            _digest(of_run.tobytes()).digest(),
        )
        for r, of_run in enumerate(labels)
    ]


def _labels(part: Part, centers: Floats) -> NDArray[np.int32]:
    return _nearest(part.codes(), centers)


def _farthest(part: Part, centers: Floats, m: int) -> list[Far]:
    """Those `m` codes that are farthest from the centers of their clusters."""
    codes = part.codes()
    labels = _nearest(codes, centers)

    def of_blocks() -> Iterator[list[Far]]:
        for start, bits in _blocks(codes):
            own = labels[start : start + len(bits)]
            distances = _sum((bits - centers[own]) ** 2)
            order = np.argsort(-distances, kind="stable")[:m]
            rows = part.start + start
            yield [(float(distances[i]), rows + int(i), int(own[i]), bits[i]) for i in order]

    return _first(m, of_blocks())


def _first(m: int, lists: Iterable[list[Far]]) -> list[Far]:
    """The `m` farthest of several lists; of equally far ones, those of the lowest rows."""
    return heapq.nsmallest(m, chain.from_iterable(lists), key=lambda one: (-one[0], one[1]))


def _digest(data: bytes = b"") -> Any:
    """Tells labels from others."""
    return hashlib.blake2b(data, digest_size=16)


def _nearest(codes: Codes, centers: Floats) -> NDArray[np.int32]:
    labels = np.empty(len(codes), np.int32)
    kmeans_assign(codes.words, codes.n_bits, centers, labels)
    return labels


def _blocks(codes: Codes) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """First row and bits uint8 [rows, n_bits] of each block."""
    rows = max(1, BLOCK_BYTES // (8 * codes.n_bits))
    for start in range(0, len(codes), rows):
        yield start, codes[start : start + rows].to_bits()


def _sum(x: Floats) -> Any:
    """Sums along the last axis, each added up from the first to the last as the kernel does."""
    return np.cumsum(x, axis=-1)[..., -1]


def _grouped_sums(x: Floats) -> Floats:
    """Sums of the rows: of words, then of chunks of them, then of all."""
    padded = np.zeros((len(x), -(-max(1, x.shape[1]) // (WORD * CHUNK)), CHUNK, WORD))
    padded.reshape(len(x), -1)[:, : x.shape[1]] = x
    return np.asarray(_sum(_sum(_sum(padded))))


def _mean_variance(means: Floats, n_bits: int) -> float:
    """The mean of all bits' variance, of those that vary."""
    padded = np.zeros((-(-max(1, len(means)) // WORD), WORD))
    padded.ravel()[: len(means)] = means * (1 - means)
    return float(_sum(_sum(padded))) / n_bits
