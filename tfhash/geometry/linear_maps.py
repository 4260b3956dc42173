"""Layers and operations that are linear, whatever they are: found out by trying them on numbers.

What a function of tensors does to values is the function itself; what it does to directions is
`f(u) - f(0)`. That needs no knowledge of the function, only that it is affine in each example,
which is tried on random examples of several sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import backend

Tensors = Sequence[Any]
Function = Callable[[Tensors], Tensors]
Shape = tuple[int, ...]

_SIZES = (2.0**-10, 1.0, 2.0**10, 2.0**30)
NOT_LINEAR = "is not linear"
_EXACT, _ROUNDED = 1e-11, 1e-4  # relative errors of sums in float64 and in float32


class NotLinear(ValueError):
    """A function is not affine, or not computed in float64; the message is the reason."""


def affine(function: Function, shapes: Sequence[Shape], dtype: str) -> tuple[Function, Function]:
    """What an affine function does to values, and what it does to directions.

    Parameters
    ----------
    function : of tensors [n, *shape], one for each of `shapes`, to tensors [n, ...]
    dtype : in which it will be used; it is tried in float64

    Raises
    ------
    NotLinear
    """
    error = _error(function, shapes)
    if len(shapes) == 1 and _distance(function, identity, shapes[0]) == 0:
        return identity, identity
    if error <= _EXACT:
        return function, lambda tensors: _difference(function, tensors, dtype)
    if error > _ROUNDED:
        raise NotLinear(NOT_LINEAR)
    if len(shapes) == 1 and len(shapes[0]) == 3:
        for channels in (2, 0):
            apply, linear = _separable(function, shapes[0], channels, dtype)
            if _distance(function, apply, shapes[0]) <= _ROUNDED:
                return apply, linear
    raise NotLinear(
        f"is linear, but computed in float32 by Keras's {keras.backend.backend()} backend, so that "
        "nothing exact can be said of what comes after"
    )


def identity(tensors: Tensors) -> Tensors:
    """The same tensors."""
    return tensors


def _error(function: Function, shapes: Sequence[Shape]) -> float:
    """How far sums of random examples are from being taken to sums, relative to the values."""
    rng = np.random.default_rng(0)
    n = len(_SIZES)
    given = []
    for shape in shapes:
        sizes = np.reshape(_SIZES, (-1, *(1,) * len(shape)))
        x, y = rng.normal(size=(2, n, *shape)) * sizes
        given.append(np.concatenate([np.zeros((1, *shape)), x, y, x + y]))
    found = _rows(function, given)
    alone = _rows(function, [rows[n : n + 1] for rows in given])
    if found is None or alone is None or len(found) != 3 * n + 1 or len(alone) != 1:
        return np.inf
    zero, x, y, both = found[:1], found[1 : n + 1], found[n + 1 : 2 * n + 1], found[2 * n + 1 :]
    scale = np.maximum(np.abs(found[1:]).max(axis=1).reshape(3, n).max(axis=0), np.abs(zero).max())
    scale = np.maximum(scale, np.finfo(float).tiny)
    wrong = np.abs(x + y - both - zero).max(axis=1, initial=0.0) / scale
    mixed = np.abs(alone[0] - found[n]).max(initial=0.0) / scale[-1]  # examples that mix
    return float(max(wrong.max(), mixed))


def _rows(function: Function, given: Sequence[NDArray[Any]]) -> NDArray[np.float64] | None:
    """All outputs as rows, float64 [n, ...]; None where they are no finite numbers."""
    made = function([backend.to_tensor(rows, "float64") for rows in given])
    arrays = [backend.to_numpy(tensor) for tensor in made]
    if any(array.ndim == 0 or array.dtype.kind != "f" for array in arrays):
        return None
    n = len(arrays[0])
    if any(len(array) != n for array in arrays):
        return None
    rows = np.concatenate([array.reshape(n, -1) for array in arrays], axis=1).astype(np.float64)
    return rows if np.isfinite(rows).all() and rows.shape[1] else None


def _difference(function: Function, tensors: Tensors, dtype: str) -> Tensors:
    """`f(u) - f(0)`, with each row of `u` brought near 1 so that nothing is lost."""
    n = tensors[0].shape[0]
    largest = np.max(
        [np.abs(backend.to_numpy(t)).reshape(n, -1).max(axis=1, initial=0.0) for t in tensors],
        axis=0,
    )
    sizes = np.ldexp(1.0, np.frexp(largest)[1])  # powers of two: multiplying by them is exact

    def scaled(tensor: Any, by: NDArray[np.float64]) -> Any:
        shape = (-1, *(1,) * (len(tensor.shape) - 1))
        return tensor * backend.to_tensor(by.reshape(shape), dtype)

    at_zero = function([keras.ops.zeros_like(t[:1]) for t in tensors])
    made = function([scaled(t, 1 / sizes) for t in tensors])
    return tuple(scaled(f - zero, sizes) for f, zero in zip(made, at_zero, strict=True))


def _separable(
    function: Function, shape: Shape, channels: int, dtype: str
) -> tuple[Function, Function]:
    """A map of images as what it does to rows, to columns, and a constant, in float64.

    Resizing and cropping are of this kind; backends that compute it in float32 still have the
    coefficients right to the last digit of float32, which is what the model computes with.
    """
    first, second = (axis for axis in range(3) if axis != channels)
    ones = np.ones((1, *shape))

    def planes(axis: int | None) -> NDArray[np.float64]:
        """[size of the axis, rows, columns]: of images that are 1 at one row or column."""
        if axis is None:
            images = ones
        else:
            unit = np.eye(shape[axis])
            place = [1, 1, 1]
            place[axis] = shape[axis]
            images = ones * unit.reshape(-1, *place)
        (made,) = function([backend.to_tensor(images, "float64")])
        array = backend.to_numpy(made).astype(np.float64)
        return np.take(array - constant, 0, axis=channels + 1)

    constant: Any = 0.0
    (made,) = function([backend.to_tensor(0 * ones, "float64")])
    constant = backend.to_numpy(made).astype(np.float64)
    if constant.ndim != 4:
        raise NotLinear(NOT_LINEAR)
    whole = planes(None)[0]
    i, j = np.unravel_index(np.abs(whole).argmax(), whole.shape)
    down = planes(first)[:, :, j].T
    across = planes(second)[:, i, :].T / (whole[i, j] or 1.0)
    spec = "im,jn,bmnc->bijc" if channels == 2 else "im,jn,bcmn->bcij"

    def linear(tensors: Tensors) -> Tensors:
        made = keras.ops.einsum(
            spec, *(backend.to_tensor(a, dtype) for a in (down, across)), *tensors
        )
        return (made,)

    def apply(tensors: Tensors) -> Tensors:
        return (linear(tensors)[0] + backend.to_tensor(constant, dtype),)

    return apply, linear


def _distance(one: Function, other: Function, shape: Shape) -> float:
    """The largest difference of two functions of one tensor on random examples, relative."""
    given = [np.random.default_rng(1).normal(size=(3, *shape))]
    first, second = _rows(one, given), _rows(other, given)
    if first is None or second is None or first.shape != second.shape:
        return np.inf
    return float(np.abs(first - second).max() / max(np.abs(first).max(), 1e-300))
