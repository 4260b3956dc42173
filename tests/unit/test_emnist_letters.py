"""EMNIST's letters: the published files, which hold images on their side and labels from 1."""

import struct
from pathlib import Path

import numpy as np
import pytest

from tfhash import datasets
from tfhash.datasets import DatasetError, emnist_letters
from tfhash.datasets.record import Files

SOURCE = datasets.record("emnist_letters").source
assert isinstance(SOURCE, Files)
FIND = SOURCE.find
TRAIN_LABELS = "emnist-letters-train-labels-idx1-ubyte"


def write(path: Path, array: np.ndarray) -> None:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(head + array.tobytes())


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the archive; of each image one pixel is white, in column 3 of row 20."""
    folder = tmp_path_factory.mktemp("emnist") / "gzip"
    folder.mkdir()
    for split, n in (("train", 124_800), ("test", 20_800)):
        upright = np.zeros((n, 28, 28), np.uint8)
        upright[:, 20, 3] = 255
        stored = np.ascontiguousarray(upright.transpose(0, 2, 1))
        labels = (np.arange(n) % 26 + 1).astype(np.uint8)
        write(folder / f"emnist-letters-{split}-images-idx3-ubyte", stored)
        write(folder / f"emnist-letters-{split}-labels-idx1-ubyte", labels)
    return folder


def test_images_are_put_upright_and_labels_begin_at_zero(published):
    data = datasets.load("emnist_letters", data_dir=published.parent)
    assert data.x_train.shape == (124_800, 28, 28) and data.x_test.shape == (20_800, 28, 28)
    assert data.n_classes == 26 and data.input_shape == (28, 28)
    assert data.x_train[:, 20, 3].min() == 1 and data.x_test[:, 20, 3].min() == 1
    assert data.x_test.sum() == 20_800  # and nothing anywhere else
    np.testing.assert_array_equal(data.y_train, np.arange(124_800) % 26)
    assert data.y_test.dtype == np.int64 and data.y_test.max() == 25


def test_found_under_the_names_that_tell(published, tmp_path):
    """Other parts of EMNIST lie beside it; its files' names tell, whatever the folder is called."""
    for folder in ("emnist/gzip", "EMNIST/raw", "gzip", "."):
        here = tmp_path / "root" / folder
        here.mkdir(parents=True, exist_ok=True)
        (here / "emnist-digits-train-labels-idx1-ubyte").touch()
        file = here / TRAIN_LABELS
        file.symlink_to(published / TRAIN_LABELS)
        assert FIND(here) == FIND(file) == here
        assert FIND(tmp_path / "root") == here
        file.unlink()
    assert FIND(tmp_path / "root") is None
    with pytest.raises(DatasetError, match=r"emnist-letters-train-images.*a place without it"):
        datasets.load("emnist_letters", data_dir=tmp_path / "root")


def test_damaged_files_are_named(published, tmp_path):
    for file in published.iterdir():
        (tmp_path / file.name).symlink_to(file)
    labels = tmp_path / TRAIN_LABELS
    labels.unlink()
    with pytest.raises(DatasetError, match=rf"{TRAIN_LABELS}.*No such file.*All four"):
        datasets.load("emnist_letters", path=tmp_path)
    labels.write_bytes(b"\0\0\x0b\x01" + bytes(124_804))
    with pytest.raises(DatasetError, match=rf"{TRAIN_LABELS}.*Received: an IDX file of 16-bit"):
        datasets.load("emnist_letters", path=tmp_path)
    for low, high in ((0, 25), (1, 27)):
        array = np.ones(124_800, np.uint8)
        array[:2] = low, high
        write(labels, array)
        with pytest.raises(DatasetError, match=f"labels from {low} to {high} in place of 1 to 26"):
            emnist_letters.load(tmp_path)
