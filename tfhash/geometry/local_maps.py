"""What a network is on one region: an affine map, and the inequalities that bound the region."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tfhash import backend
from tfhash.geometry.interior import Vector
from tfhash.geometry.jvp import Choices, jvp
from tfhash.geometry.stack import DenseStack, dense_stack, output_layer
from tfhash.geometry.steps import Activation, Max, Plan

Units = NDArray[np.int64]
# For each layer of the plan: bool [n_units], above the kink or not; or int32 [n_units], the number
# of the candidate that is a maximum.
Pattern = tuple[NDArray[Any], ...]

CHUNK_BYTES = 1 << 28  # of the derivatives along several inputs, alive at once
_ZERO = 1e-12  # of a layer's largest: a slope or value no larger is a rounding of 0


@dataclass(frozen=True, eq=False)
class LocalMap:
    """What a network is on one region.

    Attributes
    ----------
    pattern : Pattern
    rows, offsets : float64 [m, n_inputs], float64 [m]
        The region is ``rows @ z <= offsets``; a row for each unit whose value there changes.
    units : int64 [m, 2]
        The layer of each row, and the unit: of a maximum, ``candidate * n_units + output``.
    still : int64 [k, 2]
        Units that are at their kink in the whole region.
    at_zero : int64 [j, 2]
        Units that are at their kink at the point that the map was made for, but not in the region.
    output : (float64 [n_outputs, n_inputs], float64 [n_outputs]) or None
        The network's output, before a softmax or sigmoid, is ``output[0] @ z + output[1]``.
    layers : list of float64 [n_units, n_inputs + 1]
        Of a dense stack: the pre-activations, the constant last.
    """

    pattern: Pattern
    rows: Vector
    offsets: Vector
    units: Units
    still: Units
    at_zero: Units
    output: tuple[Vector, Vector] | None
    layers: Sequence[Vector] = ()

    @cached_property
    def key(self) -> bytes:
        """The same for two regions if and only if they are one."""
        return b"".join(part.tobytes() for part in self.pattern)

    def key_with(self, layer: int, unit: int) -> bytes | None:
        """The key with one unit on its other side; None for a maximum."""
        part = self.pattern[layer]
        if part.dtype != bool:
            return None
        at = sum(each.nbytes for each in self.pattern[:layer]) + unit
        return self.key[:at] + (b"\0" if part[unit] else b"\1") + self.key[at + 1 :]


class Maps(Protocol):
    """Makes the maps of a network's regions."""

    def at(self, x: Vector) -> LocalMap:
        """The map of the region of a point, float64 [n_inputs]."""

    def across(self, local: LocalMap, units: Units, normal: Vector) -> LocalMap:
        """The map past a facet on which some units are at their kinks.

        Each of them, and each that was at its kink throughout, gets the side to which its own slope
        along the normal leads past the facet, layer by layer: it may depend on those before it.
        """


class DenseMaps:
    """Of a stack of dense layers with (leaky) ReLU: NumPy alone, with the weights as they were."""

    def __init__(self, stack: DenseStack, output: tuple[Vector, Vector] | None) -> None:
        self.weights: list[tuple[Vector, Vector]] = []
        self.slopes = [slope for *_, slope in stack.layers]
        for weights, scale, shift, _ in stack.layers:
            weights = weights.astype(np.float64)
            self.weights.append((weights if scale is None else weights * scale, shift))
        for flat in reversed(stack.before):
            kernel, constant = self.weights[0]
            if flat.shift is not None:
                constant = constant + flat.shift() @ kernel
            if flat.scale is not None:
                kernel = kernel * flat.scale()[:, None]
            self.weights[0] = kernel, constant
        self.output = output

    def at(self, x: Vector) -> LocalMap:
        pattern, zeros = [], []
        h = x
        for (kernel, shift), slope in zip(self.weights, self.slopes, strict=True):
            z = h @ kernel + shift
            if not np.isfinite(z).all():
                raise ValueError(
                    "Expected finite pre-activations. Received: NaN or infinity: the weights are "
                    "not finite, or the numbers overflow."
                )
            pattern.append(z > 0)
            zeros.append(z == 0)
            h = np.where(z > 0, z, slope * z)
        return self._map(tuple(pattern), [], lambda layer, z: pattern[layer], zeros)

    def across(self, local: LocalMap, units: Units, normal: Vector) -> LocalMap:
        turning = np.concatenate([units, local.still])
        first = int(turning[:, 0].min())

        def side(layer: int, z: Vector) -> NDArray[np.bool_]:
            here = turning[turning[:, 0] == layer, 1]
            if not len(here):
                return local.pattern[layer]
            rising = z[:, :-1] @ normal
            above = local.pattern[layer].copy()
            above[here] = rising[here] > _ZERO * np.abs(rising).max(initial=0.0)
            return above

        return self._map(local.pattern, local.layers[: first + 1], side)

    def _map(
        self,
        pattern: Pattern,
        known: Sequence[Vector],
        side: Callable[[int, Vector], NDArray[np.bool_]],
        zeros: Sequence[NDArray[np.bool_]] = (),
    ) -> LocalMap:
        layers, found = list(known), _Found()
        sides: list[NDArray[np.bool_]] = []
        for layer, (kernel, shift) in enumerate(self.weights):
            if layer >= len(layers):
                layers.append(self._after(layer, layers, sides, kernel, shift))
            above = side(layer, layers[layer])
            sides.append(above)
            z = layers[layer]
            signs = np.where(above, -1.0, 1.0)
            is_zero = zeros[layer] if zeros else False
            found.add(layer, 0, z[:, :-1], z[:, -1], signs, True, is_zero)
        output = None
        if self.output is not None:
            last = self._after(len(layers), layers, sides, *self.output)
            output = last[:, :-1], last[:, -1]
        return found.map(tuple(sides), output, layers)

    def _after(
        self,
        layer: int,
        layers: Sequence[Vector],
        sides: Sequence[NDArray[np.bool_]],
        kernel: Vector,
        shift: Vector,
    ) -> Vector:
        if layer == 0:
            return np.concatenate([kernel.T, shift[:, None]], axis=1)
        slope = np.where(sides[-1], 1.0, self.slopes[layer - 1])
        made: Vector = (kernel.T * slope) @ layers[layer - 1]
        made[:, -1] += shift
        return made


