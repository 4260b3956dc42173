"""Files of datasets as people have them: what a file is by its first bytes, and its content.

Names say little: browsers take the gzip layer off or leave it on, servers send a page where a file
was, archives are unpacked into a folder for each file. So a file is known by how it begins, is read
once, and is never unfolded beyond what it can hold.
"""

from __future__ import annotations

import contextlib
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfhash.datasets.dataset import DatasetError

HEAD = 512  # bytes that tell what a file is
_GZIP = b"\x1f\x8b"
# zlib's argument for one gzip member, whose checksum it compares.
_GZIP_BITS = 31
# What gzip adds to data that it cannot make smaller: 5 bytes a block, and a header with a name.
_GZIP_EXTRA = 1 << 20

IDX = "an IDX file"
NPY = "a NumPy array (.npy)"
PICKLE = "a Python pickle"
ZIP = "a ZIP archive"
# By how files begin. What `tar` writes is told apart further on: its mark is not at the beginning.
_BEGINNINGS = {
    b"version https://git-lfs": "a Git LFS pointer, not the file ('git lfs pull' fetches it)",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"\x93NUMPY": NPY,
    b"MATLAB 5.0": "a MATLAB file",
    b"PK\x03\x04": ZIP,
    b"PK\x05\x06": f"{ZIP} without any files",
    b"Rar!": "a RAR archive (unpack it first)",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive (unpack it first)",
    b"\xfd7zXZ\x00": "an xz archive (unpack it first)",
    b"BZh": "a bzip2 archive (unpack it first)",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive (unpack it first)",
    _GZIP: "gzipped data",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"%PDF": "a PDF document",
    b"PAR1": "a Parquet file",
}
_PAGE = re.compile(rb"<!doctype html|<html|<head|<body|<!--|<\?xml", re.IGNORECASE)
_IDX_TYPES = {
    8: "unsigned bytes",
    9: "signed bytes",
    11: "16-bit integers",
    12: "32-bit integers",
    13: "32-bit floats",
    14: "64-bit floats",
}


class Unreadable(ValueError):
    """What was received in place of the content of a file, as the message will say it."""


@contextlib.contextmanager
def reading(expected: str, advice: str) -> Iterator[None]:
    """Turn an error of the block, which reads a file, into a `DatasetError` that explains it.

    The message is `expected`, then what was received instead, then `advice`.

    Raises
    ------
    DatasetError
        Anything but a `DatasetError` was raised in the block.
    """
    try:
        yield
    except DatasetError:
        raise
    except Unreadable as error:
        raise DatasetError(f"{expected} Received: {error}. {advice}") from error
    except OSError as error:
        raise DatasetError(f"{expected} Received: {error.strerror or error}. {advice}") from error
    except Exception as error:  # damaged content makes parsers raise nearly anything
        what = " ".join(f"{type(error).__name__}: {error}"[:200].split())
        raise DatasetError(
            f"{expected} Received: a file that cannot be read ({what}); it may be truncated or "
            f"damaged. {advice}"
        ) from error


def find_file(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of `names` in `folder`, or in a folder so called in it, as Kaggle unpacks."""
    for path in [folder / name for name in names]:
        if path.is_file():
            return path
    for path in [folder / outer / name for outer in names for name in names]:
        if path.is_file():
            return path
    return None


def content(path: Path, most: int) -> bytes:
    """What `path` holds, without its gzip layer if it has one, whatever it is called.

    Raises
    ------
    Unreadable
        There are more than `most` bytes, or the gzip data are damaged.
    OSError
        The file cannot be read.
    """
    with open(path, "rb") as file:
        packed = file.read(most + _GZIP_EXTRA)
    data = _unfold(packed, most + 1) if packed[:2] == _GZIP else packed
    if len(data) > most:
        raise Unreadable(f"{describe(data)}, longer than the {most:,} bytes that it can have")
    return data


def head(path: Path) -> bytes:
    """The first bytes of what `content` gives; empty where the file cannot be read."""
    try:
        with open(path, "rb") as file:
            packed = file.read(4 * HEAD)
        if packed[:2] == _GZIP:
            return zlib.decompressobj(_GZIP_BITS).decompress(packed, HEAD) or packed
    except (OSError, zlib.error):
        return b""
    return packed[:HEAD]


def _unfold(packed: bytes, most: int) -> bytes:
    """At most `most` bytes of one gzip member, all of it if it has fewer."""
    engine = zlib.decompressobj(_GZIP_BITS)
    try:
        data = engine.decompress(packed, most)
    except zlib.error as error:
        raise Unreadable(f"gzipped data that are damaged ({error})") from error
    if len(data) < most and not engine.eof:
        raise Unreadable("gzipped data that break off; it may be truncated")
    if engine.unused_data.strip(b"\0"):
        raise Unreadable("gzipped data with something else after their end")
    return data


def kind(data: bytes) -> str | None:
    """What a file is that begins with `data`, as a noun phrase; None where that is not known."""
    for beginning, phrase in _BEGINNINGS.items():
        if data.startswith(beginning):
            return phrase
    if data[257:262] == b"ustar":
        return "a tar archive (unpack it first)"
    if data[:2] == b"\0\0" and len(data) > 3 and data[2] in _IDX_TYPES and data[3]:
        return IDX
    if data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return PICKLE
    if _PAGE.match(data.lstrip(b"\xef\xbb\xbf \t\r\n")):
        return f"a web page (it starts with {_quoted(data)}), as servers send in place of a file"
    return None


def describe(data: bytes) -> str:
    """What a file is that begins with `data`, as a noun phrase."""
    if not data:
        return "an empty file (its download may be truncated)"
    known = kind(data)
    if known == IDX:
        sizes = idx_sizes(data)
        return f"{IDX} of {_IDX_TYPES[data[2]]} {list(sizes)}" if sizes else f"{IDX}, truncated"
    if known is not None:
        return known
    if not data[:HEAD].strip(b"\0"):
        return "nothing but zero bytes, as a download that was not finished leaves them"
    if re.fullmatch(rb"[\t\r\n\x20-\x7e]+", data[:32]):
        return f"text that starts with {_quoted(data)}"
    return f"bytes that start with {data[:4].hex(' ')}; it may be truncated"


def idx_sizes(data: bytes) -> tuple[int, ...] | None:
    """The sizes that the head of an IDX file tells; None where it is cut off.

    The head is zero, zero, type of numbers, number of sizes, then big-endian sizes.
    """
    end = 4 + 4 * data[3]
    if len(data) < end:
        return None
    return tuple(int.from_bytes(data[at : at + 4], "big") for at in range(4, end, 4))


def listed(folder: Path) -> str:
    """What there is in `folder`, in a few words; empty where it cannot be read or is empty."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return ""
    shown = []
    for name in names[:5]:
        known = kind(head(folder / name)) if (folder / name).is_file() else None
        note = f" ({known})" if known and ("unpack" in known or known == ZIP) else ""
        shown.append(f"{name[:80]}{note}")
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _quoted(data: bytes) -> str:
    text = data.strip()[:60].decode("utf-8", "replace").lstrip("\ufeff").split("\n")[0].strip()
    return repr(text[:40])
