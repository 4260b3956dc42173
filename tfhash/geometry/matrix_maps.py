"""Local maps of small networks: every linear step as a matrix, NumPy alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfhash import backend
from tfhash.geometry.interior import Vector
from tfhash.geometry.line_sweep import flat, rows_of
from tfhash.geometry.local_maps import (
    LocalMap,
    Part,
    Units,
    beside,
    canonical,
    joined,
    part_of,
    turn,
)
from tfhash.geometry.pieces import PiecewiseLinear
from tfhash.geometry.steps import Activation, Affine, Max, Plan, size

MOST_NUMBERS = 1 << 24  # in the matrices of a network, 128 MiB


class _Start(NamedTuple):
    """The input itself: derivatives are the identity, of which no product is made."""

    x: Vector


def _rows(value: Vector | _Start) -> Vector:
    """float64 [size, d + 1]: derivatives, then the value."""
    if isinstance(value, _Start):
        return np.column_stack([np.eye(len(value.x)), value.x])
    return value


def _applied(matrix: Vector | None, value: Vector | _Start) -> Vector:
    if matrix is None:
        return _rows(value).copy()
    if isinstance(value, _Start):
        # The kernels take rows that lie side by side in memory, which a transposed matrix has not.
        return np.ascontiguousarray(np.column_stack([matrix, matrix @ value.x]))
    return np.asarray(matrix @ value)


class Linear(NamedTuple):
    """Of an affine step and of a maximum's candidates: for each output, from each input.

    Attributes
    ----------
    matrices : [i][j] float64 [size of output i, size of input j], or None for the identity
    shifts : [i] float64 [size of output i], or None for 0
    """

    matrices: list[list[Vector | None]]
    shifts: list[Vector | None]

    def __call__(self, values: Sequence[Vector | _Start]) -> list[Vector]:
        """Outputs, float64 [size, d + 1] each, of such inputs: derivatives, then the value."""
        made = []
        for row, shift in zip(self.matrices, self.shifts, strict=True):
            parts = [_applied(m, v) for m, v in zip(row, values, strict=True)]
            total = parts[0]
            for part in parts[1:]:
                total += part
            if shift is not None:
                total[:, -1] += shift
            made.append(total)
        return made


def are_small(plan: Plan) -> bool:
    """Whether a plan's steps are to be had as matrices."""
    needed = 0
    for step in plan.steps:
        if not isinstance(step, Activation):
            made = sum(size(plan.shapes[number]) for number in step.outputs)
            taken = sum(size(plan.shapes[number]) for number in step.inputs)
            needed += made * taken * (len(step.valid) if isinstance(step, Max) else 1)
    return needed <= MOST_NUMBERS