class GeneralMaps:
    """Of any plan: one pass at a point, and of the derivatives along every input.

    Parameters
    ----------
    open_plan : gives the plan, with the weights as they are then
    x : float64 [n_inputs]
        The point at which values are taken, of each region's map continued to it.
    """

    def __init__(self, open_plan: Callable[[], AbstractContextManager[Plan]], x: Vector) -> None:
        self.open_plan, self.x = open_plan, x

    def at(self, x: Vector) -> LocalMap:
        with backend.float64(), self.open_plan() as plan:
            record: Choices = {}
            self._pass(plan, np.zeros((1, len(x))), lambda *_: None, record=record)
            return self._map(plan, _pattern_of(plan, record), True)

    def across(self, local: LocalMap, units: Units, normal: Vector) -> LocalMap:
        turning = np.concatenate([units, local.still])
        pattern = tuple(part.copy() for part in local.pattern)
        with backend.float64(), self.open_plan() as plan:
            for layer in np.unique(turning[:, 0]):
                slopes = self._slopes_along(plan, int(layer), pattern, normal)
                _turn(pattern[layer], slopes, turning[turning[:, 0] == layer, 1])
            return self._map(plan, pattern, False)

    def _pass(
        self, plan: Plan, directions: Vector, visit: Callable[..., None], **options: Any
    ) -> tuple[Any, Any] | None:
        shape = plan.input_shape
        x = self.x.reshape(1, *shape)
        directions = directions.reshape(len(directions), *shape)
        return jvp(plan, "linear", x, directions, "float64", visit, with_logits=True, **options)

    def _slopes_along(self, plan: Plan, layer: int, pattern: Pattern, normal: Vector) -> Vector:
        found: list[Vector] = []

        def visit(_: Any, z: Any, u: Any, at: int, first_unit: int) -> None:
            if at == layer:
                found.append(backend.to_numpy(u).ravel())

        self._pass(plan, normal[None], visit, chosen=_choices_of(plan, pattern))
        return np.concatenate(found)

    def _map(self, plan: Plan, pattern: Pattern, is_at: bool) -> LocalMap:
        d = len(self.x)
        chosen = _choices_of(plan, pattern)
        step = max(1, CHUNK_BYTES // (16 * plan.largest_step()))
        values: dict[tuple[int, int], Vector] = {}
        slopes: dict[tuple[int, int], Vector] = {}
        output: tuple[Vector, Vector] | None = None
        for start in range(0, d, step):
            stop = min(start + step, d)
            directions = np.zeros((stop - start, d))
            directions[np.arange(stop - start), np.arange(start, stop)] = 1.0

            def visit(_: Any, z: Any, u: Any, layer: int, first: int, at: int = start) -> None:
                rows = backend.to_numpy(u)
                rows = rows.reshape(len(rows), -1)
                if at == 0:
                    values[layer, first] = backend.to_numpy(z).ravel()
                    slopes[layer, first] = np.empty((rows.shape[1], d))
                slopes[layer, first][:, at : at + len(rows)] = rows.T

            made = self._pass(plan, directions, visit, chosen=chosen)
            if made is not None:
                z, rows = (backend.to_numpy(part) for part in made)
                if output is None:
                    output = np.empty((z.size, d)), z.ravel()
                output[0][:, start:stop] = rows.reshape(len(rows), -1).T
        if output is not None:
            output = output[0], output[1] - output[0] @ self.x
        found = _Found()
        maxima = {step.layer: step for step in plan.steps if isinstance(step, Max)}
        for layer, first in sorted(values):
            z, rows = values[layer, first], slopes.pop((layer, first))
            side = pattern[layer]
            counts, signs = np.ones(len(z), bool), np.ones(len(z))
            if layer in maxima:  # the chosen one, and padding, are 0 beside the chosen one
                candidate = first // len(side)
                valid = maxima[layer].valid[candidate]
                counts = (side != candidate) & (True if valid is None else valid.ravel())
            else:
                signs = np.where(side, -1.0, 1.0)
            found.add(layer, first, rows, z - rows @ self.x, signs, counts, is_at & (z == 0))
        return _canonical(found.map(pattern, output))


class _Found:
    """Collects inequalities, layer by layer."""

    def __init__(self) -> None:
        self.parts: list[tuple[Vector, Vector, Units, Units, Units]] = []

    def add(
        self,
        layer: int,
        first: int,
        slopes: Vector,
        constants: Vector,
        signs: Vector,
        counts: NDArray[np.bool_] | bool,
        is_zero: NDArray[np.bool_] | bool,
    ) -> None:
        """Add ``signs * (slopes @ z + constants) <= 0``, units from ``first`` on, if they count."""
        sizes = np.sqrt(np.einsum("ij,ij->i", slopes, slopes))
        moves = sizes > _ZERO * sizes.max(initial=0.0)
        still = ~moves & (np.abs(constants) <= _ZERO * np.abs(constants).max(initial=0.0))
        rows = np.flatnonzero(moves & counts)
        self.parts.append(
            (
                slopes[rows] * signs[rows, None],
                -constants[rows] * signs[rows],
                _named(layer, first + rows),
                _named(layer, first + np.flatnonzero(still & counts)),
                _named(layer, first + np.flatnonzero(moves & counts & is_zero)),
            )
        )

    def map(
        self,
        pattern: Pattern,
        output: tuple[Vector, Vector] | None,
        layers: Sequence[Vector] = (),
    ) -> LocalMap:
        rows, offsets, units, still, at_zero = (
            np.concatenate(part) for part in zip(*self.parts, strict=True)
        )
        return LocalMap(pattern, rows, offsets, units, still, at_zero, output, layers)


def _named(layer: int, units: NDArray[np.int64]) -> Units:
    return np.stack([np.full(len(units), layer), units], axis=1)


def maps_of(
    plan: Plan, open_plan: Callable[[], AbstractContextManager[Plan]], x: Vector
) -> DenseMaps | GeneralMaps:
    """What makes the maps of a plan's regions."""
    stack = None if plan.has_maxima else dense_stack(plan)
    if stack is not None:
        output = output_layer(plan)
        if output is not None or plan.logits is None:
            return DenseMaps(stack, output)
    return GeneralMaps(open_plan, x)


def _sites(plan: Plan) -> Iterator[tuple[Activation | Max, int, int]]:
    """The steps that bend or choose, each with its first layer and its number of kinks, or 0."""
    for step in plan.steps:
        if isinstance(step, Activation):
            yield step, step.layer, len(step.function.kinks)
        elif isinstance(step, Max):
            yield step, step.layer, 0


def _pattern_of(plan: Plan, record: Choices) -> Pattern:
    parts: list[NDArray[Any]] = []
    for step, layer, n_kinks in _sites(plan):
        if n_kinks:
            parts += [np.broadcast_to(each, (1, *step.shape)).ravel() for each in record[layer]]
        else:
            parts.append(record[layer].astype(np.int32).ravel())
    return tuple(parts)


def _choices_of(plan: Plan, pattern: Pattern) -> Choices:
    """A pattern as passes take it."""
    chosen: Choices = {}
    for step, layer, n_kinks in _sites(plan):
        shape = (1, *step.shape)
        if n_kinks:
            chosen[layer] = [part.reshape(shape) for part in pattern[layer : layer + n_kinks]]
        else:
            chosen[layer] = pattern[layer].reshape(shape)
    return chosen


def _turn(above: NDArray[Any], slopes: Vector, units: NDArray[np.int64]) -> None:
    """Give units the side to which their slopes lead; in place."""
    least = _ZERO * float(np.abs(slopes).max(initial=0.0))
    if above.dtype == bool:
        above[units] = slopes[units] > least
        return
    n_units = len(above)
    order = units[np.lexsort((units, -slopes[units]))]  # the steepest first, of equals the first
    outputs, first = np.unique(order % n_units, return_index=True)
    steepest = order[first]
    rises = slopes[steepest] > least
    above[outputs[rises]] = (steepest // n_units)[rises]


def _canonical(local: LocalMap) -> LocalMap:
    """Of candidates that are equal throughout the region, count the first as the maximum."""
    for i, (layer, unit) in enumerate(local.still):
        choice = local.pattern[layer]
        if choice.dtype != bool:
            candidate, output = divmod(int(unit), len(choice))
            if candidate < choice[output]:
                local.still[i, 1] = choice[output] * len(choice) + output
                choice[output] = candidate
    return local
