"""Presses Ctrl-C while each kernel is at work and prints how long it took to end, in seconds.

`test_interrupts.py` runs it. Each piece of work takes many seconds if nobody stops it; a line
says "done" where it ended by itself.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from reference import cube
from tfhash import _native

RNG = np.random.default_rng(0)
PRESSED_AFTER = 0.4  # seconds


def words(n, n_bits):
    found = RNG.integers(0, 2**63, (n, -(-n_bits // 64)), np.uint64)
    if n_bits % 64:
        found[:, -1] &= np.uint64(2 ** (n_bits % 64) - 1)
    return found


def knn():
    codes = words(200_000, 512)
    return lambda: _native.hamming_knn(codes, codes, 512, 9)


def kmeans_many_starts():
    codes, draws = words(1000, 64), RNG.random((100_000, 1 + 9 * 4))
    return lambda: _native.kmeans(codes, 64, 10, draws, 300, 1e-4, 1 << 28)


def kmeans_many_clusters():
    codes, draws = words(20_000, 64), RNG.random((1, 1 + 19_999 * 2))
    return lambda: _native.kmeans(codes, 64, 20_000, draws, 300, 1e-4, 1 << 28)


def kmeans_one_block():
    # One block of codes, the starts chosen at once: what lasts is to find the nearest of centers.
    codes, centers = words(500, 40_000), RNG.random((800, 40_000))
    return lambda: _native.kmeans_assign(codes, 40_000, centers, np.empty(500, np.int32))


def logistic_many_classes():
    codes, labels = words(5000, 8), (np.arange(5000) % 1500).astype(np.int32)
    return lambda: _native.fit_one_vs_one(codes, 8, labels, 1500, 1.0, 1e-9, 1000, False)


def logistic_wide():
    codes, labels = words(3000, 4096), (np.arange(3000) % 500).astype(np.int32)
    return lambda: _native.fit_one_vs_one(codes, 4096, labels, 500, 1.0, 1e-4, 1000, True)


def logistic_two_classes():
    # A few classes of many codes: one solver at a time, serial but for the products.
    codes, labels = words(100_000, 2048), (np.arange(100_000) % 2).astype(np.int32)
    return lambda: _native.fit_one_vs_one(codes, 2048, labels, 2, 1.0, 1e-12, 1000, True)


def votes():
    weights, intercepts = RNG.normal(size=(2, 124_750, 64))
    codes = words(50_000, 64)
    intercepts = intercepts[:, 0].copy()
    return lambda: _native.class_votes(codes, 64, weights, intercepts, 500)


def dense_lines():
    widths = (30, *[2000] * 6)
    layers = [
        (RNG.normal(size=shape) / shape[0] ** 0.5, None, RNG.normal(size=shape[1]), 0.0)
        for shape in pairwise(widths)
    ]
    ends = 30 * RNG.normal(size=(2, 30))
    return lambda: _native.dense_lines(layers, ends, 1 << 40)


def local_lines():
    table = np.arange(64, dtype=np.int32)[None].repeat(64, axis=0)  # every pixel from every one
    steps = []
    for layer in range(3):
        common: dict[str, Any] = {"n_pixels": 64, "n_channels": 64}
        weights = RNG.normal(size=(64 * (64 if layer else 1), 64)) / 45
        given: dict[str, Any] = {
            "table": table,
            "n_inputs": 64 if layer else 1,
            "channel_weights": None,
        }
        given |= {"weights": weights, "scale": None, "shift": None}
        at = 2 * layer
        steps.append({"kind": "windows", "inputs": [at], "output": at + 1, **common, **given})
        bends: dict[str, Any] = {"kinks": [np.zeros(1)], "slopes": [np.zeros(1), np.ones(1)]}
        bends |= {"offsets": [np.zeros(1)] * 2, "layer": layer, "first_state": layer * 4096}
        steps.append(
            {"kind": "activation", "inputs": [at + 1], "output": at + 2, **common, **bends}
        )
    ends = 10 * RNG.normal(size=(120, 64))  # 60 lines
    return lambda: _native.local_lines(steps, 7, 64, ends, 1 << 60, 3 * 4096)


def planes():
    square = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    z = square @ RNG.normal(size=(2, 1000)) + RNG.normal(size=1000) / 4
    offsets, corners = np.array([0, 4]), np.arange(4)
    return lambda: _native.cut_polygons(z, np.full(1000, 1e-12), offsets, corners)


def dense_planes():
    square = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    layers = [(RNG.normal(size=(2, 4000)), None, RNG.normal(size=4000) / 4, 0.0)]
    return lambda: _native.dense_plane(layers, square, square, 1 << 25)


def cells():
    corners, bounds = cube(4)
    rows = corners @ RNG.normal(size=(4, 120)) + RNG.normal(size=120) / 4
    return lambda: _native.cut_cells(rows, np.arange(120), np.full(120, 1e-12), bounds, 10**9)


CASES: tuple[Callable[[], Callable[[], object]], ...] = (
    knn,
    kmeans_many_starts,
    kmeans_many_clusters,
    kmeans_one_block,
    logistic_many_classes,
    logistic_wide,
    logistic_two_classes,
    votes,
    dense_lines,
    local_lines,
    planes,
    dense_planes,
    cells,
)


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for case in CASES:
        work = case()
        pressed = [0.0]

        def press(pressed=pressed):
            time.sleep(PRESSED_AFTER)
            pressed[0] = time.monotonic()
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=press)
        thread.start()
        try:
            work()
            result = "done"
        except KeyboardInterrupt:
            result = f"{time.monotonic() - pressed[0]:.3f}"
        try:
            thread.join()
        except KeyboardInterrupt:
            thread.join()
        print(case.__name__, result, flush=True)


if __name__ == "__main__":
    main()
