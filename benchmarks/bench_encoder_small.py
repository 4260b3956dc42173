"""Encoding small inputs: 60,000 MNIST-sized images through one layer, and one image alone.

python -m benchmarks.bench_encoder_small

The peer is what the work cannot do without: the product with the weights in NumPy, the bias, and
tfhash's own packing.
"""

from collections.abc import Iterator

import keras
import numpy as np

from benchmarks.harness import Options, Row, main, medians
from tfhash import Codes, Encoder

WIDTH = 100


def rows(options: Options) -> Iterator[Row]:
    """Many images, and one after the other."""
    model = keras.Sequential(
        [keras.Input((784,)), keras.layers.Dense(WIDTH, "relu"), keras.layers.Dense(10)]
    )
    weights, bias = (np.array(weight) for weight in model.layers[0].get_weights())
    encoder = Encoder(model)
    x = np.random.default_rng(0).random((options.size(60_000), 784), np.float32)
    backend = keras.backend.backend()
    ours, product = medians(
        options.repeats,
        lambda: encoder.encode(x),
        lambda: Codes.from_activations(x @ weights + bias),
    )
    name = f"encode {len(x):,} images, 784-{WIDTH}"
    yield Row(name, "x @ W + b in NumPy, packing", ours, product, 1 / 2, backend)
    calls = range(100)
    ours, predict = medians(
        options.repeats,
        lambda: [encoder.encode(x[i : i + 1]) for i in calls],
        lambda: [np.asarray(model(x[i : i + 1])) for i in calls],
    )
    note = f"{ours / len(calls) * 1e3:.2f} ms an image (asked: under 1); {backend}"
    yield Row("encode one image, 100 times", "model(x), uncompiled", ours, predict, None, note)


main(__name__, rows, __doc__)
