"""Datasets of IDX files: the published layouts are read, and told apart by their folders."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from tfhash import datasets
from tfhash.datasets import DatasetError, idx
from tfhash.datasets.record import Files


def files_of(name: str) -> Files:
    source = datasets.record(name).source
    assert isinstance(source, Files)
    return source


def write_idx(path: Path, array: np.ndarray) -> None:
    content = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    content += array.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MNIST's four files, zero but for what the tests look at."""
    folder = tmp_path_factory.mktemp("published")
    for key, stem in idx.MNIST_FILES.items():
        array = np.zeros(idx.MNIST_SHAPES[key], np.uint8)
        if array.ndim == 3:
            array[0, 1, 2] = 51
        else:
            array[:] = np.arange(len(array)) % 10
        write_idx(folder / f"{stem}.gz", array)
    return folder


def links(published: Path, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for file in published.iterdir():
        (folder / file.name).symlink_to(file)
    return folder


# Where each is found, in a folder of all datasets.
FOLDERS = {
    "fashion_mnist": ("fashion-mnist", "fashion_mnist", "FashionMNIST/raw"),
    "kmnist": ("kmnist", "KMNIST/raw"),
}
CASES = [(name, folder) for name, folders in FOLDERS.items() for folder in folders]


@pytest.mark.parametrize(("name", "folder"), CASES)
def test_found_by_the_name_of_the_folder(published, tmp_path, name, folder):
    here = links(published, tmp_path / folder)
    links(published, tmp_path / "mnist")  # beside it, with files called alike
    source = files_of(name)
    file = here / "t10k-labels-idx1-ubyte.gz"
    assert source.find(tmp_path) == source.find(here) == source.find(file) == here


@pytest.mark.parametrize("name", FOLDERS)
def test_read_as_published_from_the_cache_of_keras(published, tmp_path, monkeypatch, name):
    links(published, tmp_path / "datasets" / FOLDERS[name][0])
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    data, one = datasets.load(name), datasets.record(name)
    assert (data.name, data.n_classes, data.input_shape) == (name, 10, (28, 28))
    assert (len(data.x_train), len(data.x_test)) == (one.n_train, one.n_test) == (60_000, 10_000)
    assert data.x_train[0, 1, 2] == data.x_test[0, 1, 2] == np.float32(0.2)
    assert data.x_train.sum() == np.float32(0.2)
    np.testing.assert_array_equal(data.y_test[:11], [*range(10), 0])


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_of_another_name_is_no_answer(published, tmp_path, name):
    """MNIST's files would be read as this dataset's, were it not for the folder's name."""
    plain = links(published, tmp_path / "plain")
    with pytest.raises(DatasetError, match=rf"does not tell.*Call their folder {FOLDERS[name][0]}"):
        datasets.load(name, data_dir=plain)
    assert files_of(name).find_named(plain) == plain  # `path` says so
    assert files_of("mnist").find(plain) == plain
    for folder in FOLDERS[name]:
        here = links(published, tmp_path / "all" / folder)
        with pytest.raises(DatasetError, match=f"called as {datasets.record(name).title}'s"):
            datasets.load("mnist", data_dir=here)


@pytest.mark.full
@pytest.mark.parametrize("name", FOLDERS)
def test_damaged_files_are_named(published, tmp_path, name):
    here = links(published, tmp_path / FOLDERS[name][0])
    labels = here / "train-labels-idx1-ubyte.gz"
    labels.unlink()
    with pytest.raises(DatasetError, match=r"train-labels.*No such file.*All four"):
        datasets.load(name, data_dir=tmp_path)
    for content, said in (
        (b"\0\0\x0d\x01" + bytes(60_004), "32-bit floats"),
        (b"<html>", "web page"),
        (b"\0\0\x08\x01" + struct.pack(">I", 60_000) + bytes(9), "9 bytes are there"),
    ):
        labels.write_bytes(content)
        with pytest.raises(DatasetError, match=rf"Expected the IDX file train-labels.*{said}"):
            datasets.load(name, path=here)
    labels.unlink()
    write_idx(labels, np.full(60_000, 10, np.uint8))
    with pytest.raises(DatasetError, match=r"from 0 to 9\. Received: 10 to 10"):
        datasets.load(name, path=here)


@pytest.mark.parametrize("name", FOLDERS)
def test_downloads_are_checked(tmp_path, monkeypatch, name):
    import keras

    asked = []

    def refuse(**given):
        asked.append(given)
        raise OSError("no route to host")

    monkeypatch.setattr(keras.utils, "get_file", refuse)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(DatasetError, match=r"no route to host.*name it with path"):
        datasets.load(name)
    assert len(asked[0]["file_hash"]) == 64 and asked[0]["cache_subdir"].startswith("datasets")
