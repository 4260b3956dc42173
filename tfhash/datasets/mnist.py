"""MNIST as published: Keras's `mnist.npz`, or the four IDX files, plain or gzipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tfhash.datasets import files, idx, npz
from tfhash.datasets.dataset import Dataset, from_pixels

FILE = "mnist.npz"
URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
ARRAYS = {
    "x_train": (60_000, 28, 28),
    "y_train": (60_000,),
    "x_test": (10_000, 28, 28),
    "y_test": (10_000,),
}
IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def find(path: Path) -> Path | None:
    """The `mnist.npz` or the folder of IDX files that `path` names or holds, if any."""
    if path.is_file() and "-ubyte" not in path.name:
        return path
    if path.is_file():
        # Any one of the IDX files, which may have folders of their own, stands for all four.
        return path.parent.parent if "-ubyte" in path.parent.name else path.parent
    if (path / FILE).is_file():
        return path / FILE
    folders = [path, path / "mnist", path / "MNIST" / "raw"]
    return next((folder for folder in folders if _holds_idx(folder)), None)


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
    arrays = _read_npz(path) if path.is_file() else _read_idx_folder(path)
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


def _holds_idx(folder: Path) -> bool:
    return any(files.find_file(folder, idx.names(stem)) for stem in IDX_FILES.values())


def _read_idx_folder(folder: Path) -> dict[str, np.ndarray]:
    arrays = {}
    for key, stem in IDX_FILES.items():
        path, shape = files.find_file(folder, idx.names(stem)), ARRAYS[key]
        expected = f"Expected the IDX file {stem} of MNIST, unsigned bytes {list(shape)}, in "
        if path is None:
            with files.reading(
                f"{expected}{folder}.", f"All four are needed: {', '.join(IDX_FILES.values())}."
            ):
                raise files.Unreadable("No such file")
        else:
            with files.reading(f"{expected}{path}.", "Take the published file again."):
                arrays[key] = idx.read(path, shape)
    return arrays
