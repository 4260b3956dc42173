"""MNIST as published: Keras's `mnist.npz`, or the four IDX files, plain or gzipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tfhash.datasets import files, npz
from tfhash.datasets.dataset import Dataset, from_pixels
from tfhash.datasets.idx import MNIST_FILES, MNIST_SHAPES, IdxFiles
from tfhash.datasets.record import CnnTraining, Download, Files, MlpTraining, Record

FILE = "mnist.npz"
URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
ARRAYS = MNIST_SHAPES
IDX_FILES = MNIST_FILES
_IDX = IdxFiles(title="MNIST", folders=("mnist", "MNIST/raw"))


def find(path: Path) -> Path | None:
    """The `mnist.npz` or the folder of IDX files that `path` names or holds, if any.

    The folder may have any name: it was MNIST's before other datasets called their files as it
    does.
    """
    if path.is_file() and "-ubyte" not in path.name:
        return path
    if (path / FILE).is_file():
        return path / FILE
    return _IDX.find_named(path)


def load(path: Path) -> Dataset:
    """Read and check MNIST.

    Parameters
    ----------
    path
        What `find` gave: `mnist.npz`, or the folder of the IDX files.

    Raises
    ------
    DatasetError
        A file is missing, truncated, or does not hold what was published.
    """
    arrays = _read_npz(path) if path.is_file() else _IDX.read(path)
    with files.reading(f"Expected MNIST in {path}.", f"Take the published file again: {URL}"):
        return from_pixels(
            "mnist",
            (arrays["x_train"], arrays["y_train"]),
            (arrays["x_test"], arrays["y_test"]),
            n_classes=10,
        )


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    arrays = ", ".join(f"{name} {list(shape)}" for name, shape in ARRAYS.items())
    expected = f"Expected the published {FILE} (uint8: {arrays}) in {path}."
    with files.reading(expected, f"Remove it and take {URL}"):
        return npz.read(path, ARRAYS)


RECORD = Record(
    name="mnist",
    title="MNIST",
    input_shape=(28, 28),
    n_classes=10,
    n_train=60_000,
    n_test=10_000,
    source=Files(
        published=FILE,
        downloads=(Download(url=URL, sha256=SHA256, cached_as=FILE),),
        find=find,
        find_named=find,
        load=load,
        is_named=_IDX.is_named,
    ),
    mlp=MlpTraining(
        depth=1,
        widths=(
            *(3, 7, 10, 15, 20, 23, 27, 30, 33, 37, 40, 43),
            *(47, 50, 53, 57, 60, 65, 70, 75, 80, 90, 100),
        ),
        repeats=5,
        epochs=2000,
        batch_size=128,
        # The paper does not give it: 0.001 reproduces its curves, 0.01 does not.
        learning_rate=0.001,
    ),
    cnn=CnnTraining(optimizer="adam", epochs=500, batch_size=128, decay_every=100.0),
    sample_sizes=(
        *(10, 30, 60, 100, 300, 600, 1000, 2000, 3000, 6000, 10000, 20000, 30000, 60000),
    ),
)
