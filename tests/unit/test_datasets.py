"""Datasets: published layouts are read, everything else is refused with one clear error."""

import gzip
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from tfhash import datasets
from tfhash.datasets import DatasetError, cifar10, mnist
from tfhash.datasets.record import Files

TRUE_DATA = os.environ.get("TFHASH_DATA_DIR")
needs_data = pytest.mark.skipif(
    TRUE_DATA is None, reason="TFHASH_DATA_DIR does not name a folder with the real datasets"
)


def mnist_arrays() -> dict[str, np.ndarray]:
    """Arrays of the published shapes, with one pixel per image that says which image it is."""
    arrays: dict[str, np.ndarray] = {}
    for split, n in (("train", 60_000), ("test", 10_000)):
        x = np.zeros((n, 28, 28), np.uint8)
        x[:, 0, 0] = np.arange(n) % 256
        arrays[f"x_{split}"], arrays[f"y_{split}"] = x, (np.arange(n) % 10).astype(np.uint8)
    return arrays


@pytest.fixture(scope="session")
def mnist_npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mnist") / "mnist.npz"
    np.savez_compressed(path, **mnist_arrays())
    return path


def write_idx(path: Path, array: np.ndarray) -> None:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    content = head + array.tobytes()
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)


def cifar_batch(seed: int = 0) -> dict[bytes, object]:
    data = np.zeros((10_000, 3072), np.uint8)
    data[:, 0] = seed  # red of the first pixel
    data[:, 1024] = 200  # green of the first pixel
    data[:, 1] = 100  # red of the second pixel
    return {
        b"batch_label": b"a batch",
        b"labels": [i % 10 for i in range(10_000)],
        b"data": data,
        b"filenames": [b"a.png", b"b.png"],
    }


@pytest.fixture(scope="session")
def whole_cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cifar")
    for i, name in enumerate([*cifar10.TRAIN_FILES, cifar10.TEST_FILE]):
        (folder / name).write_bytes(pickle.dumps(cifar_batch(i), protocol=4))
    return folder


@pytest.fixture
def cifar_folder(whole_cifar: Path, tmp_path: Path) -> Path:
    """A published folder of links: replace a file with `put`, never write through it."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for file in whole_cifar.iterdir():
        (folder / file.name).symlink_to(file)
    return folder


def put(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def test_digits():
    data = datasets.load("digits")
    assert data.x_train.shape[1:] == data.x_test.shape[1:] == data.input_shape == (8, 8)
    assert len(data.x_train) + len(data.x_test) == 1797
    assert data.x_train.dtype == np.float32 and data.x_train.max() == 1.0
    share = np.bincount(data.y_test) / (np.bincount(data.y_train) + np.bincount(data.y_test))
    assert np.all(np.abs(share - 0.2) < 0.01)
    np.testing.assert_array_equal(data.x_test, datasets.load("digits").x_test)
    with pytest.raises(ValueError, match="read-only"):
        data.x_train[0] = 0


def test_hold_out_and_subset():
    data = datasets.load("digits")
    held = data.hold_out(0.2)
    assert len(held.x_train) == len(held.y_train) == round(len(data.x_train) * 0.8)
    np.testing.assert_array_equal(held.x_train, data.x_train[: len(held.x_train)])
    np.testing.assert_array_equal(held.x_test, data.x_test)
    x, y = data.held_out(0.2)
    np.testing.assert_array_equal(np.concatenate([held.x_train, x]), data.x_train)
    np.testing.assert_array_equal(np.concatenate([held.y_train, y]), data.y_train)
    assert len(data.held_out(0.0)[0]) == 0
    for fraction in (-0.5, 1.0, 1.5, float("nan")):
        with pytest.raises(DatasetError, match=r"in \[0, 1\) to hold out"):
            data.hold_out(fraction)
    small, again, other = data.subset(50, 1), data.subset(50, 1), data.subset(50, 2)
    np.testing.assert_array_equal(small.x_train, again.x_train)
    assert not np.array_equal(small.x_train, other.x_train)
    assert len({image.tobytes() for image in small.x_train}) == 50
    for n in (0, len(data.x_train) + 1):
        with pytest.raises(DatasetError, match=f"sample size from 1 to {len(data.x_train)}"):
            data.subset(n, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_train": np.zeros((4, 8, 8))}, "float32"),
        ({"x_train": np.full((4, 8, 8), 2, np.float32)}, r"in \[0, 1\]"),
        ({"x_train": np.full((4, 8, 8), np.nan, np.float32)}, r"in \[0, 1\]"),
        ({"y_train": np.zeros(3, np.int64)}, r"int64 \[4\]"),
        ({"y_train": np.full(4, 7)}, "from 0 to 1"),
        ({"x_test": np.zeros((4, 9, 9), np.float32)}, "one shape"),
    ],
)
def test_dataset_checks_its_arrays(change, message):
    arrays = {
        "x_train": np.zeros((4, 8, 8), np.float32),
        "y_train": np.zeros(4, np.int64),
        "x_test": np.zeros((4, 8, 8), np.float32),
        "y_test": np.zeros(4, np.int64),
    }
    datasets.Dataset("mine", **arrays, n_classes=2)
    with pytest.raises(DatasetError, match=message):
        datasets.Dataset("mine", **{**arrays, **change}, n_classes=2)


def test_unknown_name_lists_the_known():
    with pytest.raises(DatasetError, match=r"digits, mnist, cifar10.*'minst'.*mean mnist"):
        datasets.load("minst")


@pytest.mark.parametrize("name", datasets.NAMES)
def test_records_are_whole(name):
    """What a record says fits together, and what it is like has values of its own."""
    one = datasets.record(name)
    assert one.name == name and one.title and one.n_classes > 1
    assert list(one.sample_sizes) == sorted(set(one.sample_sizes))
    assert one.sample_sizes[-1] <= one.n_train and list(one.mlp.widths) == sorted(one.mlp.widths)
    assert datasets.record(datasets.family(name)).like is None
    assert datasets.of_dataset({datasets.family(name): 1}, name) == 1
    assert datasets.of_dataset({datasets.family(name): 1, name: 2}, name) == 2
    assert datasets.of_dataset({}, name) is None


def test_records_say_what_is_read(mnist_npz):
    for name, folder in (("digits", None), ("mnist", mnist_npz.parent)):
        one, data = datasets.record(name), datasets.load(name, data_dir=folder)
        assert (len(data.x_train), len(data.x_test)) == (one.n_train, one.n_test)
        assert (data.input_shape, data.n_classes) == (one.input_shape, one.n_classes)


def test_names_that_nobody_registered():
    """Runs of datasets of one's own have no record: their name stands for itself."""
    assert datasets.family("mine") == "mine"
    assert datasets.of_dataset({"mnist": 1}, "mine") is None


