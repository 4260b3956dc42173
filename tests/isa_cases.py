"""Runs every kernel on fixed inputs and prints a digest of each result.

``test_isas.py`` runs it once for each instruction set and number of threads, both being chosen
when tfhash is imported, and compares what is printed.
"""

import hashlib
from collections.abc import Callable, Iterator

import numpy as np

from reference import BIT_SIZES, random_bits
from tfhash import Codes, metrics


def packing() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for n_bits in BIT_SIZES:
        a = rng.normal(size=(9, n_bits))
        a[rng.random(a.shape) < 0.2] = 0
        yield Codes.from_activations(a).words
        yield Codes.from_activations(a.astype(np.float32)).words
        yield Codes.from_bits(a > 0).words
        for bad in (np.nan, np.inf):
            a[5, -1] = bad
            for floats in (a, a.astype(np.float32)):
                try:
                    Codes.from_activations(floats)
                except ValueError as error:
                    yield np.frombuffer(str(error).encode(), np.uint8)


def regions() -> Iterator[np.ndarray]:
    for n, n_bits in ((9, 65), (3000, 130), (40_000, 20)):
        yield from metrics.region_ids(random_bits(n, n_bits, repeats=0.3))


def neighbors() -> Iterator[np.ndarray]:
    # 4097 and 9000 bits: more than one chunk; 600 queries: more than one range of them.
    for n, q, n_bits, k in (
        (1, 1, 1, 1),
        (513, 600, 65, 9),
        (1500, 67, 130, 40),
        (3000, 35, 300, 3),
        (600, 33, 1000, 600),
        (700, 20, 2100, 9),
        (1100, 13, 4097, 9),
        (530, 9, 9000, 2),
    ):
        bits = random_bits(n + q, n_bits, repeats=0.3)
        yield from metrics.hamming_knn(bits[:n], bits[n:], k)


def kmeans() -> Iterator[np.ndarray]:
    for n, n_bits, k in ((9, 65, 3), (5000, 100, 10), (3000, 130, 20), (700, 1000, 5)):
        model = metrics.CodeKMeans(k, n_init=3, random_state=0)
        model.fit(random_bits(n, n_bits, repeats=0.3))
        yield from (model.labels_, model.cluster_centers_, np.float64(model.inertia_))
        bits = random_bits(2100, n_bits, seed=1)
        yield model.predict(bits)
        yield np.float64(model.score(bits))


def logistic() -> Iterator[np.ndarray]:
    for n, n_bits, n_classes in ((9, 65, 2), (3000, 100, 10), (1000, 600, 20)):
        bits = random_bits(n, n_bits)
        labels = (bits[:, :9].sum(axis=1) + np.arange(n)) % n_classes
        model = metrics.CodeLogisticRegression().fit(bits, labels)
        yield from (model.coef_, model.intercept_, model.n_iter_, model.decision_function(bits))


CASES: tuple[Callable[[], Iterator[np.ndarray]], ...] = (
    packing,
    regions,
    neighbors,
    kmeans,
    logistic,
)


def main() -> None:
    print(f"isa={metrics.isa()} threads={metrics.get_num_threads()}")
    for case in CASES:
        digest = hashlib.sha256()
        for array in case():
            digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
        print(f"{case.__name__}: {digest.hexdigest()}")


if __name__ == "__main__":
    main()
