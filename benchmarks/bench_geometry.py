"""Exact chords and line regions against sampling, reading and NumPy.

python -m benchmarks.bench_geometry --data_dir FOLDER

The released code's sampling takes minutes on all examples: it is timed once, on a tenth of them,
and its time multiplied by ten.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import keras
import numpy as np
from keras import layers

from benchmarks.harness import Options, Row, main, medians
from tfhash import Encoder, _native, backend, datasets, geometry, metrics, models
from tfhash.geometry.line_sweep import Sweep
from tfhash.geometry.trace import plan_for

Image = np.ndarray
Weights = list[tuple[np.ndarray, np.ndarray]]
T = TypeVar("T")
Peer = Callable[[Weights, np.ndarray, np.ndarray], np.ndarray]


def rows(options: Options) -> Iterator[Row]:
    """Diameters, the reduction over units, regions along a segment."""
    mnist = datasets.load("mnist", data_dir=options.data_dir)
    cifar10 = datasets.load("cifar10", data_dir=options.data_dir)
    mlp = models.mlp((28, 28), width=100, depth=1, n_classes=10, seed=0)
    fit(mlp, mnist.x_train, mnist.y_train)
    images = mnist.x_test[: options.size(10_000)]
    yield diameters("MNIST MLP of width 100", mlp, images, options, target=100)
    deep = models.mlp((32, 32, 3), width=200, depth=5, n_classes=10, seed=0)
    fit(deep, cifar10.x_train, cifar10.y_train)
    images = cifar10.x_test[: 40 if options.quick else 200]
    yield diameters("CIFAR-10 MLP of 5 x 200", deep, images, options, target=50)
    yield diameters("ResNet-20-like", resnet20(), images, options, target=50)
    yield reduction(options)
    yield from lines(deep, cifar10.x_test, options)
    yield from pixel_lines(cifar10.x_test, options)


def fit(network: keras.Model, x: Image, y: np.ndarray) -> None:
    """A little training, for the regions to be those of a network that has learnt."""
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.fit(x, y, batch_size=128, epochs=2, verbose=0)


def resnet20() -> keras.Model:
    """Three blocks of 16, of 32 and of 64 filters: 188,416 units; as initialized."""
    return resnet((16, 32, 64), 3)


def resnet(widths: tuple[int, ...], n_blocks: int) -> keras.Model:
    """Residual blocks of two convolutions, for 32 x 32 pixels; as initialized."""
    keras.utils.set_random_seed(0)

    def convolution(x: object, filters: int, stride: int = 1) -> object:
        x = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input((32, 32, 3))
    x = layers.ReLU()(convolution(inputs, widths[0]))
    for filters in widths:
        for block in range(n_blocks):
            stride = 2 if filters > widths[0] and block == 0 else 1
            y = layers.ReLU()(convolution(x, filters, stride))
            y = convolution(y, filters)
            if stride > 1:
                x = layers.Conv2D(filters, 1, stride, use_bias=False)(x)
            x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def autoencoder() -> keras.Model:
    """Three convolutions down and three up again, on 256 x 256 pixels; as initialized."""
    keras.utils.set_random_seed(0)
    same = {"padding": "same", "activation": "relu"}
    down = [layers.Conv2D(n, 3, strides, **same) for n, strides in ((16, 1), (32, 2), (64, 2))]
    up = [layers.Conv2DTranspose(n, 3, 2, **same) for n in (32, 16)]
    last = [layers.Conv2D(8, 3, **same), layers.Conv2D(3, 3, padding="same")]
    return keras.Sequential([keras.Input((256, 256, 3)), *down, *up, *last])


def diameters(
    name: str, network: keras.Model, images: Image, options: Options, target: float
) -> Row:
    """stochastic_diameters against the released code's 200 points on each line."""
    units = Encoder(network).activation_model
    n_sampled = len(images) // 10
    rng = np.random.default_rng(0)
    directions = rng.normal(size=images.shape).astype(np.float32)
    norms = np.linalg.norm(directions.reshape(len(images), -1), axis=1)
    directions /= norms.reshape(-1, *(1,) * (images.ndim - 1))
    (ours,) = medians(options.repeats, partial(geometry.stochastic_diameters, network, images))
    exact = geometry.stochastic_diameters(
        network, images[:n_sampled], direction=directions[:n_sampled]
    )
    sampled_diameters(units, images[:2], directions[:2])  # compiles
    start = time.perf_counter()
    sampled = sampled_diameters(units, images[:n_sampled], directions[:n_sampled])
    theirs = (time.perf_counter() - start) * len(images) / n_sampled
    agree = np.mean(np.abs(exact - sampled) < 0.1)
    return Row(
        f"stochastic_diameters, {name}, {len(images):,}",
        "200 points, predict",
        ours,
        theirs,
        target,
        f"{agree:.1%} within the peer's 0.1; mean {exact.mean():.4f} / {sampled.mean():.4f}",
    )


