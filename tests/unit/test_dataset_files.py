"""Files of datasets as people have them, and as an attacker makes them: loaded, or said what."""

import gzip
import io
import os
import pickle
import struct
import tarfile
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tfhash import datasets
from tfhash.datasets import DatasetError, cifar10, files, idx, mnist, npz, pickles

SHAPE = (5, 3, 2)
ARRAY = np.arange(30, dtype=np.uint8).reshape(SHAPE)


def idx_bytes(array=ARRAY, code=8, shape=None):
    shape = array.shape if shape is None else shape
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape) + array.tobytes()


def npy_bytes(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz_bytes(method=zipfile.ZIP_DEFLATED, **members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def tar_gz(name, content):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def read_in_little_memory(read, *arguments):
    """What `read` refuses, which must take neither memory nor time."""
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises((files.Unreadable, DatasetError)) as refused:
        read(*arguments)
    taken, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20 and taken < 20
    return str(refused.value)


# ---- what a file is ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file"),
        (b"\n<!DOCTYPE html><p>404", "a web page (it starts with '<!DOCTYPE html><p>404')"),
        (b"\xef\xbb\xbf<HTML>", "a web page"),
        (b'<?xml version="1.0"?><Error>', "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
        (npy_bytes(ARRAY), "a NumPy array (.npy)"),
        (pickle.dumps([1], protocol=2), "a Python pickle"),
        (npz_bytes(x=b"1"), "a ZIP archive"),
        (gzip.decompress(tar_gz("x", b"1")), "a tar archive (unpack it first)"),
        (b"MATLAB 5.0 MAT-file", "a MATLAB file"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (idx_bytes(), "an IDX file of unsigned bytes [5, 3, 2]"),
        (idx_bytes(code=13), "an IDX file of 32-bit floats [5, 3, 2]"),
        (idx_bytes()[:9], "an IDX file, truncated"),
        (bytes(1000), "nothing but zero bytes"),
        (b"label,pixel0,pixel1\n5,0,0", "text that starts with 'label,pixel0,pixel1'"),
        (b"\x06\x3b\xff\x00", "bytes that start with 06 3b ff 00"),
    ],
)
def test_files_are_known_by_how_they_begin(tmp_path, content, said):
    assert files.describe(content).startswith(said)
    for whole in (content, gzip.compress(content)):
        path = write(tmp_path / "file", whole)
        assert files.content(path, 1 << 20) == content
        assert files.head(path) == content[: files.HEAD] or not content


# ---- IDX -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", (False, True))
@pytest.mark.parametrize(
    "place",
    (
        "train-images-idx3-ubyte",
        "train-images-idx3-ubyte.gz",
        "train-images.idx3-ubyte",
        "train-images.idx3-ubyte.gz",
        "train-images-idx3-ubyte/train-images-idx3-ubyte",
        "train-images-idx3-ubyte/train-images.idx3-ubyte",
        "train-images-idx3-ubyte.gz/train-images-idx3-ubyte",
    ),
)
def test_idx_under_any_name(tmp_path, place, packed):
    path = write(tmp_path / place, gzip.compress(idx_bytes()) if packed else idx_bytes())
    assert files.find_file(tmp_path, idx.names("train-images-idx3-ubyte")) == path
    assert mnist.find(tmp_path) == mnist.find(path) == tmp_path
    np.testing.assert_array_equal(idx.read(path, SHAPE), ARRAY)


def flipped(content, at):
    return content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html>", "a web page"),
        (idx_bytes()[:-1], r"\[5, 3, 2\] of which 29 bytes are there: it is truncated"),
        (idx_bytes() + b"\0", "longer than the 46 bytes"),
        (idx_bytes(shape=(5, 6)), r"unsigned bytes \[5, 6\]"),
        (idx_bytes(shape=(2**32 - 1,) * 3), r"\[4294967295, 4294967295, 4294967295\]"),
        (idx_bytes(shape=(1,) * 200)[:40], "truncated"),
        (gzip.compress(idx_bytes())[:-9], "gzipped data that break off"),
        (flipped(gzip.compress(idx_bytes()), -6), "gzipped data that are damaged"),
        (flipped(gzip.compress(idx_bytes()), 12), "gzipped data that are damaged"),
        (gzip.compress(idx_bytes()) + b"more", "something else after their end"),
        (gzip.compress(gzip.compress(idx_bytes())), "gzipped data"),
    ],
)
def test_idx_of_something_else(tmp_path, content, said):
    with pytest.raises(files.Unreadable, match=said):
        idx.read(write(tmp_path / "file", content), SHAPE)


