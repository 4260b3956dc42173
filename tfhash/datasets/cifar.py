"""The files of CIFAR-10 and CIFAR-100: Python pickles of images in rows of 3,072 bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfhash.datasets import files, pickles
from tfhash.datasets.dataset import Dataset, DatasetError, from_pixels
from tfhash.datasets.record import Download, Files

SHAPE = (32, 32, 3)
# What one image is in a batch: its pixels, six characters a byte in the oldest kind of pickle, its
# labels and the name of its file.
_MOST_PER_IMAGE = 6 * 3072 + 256


@dataclass(frozen=True, kw_only=True)
class CifarFiles:
    """The batches of one dataset, and where they are found.

    Attributes
    ----------
    name, title, url : str
        Of the dataset, and where its archive is published.
    folder : str
        The folder that the archive holds.
    train, test : mapping
        By name of a batch, the number of its images.
    labels : str
        Key of the labels in a batch.
    n_classes : int
        Number of classes.
    versions : mapping
        What the dataset is also published as, by a file of it.
    version_folders : tuple of str
        Folders that the other versions come in.
    """

    name: str
    title: str
    url: str
    folder: str
    train: Mapping[str, int]
    test: Mapping[str, int]
    labels: str
    n_classes: int
    versions: Mapping[str, str]
    version_folders: tuple[str, ...]

    def source(self, sha256: str) -> Files:
        """The files of the dataset; `sha256` is the checksum of the published archive."""
        cached = f"{self.folder}-target"
        return Files(
            published=self.folder,
            downloads=(Download(url=self.url, sha256=sha256, cached_as=cached, unpack=True),),
            find=self.find,
            find_named=self.find,
            load=self.load,
            instead=self.other_version,
        )

    def find(self, path: Path) -> Path | None:
        """The folder of batches that `path` names or holds (a batch names its folder), if any."""
        names = [*self.train, *self.test]
        if path.is_file():
            # Batches may have folders of their own.
            own = path.parent.name.removesuffix(".gz") in names
            folders = [path.parent.parent if own else path.parent]
        else:
            # Keras extracts into a folder of its own, named "...-target" in newer versions.
            folders = [path, path / self.folder, path / f"{self.folder}-target" / self.folder]
        for folder in folders:
            if any(_file(folder, name) for name in names):
                return folder
        return None

    def other_version(self, path: Path) -> str:
        """Which other version of the dataset lies where `find` found nothing; empty if none."""
        folder = path.parent if path.is_file() else path
        for place in (folder, *(folder / name for name in self.version_folders)):
            for name, version in self.versions.items():
                if (place / name).is_file():
                    return f"{version} in {place}; the Python version is read: {self.url}"
        return ""

    def load(self, folder: Path) -> Dataset:
        """Read and check the dataset.

        Parameters
        ----------
        folder
            What `find` gave: the folder that holds the batches.

        Raises
        ------
        DatasetError
            A batch is missing, truncated, not what was published, or would run code when read.
        """
        sizes = {**self.train, **self.test}
        paths = {}
        for name in sizes:
            path = _file(folder, name)
            if path is None:
                raise DatasetError(
                    f"Expected a published {self.title} batch ({self.url}) in {folder / name}. "
                    f"Received: No such file. All of {', '.join(sizes)} are needed."
                )
            paths[name] = path
        batches = {name: self.read_batch(path, sizes[name]) for name, path in paths.items()}
        with files.reading(
            f"Expected {self.title} in {folder}.", f"Take the published files again: {self.url}"
        ):
            train = _joined([batches[name] for name in self.train])
            test = _joined([batches[name] for name in self.test])
            return from_pixels(self.name, train, test, n_classes=self.n_classes)

    def read_batch(self, path: Path, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Images uint8 [n, 32, 32, 3] and integer labels [n] of one batch.

        Raises
        ------
        DatasetError
            The file is no batch of `n` images.
        """
        expected = f"Expected a published {self.title} batch ({self.url}) in {path}."
        with files.reading(expected, "Take the published file again."):
            batch = _unpickled(path, n * _MOST_PER_IMAGE + 4096)
            if not isinstance(batch, dict) or not {"data", self.labels} <= batch.keys():
                raise files.Unreadable(f"no dictionary with data and {self.labels}")
            data, labels = batch["data"], batch[self.labels]
            if isinstance(labels, list) and all(isinstance(label, int) for label in labels):
                labels = np.array(labels)
            images = _checked("data", data, np.uint8, (n, 3072))
            return (
                images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1),
                _checked(self.labels, labels, np.integer, (n,)),
            )


def _joined(batches: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def _unpickled(path: Path, most: int) -> Any:
    """What the file pickles, keys of a dictionary as text."""
    content = files.content(path, most)
    # Kinds of pickles that have no mark begin with anything.
    if files.kind(content) not in (None, files.PICKLE) or not content:
        raise files.Unreadable(files.describe(content))
    try:
        value = pickles.loads(content)
    except pickles.Refused as error:
        raise files.Unreadable(f"{error}. It was not read") from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise files.Unreadable(
            f"{files.describe(content)}, {len(content):,} bytes, that cannot be read "
            f"({' '.join(str(error).split())[:200]}); it may be truncated"
        ) from error
    if isinstance(value, dict):
        return {k.decode() if isinstance(k, bytes) else k: v for k, v in value.items()}
    return value


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
