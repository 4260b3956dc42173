"""From a dataset's name, and perhaps a place to look, to the dataset."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

from tfhash.datasets import cifar10, digits, files, mnist
from tfhash.datasets.dataset import Dataset, DatasetError

NAMES = ("digits", "mnist", "cifar10")


def load(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    mnist_path: str | os.PathLike[str] | None = None,
    cifar10_path: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Load a dataset by name.

    Parameters
    ----------
    name
        "digits" (comes with scikit-learn), "mnist" or "cifar10".
    data_dir
        Folder that holds `mnist.npz` (or the IDX files) and `cifar-10-batches-py/`.
    mnist_path, cifar10_path
        The file or folder of that one dataset; goes before `data_dir`. Where neither is given,
        Keras's cache is looked through (`~/.keras/datasets`, or under `KERAS_HOME`), then the
        published file is downloaded there and its SHA-256 checked.

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
    if name == "digits":
        return digits.load()
    if name == "mnist":
        return mnist.load(_locate(mnist, "MNIST", "mnist_path", mnist_path, data_dir))
    if name == "cifar10":
        return cifar10.load(_locate(cifar10, "CIFAR-10", "cifar10_path", cifar10_path, data_dir))
    raise DatasetError(f"Expected a dataset among {', '.join(NAMES)}. Received: {name!r}.")


def _locate(
    module: ModuleType,
    title: str,
    option: str,
    path: str | os.PathLike[str] | None,
    data_dir: str | os.PathLike[str] | None,
) -> Path:
    published = module.FILE if module is mnist else module.FOLDER
    for given_as, given in ((option, path), ("data_dir", data_dir)):
        if given is not None:
            with files.reading(
                f"Expected {title} ({published}) where {given_as} points, {given}.",
                f"Name the file or its folder, or leave {given_as} out to download it.",
            ):
                place = Path(given).expanduser()
                found: Path | None = module.find(place)
                if found is None:
                    raise files.Unreadable(_without(module, place))
            return found
    cache = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "datasets"
    return module.find(cache) or _download(module, title, option, published)


def _without(module: ModuleType, place: Path) -> str:
    """What is there in place of the dataset, as a message says it."""
    if not place.exists():
        return "no such file or folder"
    if module is cifar10 and (version := cifar10.other_version(place)):
        return version
    if place.is_file():
        return files.describe(files.head(place))
    held = files.listed(place) if place.is_dir() else "neither a file nor a folder"
    return f"a place without it ({held or 'an empty folder'})"


def _download(module: ModuleType, title: str, option: str, published: str) -> Path:
    import keras

    try:
        got = keras.utils.get_file(
            fname=published if module is mnist else f"{published}-target",
            origin=module.URL,
            file_hash=module.SHA256,
            extract=module is cifar10,
        )
    except Exception as error:  # network, proxy, disk, hash: get_file raises them all as they come
        raise DatasetError(
            f"Expected to download {title} from {module.URL}. Received: {error}. Get {published} "
            f"by other means and name it with {option}."
        ) from error
    found: Path | None = module.find(Path(got))
    if found is None:
        raise DatasetError(f"Expected {published} in the download {got}. Received: something else.")
    return found
