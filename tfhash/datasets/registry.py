"""From a dataset's name, and perhaps a place to look, to the dataset.

A dataset is one module of this package that has a `RECORD`: it is found here by that alone.
"""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from tfhash.datasets import files
from tfhash.datasets.dataset import Dataset, DatasetError
from tfhash.datasets.record import Files, Record
from tfhash.errors import did_you_mean, near_names

V = TypeVar("V")


def _records() -> dict[str, Record]:
    """All records by name: those with values of their own first, small images before large."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent)], "tfhash.datasets.")
    names = [module.name for module in modules if module.name != __name__]
    found = [getattr(import_module(name), "RECORD", None) for name in names]
    records = [record for record in found if isinstance(record, Record)]
    records.sort(key=lambda one: (one.like is not None, one.input_shape, one.n_train, one.name))
    return {record.name: record for record in records}


RECORDS = _records()
NAMES = tuple(RECORDS)


def record(name: str) -> Record:
    """What is known of the dataset `name`.

    Raises
    ------
    DatasetError
        There is none of that name; near ones are named.
    """
    if name not in RECORDS:
        raise DatasetError(
            f"Expected a dataset among {', '.join(NAMES)}. Received: {name!r}."
            + did_you_mean(near_names(name, NAMES))
        )
    return RECORDS[name]


def family(name: str) -> str:
    """The dataset that `name` is like, as its record says; else `name` itself, known or not."""
    return (RECORDS[name].like if name in RECORDS else None) or name


def of_dataset(values: Mapping[str, V], name: str) -> V | None:
    """The value for the dataset `name`; where it has none, that of the dataset it is like.

    None where neither has one.
    """
    return values.get(name, values.get(family(name)))


def load(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    mnist_path: str | os.PathLike[str] | None = None,
    cifar10_path: str | os.PathLike[str] | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Load a dataset by name.

    Parameters
    ----------
    name
        One of `NAMES`. "digits" comes with scikit-learn; the others are files.
    data_dir
        Folder that holds the dataset's files as they are published, among others; or the folder or
        file of this dataset itself. MNIST, Fashion-MNIST and KMNIST call their files alike: the
        folder's name tells which they are, such as `kmnist/` or torchvision's `KMNIST/raw/` in
        `data_dir`, or `data_dir` itself if it is called so. A folder whose name does not tell is
        taken for MNIST's, and refused for the other two.
    path
        The file or folder of this one dataset, whatever it is called; goes before `data_dir`. Where
        neither is given, Keras's cache is looked through (`~/.keras/datasets`, or under
        `KERAS_HOME`), then the published files are downloaded there and their SHA-256 checked.
    mnist_path, cifar10_path
        `path` of these two; ignored where another dataset is asked for.

    Returns
    -------
    Dataset
        float32 images in [0, 1] and int64 labels, in the published order and split.

    Raises
    ------
    DatasetError
        Unknown name; nothing where a path points; a file that is not what was published; a
        download that failed.
    """
    known = record(name)
    if not isinstance(known.source, Files):
        return known.source()
    own = {"mnist": ("mnist_path", mnist_path), "cifar10": ("cifar10_path", cifar10_path)}
    option, own_path = own.get(name, ("path", None))
    if path is not None:
        option, own_path = "path", path
    return known.source.load(_locate(known, known.source, option, own_path, data_dir))


def _locate(
    known: Record,
    source: Files,
    option: str,
    path: str | os.PathLike[str] | None,
    data_dir: str | os.PathLike[str] | None,
) -> Path:
    for given_as, given in ((option, path), ("data_dir", data_dir)):
        if given is not None:
            with files.reading(
                f"Expected {known.title} ({source.published}) where {given_as} points, {given}.",
                f"Name the file or its folder, or leave {given_as} out to download it.",
            ):
                place = Path(given).expanduser()
                named = given_as != "data_dir"
                found = source.find_named(place) if named else source.find(place)
                if found is None:
                    raise files.Unreadable(_without(source, place))
                if not named:
                    _check_name(known, source, found)
            return found
    cache = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "datasets"
    return source.find(cache) or _download(known, source, option)


def _check_name(known: Record, source: Files, found: Path) -> None:
    """Refuse a folder whose name says that it holds another dataset, with files called alike."""
    if source.is_named(found):
        return
    for other in RECORDS.values():
        if isinstance(other.source, Files) and other.source.is_named(found):
            raise files.Unreadable(f"{found}, which is called as {other.title}'s folder is")


def _without(source: Files, place: Path) -> str:
    """What is there in place of the dataset, as a message says it."""
    if not place.exists():
        return "no such file or folder"
    if instead := source.instead(place):
        return instead
    if place.is_file():
        return files.describe(files.head(place))
    held = files.listed(place) if place.is_dir() else "neither a file nor a folder"
    return f"a place without it ({held or 'an empty folder'})"


def _download(known: Record, source: Files, option: str) -> Path:
    for download in source.downloads:
        try:
            got = download.fetch()
        except Exception as error:  # network, proxy, disk, hash: they come as they are raised
            raise DatasetError(
                f"Expected to download {known.title} from {download.url}. Received: {error}. Get "
                f"{source.published} by other means and name it with {option}."
            ) from error
    found = source.find_named(got)
    if found is None:
        raise DatasetError(
            f"Expected {source.published} in the download {got}. Received: something else."
        )
    return found
