"""Examples as pictures, and contact sheets of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def are_images(x: Any) -> bool:
    """Whether examples are images: an array or tensor of numbers of shape [n, height, width] or
    [n, height, width, 1, 3 or 4], of more than one row and column.
    """
    shape = tuple(getattr(x, "shape", ()))  # lists are of the inputs of a model, not of images
    is_gray = len(shape) == 3 or (len(shape) == 4 and shape[3] == 1)
    if not (is_gray or (len(shape) == 4 and shape[3] in (3, 4))) or min(shape[1:3]) < 2:
        return False
    try:
        dtype = np.asarray(x[:1]).dtype
    except (TypeError, ValueError, RuntimeError):  # of tensors that are elsewhere than in memory
        return False
    return dtype.kind in "biuf" or dtype.name == "bfloat16"


def as_images(examples: Sequence[tuple[Any, int]]) -> list[Image]:
    """Examples as images uint8 [height, width] or [height, width, 3], all on one scale.

    Parameters
    ----------
    examples : sequence of (array, row)
        The arrays are such that `are_images`. Numbers are taken to be from 0 to 1, from 0 to 255,
        or else from the least to the greatest of all the examples given, so that equal examples
        of two arrays look alike.
    """
    if not examples:
        return []
    shown = [np.asarray(x[row]) for x, row in examples]
    low = min(float(one.min()) for one in shown)
    high = max(float(one.max()) for one in shown)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    scale = 255 / max(high - low, 1e-12)
    images = []
    for one in shown:
        pixels = np.round((one.astype(np.float64) - low) * scale).astype(np.uint8)
        is_gray = pixels.ndim == 2 or pixels.shape[2] == 1
        images.append(pixels.reshape(pixels.shape[:2]) if is_gray else pixels[..., :3])
    return images


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
