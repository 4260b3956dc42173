"""Packing activations, finding distinct codes, and encoding, against what one would use instead.

python -m benchmarks.bench_codes
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.harness import Options, Row, main, medians
from tfhash import Codes, Encoder, datasets, metrics, models

SIZES = ((60_000, 100), (50_000, 1_000))


def rows(options: Options) -> Iterator[Row]:
    """One row for each size and way of doing it."""
    for n, n_bits in SIZES:
        yield packing(options, options.size(n), n_bits)
    for n, n_bits in SIZES:
        yield from regions(options, options.size(n), n_bits)
    yield from growth(options)
    yield encoding(options)


def packing(options: Options, n: int, n_bits: int) -> Row:
    """Float activations to codes, against reading them once as memcpy does (a copy halved)."""
    a = np.random.default_rng(0).normal(size=(n, n_bits)).astype(np.float32)
    target = np.empty_like(a)
    ours, copy = medians(
        4 * options.repeats, lambda: Codes.from_activations(a), lambda: np.copyto(target, a)
    )
    rate = a.nbytes / ours / 1e9
    # memcpy reads every byte and writes it: half its time is one reading.
    note = f"{rate:.1f} GB/s read; within {ours / (copy / 2):.2f}x of reading once (limit 2x)"
    return Row(f"pack {n:,} x {n_bits:,} float32", "memcpy, half", ours, copy / 2, 0.5, note)


def regions(options: Options, n: int, n_bits: int) -> Iterator[Row]:
    """Distinct codes, 10% of them repeats, from a 0/1 matrix and from packed codes."""
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2, (n, n_bits), dtype=np.uint8)
    copies = rng.choice(n, n // 10, replace=False)
    bits[copies] = bits[rng.integers(0, n, len(copies))]
    codes = Codes.from_bits(bits)
    expected = len(np.unique(bits, axis=0))
    if metrics.count_regions(codes) != expected:
        raise AssertionError("region_ids and np.unique disagree")

    def unique(matrix: np.ndarray) -> object:
        return np.unique(matrix, axis=0, return_inverse=True, return_counts=True)

    ours, theirs = medians(
        options.repeats, lambda: metrics.region_ids(Codes.from_bits(bits)), lambda: unique(bits)
    )
    yield Row(f"region_ids {n:,} x {n_bits:,} 0/1", "np.unique(axis=0)", ours, theirs, 50)

    words = codes.words
    void = words.view(np.dtype((np.void, words.shape[1] * 8))).ravel()

    def frame() -> object:
        return pd.DataFrame(words).groupby(list(range(words.shape[1])), sort=False).ngroup()

    ours, by_void, by_frame = medians(
        options.repeats,
        lambda: metrics.region_ids(codes),
        lambda: np.unique(void, return_inverse=True, return_counts=True),
        frame,
    )
    peer, theirs = min(
        (("np.unique, void view", by_void), ("pandas", by_frame)), key=lambda p: p[1]
    )
    rate = f"{codes.nbytes / ours / 1e9:.1f} GB/s"
    yield Row(f"region_ids {n:,} x {n_bits:,} packed", peer, ours, theirs, 3, rate)


def growth(options: Options) -> Iterator[Row]:
    """Time against n: linear, where sorting is not."""
    rng = np.random.default_rng(2)
    for n in (10**4, 10**5, 10**6, 10**7):
        n = options.size(n)
        words = rng.integers(0, 2**64, (n, 2), dtype=np.uint64)
        codes = Codes(words, 128)
        void = words.view(np.dtype((np.void, 16))).ravel()
        repeats = options.repeats if n < 10**6 else 1
        ours, theirs = medians(
            repeats, partial(metrics.region_ids, codes), partial(np.unique, void)
        )
        work, note = f"region_ids {n:,} x 128 random", f"{ours / n * 1e9:.0f} ns a code"
        yield Row(work, "np.unique, void view", ours, theirs, None, note)


def encoding(options: Options) -> Row:
    """MNIST images through a network of width 100, against predict of the same sub-model."""
    dataset = datasets.load("mnist", data_dir=options.data_dir)
    x = dataset.x_train[: options.size(60_000)]
    encoder = Encoder(models.mlp(x.shape[1:], width=100, depth=1, n_classes=10))
    ours, theirs = medians(
        options.repeats,
        lambda: encoder.encode(x, batch_size=1024),
        lambda: encoder.activation_model.predict(x, batch_size=1024, verbose=0),
    )
    return Row(f"encode {len(x):,} MNIST images, width 100", "predict", ours, theirs, 1)


main(__name__, rows, __doc__)
