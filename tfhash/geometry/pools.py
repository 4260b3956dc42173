"""Pooling: the places of each window, the largest of them and their average."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import backend
from tfhash.geometry.pixels import Shape, is_channels_first, pool_places

Candidates = Callable[[Sequence[Any]], list[Any]]


def output_spec(operation: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """An operation's symbolic outputs.

    Of adaptive pools with channels last, Keras 3.15 gives another shape than they have.
    """
    outputs = operation.compute_output_spec(*args, **kwargs)
    if type(operation).__name__.startswith("Adaptive") and not is_channels_first(operation):
        n, *_, channels = args[0].shape
        return keras.KerasTensor((n, *operation.output_size, channels), outputs.dtype)
    return outputs


def candidates_of(
    operation: Any, shape: Shape
) -> tuple[Candidates, tuple[NDArray[np.bool_] | None, ...]]:
    """One candidate for each place in the windows of a max pool, and where it counts.

    Parameters
    ----------
    operation : keras.Operation
        `MaxPool` or `AdaptiveMaxPool`.
    shape : of what is pooled, without the batch
    """
    first = is_channels_first(operation)
    places = pool_places(operation, _spatial(shape, first))
    axes = _axes(len(places), first)

    def candidates(values: Sequence[Any]) -> list[Any]:
        found = [values[0]]
        for axis, at in zip(axes, places, strict=True):
            found = [_taken(x, column, axis) for x in found for column in at.T]
        return found

    counts = [np.ones((), bool)]
    for at in places:
        counts = [each[..., None] & (column >= 0) for each in counts for column in at.T]
    at_channels = 0 if first else -1
    made = (*(len(at) for at in places),)
    made = (shape[0], *made) if first else (*made, shape[-1])
    valid = [np.broadcast_to(np.expand_dims(each, at_channels), made) for each in counts]
    return candidates, tuple(None if each.all() else each for each in valid)


def averaged(operation: Any, x: Any) -> Any:
    """An average pool of a tensor [n, ...], in its precision: axis by axis, as a product.

    TensorFlow has no pool of three dimensions in float64.
    """
    first = is_channels_first(operation)
    shape = tuple(x.shape[1:])
    letters = string.ascii_letters[: len(shape) + 1]
    for axis, at in zip(
        _axes(len(shape) - 1, first), pool_places(operation, _spatial(shape, first)), strict=True
    ):
        share = np.zeros((len(at), shape[axis - 1]))
        window, place = np.nonzero(at >= 0)
        np.add.at(share, (window, at[window, place]), 1.0)
        share /= share.sum(axis=1, keepdims=True)
        made = letters[:axis] + "Z" + letters[axis + 1 :]
        tensor = backend.to_tensor(share, keras.backend.standardize_dtype(x.dtype))
        x = keras.ops.einsum(f"Z{letters[axis]},{letters}->{made}", tensor, x)
    return x


def _spatial(shape: Shape, first: bool) -> Shape:
    return shape[1:] if first else shape[:-1]


def _axes(rank: int, first: bool) -> range:
    """Of a tensor with a batch, the axes that windows go along."""
    return range(2, rank + 2) if first else range(1, rank + 1)


def _taken(x: Any, at: NDArray[np.int64], axis: int) -> Any:
    """What is at places along an axis, anything where a place is -1: a slice where they step."""
    inside = np.flatnonzero(at >= 0)
    steps = np.unique(np.diff(at))
    if len(inside) == len(at) and len(steps) <= 1:
        step = int(steps[0]) if len(steps) else 1
        if step > 0:
            return x[(slice(None),) * axis + (slice(int(at[0]), int(at[-1]) + 1, step),)]
    return keras.ops.take(x, np.maximum(at, 0), axis=axis)