@pytest.mark.full
def test_archives_that_unfold_to_gigabytes_are_not_unfolded(tmp_path):
    zeros = bytes(64 << 20)
    bomb = gzip.compress(idx_bytes(shape=SHAPE) + zeros, 1)
    assert len(bomb) < 1 << 20
    said = read_in_little_memory(idx.read, write(tmp_path / "a", bomb), SHAPE)
    assert "longer than the 46 bytes" in said
    head = npy_bytes(np.zeros((1 << 20, 64), np.uint8))[:128]
    honest = npz_bytes(x=head + zeros)
    assert "x as uint8 [1048576, 64]" in read_in_little_memory(
        npz.read, write(tmp_path / "b", honest), {"x": SHAPE}
    )
    head = npy_bytes(ARRAY)[:128]
    assert "x as more than 30 bytes" in read_in_little_memory(
        npz.read, write(tmp_path / "c", npz_bytes(x=head + zeros)), {"x": SHAPE}
    )
    bomb = gzip.compress(zeros, 1)
    assert "nothing but zero bytes" in read_in_little_memory(
        cifar10.read_batch, write(tmp_path / "d", bomb), 2
    )


# ---- .npz ----------------------------------------------------------------------------------------


def test_npz_gzipped_and_with_more_arrays(tmp_path):
    columns = np.asfortranarray(ARRAY)
    content = npz_bytes(x=npy_bytes(columns), y=npy_bytes(ARRAY[:, 0]), z=npy_bytes(np.eye(9)))
    for whole in (content, gzip.compress(content)):
        arrays = npz.read(write(tmp_path / "a.npz", whole), {"x": SHAPE, "y": (5, 2)})
        np.testing.assert_array_equal(arrays["x"], ARRAY)
        np.testing.assert_array_equal(arrays["y"], ARRAY[:, 0])


def many_files():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for i in range(2000):
            archive.writestr(str(i), b"")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html>blocked</html>", "a web page"),
        (npy_bytes(ARRAY), r"a NumPy array \(.npy\)"),
        (pickle.dumps(ARRAY), "a Python pickle"),
        (npz_bytes(x=npy_bytes(ARRAY))[:-30], "it may be truncated"),
        (npz_bytes(y=npy_bytes(ARRAY)), r"holds y \(x missing\)"),
        (npz_bytes(), "a ZIP archive without any files"),
        (npz_bytes(x=idx_bytes()), r"x as an IDX file of unsigned bytes \[5, 3, 2\]"),
        (
            npz_bytes(x=npy_bytes(ARRAY[:4])),
            r"x as uint8 \[4, 3, 2\] in place of uint8 \[5, 3, 2\]",
        ),
        (npz_bytes(x=npy_bytes(ARRAY.astype("f8"))), "x as float64"),
        (npz_bytes(x=npy_bytes(ARRAY)[:-1]), "x as 29 of 30 bytes"),
        (npz_bytes(x=npy_bytes(np.array([None]))), "Python objects"),
        (npz_bytes(zipfile.ZIP_LZMA, x=npy_bytes(ARRAY)), "method 14, which NumPy does not use"),
        (many_files(), "2,000 files or more"),
    ],
)
def test_npz_of_something_else(tmp_path, content, said):
    with pytest.raises(files.Unreadable, match=said):
        npz.read(write(tmp_path / "a.npz", content), {"x": SHAPE})