class MatrixMaps:
    """Makes local maps with the weights as they are when it is made.

    Past a facet, what comes before the unit that switches there is kept from the map on this side.

    Parameters
    ----------
    x : float64 [n_inputs]
        The point at which values are taken, of each region's map continued to it.
    """

    def __init__(self, plan: Plan, x: Vector) -> None:
        self.plan, self.x = plan, x
        self.linear: list[Linear | PiecewiseLinear] = []
        for step in plan.steps:
            if isinstance(step, Activation):
                self.linear.append(flat(step))
            elif isinstance(step, Max):
                self.linear.append(_matrices(plan, step.inputs, step.candidates, None))
            elif step.flat is not None:
                self.linear.append(_flat_matrix(step))
            else:
                self.linear.append(_matrices(plan, step.inputs, step.linear, step.apply))

    def at(self) -> LocalMap:
        """The map of the region of `x`."""

        def side(_: int, found: list[Vector]) -> NDArray[Any]:
            if len(found) == 1:
                return np.asarray(found[0][:, -1] > 0)
            return np.argmax([each[:, -1] for each in found], axis=0).astype(np.int32)

        return self._map({0: _Start(self.x)}, [], 0, side, True)

    def across(self, local: LocalMap, units: Units, normal: Vector) -> LocalMap:
        """The map past a facet on which some units are at their kinks.

        Each of them, and each that was at its kink throughout, gets the side to which its own slope
        along the normal leads past the facet, layer by layer: it may depend on those before it.
        """
        turning = np.concatenate([units, local.still])
        first = int(turning[:, 0].min())
        at = max(
            i
            for i, step in enumerate(self.plan.steps)
            if not isinstance(step, Affine) and step.layer <= first
        )
        step = self.plan.steps[at]
        assert not isinstance(step, Affine)

        def side(layer: int, found: list[Vector]) -> NDArray[Any]:
            here = turning[turning[:, 0] == layer, 1]
            now = local.pattern[layer]
            if not len(here):
                return now
            now = now.copy()
            if len(found) == 1:
                turn(now, found[0][:, :-1] @ normal, here)
            else:
                rising = np.stack([each[:, :-1] @ normal for each in found])
                rising -= rising[now, np.arange(len(now))]
                turn(now, rising.ravel(), here)
            return now

        return self._map(local.values, local.parts[: step.layer], at, side, False)

    def _map(
        self,
        known: Mapping[int, Vector | _Start],
        parts: list[Part],
        start: int,
        side: Callable[[int, list[Vector]], NDArray[Any]],
        is_at: bool,
    ) -> LocalMap:
        values: dict[int, Vector | _Start] = dict(known)
        parts = list(parts)
        sides: list[NDArray[Any]] = [part.side for part in parts]
        for step, linear in zip(self.plan.steps[start:], self.linear[start:], strict=True):
            taken = [values[number] for number in step.inputs]
            if isinstance(step, Affine):
                assert isinstance(linear, Linear)
                values.update(zip(step.outputs, linear(taken), strict=True))
                continue
            if isinstance(step, Activation):
                assert isinstance(linear, PiecewiseLinear)
                made = _rows(taken[0])
                above = []
                for k, kink in enumerate(linear.kinks):
                    z = made
                    if np.any(kink):
                        z = made.copy()
                        z[:, -1] -= kink
                    above.append(side(step.layer + k, [z]))
                    layer, values_of = step.layer + k, z[:, -1]
                    parts.append(
                        part_of(layer, above[-1], z[:, :-1], values_of, None, self.x, is_at)
                    )
                sides += above
                values[step.outputs[0]] = _bent(linear, above, made)
            else:
                assert isinstance(linear, Linear)
                found = [step.sign * each for each in linear(taken)]
                for each, valid in zip(found, step.valid, strict=True):
                    if valid is not None:
                        each[~valid.ravel(), -1] = -np.inf
                choice = side(step.layer, found)
                chosen = np.stack(found)[choice, np.arange(len(choice))]
                counts = beside(choice, step)
                for each, counted in zip(found, np.split(counts, len(found)), strict=True):
                    each[~counted] = chosen[~counted]
                z = np.concatenate([each - chosen for each in found])
                parts.append(
                    part_of(step.layer, choice, z[:, :-1], z[:, -1], counts, self.x, is_at)
                )
                sides.append(choice)
                values[step.outputs[0]] = step.sign * chosen
        output = None
        if self.plan.logits is not None:
            made = _rows(values[self.plan.logits])
            output = made[:, :-1], made[:, -1] - made[:, :-1] @ self.x
        return canonical(joined(tuple(sides), parts, output, values))


def _bent(function: PiecewiseLinear, above: list[NDArray[Any]], z: Vector) -> Vector:
    slope, offset = function.slopes[0], function.offsets[0]
    for is_above, next_slope, next_offset in zip(
        above, function.slopes[1:], function.offsets[1:], strict=True
    ):
        slope = np.where(is_above, next_slope, slope)
        offset = np.where(is_above, next_offset, offset)
    made: Vector = z * slope[:, None]
    if np.any(offset):
        made[:, -1] += offset
    return made


def _flat_matrix(step: Affine) -> Linear:
    flat_ = step.flat
    assert flat_ is not None
    matrix = None if flat_.weights is None else flat_.weights().astype(np.float64).T
    if flat_.scale is not None:
        scale = flat_.scale().astype(np.float64)
        matrix = np.diag(scale) if matrix is None else matrix * scale[:, None]
    shift = None if flat_.shift is None else flat_.shift().astype(np.float64)
    return Linear([[matrix]], [shift])


def _matrices(
    plan: Plan,
    inputs: tuple[int, ...],
    linear: Callable[[Any], Any],
    apply: Callable[[Any], Any] | None,
) -> Linear:
    """A linear function's matrices, from what it makes of each unit vector."""
    shapes = [plan.shapes[number] for number in inputs]
    columns: list[list[Vector]] = []
    for j, shape in enumerate(shapes):
        n = size(shape)
        given = [np.eye(n) if i == j else np.zeros((n, size(s))) for i, s in enumerate(shapes)]
        made = linear(_tensors(given, shapes))
        columns.append([rows_of(each, n).T for each in made])
    rows: list[list[Vector | None]] = [list(row) for row in zip(*columns, strict=True)]
    shifts: list[Vector | None] = [None] * len(rows)
    if apply is not None:
        made = apply(_tensors([np.zeros((1, size(shape))) for shape in shapes], shapes))
        shifts = [rows_of(each, 1)[0] for each in made]
    return Linear(rows, shifts)


def _tensors(rows: list[Vector], shapes: list[tuple[int, ...]]) -> list[Any]:
    return [
        backend.to_tensor(each.reshape(len(each), *shape), "float64")
        for each, shape in zip(rows, shapes, strict=True)
    ]
