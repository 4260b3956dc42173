"""Networks that are a stack of dense layers, each with a (leaky) ReLU: they have a kernel."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfhash import _native
from tfhash.geometry import line_sweep
from tfhash.geometry.steps import Activation, Affine, Flat, Plan, size

# Breakpoints, their units, and the code of the first region.
Line = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]
_DONE, _TOO_MANY = 0, 1
PATCH_BYTES = 1 << 23  # of the values of a patch of a plane, in each layer


class Polygons(NamedTuple):
    """Polygons of a plane, each of another code.

    Attributes
    ----------
    points : float64 [n_points, 2]
    offsets, corners : int64 [n_polygons + 1], int64 [...]
        Polygon `i` is `points[corners[offsets[i]:offsets[i + 1]]]`, in order around it.
    codes : list of uint64 [n_polygons, words]
        The packed activation pattern of each layer.
    """

    points: NDArray[np.float64]
    offsets: NDArray[np.int64]
    corners: NDArray[np.int64]
    codes: list[NDArray[np.uint64]]


@dataclass(frozen=True)
class DenseStack:
    """What the kernel takes.

    Attributes
    ----------
    before : list of Flat
        What is done to the inputs before the first layer: scales and shifts.
    layers : list of (weights, scale, shift, slope)
        float32 or float64 [n_in, n_out], float64 [n_out] or None, float64 [n_out], float.
    most_points : int
        Points that may be held at once on a line.
    names : list of str
    """

    before: list[Flat]
    layers: list[tuple[Any, Any, Any, float]]
    most_points: int
    names: list[str]

    def lines(self, ends: NDArray[np.float64]) -> Iterator[Line | None]:
        """What switches from each `ends[i, 0]` to `ends[i, 1]`; None where that is too much.

        Raises
        ------
        ValueError
            Where a pre-activation is not finite.
        """
        rows = self._into_first_layer(ends.reshape(2 * len(ends), -1))
        outcomes, offsets, t, units, codes = _native.dense_lines(
            self.layers, rows, self.most_points
        )
        for i, outcome in enumerate(outcomes.tolist()):
            if outcome not in (_DONE, _TOO_MANY):
                raise not_finite(self.names)
            here = slice(offsets[i], offsets[i + 1])
            yield (t[here], units[here], codes[i]) if outcome == _DONE else None

    def plane(self, window: NDArray[np.float64], inputs: NDArray[np.float64]) -> Polygons:
        """The polygons of a window of a plane on which no unit switches.

        Parameters
        ----------
        window : float64 [n, 2]
            The corners of a convex polygon, in order around it.
        inputs : float64 [n, input size]
            The inputs at those corners.

        Raises
        ------
        ValueError
            Where a pre-activation is not finite.
        """
        found = _native.dense_plane(
            self.layers, window, self._into_first_layer(inputs), PATCH_BYTES
        )
        if found is None:
            raise not_finite(self.names)
        return Polygons(*found)

    def _into_first_layer(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        for flat in self.before:
            rows = rows if flat.scale is None else rows * flat.scale()
            rows = rows if flat.shift is None else rows + flat.shift()
        return np.ascontiguousarray(rows)


def not_finite(names: list[str]) -> ValueError:
    """The error for pre-activations that are not finite, in one of the layers of these names."""
    return ValueError(
        "Expected finite pre-activations. Received: NaN or infinity in a layer of "
        f"{', '.join(names)}: the weights are not finite, or the numbers overflow."
    )


class _Form(NamedTuple):
    """A stack without its weights, which stays the same while its plan does.

    Attributes
    ----------
    before : list of Flat
    layers : list of (list of Flat, int, float)
        What is done up to each activation function, its number of units and its slope below 0.
    largest_step : int
        Of the plan.
    names : list of str
    """

    before: list[Flat]
    layers: list[tuple[list[Flat], int, float]]
    largest_step: int
    names: list[str]


_forms: weakref.WeakKeyDictionary[Plan, _Form | None] = weakref.WeakKeyDictionary()


def dense_stack(plan: Plan) -> DenseStack | None:
    """The stack that a plan is up to its last units, or None where it is none.

    The weights are read at each call: nothing tells whether they have changed since.
    """
    if plan not in _forms:
        _forms[plan] = _form(plan)
    form = _forms[plan]
    if form is None:
        return None
    layers = [(*_joined(flats, n_units), slope) for flats, n_units, slope in form.layers]
    most_points = max(4, line_sweep.SWEEP_BYTES // (8 * form.largest_step))
    return DenseStack(form.before, layers, most_points, form.names)


def _form(plan: Plan) -> _Form | None:
    before: list[Flat] = []
    pending: list[Flat] = []  # since the last activation function
    layers: list[tuple[list[Flat], int, float]] = []
    value = 0
    for step in plan.up_to_units("activation"):
        if step.inputs != (value,) or len(step.outputs) != 1:
            return None
        value = step.outputs[0]
        if isinstance(step, Affine):
            if step.flat is None:
                return None
            pending.append(step.flat)
        elif isinstance(step, Activation):
            slope = _slope(step)
            products = [i for i, flat in enumerate(pending) if flat.weights is not None]
            if slope is None or len(products) != 1:
                return None
            if not layers:
                before, pending = pending[: products[0]], pending[products[0] :]
            layers.append((pending, size(step.shape), slope))
            pending = []
        else:
            return None
    return _Form(before, layers, plan.largest_step(), [layer.name for layer in plan.layers])


def _slope(step: Activation) -> float | None:
    """The slope below 0 of a (leaky) ReLU; None for another function."""
    function = step.function
    if not all(isinstance(each, float) for each in (*function.slopes, *function.offsets)):
        return None
    if len(function.kinks) != 1 or not isinstance(function.kinks[0], float):
        return None
    is_relu = (*function.kinks, function.slopes[1], *function.offsets) == (0.0, 1.0, 0.0, 0.0)
    return float(function.slopes[0]) if is_relu else None


def _joined(flats: list[Flat], n_units: int) -> tuple[Any, Any, Any]:
    """One product, and what comes before and after it, as (weights, scale, shift)."""
    into: Any = None  # scale of the inputs
    weights: Any = None
    scale: Any = None
    shift: Any = None
    for flat in flats:
        if flat.weights is not None:
            weights = flat.weights()
            shift = None if shift is None else shift @ weights
            if into is not None:
                weights = into[:, None] * weights
        if flat.scale is not None:
            factor = flat.scale()
            if weights is None:
                into = factor if into is None else into * factor
            else:
                scale = factor if scale is None else scale * factor
            shift = None if shift is None else shift * factor
        if flat.shift is not None:
            more = flat.shift().astype(np.float64)
            shift = more if shift is None else shift + more
    shift = np.zeros(n_units) if shift is None else np.ascontiguousarray(shift)
    scale = None if scale is None else np.ascontiguousarray(scale)
    if weights.dtype not in (np.float32, np.float64):
        weights = weights.astype(np.float64)
    return np.ascontiguousarray(weights), scale, shift