def sampled_diameters(units: keras.Model, images: Image, directions: Image) -> np.ndarray:
    """What the released code measures: 0.05 for each point of the line with the image's code."""
    offsets = np.arange(-100, 100, dtype=np.float32) * np.float32(0.05)
    offsets = offsets.reshape(-1, *(1,) * (images.ndim - 1))
    n_numbers = len(offsets) * sum(np.prod(out.shape[1:]) for out in units.outputs)
    step = max(1, int(3e8 // n_numbers))  # images whose points go through predict together
    found = []
    for start in range(0, len(images), step):
        x, d = images[start : start + step], directions[start : start + step]
        points = (x[:, None] + offsets * d[:, None]).reshape(-1, *x.shape[1:])
        outputs = units.predict(points, batch_size=1000, verbose=0)
        same = np.ones((len(x), len(offsets)), bool)
        for output in outputs if isinstance(outputs, list) else [outputs]:
            codes = output.reshape(len(x), len(offsets), -1) > 0
            same &= (codes == codes[:, 100:101]).all(axis=2)
        found.append(0.05 * same.sum(axis=1))
    return np.concatenate(found)


def reduction(options: Options) -> Row:
    """The reduction over units against reading its two arrays."""
    n, n_units = options.size(10_000), 1_000
    z, u = np.random.default_rng(0).normal(size=(2, n, n_units)).astype(np.float32)

    def reduce() -> None:
        ends, units = np.full((2, n), np.inf), np.full((2, n, 2), -1)
        _native.reduce_chords(z, u, 0, 0, *ends, *units)

    def read() -> None:
        n_threads = metrics.get_num_threads()
        words = [part for a in (z, u) for part in np.array_split(a.view(np.uint64), n_threads)]
        list(pool.map(np.max, words))

    with ThreadPoolExecutor(metrics.get_num_threads()) as pool:
        ours, theirs = medians(4 * options.repeats + 1, reduce, read)
    rate = 2 * z.nbytes / 1e9
    note = f"{rate / ours:.1f} GB/s of {rate / theirs:.1f}"
    return Row(f"chord reduction, {n:,} x 1,000 float32", "reading both", ours, theirs, 0.5, note)


def lines(network: keras.Model, images: Image, options: Options) -> Iterator[Row]:
    """line_regions, one segment and many, against the same in NumPy and region by region.

    The peers are bare functions of weight matrices, good for this one kind of network.
    """
    start, stop = images[:2].astype(np.float64)
    one = (start.ravel(), stop.ravel())
    ours, by_layer, by_region = medians(
        6 * options.repeats,
        lambda: geometry.line_regions(network, start, stop),
        lambda: layer_by_layer(weights(network), *one),
        lambda: region_by_region(weights(network), *one),
    )
    found = geometry.line_regions(network, start, stop)
    assert isinstance(found, geometry.LineRegions)  # one segment gives one, not a list
    notes = [apart([found], [peer(weights(network), *one)]) for peer in PEERS]
    work = f"line_regions, 5 x 200 units, {found.n_regions} regions"
    yield Row(work, "NumPy, layer by layer", ours, by_layer, 20, notes[0])
    yield Row(work, "NumPy, region by region", ours, by_region, 20, notes[1])

    n = 20 if options.quick else 200
    starts, stops = images[: 2 * n].astype(np.float64).reshape(2, n, *images.shape[1:])
    pairs = list(zip(starts.reshape(n, -1), stops.reshape(n, -1), strict=True))

    def each(peer: Peer) -> list[np.ndarray]:
        given = weights(network)
        return [peer(given, *pair) for pair in pairs]

    ours, by_layer, by_region = medians(
        options.repeats,
        lambda: geometry.line_regions(network, starts, stops),
        lambda: each(layer_by_layer),
        lambda: each(region_by_region),
    )
    several = geometry.line_regions(network, starts, stops)
    assert isinstance(several, list)
    work = f"line_regions, 5 x 200 units, {n} segments"
    yield Row(work, "NumPy, layer by layer", ours, by_layer, 20, apart(several, each(PEERS[0])))
    yield Row(work, "NumPy, region by region", ours, by_region, 20, apart(several, each(PEERS[1])))


def pixel_lines(images: Image, options: Options) -> Iterator[Row]:
    """line_regions through convolutions, against passes of the whole network at every point."""
    pair = images[:2].astype(np.float64)
    large = pair.repeat(8, axis=1).repeat(8, axis=2)
    for name, network, (start, stop), share, target in (
        ("4 convolutions of 32 filters", convolutions(), pair, 0.12, 10),
        ("ResNet-8", resnet((16, 32, 64), 1), pair, 1.0, 8),
        ("ResNet-20-like", resnet20(), pair, 0.1, 10),
        ("autoencoder, 3.9 million units", autoencoder(), large, 1e-4, 4),
    ):
        end = start + share * (0.1 if options.quick else 1) * (stop - start)

        def whole(
            network: keras.Model = network, start: Image = start, end: Image = end
        ) -> np.ndarray:
            with backend.float64(), plan_for(network) as plan:
                sweep = Sweep(plan, "activation")
                sweep.run(np.stack([start.ravel(), end.ravel()]))
                return sweep.finish()[0]

        geometry.line_regions(network, start, end)
        # Processor time: TensorFlow takes as many threads as it likes.
        ours, found = processor_time(partial(geometry.line_regions, network, start, end))
        theirs, breakpoints = processor_time(whole)
        assert isinstance(found, geometry.LineRegions)
        work = f"line_regions, {name}, {found.n_regions} regions"
        note = f"processor time; {apart([found], [breakpoints])}"
        yield Row(work, "the network at every point", ours, theirs, target, note)


def processor_time(call: Callable[[], T]) -> tuple[float, T]:
    """Seconds that all threads of this process worked, and what was made."""
    start = time.process_time()
    made = call()
    return time.process_time() - start, made


def convolutions() -> keras.Model:
    """Four convolutions of 32 filters on 32 x 32 pixels: 131,072 units; as initialized."""
    keras.utils.set_random_seed(0)
    same = {"padding": "same", "activation": "relu"}
    hidden = [layers.Conv2D(32, 3, **same) for _ in range(4)]
    return keras.Sequential([keras.Input((32, 32, 3)), *hidden, layers.Flatten(), layers.Dense(10)])


def apart(ours: list[geometry.LineRegions], theirs: list[np.ndarray]) -> str:
    """The largest difference of two breakpoints, and how many segments have other ones."""
    alike = [
        np.abs(line.breakpoints - other).max()
        for line, other in zip(ours, theirs, strict=True)
        if len(line.breakpoints) == len(other)
    ]
    others = f", {len(ours) - len(alike)} of them not as many" if len(alike) < len(ours) else ""
    return f"apart by {max(alike):.0e}{others}"


def weights(network: keras.Model) -> Weights:
    """Kernels and biases in float64, but those of the logits."""
    dense = [layer for layer in network.layers if isinstance(layer, layers.Dense)][:-1]
    return [tuple(w.astype(np.float64) for w in layer.get_weights()) for layer in dense]


def layer_by_layer(network: Weights, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """The breakpoints on a segment, as tfhash finds them, with NumPy alone."""
    t, h = np.array([0.0, 1.0]), np.stack([start, stop])
    found: list[np.ndarray] = []
    for kernel, bias in network:
        z = h @ kernel + bias
        a, b = z[:-1], z[1:]
        piece, unit = np.nonzero(((a > 0) & (b < 0)) | ((a < 0) & (b > 0)))
        weight = a[piece, unit] / (a[piece, unit] - b[piece, unit])
        order = np.lexsort((weight, piece))
        piece, unit, weight = piece[order], unit[order], weight[order, None]
        new_t = t[piece] + weight[:, 0] * (t[piece + 1] - t[piece])
        new_z = a[piece] + weight * (b[piece] - a[piece])
        new_z[np.arange(len(unit)), unit] = 0
        t, z = np.insert(t, piece + 1, new_t), np.insert(z, piece + 1, new_z, axis=0)
        found.append(new_t)
        h = np.maximum(z, 0)
    return np.sort(np.concatenate(found))


def region_by_region(network: Weights, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """The breakpoints on a segment, each found from within the region before it."""
    t = 0.0
    found: list[float] = []
    (kernel, bias), *rest = network
    first = start @ kernel + bias, (stop - start) @ kernel
    on = [first[0] > 0]
    z, u = first
    for kernel, bias in rest:
        z, u = (z * on[-1]) @ kernel + bias, (u * on[-1]) @ kernel
        on.append(z > 0)
    while True:
        z, u = first
        nearest, where = np.inf, (0, 0)
        for layer, pattern in enumerate(on):
            if layer:
                kernel, bias = rest[layer - 1]
                z, u = (z * on[layer - 1]) @ kernel + bias, (u * on[layer - 1]) @ kernel
            leaving = np.where(pattern, u < 0, u > 0)
            switch = np.full(len(z), np.inf)
            switch[leaving] = np.maximum(-z[leaving] / u[leaving], t)
            unit = switch.argmin()
            if switch[unit] < nearest:
                nearest, where = switch[unit], (layer, int(unit))
        if nearest >= 1:
            return np.array(found)
        t = nearest
        found.append(t)
        on[where[0]][where[1]] ^= True


PEERS = (layer_by_layer, region_by_region)

main(__name__, rows, __doc__ or "")
