"""The files that TensorBoard reads, written without TensorBoard or TensorFlow.

A file is a sequence of records: the length of an event (uint64), its masked CRC-32C, the event, its
masked CRC-32C, all little-endian. An event is a protocol-buffer message: wall time (field 1,
double), step (2, varint), and either the version of the format (3, string) or a summary (5) of
values (1), each with a tag (1, string) and a float (2).
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO


class EventFile:
    """A file of scalars in a folder that TensorBoard shows as one run.

    Parameters
    ----------
    folder
        Made with the file, when the first value is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append the values of one step, by tag."""
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
            self._file = open(self._folder / name, "wb")  # noqa: SIM115 - until `close`
            self._append(_bytes(3, b"brain.Event:2"))
        summary = b"".join(
            _bytes(1, _bytes(1, tag.encode()) + b"\x15" + struct.pack("<f", value))
            for tag, value in values.items()
        )
        self._append(b"\x10" + _varint(step) + _bytes(5, summary))
        self._file.flush()

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()

    def _append(self, content: bytes) -> None:
        event = b"\x09" + struct.pack("<d", time.time()) + content
        length = struct.pack("<Q", len(event))
        assert self._file is not None
        self._file.write(length + _masked_crc(length) + event + _masked_crc(event))


def _bytes(field: int, content: bytes) -> bytes:
    """A field of bytes: its key (wire type 2), its length, its content."""
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit says that more follow."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _masked_crc(content: bytes) -> bytes:
    """CRC-32C, rotated and moved as TensorFlow's record format asks."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _crc_table()[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@cache
def _crc_table() -> list[int]:
    """The checksums of single bytes: polynomial 0x1EDC6F41, bits reversed."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table