def test_mnist_npz(mnist_npz):
    assert mnist.find(mnist_npz) == mnist.find(mnist_npz.parent) == mnist_npz
    data = datasets.load("mnist", data_dir=str(mnist_npz.parent))
    assert data.x_train.shape == (60_000, 28, 28) and data.x_test.shape == (10_000, 28, 28)
    assert data.x_train[255, 0, 0] == 1.0 and data.x_train[51, 0, 0] == np.float32(0.2)
    np.testing.assert_array_equal(data.y_test[:11], [*range(10), 0])


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_idx(tmp_path, suffix):
    arrays = mnist_arrays()
    for key, stem in mnist.IDX_FILES.items():
        write_idx(tmp_path / (stem + suffix), arrays[key])
    assert mnist.find(tmp_path / (mnist.IDX_FILES["x_train"] + suffix)) == tmp_path
    data = datasets.load("mnist", mnist_path=tmp_path)
    np.testing.assert_array_equal(data.y_train, arrays["y_train"])
    assert isinstance(mnist.RECORD.source, Files)
    assert mnist.RECORD.source.find(tmp_path) == tmp_path
    assert data.x_test[51, 0, 0] == np.float32(0.2)
    images = tmp_path / (mnist.IDX_FILES["x_test"] + suffix)
    whole = images.read_bytes()
    images.write_bytes(whole[:-100])
    with pytest.raises(DatasetError, match="t10k-images"):
        datasets.load("mnist", data_dir=tmp_path)
    images.write_bytes(b"\0\0\x0d\x03" + whole[4:])
    with pytest.raises(DatasetError, match="t10k-images"):
        datasets.load("mnist", data_dir=tmp_path)
    images.unlink()
    with pytest.raises(DatasetError, match=r"t10k-images.*All four"):
        datasets.load("mnist", data_dir=tmp_path)


