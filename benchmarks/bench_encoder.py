"""Encoding with a CIFAR-10 ResNet-18 (557,056 units), against predict and other ways of packing.

python -m benchmarks.bench_encoder
"""

import resource
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import keras
import numpy as np

from benchmarks.harness import Options, Row, main, medians
from tfhash import Codes, Encoder

BATCH = 64


def rows(options: Options) -> Iterator[Row]:
    """One row for each thing it is measured against."""
    network = resnet18()
    x = np.random.default_rng(0).random((options.size(256), 32, 32, 3), np.float32)
    yield memory(options, Encoder(network), x)  # before anything else takes more
    encoder, in_graph = Encoder(network), Encoder(network, packing="graph")
    if encoder.encode(x[:BATCH], BATCH) != in_graph.encode(x[:BATCH], BATCH):
        raise AssertionError("packed in the graph and natively, the codes differ")

    def packbits() -> object:
        outputs = encoder.activation_model.predict(x, batch_size=BATCH, verbose=0)
        return [np.packbits(o.reshape(len(x), -1) > 0, axis=1) for o in outputs]

    ours, classes, graph, numpy = medians(
        options.repeats,
        lambda: encoder.encode(x, BATCH),
        lambda: network.predict(x, batch_size=BATCH, verbose=0),
        lambda: in_graph.encode(x, BATCH),
        packbits,
    )
    rate = f"{ours / len(x) * 1e3:.1f} ms an image; {keras.backend.backend()}"
    name = f"encode {len(x):,} images"
    yield Row(name, "predict of the classes", ours, classes, 1 / 1.3, rate)
    yield Row(name, "predict, np.packbits", ours, numpy, 2)
    yield Row(name, "packed in the graph", ours, graph, 1)
    yield from packing(options, encoder, x[:BATCH])


def packing(options: Options, encoder: Encoder, x: np.ndarray) -> Iterator[Row]:
    """The packing of one batch of outputs alone."""
    outputs = [o.reshape(len(x), -1) for o in encoder.activation_model.predict_on_batch(x)]
    forward = encoder._compiled()

    def packbits() -> object:
        return [np.packbits(output > 0, axis=1) for output in outputs]

    ours, numpy, copy = medians(
        4 * options.repeats,
        lambda: forward.words(outputs, len(x), 0),
        packbits,
        lambda: [output.copy() for output in outputs],
    )
    n_bytes = sum(output.nbytes for output in outputs)
    rate = f"{n_bytes / ours / 1e9:.1f} GB/s read; half a memcpy {copy / 2 * 1e3:.3g} ms"
    yield Row(f"pack its outputs of {len(x)} images", "np.packbits", ours, numpy, 2, rate)
    codes = Codes(forward.words(outputs, len(x), 0), encoder.n_bits, forward.spans)
    codes = Codes.concatenate([codes] * 20)
    half = len(codes.layers) // 2
    ours, unpacked = medians(
        options.repeats,
        lambda: codes.last_layers(half),
        lambda: np.packbits(codes.to_bits()[:, codes.layers[-half].start :], axis=1),
    )
    yield Row(
        f"last {half} layers of {len(codes):,} codes", "unpack, slice, pack", ours, unpacked, 2
    )


def memory(options: Options, encoder: Encoder, x: np.ndarray) -> Row:
    """In memory and to a file, and the most memory that either takes."""
    numbers = count()
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = medians(
            1,
            lambda: encoder.encode(x, BATCH),
            lambda: encoder.encode(x, BATCH, out=Path(folder) / f"{next(numbers)}.codes"),
        )
    codes = len(x) * encoder.n_bits / 8
    note = f"peak memory {peak() / 2**30:.2f} GiB, of it codes {codes / 2**30:.2f} GiB"
    return Row(f"encode {len(x):,} images in memory", "to a file", ours, theirs, None, note)


def peak() -> int:
    """Bytes of the most memory that this process has had."""
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def resnet18() -> keras.Model:
    """The paper's ResNet-18 for CIFAR-10, with random weights."""
    layers = keras.layers

    def conv(x: keras.KerasTensor, n: int, size: int, stride: int) -> keras.KerasTensor:
        x = layers.Conv2D(n, size, strides=stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input((32, 32, 3))
    x = layers.ReLU()(conv(inputs, 64, 3, 1))
    for n, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        y = layers.ReLU()(conv(x, n, 3, stride))
        shortcut = x if x.shape[-1] == n else conv(x, n, 1, stride)
        x = layers.ReLU()(layers.Add()([shortcut, conv(y, n, 3, 1)]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x), name="resnet18")


main(__name__, rows, __doc__)