@pytest.mark.parametrize("head", (b"(" * 3000, b"-" * 3000 + b"1", b"{'a':" * 700, b"\xff" * 99))
def test_npy_heads_that_no_parser_likes(tmp_path, head):
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + ARRAY.tobytes()
    path = write(tmp_path / "mnist.npz", npz_bytes(**dict.fromkeys(mnist.ARRAYS, array)))
    with pytest.raises(DatasetError, match=rf"{path}.*cannot be read.*damaged"):
        datasets.load("mnist", mnist_path=path)


def test_zip_flags_and_checksums(tmp_path):
    content = npz_bytes(zipfile.ZIP_STORED, **{n: npy_bytes(ARRAY) for n in mnist.ARRAYS})
    encrypted = bytearray(content)
    at = content.rfind(b"PK\x01\x02")
    encrypted[at + 8] |= 1
    for whole in (bytes(encrypted), flipped(content, 200)):
        write(tmp_path / "mnist.npz", whole)
        with pytest.raises(DatasetError, match=r"mnist\.npz"):
            datasets.load("mnist", data_dir=tmp_path)


# ---- pickles -------------------------------------------------------------------------------------


def batch_bytes(n=2, protocol=4, **changes):
    batch = {b"data": np.zeros((n, 3072), np.uint8), b"labels": [1] * n}
    return pickle.dumps({**batch, **changes}, protocol=protocol)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_are_what_they_were(protocol):
    value = {b"a": [1, -5, 300, 70_000, True, False, None], "b": (1, ("é", b"\xff"), ()), "c": {}}
    assert pickles.loads(pickle.dumps(value, protocol=protocol)) == value
    for dtype in ("u1", "i1", "<i4", "<i8"):
        array = np.arange(6).reshape(2, 3).astype(dtype)
        for each in (array, np.asfortranarray(array)):
            got = pickles.loads(pickle.dumps({"x": each}, protocol=protocol))["x"].value
            np.testing.assert_array_equal(got, array)
            assert got.dtype == array.dtype


