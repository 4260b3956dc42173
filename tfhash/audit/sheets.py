"""Examples as pictures, and contact sheets of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Image = NDArray[np.uint8]


def as_images(x: ArrayLike, rows: Sequence[int] | NDArray[np.int64]) -> list[Image] | None:
    """Some examples as images uint8 [height, width] or [height, width, 3]; None if they are none.

    Images are arrays [n, height, width] or [n, height, width, 1, 3 or 4] of more than one row and
    column. Numbers are taken to be from 0 to 1, from 0 to 255, or else from the least to the
    greatest of those shown.
    """
    shape = np.shape(x)
    is_gray = len(shape) == 3 or (len(shape) == 4 and shape[3] == 1)
    is_color = len(shape) == 4 and shape[3] in (3, 4)
    if not (is_gray or is_color) or min(shape[1:3]) < 2:
        return None
    array: Any = x if hasattr(x, "shape") else np.asarray(x)
    shown = np.stack([np.asarray(array[int(row)]) for row in rows]) if len(rows) else np.zeros(0)
    if len(shown) == 0:
        return []
    if shown.dtype.kind not in "biuf":
        return None
    pixels = shown.astype(np.float64)
    if shown.dtype.kind == "b" or (pixels.min() >= 0 and pixels.max() <= 1):
        pixels = pixels * 255
    elif not (pixels.min() >= 0 and pixels.max() <= 255):
        low, high = pixels.min(), pixels.max()
        pixels = (pixels - low) * (255 / max(high - low, 1e-12))
    images = np.round(pixels).astype(np.uint8)
    return list(images[..., :3] if is_color else images.reshape(images.shape[:3]))


def contact_sheet(rows: Sequence[Sequence[Image]], gap: int = 2) -> Image:
    """One image of images of one size: each sequence is a row of it.

    Raises ValueError where there is no image.
    """
    if not any(len(row) for row in rows):
        raise ValueError("Expected at least one image. Received: none.")
    first = next(row[0] for row in rows if len(row))
    height, width = first.shape[0] + gap, first.shape[1] + gap
    columns = max(len(row) for row in rows)
    size = (len(rows) * height + gap, columns * width + gap, *first.shape[2:])
    sheet = np.full(size, 128, np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = gap + i * height, gap + j * width
            sheet[top : top + first.shape[0], left : left + first.shape[1]] = image
    return sheet