@pytest.mark.parametrize("keep", [0, 3, 1000, 0.5, -1])
def test_truncated_npz(mnist_npz, tmp_path, keep):
    content = mnist_npz.read_bytes()
    length = int(len(content) * keep) if isinstance(keep, float) else keep
    path = tmp_path / "mnist.npz"
    path.write_bytes(content[:length])
    with pytest.raises(DatasetError, match=r"may be truncated.*storage.googleapis.com"):
        datasets.load("mnist", mnist_path=path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_train": np.zeros((60_000, 28, 27), np.uint8)}, r"uint8 \[60000, 28, 28\]"),
        ({"y_test": np.zeros(10_000, np.float32)}, r"uint8 \[10000\]"),
        ({"y_test": np.full(10_000, 10, np.uint8)}, "from 0 to 9"),
        ({"y_test": None}, "y_test missing"),
        ({"y_test": np.array([os.getcwd] * 10_000)}, "cannot be read"),  # a pickle
    ],
)
def test_npz_of_something_else(tmp_path, change, message):
    arrays = {**mnist_arrays(), **change}
    path = tmp_path / "mnist.npz"
    np.savez_compressed(path, **{k: v for k, v in arrays.items() if v is not None})
    with pytest.raises(DatasetError, match=message):
        datasets.load("mnist", mnist_path=path)


@pytest.mark.parametrize(
    ("name", "option"),
    [("mnist", "mnist_path"), ("cifar10", "cifar10_path"), ("mnist", "data_dir")],
)
def test_nothing_where_a_path_points(tmp_path, name, option):
    with pytest.raises(DatasetError, match=f"where {option} points.*a place without it"):
        datasets.load(name, **{option: tmp_path})
    with pytest.raises(DatasetError, match="no such file or folder"):
        datasets.load(name, **{option: tmp_path / "nowhere"})


def test_keras_cache_then_download(mnist_npz, tmp_path, monkeypatch):
    import keras

    def refuse(**_):
        raise OSError("no route to host")

    monkeypatch.setattr(keras.utils, "get_file", refuse)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for name, option in (("mnist", "mnist_path"), ("cifar10", "cifar10_path")):
        with pytest.raises(DatasetError, match=f"no route to host.*name it with {option}"):
            datasets.load(name)
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "mnist.npz").symlink_to(mnist_npz)
    assert len(datasets.load("mnist").x_test) == 10_000


@pytest.mark.full
def test_cifar10(cifar_folder):
    for path in (cifar_folder, cifar_folder.parent, cifar_folder / "data_batch_1"):
        assert cifar10.find(path) == cifar_folder
    data = datasets.load("cifar10", data_dir=cifar_folder.parent)
    assert data.x_train.shape == (50_000, 32, 32, 3) and data.x_test.shape == (10_000, 32, 32, 3)
    np.testing.assert_allclose(data.x_train[::10_000, 0, 0, 0] * 255, range(5), atol=1e-5)
    np.testing.assert_allclose(data.x_test[0, 0, 0] * 255, [5, 200, 0], atol=1e-5)
    np.testing.assert_allclose(data.x_test[0, 0, 1] * 255, [100, 0, 0], atol=1e-5)
    np.testing.assert_array_equal(data.y_train[9_998:10_002], [8, 9, 0, 1])


def python2_pickle(batch: dict[bytes, object]) -> bytes:
    """`batch` as Python 2's cPickle wrote it: 8-bit strings, NumPy 1 names, protocol 2."""

    def string(value: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(value)) + value

    def integer(value: int) -> bytes:
        return b"M" + struct.pack("<H", value)

    data = batch[b"data"]
    assert isinstance(data, np.ndarray)
    dtype = b"cnumpy\ndtype\n" + b"(" + string(b"u1") + integer(0) + integer(1) + b"tR"
    minus_one = b"J" + struct.pack("<i", -1)
    dtype += b"(" + integer(3) + string(b"|") + b"NNN" + 2 * minus_one + integer(0) + b"tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + integer(0) + b"t"
    array += string(b"b") + b"tR"
    array += b"(" + integer(1) + b"(" + b"".join(map(integer, data.shape)) + b"t" + dtype
    array += b"I00\n" + string(data.tobytes()) + b"tb"
    labels = b"](" + b"".join(map(integer, batch[b"labels"])) + b"e"
    return b"\x80\x02}(" + string(b"data") + array + string(b"labels") + labels + b"u."