def doubled(levels, last):
    """A pair of the pair before it, `levels` times, then `last`; 5 bytes a level."""
    content = b"\x80\x04)q\x00"
    for _ in range(levels):
        content += b"h\x00h\x00\x86q\x00"
    return content + last


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (doubled(90, b"}h\x00K\x01s."), "a tuple as the key of a dictionary"),
        (doubled(90, b"}(h\x00K\x01u."), "a tuple as the key of a dictionary"),
        (doubled(90, b"(h\x00K\x01d."), "a tuple as the key of a dictionary"),
        (doubled(90, b"cnumpy\ndtype\nh\x00R."), "an array of type a tuple"),
        (doubled(90, b"."), "no dictionary"),
        (b"\x80\x04" + b"]" * 20_000 + b"a" * 19_999 + b".", "no dictionary"),
        (b"\x80\x04" + b"(" * 20_000 + b"t" * 20_000 + b".", "no dictionary"),
        (b"\x80\x04" + b"N" * 34_000 + b".", "no dictionary"),
        (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f" + b".", "cannot be read"),
        (b"\x80\x04\x96" + b"\xff" * 7 + b"\x7f" + b".", "cannot be read"),
        (b"\x80\x02]r\xff\xff\xff\x7f.", "no dictionary"),
        (b"\x80\x02]q\x00h\x00a.", "no dictionary"),  # a list that holds itself
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02\x8f.", "EMPTY_SET"),
        (b"\x80\x02Pid\n.", "PERSID"),
        (b"\x80\x02(ios\nsystem\n.", "INST"),
        (b"\x80\x02cnumpy\ndtype\n}b.", "a state for a _Function"),
        (b"\x80\x02]K\x01\x85R.", "a call of a list"),
        (b"\x80\x02cnumpy\ndtype\ncnumpy\ndtype\nR.", "a call of a _Function"),
        (b"\x80\x02" + b"." * 3, "cannot be read"),
        (b"\x80\x02t.", "cannot be read"),
        (b"\x80\x04K\x01", "cannot be read"),
        (b"\x80\x02c\xff\n\xff\n.", "cannot be read"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_pickles_that_would_do_harm(tmp_path, content, said):
    path = write(tmp_path / "data_batch_1", content)
    assert said in read_in_little_memory(cifar10.read_batch, path, 2)
    assert str(path) in read_in_little_memory(cifar10.read_batch, path, 2)


def test_a_pickle_of_too_many_instructions(monkeypatch):
    monkeypatch.setattr(pickles, "MOST_STEPS", 1000)
    with pytest.raises(pickles.Refused, match="more than 1,000 instructions"):
        pickles.loads(pickle.dumps([None] * 1000))
    assert pickles.loads(pickle.dumps([None] * 900)) == [None] * 900


@pytest.mark.parametrize("place", ("test_batch.gz", "test_batch/test_batch", "test_batch"))
def test_batches_gzipped_and_in_folders(tmp_path, place):
    path = write(tmp_path / place, gzip.compress(batch_bytes()))
    assert cifar10.find(tmp_path) == cifar10.find(path) == tmp_path
    images, labels = cifar10.read_batch(path, 2)
    assert images.shape == (2, 32, 32, 3) and list(labels) == [1, 1]


# ---- places --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "place", "content", "said"),
    [
        ("cifar10", "cifar-10-python.tar.gz", tar_gz("a", b"1"), "a tar archive (unpack it first)"),
        ("cifar10", "data_batch_1.bin", b"\x06\x3b", "the binary version"),
        ("cifar10", "cifar-10-batches-mat/data_batch_1.mat", b"MATLAB 5.0", "the MATLAB version"),
        ("cifar10", "cifar-100-python/train", b"\x80\x02", "a place without it (cifar-100-python)"),
        ("mnist", "archive.zip", npz_bytes(x=b"1"), "archive.zip (a ZIP archive)"),
        ("mnist", "train.csv", b"label,pixel0", "a place without it (train.csv)"),
    ],
)
def test_what_lies_there_in_place_of_the_dataset_is_said(tmp_path, name, place, content, said):
    path = write(tmp_path / place, content)
    with pytest.raises(DatasetError) as refused:
        datasets.load(name, data_dir=tmp_path)
    assert said in str(refused.value)
    with pytest.raises(DatasetError):
        datasets.load(name, data_dir=path)


def test_the_packed_archive_itself(tmp_path):
    path = write(tmp_path / "cifar-10-python.tar.gz", tar_gz("a", b"1"))
    with pytest.raises(DatasetError, match="a tar archive"):
        datasets.load("cifar10", cifar10_path=path)


@pytest.mark.parametrize(
    "place", ("a" * 5000, "~no-such-user-here/x", "nul\0byte"), ids=("long", "user", "nul")
)
def test_places_that_cannot_be(place):
    with pytest.raises(DatasetError, match="where data_dir points"):
        datasets.load("mnist", data_dir=place)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="FIFOs of POSIX")
def test_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "mnist.npz")
    with pytest.raises(DatasetError, match=r"a place without it \(mnist.npz\)"):
        datasets.load("mnist", data_dir=tmp_path)
    with pytest.raises(DatasetError, match="neither a file nor a folder"):
        datasets.load("mnist", data_dir=tmp_path / "mnist.npz")


def test_messages_name_no_file_that_is_there_as_missing(tmp_path):
    for stem in mnist.IDX_FILES.values():
        write(tmp_path / f"{stem}.gz", b"<!DOCTYPE html>")
    with pytest.raises(DatasetError) as refused:
        datasets.load("mnist", data_dir=Path(tmp_path))
    message = str(refused.value)
    assert "a web page" in message and "train-images-idx3-ubyte.gz" in message
    assert "needed" not in message and "[.gz]" not in message
