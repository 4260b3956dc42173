"""MNIST as published: Keras's `mnist.npz`, or the four IDX files, plain or gzipped."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from pathlib import Path

import numpy as np

from tfhash.datasets.dataset import Dataset, DatasetError, from_pixels

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
    if path.is_file():
        # Any one of the IDX files stands for the folder that holds all four.
        return path.parent if "-ubyte" in path.name else path
    if (path / FILE).is_file():
        return path / FILE
    for folder in (path, path / "mnist", path / "MNIST" / "raw"):
        if any(_idx_path(folder, stem).is_file() for stem in IDX_FILES.values()):
            return folder
    return None


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
    for key, shape in ARRAYS.items():
        if arrays[key].dtype != np.uint8 or arrays[key].shape != shape:
            raise DatasetError(
                f"Expected {key} of MNIST as uint8 {list(shape)} in {path}. "
                f"Received: {arrays[key].dtype} {list(arrays[key].shape)}. Remove it and take the "
                f"published file: {URL}"
            )
    return from_pixels(
        "mnist",
        (arrays["x_train"], arrays["y_train"]),
        (arrays["x_test"], arrays["y_test"]),
        n_classes=10,
    )


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            # A bare .npy file loads as an array, which has no names.
            found = list(getattr(file, "files", []))
            missing = [key for key in ARRAYS if key not in found]
            if not missing:
                return {key: file[key] for key in ARRAYS}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(
            f"Expected the published {FILE} ({', '.join(ARRAYS)}) in {path}. Received: a file "
            f"that cannot be read ({error}); it may be truncated. Remove it and take {URL}"
        ) from error
    raise DatasetError(
        f"Expected the arrays {', '.join(ARRAYS)} in {path}. Received: {', '.join(found) or 'none'}"
        f" ({', '.join(missing)} missing). Name the published {FILE}: {URL}"
    )


def _idx_path(folder: Path, stem: str) -> Path:
    """The file `stem` in `folder`: plain or gzipped, with either of the usual separators."""
    names = [stem, stem + ".gz"]
    names += [name.replace("-idx", ".idx") for name in names]
    return next((folder / n for n in names if (folder / n).is_file()), folder / stem)


def _read_idx_folder(folder: Path) -> dict[str, np.ndarray]:
    return {key: _read_idx(_idx_path(folder, stem)) for key, stem in IDX_FILES.items()}


def _read_idx(path: Path) -> np.ndarray:
    """One IDX file: zero, zero, type (8 = uint8), number of sizes, big-endian sizes, data."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"Expected the IDX file {path.name}[.gz] of MNIST in {path.parent}. Received: "
            f"{error}. All four of {', '.join(IDX_FILES.values())} are needed."
        ) from error
    n_sizes = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    start = 4 + 4 * n_sizes
    if n_sizes == 0 or len(content) < start:
        raise DatasetError(
            f"Expected an IDX file of unsigned bytes in {path}. Received: a file that starts with "
            f"{content[:4].hex(' ') or 'nothing'}. Take the published file again."
        )
    shape = tuple(int(v) for v in np.frombuffer(content[4:start], dtype=">u4"))
    data = np.frombuffer(content, dtype=np.uint8, offset=start)
    if data.size != int(np.prod(shape, dtype=np.int64)):
        raise DatasetError(
            f"Expected {int(np.prod(shape, dtype=np.int64))} bytes of data in {path}, as its head "
            f"says. Received: {data.size}; it may be truncated. Take the published file again."
        )
    return data.reshape(shape)
