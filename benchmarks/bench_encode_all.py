"""All 60,000 images of CIFAR-10's size through an untrained ResNet-18 (557,056 units), to a file.

python -m benchmarks.bench_encode_all --folder FOLDER [--images 60000]

Leaves 4.2 GB of codes in the folder. Encoding goes first: what it prints of memory is its own.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np

from benchmarks.bench_encoder import BATCH, peak, resnet18
from benchmarks.harness import HEADER, Row, seconds
from tfhash import Encoder


def run(folder: Path, n: int) -> None:
    """Encode, predict, and print how the two compare."""
    x = np.random.default_rng(0).random((n, 32, 32, 3), np.float32)
    network = resnet18()
    encoder = Encoder(network)
    # What is compiled, and what the framework takes for its first batch, is neither's.
    encoder.encode(x[:BATCH], BATCH)
    network.predict(x[:BATCH], batch_size=BATCH, verbose=0)
    before = peak()
    started = time.perf_counter()
    codes = encoder.encode(x, BATCH, out=folder / f"resnet18_{n}.codes")
    ours = time.perf_counter() - started
    taken = (peak() - before) / 2**30
    print(
        f"encoded in {seconds(ours)}; {taken:.2f} GiB beyond the framework, one batch and the "
        f"images; codes {codes.words.nbytes / 2**30:.2f} GiB, on disk",
        flush=True,
    )
    started = time.perf_counter()
    network.predict(x, batch_size=BATCH, verbose=0)
    theirs = time.perf_counter() - started
    rate = f"{ours / n * 1e3:.1f} ms an image; {os.cpu_count()} processors"
    print(HEADER)
    print(Row(f"encode {n:,} images", "predict of the classes", ours, theirs, 1 / 1.3, rate))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where the codes go")
    parser.add_argument("--images", type=int, default=60_000)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    run(given.folder, given.images)
