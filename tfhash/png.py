"""PNG files, written with the standard library (W3C, Portable Network Graphics)."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

GRAY, COLOR = 0, 2  # the specification's color types


def png(image: NDArray[Any]) -> bytes:
    """The bytes of a PNG file.

    Parameters
    ----------
    image : uint8 [height, width] or [height, width, 3], or bool [height, width]
        Of bool, 1 bit a pixel: True is white.
    """
    height, width = image.shape[:2]
    bits = 1 if image.dtype == np.bool_ else 8
    rows = np.packbits(image, axis=1) if bits == 1 else image.reshape(height, -1)
    lines = np.zeros((height, 1 + rows.shape[1]), np.uint8)  # each begins with its filter: none
    lines[:, 1:] = rows
    header = (width, height, bits, COLOR if image.ndim == 3 else GRAY, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", *header)),
            (b"IDAT", zlib.compress(lines.tobytes(), 9)),
            (b"IEND", b""),
        )
    )
