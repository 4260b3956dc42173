"""K-Means on codes of real images, against scikit-learn's KMeans with the same starts.

python -m benchmarks.bench_kmeans --data_dir FOLDER

The peer has the 0/1 matrix in float32, the faster of the types it works with, and is timed as often
as ours on MNIST and once on CIFAR-10, where it takes a minute.
"""

import time
from collections.abc import Iterator

import numpy as np
from sklearn.cluster import KMeans

from benchmarks.harness import Options, Row, main, medians
from benchmarks.real_codes import real_codes
from tfhash import Codes
from tfhash.metrics import CodeKMeans

N_CLUSTERS = 10
N_INIT = 10


def rows(options: Options) -> Iterator[Row]:
    """One row for each dataset, with the inertia that both reach."""
    for name, n, target, peer_repeats in (
        ("mnist", 60_000, 12, options.repeats),
        ("cifar10", 50_000, 4, 0),
    ):
        codes = real_codes(name, options.data_dir).train[: options.size(n)]
        yield row(options, name, codes, target, peer_repeats)


def row(options: Options, name: str, codes: Codes, target: float, peer_repeats: int) -> Row:
    """Both sides on the same codes."""
    bits = codes.to_bits().astype(np.float32)
    kmeans = CodeKMeans(N_CLUSTERS, n_init=N_INIT, random_state=0)
    peer = KMeans(N_CLUSTERS, n_init=N_INIT, random_state=0)
    if peer_repeats:
        ours, theirs = medians(peer_repeats, lambda: kmeans.fit(codes), lambda: peer.fit(bits))
    else:
        (ours,) = medians(options.repeats, lambda: kmeans.fit(codes))
        start = time.perf_counter()
        peer.fit(bits)
        theirs = time.perf_counter() - start
    difference = kmeans.inertia_ / float(-peer.score(bits)) - 1
    work = f"CodeKMeans, {name} {len(codes):,} x {codes.n_bits:,}, {N_INIT} starts"
    note = f"inertia {difference:+.4%} of theirs ({kmeans.n_iter_} / {peer.n_iter_} iterations)"
    return Row(work, "sklearn KMeans", ours, theirs, target, note)


main(__name__, rows, __doc__)
