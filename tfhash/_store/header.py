"""The header of a file of codes: written in one way, and trusted in nothing when it is read."""

from __future__ import annotations

import json
import reprlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

MAGIC = b"TFHCODES"
VERSION = 2
PAGE = 4096
PREFIX = struct.Struct("<8sII")
LONGEST = 64 << 20  # bytes of JSON
LARGEST = 1 << 48  # of any number in it
DIGITS = 20  # no number in it is written with more
WIDEST = 10 ** (DIGITS - 1)  # stands for a number that is not known yet


@dataclass(frozen=True)
class Header:
    """What a header says, checked.

    Attributes
    ----------
    n, n_bits : int
    layers : list of (name, start, stop)
    source : dict or None
        `model` (str) and `inputs_crc32` (int), where an encoder wrote the file.
    words_offset : int
    block_rows : int or None
        Codes of one block; None in version 1, where all the words are one block.
    checksum : int
        CRC-32 of the table of the blocks' checksums; in version 1 of the words.
    """

    n: int
    n_bits: int
    layers: list[tuple[str, int, int]]
    source: dict[str, Any] | None
    words_offset: int
    block_rows: int | None
    checksum: int

    @property
    def n_words(self) -> int:
        """Words of one code."""
        return -(-self.n_bits // 64)

    @property
    def words_bytes(self) -> int:
        return 8 * self.n * self.n_words

    @property
    def block_bytes(self) -> int:
        if self.block_rows is None:
            return max(1, self.words_bytes)
        return max(1, 8 * self.n_words * self.block_rows)

    @property
    def table_bytes(self) -> int:
        """Of the table of checksums behind the words."""
        return 0 if self.block_rows is None else 4 * -(-self.words_bytes // self.block_bytes)

    @property
    def file_bytes(self) -> int:
        return self.words_offset + self.words_bytes + self.table_bytes


def to_bytes(content: dict[str, Any], offset: int | None = None) -> bytes:
    """The file up to its words, which begin at `offset`, by default the first page that is free.

    `content` is the JSON but for `words_offset`. Raises ValueError where it is too long.
    """
    if offset is None:
        # It stands inside the header whose length it depends on: leave room for its digits.
        longest = len(json.dumps(content | {"words_offset": 0}).encode()) + DIGITS
        offset = -(-(PREFIX.size + 4 + longest) // PAGE) * PAGE
    text = json.dumps(content | {"words_offset": offset}).encode()
    if len(text) > LONGEST:
        raise ValueError(
            f"Expected names of layers that fit in {LONGEST:,} bytes. Received: {len(text):,} "
            f"bytes for {len(content['layers']):,} layers."
        )
    prefix = PREFIX.pack(MAGIC, VERSION, len(text))
    crc = struct.pack("<I", zlib.crc32(prefix + text))
    return (prefix + crc + text).ljust(offset, b"\0")


def read_header(path: Path, file: IO[bytes]) -> Header:
    """Read and check the header of an open file.

    Raises ValueError, naming `path`, where any of it is not as `docs/code_file.md` says.
    """
    prefix = file.read(PREFIX.size)
    if len(prefix) < PREFIX.size or not prefix.startswith(MAGIC):
        raise ValueError(
            f"{path}: Expected a file written by Codes.save (it begins with {MAGIC.decode()}). "
            f"Received: {len(prefix)} bytes that begin with {prefix[:8]!r}."
        )
    _, version, length = PREFIX.unpack(prefix)
    crc, text = file.read(4), file.read(min(length, LONGEST))
    if len(crc) < 4 or struct.unpack("<I", crc)[0] != zlib.crc32(prefix + text):
        raise ValueError(
            f"{path}: Expected a header that matches its checksum. "
            "Received: one that does not; the file is cut short or damaged."
        )
    if version not in (1, VERSION):
        raise ValueError(
            f"{path}: Expected version 1 to {VERSION} of the format. Received: version {version}; "
            "read it with a later tfhash."
        )
    try:
        return _checked(parse_json(text), version, PREFIX.size + 4 + length)
    except ValueError as error:
        raise ValueError(f"{path}: {error} The file was not written by tfhash.") from None


def parse_json(text: bytes) -> dict[str, Any]:
    """A JSON object of whole numbers, strings, lists and objects, each key given once.

    Raises ValueError for anything else, however deep or long.
    """
    try:
        content = json.loads(
            text.decode(),
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_float=_refuse,
            parse_int=_whole,
        )
    except (ValueError, RecursionError) as error:
        reason = "lists in lists, too deep" if isinstance(error, RecursionError) else error
        raise ValueError(f"Expected JSON. Received: {reason}.") from None
    if not isinstance(content, dict):
        raise ValueError(f"Expected a JSON object. Received: {reprlib.repr(content)}.")
    return content


def _checked(head: dict[str, Any], version: int, end: int) -> Header:
    blocked = version > 1
    source = head.get("source")
    if source is not None:
        if not isinstance(source, dict) or not isinstance(source.get("model"), str):
            raise ValueError(
                "Expected 'source' to be an object that names a model. "
                f"Received: {reprlib.repr(source)}."
            )
        _number(source, "inputs_crc32", 0, 2**32 - 1)
    header = Header(
        n=_number(head, "n", 0, LARGEST),
        n_bits=_number(head, "n_bits", 0, LARGEST),
        layers=_layers(head.get("layers")),
        source=source,
        words_offset=_number(head, "words_offset", end, LARGEST),
        block_rows=_number(head, "block_rows", 1, LARGEST) if blocked else None,
        checksum=_number(head, "blocks_crc32" if blocked else "words_crc32", 0, 2**32 - 1),
    )
    if header.words_offset % PAGE:
        raise ValueError(
            f"Expected 'words_offset' to be a multiple of {PAGE}. Received: {header.words_offset}."
        )
    return header


def _number(content: dict[str, Any], name: str, low: int, high: int) -> int:
    value = content.get(name)
    if type(value) is not int or not low <= value <= high:
        raise ValueError(
            f"Expected {name!r} to be a whole number from {low} to {high}. "
            f"Received: {reprlib.repr(value)}."
        )
    return value


def _layers(layers: Any) -> list[tuple[str, int, int]]:
    if not isinstance(layers, list):
        raise ValueError(f"Expected 'layers' to be a list. Received: {reprlib.repr(layers)}.")
    for layer in layers:
        if not isinstance(layer, list) or [type(part) for part in layer] != [str, int, int]:
            raise ValueError(
                "Expected each of 'layers' to be [name, start, stop]. "
                f"Received: {reprlib.repr(layer)}."
            )
        layer[0].encode()  # a lone surrogate, which cannot be printed, is a ValueError
    return [tuple(layer) for layer in layers]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key that is given twice")
    return content


def _whole(digits: str) -> int:
    # Converting takes time that grows with the square of the digits.
    return int(digits) if len(digits) <= DIGITS else _refuse(digits)


def _refuse(value: str) -> NoReturn:
    raise ValueError(f"the number {value[: 2 * DIGITS]}")
