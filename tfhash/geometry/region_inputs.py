"""One input and a box about it, checked."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash.codes import plain_array
from tfhash.geometry.interior import Vector

Bounds = tuple[ArrayLike, ArrayLike]


def one_input_shape(model: keras.Model, x: ArrayLike) -> tuple[int, ...]:
    """The shape of `x` without a batch of 1."""
    try:
        shape = np.shape(x)
    except ValueError as error:
        raise ValueError(
            "Expected x to be an array of numbers. Received: lists of different lengths."
        ) from error
    rank = len(getattr(model, "input_shape", ()) or ())
    return shape[1:] if len(shape) == rank and shape[0] == 1 else shape


def checked_input(x: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """One input, float64 of a shape, given with or without a batch of 1."""
    given = plain_array(x)
    if given.shape == (1, *shape):
        given = given[0]
    if given.shape != shape:
        raise ValueError(
            f"Expected x to be one input, of shape {shape}. Received shape: {given.shape}."
        )
    if given.dtype.kind not in "fiub":
        raise ValueError(f"Expected x to be real numbers. Received dtype: {given.dtype}.")
    point = given.astype(np.float64)
    if not np.isfinite(point).all():
        raise ValueError("Expected x to be finite. Received: NaN or infinity.")
    return point


def checked_bounds(bounds: Bounds | None, x: NDArray[np.float64]) -> tuple[Vector, Vector]:
    """Low and high as flat arrays, infinite without bounds; raises unless `x` is between."""
    if bounds is None:
        free = np.full(x.size, np.inf)
        return -free, free
    try:
        low, high = (
            np.broadcast_to(np.asarray(end, np.float64), x.shape).ravel() for end in bounds
        )
    except (TypeError, ValueError):
        low = high = np.empty(0)
    if not (len(low) == len(high) == x.size and (low < high).all()):
        raise ValueError(
            "Expected bounds=(low, high), numbers or arrays of the shape of an input, low below "
            f"high. Received: {bounds!r}."
        )
    outside = np.flatnonzero((x.ravel() < low) | (x.ravel() > high))
    if len(outside):
        i = int(outside[0])
        raise ValueError(
            f"Expected x within the bounds. Received: {x.ravel()[i]} at index {i} (flattened), "
            f"outside {low[i]} to {high[i]}. Widen the bounds, or clip x."
        )
    return low, high
