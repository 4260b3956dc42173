"""IDX files, the format of MNIST and of the datasets that are laid out as it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from tfhash.datasets import files
from tfhash.datasets.dataset import Dataset, from_pixels
from tfhash.datasets.files import Unreadable
from tfhash.datasets.record import Download, Files

# What MNIST's four files are called, and those of Fashion-MNIST and KMNIST likewise.
MNIST_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
MNIST_SHAPES = {
    "x_train": (60_000, 28, 28),
    "y_train": (60_000,),
    "x_test": (10_000, 28, 28),
    "y_test": (10_000,),
}


@dataclass(frozen=True, kw_only=True)
class IdxFiles:
    """The four IDX files of one dataset, and the folders that they are found in.

    Several datasets call their files as MNIST does. The name of the folder tells them apart: one of
    `folders` inside of the place that is looked through, or that place itself if it is called so
    (in upper or lower case, with "-", "_" or nothing between words).

    Attributes
    ----------
    title : str
        What messages call the dataset.
    folders : tuple of str
        Folders that hold the files, relative to the place that is looked through.
    stems : mapping
        Names of the files of x_train, y_train, x_test and y_test, without ".gz".
    shapes : mapping
        Shapes of the four arrays.
    own_names : bool
        Whether the files' names tell the dataset, so that they may lie in any folder.
    """

    title: str
    folders: tuple[str, ...]
    stems: Mapping[str, str] = field(default_factory=MNIST_FILES.copy)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=MNIST_SHAPES.copy)
    own_names: bool = False

    def find(self, path: Path) -> Path | None:
        """The folder of the files where `path` (a folder, or one of them) tells that it is."""
        here = self.find_named(path)
        inside = [path / folder for folder in self.folders]
        if here is not None and (self.own_names or here in inside or self.is_named(here)):
            return here
        return next((folder for folder in inside if self._is_in(folder)), None)

    def find_named(self, path: Path) -> Path | None:
        """The folder of the files that `path`, which is said to be this dataset, is or holds."""
        if path.is_file():
            # Any one of the files, which may have folders of their own, stands for all four.
            folder = path.parent.parent if "-ubyte" in path.parent.name else path.parent
            return folder if "-ubyte" in path.name and self._is_in(folder) else None
        folders = [path, *(path / folder for folder in self.folders)]
        return next((folder for folder in folders if self._is_in(folder)), None)

    def source(
        self, name: str, n_classes: int, url: str, cached_in: str, sha256: Mapping[str, str]
    ) -> Files:
        """The files of the dataset `name`, which is read as it is published.

        Parameters
        ----------
        name, n_classes
            As for `dataset`.
        url : str
            What the names of the gzipped files are appended to.
        cached_in : str
            Folder in Keras's cache.
        sha256 : mapping
            The checksum of each gzipped file, by its name without ".gz".
        """
        return Files(
            published=f"its four IDX files, in a folder {self.folders[0]}",
            downloads=tuple(
                Download(url=f"{url}{stem}.gz", sha256=each, cached_as=f"{cached_in}/{stem}.gz")
                for stem, each in sha256.items()
            ),
            find=self.find,
            find_named=self.find_named,
            load=partial(self.dataset, name, n_classes),
            instead=self.instead,
            is_named=self.is_named,
        )

    def read(self, folder: Path) -> dict[str, np.ndarray]:
        """The four arrays, uint8 of the published shapes.

        Raises
        ------
        DatasetError
            A file is missing, truncated, or not what was published.
        """
        arrays = {}
        for key, stem in self.stems.items():
            path, shape = files.find_file(folder, names(stem)), self.shapes[key]
            expected = (
                f"Expected the IDX file {stem} of {self.title}, unsigned bytes {list(shape)}, in "
            )
            if path is None:
                with files.reading(
                    f"{expected}{folder}.",
                    f"All four are needed: {', '.join(self.stems.values())}.",
                ):
                    raise Unreadable("No such file")
            else:
                with files.reading(f"{expected}{path}.", "Take the published file again."):
                    arrays[key] = read(path, shape)
        return arrays

    def dataset(self, name: str, n_classes: int, folder: Path) -> Dataset:
        """The dataset `name`, from whole-number pixels and labels 0 to `n_classes` - 1.

        Raises
        ------
        DatasetError
            A file is missing, truncated, or does not hold what was published.
        """
        arrays = self.read(folder)
        with files.reading(
            f"Expected {self.title} in {folder}.", "Take the published files again."
        ):
            return from_pixels(
                name,
                (arrays["x_train"], arrays["y_train"]),
                (arrays["x_test"], arrays["y_test"]),
                n_classes=n_classes,
            )

    def instead(self, path: Path) -> str:
        """That IDX files lie in a place whose name does not tell the dataset; "" if none do."""
        here = self.find_named(path)
        if here is None:
            return ""
        return (
            f"IDX files in {here}, whose name does not tell which dataset they are (several call "
            f"their files alike). Call their folder {self.folders[0]}"
        )

    def _is_in(self, folder: Path) -> bool:
        return any(files.find_file(folder, names(stem)) for stem in self.stems.values())

    def is_named(self, folder: Path) -> bool:
        """Whether the path of `folder` ends as one of `folders`."""
        parts = [_plain(part) for part in folder.resolve().parts]
        for known in self.folders:
            end = [_plain(part) for part in Path(known).parts]
            if parts[-len(end) :] == end:
                return True
        return False


def names(stem: str) -> list[str]:
    """What the file `stem` is called where people have it: plain or gzipped, "-idx" or ".idx"."""
    stems = [stem, stem.replace("-idx", ".idx")]
    return [name for each in stems for name in (each, f"{each}.gz")]


def read(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The unsigned bytes of one IDX file, gzipped or not, as uint8 of `shape`.

    Raises
    ------
    Unreadable
        The file is no such array, or is cut off.
    OSError
        The file cannot be read.
    """
    start = 4 + 4 * len(shape)
    expected = start + math.prod(shape)
    content = files.content(path, expected)
    if files.kind(content) != files.IDX or content[2] != 8 or files.idx_sizes(content) != shape:
        raise Unreadable(files.describe(content))
    if len(content) < expected:
        raise Unreadable(
            f"{files.describe(content)} of which {len(content) - start:,} bytes are there: it is "
            "truncated"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
