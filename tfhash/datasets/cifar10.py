"""CIFAR-10 as published: the folder `cifar-10-batches-py` of Python pickles.

A pickle can run any code when it is read freely. These are read by an unpickler that builds
nothing but dictionaries, lists, strings, numbers and plain arrays of integers, and hands none of
the file's bytes to NumPy's own unpickling.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tfhash.datasets.dataset import Dataset, DatasetError, from_pixels

FOLDER = "cifar-10-batches-py"
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
TRAIN_FILES = [f"data_batch_{i}" for i in range(1, 6)]
TEST_FILE = "test_batch"
PER_FILE = 10_000


def find(path: Path) -> Path | None:
    """The folder of batches that `path` names or holds (a batch names its folder), if any."""
    if path.is_file():
        path = path.parent
    # Keras extracts into a folder of its own, named "...-target" in newer versions.
    for folder in (path, path / FOLDER, path / f"{FOLDER}-target" / FOLDER):
        if any((folder / name).is_file() for name in [*TRAIN_FILES, TEST_FILE]):
            return folder
    return None


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
    batches = [_read_batch(folder / name) for name in TRAIN_FILES]
    return from_pixels(
        "cifar10",
        (np.concatenate([x for x, _ in batches]), np.concatenate([y for _, y in batches])),
        _read_batch(folder / TEST_FILE),
        n_classes=10,
    )


def _read_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [10000, 32, 32, 3] and labels int64 [10000] of one batch."""
    expected = f"Expected a published CIFAR-10 batch ({URL}) in {path}."
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{expected} Received: {error.strerror}. All of {', '.join([*TRAIN_FILES, TEST_FILE])} "
            f"are needed."
        ) from error
    try:
        batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except _Refused as error:
        raise DatasetError(f"{expected} Received: {error}. It was not read.") from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise DatasetError(
            f"{expected} Received: {len(content)} bytes that cannot be read ({error}); it may be "
            f"truncated. Take the published file again."
        ) from error
    if isinstance(batch, dict):
        batch = {k.decode() if isinstance(k, bytes) else k: v for k, v in batch.items()}
    if not isinstance(batch, dict) or not {"data", "labels"} <= batch.keys():
        raise DatasetError(f"{expected} Received: no dictionary with data and labels.")
    data, labels = _plain(batch["data"]), _plain(batch["labels"])
    if isinstance(labels, list) and all(isinstance(label, int) for label in labels):
        labels = np.array(labels)
    _check(f"{expected} Its data", data, np.uint8, (PER_FILE, 3072))
    _check(f"{expected} Its labels", labels, np.integer, (PER_FILE,))
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels


def _check(what: str, array: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    is_array = isinstance(array, np.ndarray)
    if not is_array or not np.issubdtype(array.dtype, dtype) or array.shape != shape:
        got = f"{array.dtype} {list(array.shape)}" if is_array else type(array).__name__
        raise DatasetError(f"{what} should be {dtype.__name__} {list(shape)}. Received: {got}.")


class _Refused(pickle.UnpicklingError):
    """The pickle asks for something that a batch of images does not need."""


class _Dtype:
    """Stands in for numpy.dtype: little-endian or single-byte integers only."""

    def __init__(self, name: Any, *_: Any) -> None:
        name = name.decode() if isinstance(name, bytes) else name
        if name not in ("u1", "i1", "i4", "i8"):
            raise _Refused(f"an array of type {name!r}")
        self.name = name

    def __setstate__(self, state: Any) -> None:
        if state[1] not in ("<", "|", b"<", b"|"):
            raise _Refused(f"an array of byte order {state[1]!r}")


class _Array:
    """Stands in for numpy.ndarray: shape, type and bytes, turned into an array by `_plain`."""

    value: np.ndarray

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        self.value = _array(data, dtype, shape, "F" if fortran else "C")


def _array(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray):
        raise _Refused("an array that does not consist of plain bytes")
    return np.frombuffer(data, dtype=f"<{dtype.name}").reshape(shape, order=order)


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> _Array:
    array = _Array()
    array.value = _array(data, dtype, shape, order)
    return array


def _scalar(dtype: Any, data: Any) -> int:
    return int(_array(data, dtype, (), "C"))


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise _Refused("a call of _codecs.encode on something other than bytes")
    return text.encode("latin1")


def _plain(value: Any) -> Any:
    """Arrays instead of their stand-ins, in `value` or in the list that it is."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value.value if isinstance(value, _Array) else value


# What a batch needs, under the names that Python 2, NumPy 1 and NumPy 2 wrote.
_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    # How Python 3 writes bytes in the protocols that Python 2 could read.
    ("_codecs", "encode"): _encode,
}
for _core in ("numpy.core", "numpy._core"):
    _ADMITTED[(f"{_core}.multiarray", "_reconstruct")] = lambda *_: _Array()
    _ADMITTED[(f"{_core}.multiarray", "scalar")] = _scalar
    _ADMITTED[(f"{_core}.numeric", "_frombuffer")] = _from_buffer


class _Unpickler(pickle.Unpickler):
    """Reads what is admitted and refuses the rest."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[(module, name)]
        except KeyError:
            raise _Refused(f"a pickle that calls {module}.{name}") from None
