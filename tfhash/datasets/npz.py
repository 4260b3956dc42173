"""NumPy's .npz archives, read without unfolding more than the wanted arrays can hold."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path

import numpy as np

from tfhash.archives import array_head
from tfhash.datasets import files
from tfhash.datasets.files import Unreadable

# The head of an array is 128 bytes as NumPy writes it.
_HEAD = 4096
# Other arrays may lie beside the wanted ones: that many times their bytes, and some more.
_TIMES, _MORE = 4, 1 << 20
# Archives of datasets hold some arrays: a directory of millions of entries fills the memory.
_ENTRIES = 1000
_END = b"PK\x05\x06"
_END_64 = b"PK\x06\x07"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the two that NumPy writes


def read(path: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The arrays of these names from an .npz archive, each uint8 of its shape.

    Raises
    ------
    Unreadable
        The file is no such archive, or one of the arrays is missing or another one.
    OSError
        The file cannot be read.
    """
    wanted = sum(math.prod(shape) for shape in shapes.values())
    content = files.content(path, _TIMES * wanted + _MORE)
    if files.kind(content) != files.ZIP:
        raise Unreadable(files.describe(content))
    _check_directory(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found = archive.namelist()
        missing = [name for name in shapes if f"{name}.npy" not in found]
        if missing:
            held = ", ".join(name.removesuffix(".npy")[:80] for name in found[:8]) or "nothing"
            raise Unreadable(f"{files.ZIP} that holds {held} ({', '.join(missing)} missing)")
        return {name: _member(archive, name, shape) for name, shape in shapes.items()}


def _check_directory(content: bytes) -> None:
    """Refuse an archive whose directory has more entries than one of arrays can have."""
    # Where `zipfile` looks for it: 22 bytes before the end, else before a comment.
    end = len(content) - 22
    if content[end : end + 4] != _END:
        end = content.rfind(_END)
    if end < 0:
        raise Unreadable(f"{files.ZIP} without its end; it may be truncated")
    entries = int.from_bytes(content[end + 10 : end + 12], "little")
    size = int.from_bytes(content[end + 12 : end + 16], "little")
    if entries > _ENTRIES or size > 256 * _ENTRIES or content[end - 20 :].startswith(_END_64):
        raise Unreadable(f"{files.ZIP} of {entries:,} files or more, in place of a few arrays")


def _member(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> np.ndarray:
    info = archive.getinfo(f"{name}.npy")
    most = _HEAD + math.prod(shape)
    if info.compress_type not in _METHODS:
        raise Unreadable(f"{name} packed by method {info.compress_type}, which NumPy does not use")
    with archive.open(info) as member:
        # Never more than that, whatever the archive says of its size; the checksum is compared
        # where the end is reached.
        content = member.read(most + 1)
    if not content.startswith(b"\x93NUMPY"):
        raise Unreadable(f"{name} as {files.describe(content)}")
    beginning = io.BytesIO(content[:_HEAD])
    _, dtype, found, fortran_order = array_head(beginning)
    start = beginning.tell()
    if dtype.hasobject:
        raise Unreadable(f"{name} as an array of Python objects, which cannot be read")
    if dtype != np.uint8 or found != shape:
        raise Unreadable(f"{name} as {dtype} {list(found)} in place of uint8 {list(shape)}")
    size = math.prod(shape)
    if len(content) != start + size:
        held = f"{len(content) - start:,} of" if len(content) < start + size else "more than"
        raise Unreadable(f"{name} as {held} {size:,} bytes; it may be damaged")
    array = np.frombuffer(content, dtype=np.uint8, offset=start)
    return array.reshape(shape, order="F" if fortran_order else "C")
