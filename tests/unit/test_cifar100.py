"""CIFAR-100: the published pickles, their fine labels."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from tfhash import datasets
from tfhash.datasets import DatasetError
from tfhash.datasets.record import Files

SIZES = {"train": 50_000, "test": 10_000}
SOURCE = datasets.record("cifar100").source
assert isinstance(SOURCE, Files)
FIND = SOURCE.find


def batch(n: int) -> dict[bytes, object]:
    data = np.zeros((n, 3072), np.uint8)
    data[:, 1024 + 32] = 51  # green of the first pixel in the second row
    return {
        b"filenames": [b"a.png"] * n,
        b"batch_label": b"a batch",
        b"fine_labels": [i % 100 for i in range(n)],
        b"coarse_labels": [i % 20 for i in range(n)],
        b"data": data,
    }


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cifar") / "cifar-100-python"
    folder.mkdir()
    for name, n in SIZES.items():
        (folder / name).write_bytes(pickle.dumps(batch(n), protocol=2))
    (folder / "meta").write_bytes(pickle.dumps({b"fine_label_names": [b"apple"]}, protocol=2))
    return folder


def test_read_as_published(published):
    data, one = datasets.load("cifar100", data_dir=published.parent), datasets.record("cifar100")
    assert (len(data.x_train), len(data.x_test)) == (one.n_train, one.n_test) == (50_000, 10_000)
    assert data.input_shape == one.input_shape == (32, 32, 3) and data.n_classes == 100
    np.testing.assert_array_equal(data.x_test[7, 1, 0], np.float32([0, 0.2, 0]))
    assert np.count_nonzero(data.x_test[7]) == 1
    np.testing.assert_array_equal(data.y_train, np.arange(50_000) % 100)


def test_found_where_keras_and_people_have_it(published, tmp_path):
    target = tmp_path / "datasets" / "cifar-100-python-target" / "cifar-100-python"
    target.parent.mkdir(parents=True)
    target.symlink_to(published)
    assert FIND(tmp_path / "datasets") == target
    assert FIND(published) == FIND(published.parent) == FIND(published / "test") == published
    with pytest.raises(DatasetError, match=r"CIFAR-10 .*a place without it"):
        datasets.load("cifar10", data_dir=published.parent)
    binary = tmp_path / "cifar-100-binary"
    binary.mkdir()
    (binary / "train.bin").touch()
    with pytest.raises(DatasetError, match=r"the binary version in .*the Python version is read"):
        datasets.load("cifar100", data_dir=tmp_path)


@pytest.mark.full
def test_damaged_files_are_named(published, tmp_path):
    (tmp_path / "train").symlink_to(published / "train")
    with pytest.raises(DatasetError, match=r"CIFAR-100 batch.*test.*No such file"):
        datasets.load("cifar100", path=tmp_path)
    good = batch(10_000)
    for content, said in (
        (b"<html>", "web page"),
        (pickle.dumps(good)[:-1], "may be truncated"),
        (pickle.dumps({**good, b"data": good[b"data"][:9]}), r"uint8 \[9, 3072\] in place"),  # type: ignore[index]
        (
            pickle.dumps({b"data": good[b"data"], b"labels": [0]}),
            "no dictionary with data and fine",
        ),
        (pickle.dumps({**good, b"fine_labels": [100] * 10_000}), "from 0 to 99"),
    ):
        (tmp_path / "test").write_bytes(content)
        with pytest.raises(DatasetError, match=said):
            datasets.load("cifar100", path=tmp_path)
