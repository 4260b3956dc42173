"""A box about one input, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfhash.geometry.inputs import InputSpace
from tfhash.geometry.interior import Vector

# Low and high: each a number for all, or one for each input or array of its shape.
Bounds = tuple[Any, Any]


def pair_of(ends: Any) -> Any:
    """Two ends, a list, tuple or array of them; raises ValueError where it is none."""
    if not isinstance(ends, list | tuple | np.ndarray) or len(ends) != 2:
        raise ValueError("Expected (low, high).")
    return ends


def checked_ends(bounds: Bounds, space: InputSpace) -> tuple[Vector, Vector]:
    """Low and high as float64 [size]; raises ValueError where they are none."""
    try:
        low, high = (space.numbers(end) for end in pair_of(bounds))
        good = bool((low < high).all())
    except ValueError:
        good = False
    if not good:
        several = "" if len(space.names) == 1 else f", a list or dict of them for {space.names}"
        raise ValueError(
            "Expected bounds=(low, high), numbers or arrays of the shape of an input"
            f"{several}, low below high. Received: {bounds!r}."
        )
    return low, high


def checked_bounds(
    bounds: Bounds | None, space: InputSpace, x: NDArray[np.float64]
) -> tuple[Vector, Vector]:
    """Low and high as flat arrays, infinite without bounds; raises unless `x` is between."""
    if bounds is None:
        free = np.full(len(x), np.inf)
        return -free, free
    low, high = checked_ends(bounds, space)
    outside = np.flatnonzero((x < low) | (x > high))
    if len(outside):
        i = int(outside[0])
        raise ValueError(
            f"Expected x within the bounds. Received: {x[i]} at index {i} (flattened), outside "
            f"{low[i]} to {high[i]}. Widen the bounds, or clip x."
        )
    return low, high