@pytest.mark.full
@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5, "python 2", "numpy labels"])
def test_every_writer_of_batches(cifar_folder, protocol):
    batch = cifar_batch(7)
    if protocol == "python 2":
        content = python2_pickle(batch)
    elif protocol == "numpy labels":
        content = pickle.dumps({**batch, b"labels": np.array(batch[b"labels"])}, protocol=4)
    else:
        content = pickle.dumps(batch, protocol=protocol)
    put(cifar_folder / "test_batch", content)
    data = datasets.load("cifar10", cifar10_path=cifar_folder)
    np.testing.assert_allclose(data.x_test[0, 0, 0] * 255, [7, 200, 0], atol=1e-5)
    np.testing.assert_array_equal(data.y_test, np.arange(10_000) % 10)


class Runs:
    """Pickles to a call of `function(*arguments)`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("where", ["whole", "labels", "filenames"])
def test_malicious_pickle_is_refused(cifar_folder, tmp_path, where, protocol):
    trace = tmp_path / "trace"
    evil = Runs(os.mkdir, str(trace))
    batch = evil if where == "whole" else {**cifar_batch(), where.encode(): evil}
    put(cifar_folder / "data_batch_1", pickle.dumps(batch, protocol=protocol))
    with pytest.raises(DatasetError, match=r"data_batch_1.*calls (posix|nt)\.mkdir.*not read"):
        datasets.load("cifar10", cifar10_path=cifar_folder)
    assert not trace.exists()


@pytest.mark.parametrize(
    "value",
    [
        Runs(eval, "1"),
        np.array([None, "objects"], dtype=object),
        np.zeros(3, np.float64),
        np.zeros(3, ">i4"),
        np.zeros(3, [("a", "u1")]),
        Path("x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_nothing_but_batches_is_built(cifar_folder, value):
    batch = {**cifar_batch(), b"labels": value}
    put(cifar_folder / "data_batch_1", pickle.dumps(batch, protocol=4))
    with pytest.raises(DatasetError, match=r"data_batch_1.*It was not read"):
        datasets.load("cifar10", cifar10_path=cifar_folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({b"data": np.zeros((10_000, 3071), np.uint8)}, r"uint8 \[10000, 3072\]"),
        ({b"data": [1, 2, 3]}, r"uint8 \[10000, 3072\]"),
        ({b"labels": [0] * 9_999}, r"integer \[10000\]"),
        ({b"labels": ["cat"] * 10_000}, r"integer \[10000\]"),
        ({b"labels": np.full(10_000, 0.5)}, "type .f8"),
        ({b"labels": [[0], [0, 1]]}, r"integer \[10000\]"),
    ],
)
def test_batch_of_something_else(cifar_folder, change, message):
    put(cifar_folder / "data_batch_1", pickle.dumps({**cifar_batch(), **change}))
    with pytest.raises(DatasetError, match=message):
        datasets.load("cifar10", cifar10_path=cifar_folder)


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, -1])
def test_truncated_batch(cifar_folder, keep):
    path = cifar_folder / "data_batch_1"
    content = path.read_bytes()
    put(path, content[: int(len(content) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(DatasetError, match=r"data_batch_1.*may be truncated"):
        datasets.load("cifar10", cifar10_path=cifar_folder)


@pytest.mark.full
def test_labels_out_of_range(cifar_folder):
    put(cifar_folder / "test_batch", pickle.dumps({**cifar_batch(), b"labels": [10] * 10_000}))
    with pytest.raises(DatasetError, match="from 0 to 9"):
        datasets.load("cifar10", cifar10_path=cifar_folder)


def test_missing_batch_and_other_pickle(cifar_folder):
    put(cifar_folder / "data_batch_1", pickle.dumps([1, 2]))
    with pytest.raises(DatasetError, match="no dictionary with data and labels"):
        datasets.load("cifar10", cifar10_path=cifar_folder)
    (cifar_folder / "data_batch_1").unlink()
    with pytest.raises(DatasetError, match=r"data_batch_1.*No such file"):
        datasets.load("cifar10", cifar10_path=cifar_folder)


@needs_data
def test_real_mnist():
    data = datasets.load("mnist", data_dir=TRUE_DATA)
    np.testing.assert_array_equal(data.y_train[:10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4])
    assert round(float(data.x_train.mean()), 4) == 0.1307
    assert np.bincount(data.y_test).tolist() == [
        *(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    ]


@pytest.mark.full
@needs_data
def test_real_cifar10():
    data = datasets.load("cifar10", data_dir=TRUE_DATA)
    assert np.bincount(data.y_train).tolist() == [5000] * 10
    assert np.bincount(data.y_test).tolist() == [1000] * 10
    np.testing.assert_allclose(
        data.x_train.mean(axis=(0, 1, 2)), [0.4914, 0.4822, 0.4465], atol=1e-4
    )
