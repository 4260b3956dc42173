"""The graph of nearest codes against searching the codes with themselves, ours and FAISS's.

python -m benchmarks.bench_knn_graph

Limits: a search of n codes for n queries counts n * n distances, the graph n * (n - 1) / 2, but
each of these is compared with what both of its codes accept. Where counting is all of the work the
graph is 2 times as fast as `hamming_knn`. By callgrind, of 30,000 codes of 128 bits (AVX2), a query
and 512 codes take about 1,000 instructions to count, 235 for the test of both ends, and some 500
for the candidates and their lists; the last become fewer with more codes.
"""

from collections.abc import Iterator
from functools import partial

import faiss
import numpy as np

from benchmarks.bench_hamming_knn import random_codes
from benchmarks.harness import Options, Row, main, medians
from tfhash import metrics

N, K = 60_000, 10
# Bits, and how many times faster than hamming_knn and than FAISS we mean to be.
SIZES = ((128, 1.7, 6.0), (1_024, 1.7, 12.0))


def rows(options: Options) -> Iterator[Row]:
    """The two peers at each size, then the growth from half the codes to all."""
    n = options.size(N)
    for n_bits, search_target, faiss_target in SIZES:
        codes = random_codes(n, n_bits, 0)
        index = faiss.IndexBinaryFlat(n_bits)
        index.add(codes.packed_bytes)
        graph, search, flat = medians(
            options.repeats,
            partial(metrics.knn_graph, codes, K),
            partial(metrics.hamming_knn, codes, codes, K),
            partial(index.search, codes.packed_bytes, K + 1),
        )
        distances, _ = index.search(codes[:5].packed_bytes, K + 1)
        ours = metrics.knn_graph(codes, K).data.reshape(-1, K)[:5]
        if not np.array_equal(ours, distances[:, 1:]):
            raise AssertionError("knn_graph and faiss disagree")
        work = f"knn_graph {n:,}, {n_bits:,} bits, k = {K}"
        yield Row(work, "hamming_knn of itself", graph, search, search_target)
        yield Row(work, "faiss IndexBinaryFlat", graph, flat, faiss_target)
    half, whole = (random_codes(m, 256, 0) for m in (n, 2 * n))
    once, twice = medians(
        1, partial(metrics.knn_graph, half, K), partial(metrics.knn_graph, whole, K)
    )
    note = f"{1e9 * twice / (2 * n) ** 2:.3f} ns for each n * n, {1e9 * once / n**2:.3f} at {n:,}"
    yield Row(f"growth: {n:,} codes of 256 bits", f"{2 * n:,} codes", once, twice, None, note)


main(__name__, rows, __doc__)
