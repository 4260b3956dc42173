"""CIFAR-10 as published: the folder `cifar-10-batches-py` of Python pickles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tfhash.datasets import files, pickles
from tfhash.datasets.dataset import Dataset, DatasetError, from_pixels

FOLDER = "cifar-10-batches-py"
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
TRAIN_FILES = [f"data_batch_{i}" for i in range(1, 6)]
TEST_FILE = "test_batch"
PER_FILE = 10_000
# What one image is in a batch: its pixels, six characters a byte in the oldest kind of pickle, its
# label and the name of its file.
_MOST_PER_IMAGE = 6 * 3072 + 256
# What the dataset is also published as, by a file of it.
_OTHER_VERSIONS = {
    "data_batch_1.bin": "the binary version",
    "data_batch_1.mat": "the MATLAB version",
}


def find(path: Path) -> Path | None:
    """The folder of batches that `path` names or holds (a batch names its folder), if any."""
    names = [*TRAIN_FILES, TEST_FILE]
    if path.is_file():
        # Batches may have folders of their own.
        own = path.parent.name.removesuffix(".gz") in names
        folders = [path.parent.parent if own else path.parent]
    else:
        # Keras extracts into a folder of its own, named "...-target" in newer versions.
        folders = [path, path / FOLDER, path / f"{FOLDER}-target" / FOLDER]
    for folder in folders:
        if any(_file(folder, name) for name in names):
            return folder
    return None


def other_version(path: Path) -> str:
    """Which other version of the dataset lies where `find` found nothing; empty if none."""
    folder = path.parent if path.is_file() else path
    for place in (folder, folder / "cifar-10-batches-bin", folder / "cifar-10-batches-mat"):
        for name, version in _OTHER_VERSIONS.items():
            if (place / name).is_file():
                return f"{version} in {place}; the Python version is read: {URL}"
    return ""


def load(folder: Path) -> Dataset:
    """Read and check CIFAR-10.

    Parameters
    ----------
    folder
        What `find` gave: the folder that holds the six batches.

    Raises
    ------
    DatasetError
        A batch is missing, truncated, not what was published, or would run code when read.
    """
    names = [*TRAIN_FILES, TEST_FILE]
    paths = [_file(folder, name) for name in names]
    for name, path in zip(names, paths, strict=True):
        if path is None:
            raise DatasetError(
                f"Expected a published CIFAR-10 batch ({URL}) in {folder / name}. Received: No "
                f"such file. All of {', '.join(names)} are needed."
            )
    *batches, test = [read_batch(path, PER_FILE) for path in paths if path is not None]
    with files.reading(f"Expected CIFAR-10 in {folder}.", f"Take the published files again: {URL}"):
        return from_pixels(
            "cifar10",
            (np.concatenate([x for x, _ in batches]), np.concatenate([y for _, y in batches])),
            test,
            n_classes=10,
        )


def read_batch(path: Path, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, 32, 32, 3] and integer labels [n] of one batch.

    Raises
    ------
    DatasetError
        The file is no batch of `n` images.
    """
    expected = f"Expected a published CIFAR-10 batch ({URL}) in {path}."
    with files.reading(expected, "Take the published file again."):
        content = files.content(path, n * _MOST_PER_IMAGE + 4096)
        # Kinds of pickles that have no mark begin with anything.
        if files.kind(content) not in (None, files.PICKLE) or not content:
            raise files.Unreadable(files.describe(content))
        try:
            batch = pickles.loads(content)
        except pickles.Refused as error:
            raise files.Unreadable(f"{error}. It was not read") from error
        except Exception as error:  # a damaged pickle can raise nearly anything
            raise files.Unreadable(
                f"{files.describe(content)}, {len(content):,} bytes, that cannot be read "
                f"({' '.join(str(error).split())[:200]}); it may be truncated"
            ) from error
        if isinstance(batch, dict):
            batch = {k.decode() if isinstance(k, bytes) else k: v for k, v in batch.items()}
        if not isinstance(batch, dict) or not {"data", "labels"} <= batch.keys():
            raise files.Unreadable("no dictionary with data and labels")
        data, labels = batch["data"], batch["labels"]
        if isinstance(labels, list) and all(isinstance(label, int) for label in labels):
            labels = np.array(labels)
        images = _checked("data", data, np.uint8, (n, 3072))
        return (
            images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1),
            _checked("labels", labels, np.integer, (n,)),
        )


def _checked(what: str, value: Any, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = value.value if isinstance(value, pickles.PickledArray) else value
    if not isinstance(array, np.ndarray):
        got = f"a {type(value).__name__}"
    elif np.issubdtype(array.dtype, dtype) and array.shape == shape:
        return array
    else:
        got = f"{array.dtype} {list(array.shape)}"
    raise files.Unreadable(f"{what} that are {got} in place of {dtype.__name__} {list(shape)}")


def _file(folder: Path, name: str) -> Path | None:
    return files.find_file(folder, [name, f"{name}.gz"])
