"""What linear steps and maxima do pixel by pixel, where that is simple to say.

A value of shape [..., C] is so many pixels of C channels; one of shape [n] is one pixel.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import backend

Shape = tuple[int, ...]
Read = Callable[[], NDArray[Any]]
Table = NDArray[np.int32]
ReadTable = Callable[[], Table | None]


class Windows(NamedTuple):
    """Each pixel of the output from some of the input's, then `* scale + shift`.

    Attributes
    ----------
    table : function that gives int32 [n_pixels, n_taps], or None
        Which pixel of the input each tap takes, -1 for none; None where the step turns out to be
        no such one. Without a table, each pixel is taken from the same one.
    weights : function that gives float [n_taps * input channels, output channels]
    channel_weights : function that gives float64 [n_taps, output channels]
        Each output channel is from one of the input's. Without either, pixels are taken as they
        are.
    scale, shift : functions that give float64 [output channels] or [output numbers]
    """

    table: ReadTable | None = None
    weights: Read | None = None
    channel_weights: Read | None = None
    scale: Read | None = None
    shift: Read | None = None


class Sum(NamedTuple):
    """The inputs, each times a sign."""

    signs: tuple[float, ...]


class Join(NamedTuple):
    """The channels of the inputs, one after another."""


class Choice(NamedTuple):
    """A maximum: over the pixels of a table, or over the inputs."""

    table: ReadTable | None


Local = tuple[Windows | Sum | Join, ...]  # one after the other

# Operations that take numbers from where they are, or 0.
_GATHERS = {"Flip", "GetItem", "Pad", "Repeat", "Roll", "Slice", "Tile"}


def structure(shape: Shape) -> tuple[int, int]:
    """Pixels and channels."""
    return math.prod(shape[:-1]), shape[-1] if shape else 1


def local_of(
    operation: Any,
    args: Sequence[Any],
    varying: Sequence[int],
    shapes: Sequence[Shape],
    made: Shape,
    linear: Callable[[Sequence[Any]], Sequence[Any]],
) -> Local | None:
    """What a linear operation does, or None.

    Parameters
    ----------
    args : its positional arguments
    varying : positions among `args` of those that vary
    shapes, made : of the values that vary and of the one that is made, without the batch
    linear : function of the values that vary
    """
    kind = type(operation).__name__
    if not made or not all(shapes) or is_channels_first(operation):
        return None
    if kind in ("Add", "Subtract") and len(shapes) == 2:
        return (Sum((1.0, 1.0 if kind == "Add" else -1.0)),) if shapes[0] == shapes[1] else None
    if kind == "Concatenate":
        is_last = operation.axis in (-1, len(made))
        return (Join(),) if is_last and len(shapes) == len(args[0]) else None
    if list(varying) != [0]:
        return None
    if kind in ("Add", "Subtract") and shapes[0] == made:
        sign = 1.0 if kind == "Add" else -1.0
        return (Windows(shift=lambda: sign * each(args[1], made)),)
    if kind == "Matmul" and len(args[1].shape) == 2:
        return (Windows(_itself(structure(made)[0]), lambda: numbers(args[1])),)
    if kind == "Mean" and sorted(operation.axis or ()) == list(range(1, len(shapes[0]))):
        n = structure(shapes[0])[0]
        share = np.full(shapes[0][-1], 1.0 / n)
        return (Windows(_all(n), None, lambda: np.ones((n, len(share))), lambda: share),)
    if kind in _CONVOLUTIONS:
        return _CONVOLUTIONS[kind](operation, args, shapes[0], made)
    if kind == "Pad" and len(args) > 1 and args[1] is not None:
        return None  # with a number of its own
    if kind in _GATHERS:
        return (Windows(functools.cache(lambda: _gathered(linear, shapes[0], made))),)
    return None


def choice_of(operation: Any, shapes: Sequence[Shape]) -> Choice | None:
    """What a maximum chooses from, or None."""
    kind = type(operation).__name__
    if is_channels_first(operation) or not all(shapes):
        return None
    if len(shapes) == 2:
        return Choice(None) if shapes[0] == shapes[1] else None
    rank = len(shapes[0])
    if kind in ("AdaptiveMaxPool", "MaxPool"):
        return Choice(_pool_table(operation, shapes[0]))
    axes = operation.axis
    axes = (axes,) if isinstance(axes, int) else axes or ()
    if sorted(axis % (rank + 1) for axis in axes) == list(range(1, rank)) and rank > 1:
        return Choice(_all(structure(shapes[0])[0]))
    return None


def numbers(value: Any) -> NDArray[Any]:
    """The numbers of a variable or array, in the precision they are kept in."""
    if isinstance(value, keras.Variable):
        found = backend.variable_values(value)
    else:
        found = backend.to_numpy(value)
    return found if found.dtype in (np.float32, np.float64) else found.astype(np.float64)


def each(value: Any, shape: Shape) -> NDArray[np.float64]:
    """float64 [channels] or [numbers]: those of an array that broadcasts to [n, *shape]."""
    found = np.asarray(numbers(value), np.float64)
    if found.ndim > len(shape):
        found = found.reshape(found.shape[1:])
    if math.prod(found.shape[:-1]) == 1:
        return np.ascontiguousarray(np.broadcast_to(found.reshape(-1), (shape[-1],)))
    return np.broadcast_to(found, shape).reshape(-1)


def window_table(
    spatial: Shape, window: Shape, strides: Shape, dilation: Shape, padding: str
) -> Table:
    """int32 [windows, places in a window]: which pixel is there; -1 where padding is."""
    return _joint(spatial, _places(spatial, window, strides, dilation, padding))


def pool_places(operation: Any, spatial: Shape) -> list[NDArray[np.int64]]:
    """int64 [windows, places in a window] along each axis of a pool; -1 where there is none.

    An average takes a place that comes twice twice (`backend.averages_repeat_edges`).
    """
    rank = len(spatial)
    if type(operation).__name__.startswith("Adaptive"):
        return [
            _adaptive_places(n, count)
            for n, count in zip(spatial, _for_each(operation.output_size, rank), strict=True)
        ]
    window = _for_each(operation.pool_size, rank)
    strides = _for_each(operation.strides or operation.pool_size, rank)
    repeat = False
    if type(operation).__name__ == "AveragePool" and operation.padding == "same":
        pads = [_padding(*axis) for axis in zip(spatial, window, strides, strict=True)]
        repeat = any(pad % 2 for pad in pads) and backend.averages_repeat_edges()
    return _places(spatial, window, strides, (1,) * rank, operation.padding, repeat)


def is_channels_first(operation: Any) -> bool:
    """Whether an operation takes images with their channels first."""
    if not hasattr(operation, "data_format"):
        return False
    return (operation.data_format or keras.backend.image_data_format()) == "channels_first"


def _padding(n: int, reach: int, stride: int) -> int:
    """How many places "same" adds to an axis, on both sides together."""
    return max((-(-n // stride) - 1) * stride + reach - n, 0)


def _places(
    spatial: Shape,
    window: Shape,
    strides: Shape,
    dilation: Shape,
    padding: str,
    repeat_edges: bool = False,
) -> list[NDArray[np.int64]]:
    found = []
    for n, width, stride, apart in zip(spatial, window, strides, dilation, strict=True):
        reach = (width - 1) * apart + 1
        if padding == "same":
            count, before = -(-n // stride), _padding(n, reach, stride) // 2
        else:
            count, before = (n - reach) // stride + 1, 0
        at = np.arange(count)[:, None] * stride - before + np.arange(width) * apart
        at = at.clip(0, n - 1) if repeat_edges else np.where((at < 0) | (at >= n), -1, at)
        found.append(at)
    return found


def _adaptive_places(n: int, count: int) -> NDArray[np.int64]:
    """Of windows that divide an axis as evenly as they can; neighbors may share a place."""
    i = np.arange(count)
    first, past = i * n // count, -(-(i + 1) * n // count)
    at = first[:, None] + np.arange((past - first).max())
    at[at >= past[:, None]] = -1
    return np.asarray(at)


def _joint(spatial: Shape, places: Sequence[NDArray[np.int64]]) -> Table:
    found = np.zeros((1, 1), np.int32)
    for n, at in zip(spatial, places, strict=True):
        made = found[:, None, :, None] * n + at[None, :, None, :]
        made[(found[:, None, :, None] < 0) | (at[None, :, None, :] < 0)] = -1
        found = made.reshape(len(found) * len(at), -1).astype(np.int32)
    return found


def _itself(n_pixels: int) -> ReadTable:
    return functools.cache(lambda: np.arange(n_pixels, dtype=np.int32)[:, None])


def _all(n_pixels: int) -> ReadTable:
    return functools.cache(lambda: np.arange(n_pixels, dtype=np.int32)[None])


def _pool_table(operation: Any, shape: Shape) -> ReadTable:
    return functools.cache(lambda: _joint(shape[:-1], pool_places(operation, shape[:-1])))


def _window_table(operation: Any, spatial: Shape, window: Shape) -> ReadTable:
    rank = len(spatial)
    strides, dilation = (
        _for_each(part, rank) for part in (operation.strides, operation.dilation_rate)
    )
    return functools.cache(
        lambda: window_table(spatial, window, strides, dilation, operation.padding)
    )


def _convolution(operation: Any, args: Sequence[Any], shape: Shape, made: Shape) -> Local | None:
    kernel = args[1]
    if kernel.shape[-2] != shape[-1]:  # in groups
        return None
    table = _window_table(operation, shape[:-1], tuple(kernel.shape[:-2]))
    return (Windows(table, lambda: numbers(kernel).reshape(-1, made[-1])),)


def _transposed(operation: Any, args: Sequence[Any], shape: Shape, made: Shape) -> Local | None:
    kernel = args[1]
    rank = len(shape) - 1
    if operation.output_padding is not None or _for_each(operation.dilation_rate, rank) != (
        (1,) * rank
    ):
        return None

    def table() -> Table | None:
        # The convolution of which this one is the transpose: from the output to the input.
        forward = window_table(
            made[:-1],
            tuple(kernel.shape[:-2]),
            _for_each(operation.strides, rank),
            (1,) * rank,
            operation.padding,
        )
        if len(forward) != math.prod(shape[:-1]):
            return None
        back = np.full((math.prod(made[:-1]), forward.shape[1]), -1, np.int32)
        pixel, tap = np.nonzero(forward >= 0)
        back[forward[pixel, tap], tap] = pixel
        return back

    def weights() -> NDArray[Any]:
        turned = np.swapaxes(numbers(kernel), -1, -2)
        return np.ascontiguousarray(turned).reshape(-1, made[-1])

    return (Windows(functools.cache(table), weights),)


def _depthwise(operation: Any, args: Sequence[Any], shape: Shape, made: Shape) -> Local:
    kernel = args[1]
    n_channels = shape[-1] * kernel.shape[-1]
    table = _window_table(operation, shape[:-1], tuple(kernel.shape[:-2]))
    weights = numbers
    return (
        Windows(table, None, lambda: weights(kernel).reshape(-1, n_channels).astype(np.float64)),
    )


def _separable(operation: Any, args: Sequence[Any], shape: Shape, made: Shape) -> Local:
    return (
        *_depthwise(operation, args, shape, made),
        Windows(_itself(structure(made)[0]), lambda: numbers(args[2]).reshape(-1, made[-1])),
    )


def _average(operation: Any, args: Sequence[Any], shape: Shape, made: Shape) -> Local:
    table = _pool_table(operation, shape)

    def ones() -> NDArray[np.float64]:
        taps = table()
        assert taps is not None
        return np.ones((taps.shape[1], made[-1]))

    def share() -> NDArray[np.float64]:
        taps = table()
        assert taps is not None
        return np.repeat(1.0 / (taps >= 0).sum(axis=1), made[-1])

    return (Windows(table, None, ones, share),)


_CONVOLUTIONS: dict[str, Callable[[Any, Sequence[Any], Shape, Shape], Local | None]] = {
    "AdaptiveAveragePool": _average,
    "AveragePool": _average,
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "DepthwiseConv": _depthwise,
    "SeparableConv": _separable,
}


def _gathered(
    linear: Callable[[Sequence[Any]], Sequence[Any]], shape: Shape, made: Shape
) -> Table | None:
    """The table of a function that takes whole pixels from where they are; None of another."""

    def tried(given: NDArray[np.float64]) -> NDArray[np.float64]:
        return backend.to_numpy(linear([backend.to_tensor(given[None], "float64")])[0])[0]

    (n_pixels, n_channels), (_, n_made) = structure(shape), structure(made)
    if n_channels != n_made:
        return None
    places = tried(np.arange(1.0, n_pixels * n_channels + 1).reshape(shape)).reshape(-1, n_made)
    source = places.astype(np.int64) - 1
    pixel = np.where(source[:, 0] < 0, -1, source[:, 0] // n_channels)
    expected = np.where(pixel[:, None] < 0, -1, pixel[:, None] * n_channels + np.arange(n_made))
    if (source != expected).any():
        return None
    some = np.random.default_rng(0).normal(size=shape)
    rows = np.concatenate([some.reshape(n_pixels, -1), np.zeros((1, n_channels))])
    is_same = (tried(some).reshape(-1, n_made) == rows[pixel]).all()
    return pixel.astype(np.int32)[:, None] if is_same else None


def _for_each(value: Any, rank: int) -> Shape:
    return (value,) * rank if isinstance(value, int) else tuple(value)
