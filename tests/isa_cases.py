"""Runs every kernel on fixed inputs and prints a digest of each result.

`test_isas.py` runs it once for each instruction set and number of threads, both being chosen
when tfhash is imported, and compares what is printed.
"""

import hashlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from reference import BIT_SIZES, cube, random_bits
from tfhash import Codes, _native, metrics
from tfhash.metrics import kmeans as kmeans_module


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
        codes = Codes.from_bits(random_bits(n, n_bits, repeats=0.3))
        yield from metrics.region_ids(codes)
        grouped = np.empty_like(codes.words)
        yield _native.group_by_hash(codes.words, n_bits, 1, 5, grouped)
        yield grouped
        yield grouped[: _native.keep_distinct(grouped, n, 2, np.empty_like(grouped))]


def neighbors() -> Iterator[np.ndarray]:
    # 4097 and 9000 bits: more than one chunk; 600 queries: more than one range of them.
    for n, q, n_bits, k in (
        (1, 1, 1, 1),
        (1100, 3, 333, 9),
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


def graph() -> Iterator[np.ndarray]:
    for n, n_bits, k in (
        (2, 1, 1),
        (1100, 65, 9),
        (2100, 130, 40),
        (700, 1000, 600),
        (600, 4097, 3),
    ):
        bits = random_bits(n, n_bits, repeats=0.3)
        for found in (
            metrics.knn_graph(bits, k),
            metrics.radius_neighbors(bits, bits, n_bits // 3),
        ):
            yield from (found.data, found.indices, found.indptr)


def kmeans() -> Iterator[np.ndarray]:
    for n, n_bits, k in ((9, 65, 3), (5000, 100, 10), (3000, 130, 20), (700, 1000, 5)):
        model = metrics.CodeKMeans(k, n_init=3, random_state=0)
        model.fit(random_bits(n, n_bits, repeats=0.3))
        yield from (model.labels_, model.cluster_centers_, np.asarray(model.inertia_))
        bits = random_bits(2100, n_bits, seed=1)
        yield model.predict(bits)
        yield np.asarray(model.score(bits))


def logistic() -> Iterator[np.ndarray]:
    for n, n_bits, n_classes in ((9, 65, 2), (3000, 100, 10), (1000, 600, 20)):
        bits = random_bits(n, n_bits)
        labels = (bits[:, :9].sum(axis=1) + np.arange(n)) % n_classes
        model = metrics.CodeLogisticRegression().fit(bits, labels)
        yield from (model.coef_, model.intercept_, model.n_iter_, model.decision_function(bits))


def large() -> Iterator[np.ndarray]:
    # Read by blocks, some wide enough for several of them; with few constant bits and with many.
    kmeans_module.RESIDENT_BYTES = 0
    for n, n_bits, k in ((9, 65, 3), (600, 5000, 10), (70, 36_000, 20)):
        bits = random_bits(n, n_bits, repeats=0.3)
        bits[:, :: 3 if n == 600 else 40] = 0
        codes = Codes.from_bits(bits)
        varying = metrics.varying_bits(codes, codes[: n // 2])
        yield varying
        yield metrics.keep_bits(codes, varying).words
        clusters = metrics.CodeKMeans(k, n_init=2, random_state=0).fit(codes)
        yield from (clusters.labels_, clusters.cluster_centers_, np.asarray(clusters.inertia_))
        yield clusters.predict(codes)
        yield clusters.transform(codes)
        labels = (bits[:, 1:10].sum(axis=1) % 3).astype(np.int32)
        labels[:3] = range(3)
        yield from _native.fit_one_vs_one(codes.words, n_bits, labels, 3, 1.0, 1e-5, 50, True)


def chords() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for n_units in (*BIT_SIZES, 1025, 3000):
        z, u = rng.normal(size=(2, 9, n_units))
        u[rng.random(u.shape) < 0.1] = 0
        coarse = np.round(2 * z), np.round(2 * u)  # many units at one distance
        for dtype in (np.float32, np.float64):
            for pair in ((z, u), coarse):
                ends = np.full((2, 9), 0.7)
                units = np.full((2, 9, 2), -1)
                _native.reduce_chords(*(a.astype(dtype) for a in pair), 0, 0, *ends, *units)
                yield ends
                yield units


def lines() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for n_units in BIT_SIZES:
        for z in (rng.normal(size=(200, n_units)), np.round(rng.normal(size=(200, n_units)))):
            yield from _native.line_events(z)
            piece = np.sort(rng.integers(0, 199, 99))
            yield _native.blend_rows(z, piece, rng.random(99))


def dense_lines() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for n_units in (*BIT_SIZES, 43, 95):
        for dtype in (np.float32, np.float64):
            layers = [
                (rng.normal(size=shape).astype(dtype), None, rng.normal(size=shape[1]), slope)
                for shape, slope in (((9, n_units), 0.0), ((n_units, 20), 0.1), ((20, 7), 0.0))
            ]
            for n in (3, 19):  # weights as given, and put in order first
                yield from _native.dense_lines(layers, rng.normal(size=(2 * n, 9)), 10_000)


def pixel_steps(rng: np.random.Generator, n_channels: int, dtype: type) -> list[dict[str, Any]]:
    """Every kind of step of `local_lines`, on 40 pixels."""
    table = np.arange(40)[:, None] + np.arange(-1, 2)
    table[table == 40] = -1
    taps = {"table": table.astype(np.int32)}
    none = {"weights": None, "channel_weights": None, "scale": None, "shift": None}
    relu = {"kinks": [np.zeros(1)], "slopes": [np.full(1, 0.125), np.ones(1)]}
    relu |= {"offsets": [np.zeros(1)] * 2}
    first: Any = rng.normal(size=(6, n_channels)).astype(dtype)
    each = rng.normal(size=(3, n_channels))
    last: dict[str, Any] = {"weights": rng.normal(size=(3 * n_channels, n_channels)).astype(dtype)}
    last |= {"scale": np.full(n_channels, 0.7), "shift": rng.normal(size=40 * n_channels)}
    kinds: list[dict[str, Any]] = [
        {"kind": "windows", **none, **taps, "n_inputs": 2, "weights": first},
        {"kind": "activation", **relu, "layer": 0, "first_state": 0},
        {"kind": "windows", **none, **taps, "n_inputs": n_channels, "channel_weights": each},
        {"kind": "sum", "inputs": [2, 3], "signs": [1.0, -1.0]},
        {"kind": "maximum", **taps, "sign": 1.0},
        {"kind": "windows", **none, **taps, "n_inputs": n_channels, **last},
        {"kind": "activation", **relu, "layer": 1, "first_state": 40 * n_channels},
    ]
    shape = {"n_pixels": 40, "n_channels": n_channels}
    return [{"inputs": [i], "output": i + 1, **shape, **kind} for i, kind in enumerate(kinds)]


def local_lines() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for n_channels in (1, 3, 8, 13):
        for dtype in (np.float32, np.float64):
            steps = pixel_steps(rng, n_channels, dtype)
            ends = rng.normal(size=(2 * 3, 80))
            lines, states = _native.local_lines(steps, 8, 40, ends, 1 << 28, 80 * n_channels)
            yield states
            for _, t, units in lines:
                yield t
                yield units


def planes() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    offsets, corners = np.array([0, 4]), np.arange(4)
    square = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    for n_units in BIT_SIZES[:-4]:
        z = square @ rng.normal(size=(2, n_units)) + rng.normal(size=n_units) / 2
        within = np.full(n_units, 1e-12)
        cut = _native.cut_polygons(z, within, offsets, corners)
        yield from cut
        values = _native.blend_points(z, *cut[:5])
        yield values
        yield _native.polygon_codes(values, within, *cut[5:7])


def dense_planes() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    square = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    for widths, slope, patch_bytes in (
        ((2, 150), 0.1, 1 << 25),
        ((2, 43, 20, 7), 0.1, 1 << 25),
        ((2, 30, 9), 0.1, 4000),
        ((2, 25, 70, 30), 0.0, 1 << 17),
    ):
        layers = [
            (rng.normal(size=shape), None, rng.normal(size=shape[1]), slope)
            for shape in pairwise(widths)
        ]
        plane = _native.dense_plane(layers, square, square, patch_bytes)
        assert plane is not None
        *polygons, codes = plane
        yield from (*polygons, *codes)


def cells() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for d, n_units in ((2, 70), (3, 20), (4, 7)):
        corners, bounds = cube(d)
        rows = np.hstack([corners, corners @ rng.normal(size=(d, n_units))])
        columns, within = np.arange(d, d + n_units), np.full(n_units, 1e-12)
        made = _native.cut_cells(rows, columns, within, bounds, 10**6)
        assert made is not None
        values, lists, *rest = made
        yield from (values, *rest, *(part for pair in lists for part in pair))


def polytopes() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for n, d in ((1, 1), (5, 3), (30, 4), (60, 9), (90, 33)):
        normals = rng.normal(size=(n, d))
        normals /= np.linalg.norm(normals, axis=1)[:, None]
        distances = rng.uniform(0.5, 2, n)
        yield from _native.nonnegative_fit(normals, normals.sum(axis=0) + rng.normal(size=d))
        nothing, everything = np.zeros(n, bool), np.ones(n, bool)
        yield _native.settle_facets(normals, distances, nothing, everything, 1e-10)
        ball = _native.largest_ball(normals, distances, 10.0)
        yield np.zeros(0) if ball is None else np.append(*ball)
        for equal in (-1, n - 1):
            y = _native.nearest_point(normals, distances - 1.2, equal)
            yield np.zeros(0) if y is None else y


def affinities() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for n, d in ((1, 1), (2, 3), (8, 16), (9, 17), (255, 5), (257, 33), (700, 3)):
        for dtype in (np.float32, np.float64):
            z = rng.normal(size=(n, d)).astype(dtype)
            units = rng.permutation(d)[: max(1, d - 1)]
            for labels in (rng.integers(0, 3, n), np.empty(0, np.int64)):
                for scale in (0.2, 3.0):
                    yield _native.affinity_sums(z, units, scale, labels)


CASES: tuple[Callable[[], Iterator[np.ndarray]], ...] = (
    packing,
    regions,
    neighbors,
    graph,
    kmeans,
    logistic,
    large,
    chords,
    lines,
    dense_lines,
    local_lines,
    planes,
    dense_planes,
    cells,
    polytopes,
    affinities,
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
