"""Exact Hamming nearest neighbors against FAISS and usearch, and at AVX2 against FAISS at AVX2.

python -m benchmarks.bench_hamming_knn

Each note gives the bytes of codes met per second (database bytes x queries / time), and how long
codes take that are noisy copies of ten centers instead of random.

Limits, in pairs of words a cycle and thread with AVX-512: counting the bits word by word takes a
xor, a popcount and an addition, 1.5 cycles for 8 words, or 5.3. Counting planes, a full adder (one
cycle) takes up a bit of 512 codes, and g queries share 1 - 2^-g of the planes: 8 g / (1 - 2^-g),
which is 16 at 64 bits (g = 1), 34 at 1,024 bits (g = 4) and 49 from 4,096 bits on (g = 6).
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import faiss
import numpy as np
from numpy.typing import NDArray
from usearch.index import MetricKind
from usearch.index import search as usearch_search

from benchmarks.harness import Options, Row, main, medians, use_threads
from tfhash import Codes, machine, metrics

K = 9
# Codes, queries and bits, and how many times faster than the peer we mean to be.
AGAINST_FAISS = (
    (60_000, 10_000, 64, 2.0),
    (60_000, 10_000, 128, 2.0),
    (60_000, 10_000, 1_024, 2.0),
    (60_000, 2_000, 4_096, 3.5),
)
WIDE = (
    (20_000, 200, 65_536, 1.5),
    (20_000, 200, 557_056, 1.5),
)
AT_AVX2 = tuple((n, q, n_bits, 1.2) for n, q, n_bits, _ in (*AGAINST_FAISS, WIDE[0]))
COPIES = 4.5  # of the database: FAISS's own, and what the clustered codes are made of
MEMORY_LEFT = 0.7  # share of the free memory that a row may take


def rows(options: Options) -> Iterator[Row]:
    """One row for each size, then those at AVX2, in a process of their own."""
    for n, q, n_bits, target in AGAINST_FAISS:
        yield row(options, n, q, n_bits, target, ("faiss",))
    for n, q, n_bits, target in WIDE:
        if COPIES * n * n_bits / 8 < MEMORY_LEFT * free_memory():
            yield row(options, n, q, n_bits, target, ("faiss", "usearch"))
    if "avx512" in metrics.isa():
        yield from at_avx2(options)


def at_avx2(options: Options) -> Iterator[Row]:
    """The rows with both sides held to AVX2, which they read when they are loaded."""
    held = {"TFHASH_ISA": "avx2", "FAISS_SIMD_LEVEL": "AVX2"}
    context = multiprocessing.get_context("spawn")
    with (
        machine.environment(held),
        ProcessPoolExecutor(1, context, use_threads, (metrics.get_num_threads(),)) as pool,
    ):
        for n, q, n_bits, target in AT_AVX2:
            yield pool.submit(row, options, n, q, n_bits, target, ("faiss",)).result()


def row(
    options: Options, n: int, q: int, n_bits: int, target: float, peers: tuple[str, ...]
) -> Row:
    """Ours against the fastest of the peers; random codes, and clustered ones for the note."""
    n, q = options.size(n), options.size(q)
    database, queries = random_codes(n, n_bits, 0), random_codes(q, n_bits, 1)
    sides: dict[str, Callable[[], object]] = {}
    if "faiss" in peers:
        index = faiss.IndexBinaryFlat(n_bits)
        index.add(database.packed_bytes)
        sides["faiss"] = partial(index.search, queries.packed_bytes, K)
        check(index, database, queries)
    if "usearch" in peers:
        sides["usearch"] = partial(
            usearch_search,
            database.packed_bytes,
            queries.packed_bytes,
            K,
            MetricKind.Hamming,
            exact=True,
            threads=metrics.get_num_threads(),
        )
    repeats = options.repeats if n * q * n_bits < 3e12 else min(options.repeats, 3)
    ours, *theirs = medians(
        repeats, partial(metrics.hamming_knn, database, queries, K), *sides.values()
    )
    peer, their = min(zip(sides, theirs, strict=True), key=lambda side: side[1])
    del database, queries, sides
    clustered = clustered_codes(n + q, n_bits)
    search = partial(metrics.hamming_knn, clustered[:n], clustered[n:], K)
    (in_clusters,) = medians(repeats, search)
    isa = f" {metrics.isa()}" if metrics.isa() != "avx512" else ""
    rate = n * q * n_bits / 8 / ours / 1e9
    note = f"{rate:.0f} GB/s; clustered {in_clusters / ours:.2f} of the time"
    return Row(f"hamming_knn {n:,} x {q:,}, {n_bits:,} bits{isa}", peer, ours, their, target, note)


def random_codes(n: int, n_bits: int, seed: int) -> Codes:
    """`n` codes of fair bits."""
    return Codes(random_words(n, n_bits, np.random.default_rng(seed)), n_bits)


def clustered_codes(n: int, n_bits: int) -> Codes:
    """`n` copies of ten random codes, one bit in eight of each flipped."""
    rng = np.random.default_rng(2)
    words = random_words(10, n_bits, rng)[rng.integers(0, 10, n)]
    flipped = random_words(n, n_bits, rng)
    for _ in range(2):
        flipped &= random_words(n, n_bits, rng)
    words ^= flipped
    return Codes(words, n_bits)


def random_words(n: int, n_bits: int, rng: np.random.Generator) -> NDArray[np.uint64]:
    """uint64 [n, n_bits / 64]; made from bytes, the quickest way."""
    return np.frombuffer(bytearray(rng.bytes(n * n_bits // 8)), np.uint64).reshape(n, n_bits // 64)


def check(index: "faiss.IndexBinaryFlat", database: Codes, queries: Codes) -> None:
    """Raise AssertionError unless both find the same distances for a few queries."""
    some = queries[:5]
    distances, _ = metrics.hamming_knn(database, some, K)
    if not np.array_equal(distances, index.search(some.packed_bytes, K)[0]):
        raise AssertionError("hamming_knn and faiss disagree")


def free_memory() -> float:
    """Bytes of memory free for use; infinite where the system does not tell."""
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float("inf")


main(__name__, rows, __doc__)
