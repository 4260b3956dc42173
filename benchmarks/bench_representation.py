"""Mutual information and characteristics against NumPy, SciPy and Keras's `predict`.

python -m benchmarks.bench_representation

Limits: a pair of points costs three float64 operations a unit, on each of half of the pairs;
NumPy's product costs one fused operation on all of them, but two exponentials a pair and several
passes over matrices of n times n. The sums over pairs of units are four float64 products a layer,
each of n times d times d; for layers of convolutions, whose positions are samples, that is about as
much work as the network itself.
"""

from collections.abc import Iterator
from functools import partial

import keras
import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Options, Row, main, medians
from tfhash import Encoder, representation
from tfhash.models import cnn


def with_matrices(z: NDArray[np.float64], y: NDArray[np.int64]) -> tuple[float, ...]:
    """The four bounds from matrices of n times n, with SciPy's logsumexp."""
    from scipy.special import logsumexp

    square = np.square(z).sum(axis=1)
    distance = np.maximum(square[:, None] + square - 2 * z @ z.T, 0)
    x_bounds, y_bounds = [], []
    for factor in (0.8, 0.2):
        exponent = -distance / factor
        x_bounds.append(np.log(len(z)) - logsumexp(exponent, axis=1).mean())
        within = 0.0
        for label in np.unique(y):
            own = np.flatnonzero(y == label)
            nearest = logsumexp(exponent[np.ix_(own, own)], axis=1)
            within += len(own) / len(z) * (np.log(len(own)) - nearest.mean())
        y_bounds.append(x_bounds[-1] - within)
    return (*x_bounds, *y_bounds)


def rows(options: Options) -> Iterator[Row]:
    """Mutual information at three spreads, its growth, and the layers of a network."""
    rng = np.random.default_rng(0)
    n = options.size(10_000)
    y = rng.integers(0, 10, n)
    for spread in (0.05, 0.2, 1.0):
        z = np.maximum(spread * rng.normal(size=(n, 100)), 0)
        ours, theirs = medians(
            options.repeats,
            partial(representation.mutual_information, z, y),
            partial(with_matrices, z, y),
        )
        found, wanted = representation.mutual_information(z, y), with_matrices(z, y)
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
        work = f"mutual_information {n:,} x 100, spread {spread:g}"
        yield Row(work, "NumPy and SciPy, n x n", ours, theirs, 8.0, f"{found.x_lower:.3f} nats")
    many = np.maximum(0.2 * rng.normal(size=(6 * n, 100)), 0)
    once, more = medians(
        1,
        partial(representation.mutual_information, many[:n]),
        partial(representation.mutual_information, many),
    )
    note = f"{1e9 * more / (6 * n) ** 2:.2f} ns for each n * n, {1e9 * once / n**2:.2f} at {n:,}"
    yield Row(f"growth: {n:,} x 100", f"{6 * n:,} x 100", once, more, None, note)
    yield from _layers(options)


def _layers(options: Options) -> Iterator[Row]:
    net = cnn("resnet20", "cifar10", (32, 32, 3))
    x = np.random.default_rng(0).normal(size=(options.size(10_000), 32, 32, 3)).astype(np.float32)
    encoder = Encoder(net)
    ours, theirs = medians(
        max(1, options.repeats // 2),
        partial(encoder.characteristics, x),
        partial(_predict, encoder.activation_model, x),
    )
    yield Row(f"characteristics, ResNet-20, {len(x):,}", "Keras predict", ours, theirs, 0.8)


def _predict(model: keras.Model, x: NDArray[np.float32]) -> None:
    for start in range(0, len(x), 128):  # a part at a time: all outputs take 750 KB an image
        model.predict(x[start : start + 128], verbose=0)


main(__name__, rows, __doc__)
