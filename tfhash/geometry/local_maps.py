"""What a network is on one region: an affine map, and the inequalities that bound the region."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfhash import _native, backend
from tfhash.geometry.interior import Vector
from tfhash.geometry.jvp import Choices, jvp
from tfhash.geometry.steps import Activation, Max, Plan

Units = NDArray[np.int64]
# For each layer of the plan: bool [n_units], above the kink or not; or int32 [n_units], the number
# of the candidate that is a maximum.
Pattern = tuple[NDArray[Any], ...]

CHUNK_BYTES = 1 << 28  # of the derivatives along several inputs, alive at once
_OTHER = (b"\1", b"\0")  # of a unit's byte in a key
ZERO = 1e-12  # of a layer's largest: a slope or value no larger is a rounding of 0


@dataclass(frozen=True, eq=False)
class LocalMap:
    """What a network is on one region.

    Attributes
    ----------
    pattern : Pattern
    rows, offsets : float64 [m, n_inputs], float64 [m]
        The region is `rows @ z <= offsets`; a row for each unit whose value there changes.
    units : int64 [m, 2]
        The layer of each row, and the unit: of a maximum, `candidate * n_units + output`.
    still : int64 [k, 2]
        Units that are at their kink in the whole region.
    at_zero : int64 [j, 2]
        Units that are at their kink at the point that the map was made for, but not in the region.
    output : (float64 [n_outputs, n_inputs], float64 [n_outputs]) or None
        The network's output, before a softmax or sigmoid, is `output[0] @ z + output[1]`.
    values, parts
        What a map across a facet may be made from: by number, the values on the way, and the
        layers' inequalities.
    """

    pattern: Pattern
    rows: Vector
    offsets: Vector
    units: Units
    still: Units
    at_zero: Units
    output: tuple[Vector, Vector] | None
    values: Mapping[int, Any]
    parts: list[Part]

    @cached_property
    def key(self) -> bytes:
        """The same for two regions if and only if they are one."""
        return b"".join(part.tobytes() for part in self.pattern)

    def keys_with(self, units: Units) -> list[bytes | None]:
        """The key with each of some units, [k, 2], alone on its other side; None for a maximum."""
        key = self.key
        keys: list[bytes | None] = []
        starts = [0, *itertools.accumulate(each.nbytes for each in self.pattern)]
        switches = [each.dtype == bool for each in self.pattern]
        for layer, unit in units.tolist():
            at = starts[layer] + unit
            turned = key[:at] + _OTHER[key[at]] + key[at + 1 :] if switches[layer] else None
            keys.append(turned)
        return keys


class GeneralMaps:
    """Makes local maps of any plan, with the weights as they are then.

    One pass at a point, and of the derivatives along every input.

    Parameters
    ----------
    open_plan : gives the plan
    x : float64 [n_inputs]
        The point at which values are taken, of each region's map continued to it.
    """

    def __init__(self, open_plan: Callable[[], AbstractContextManager[Plan]], x: Vector) -> None:
        self.open_plan, self.x = open_plan, x

    def at(self) -> LocalMap:
        """The map of the region of `x`."""
        with backend.float64(), self.open_plan() as plan:
            record: Choices = {}
            self._pass(plan, np.zeros((1, len(self.x))), lambda *_: None, record=record)
            return self._map(plan, _pattern_of(plan, record), True)

    def across(self, local: LocalMap, units: Units, normal: Vector) -> LocalMap:
        """As `MatrixMaps.across`."""
        turning = np.concatenate([units, local.still])
        pattern = tuple(part.copy() for part in local.pattern)
        with backend.float64(), self.open_plan() as plan:
            for layer in np.unique(turning[:, 0]):
                if len(turning) == 1 and pattern[layer].dtype == bool:
                    pattern[layer][turning[0, 1]] ^= True
                    break
                slopes = self._slopes_along(plan, int(layer), pattern, normal)
                turn(pattern[layer], slopes, turning[turning[:, 0] == layer, 1])
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
        maxima = {step.layer: step for step in plan.steps if isinstance(step, Max)}
        width = max(1, CHUNK_BYTES // (16 * plan.largest_step()))
        values: dict[tuple[int, int], Vector] = {}
        slopes: dict[tuple[int, int], Vector] = {}
        output: tuple[Vector, Vector] | None = None
        for start in range(0, d, width):
            stop = min(start + width, d)
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
        parts = []
        for layer in sorted({layer for layer, _ in values}):
            side = pattern[layer]
            firsts = sorted(first for at, first in values if at == layer)
            z = np.concatenate([values[layer, first] for first in firsts])
            blocks = [slopes.pop((layer, first)) for first in firsts]
            rows = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
            counts = None if side.dtype == bool else beside(side, maxima[layer])
            parts.append(part_of(layer, side, rows, z, counts, self.x, is_at))
        return canonical(joined(pattern, parts, output, {}))


class Part(NamedTuple):
    """What one layer adds to a region: the side of each unit, inequalities and their units."""

    side: NDArray[Any]
    rows: Vector
    offsets: Vector
    units: Units
    still: Units
    at_zero: Units


def part_of(
    layer: int,
    side: NDArray[Any],
    slopes: Vector,
    values: Vector,
    counts: NDArray[np.bool_] | None,
    x: Vector,
    is_at: bool,
) -> Part:
    """The inequalities of units that count: `slopes @ (z - x) + values` is at most 0.

    At least 0 for units that are above their kinks.

    Parameters
    ----------
    side : the layer's part of the pattern
    counts : None for all
    is_at : whether `x` is in the region, so that units at 0 are told of
    """
    above = side if side.dtype == bool else None
    made = _native.unit_sides(layer, slopes, values, above, counts, x, ZERO)
    if made is None:
        raise _not_finite()
    rows, offsets, units, still, at_zero = made
    return Part(side, rows, offsets, units, still, at_zero if is_at else at_zero[:0])


def check_finite(numbers: Vector) -> None:
    """Raise ValueError where numbers that follow from the weights are not finite."""
    if not np.isfinite(numbers).all():
        raise _not_finite()


def _not_finite() -> ValueError:
    return ValueError(
        "Expected finite pre-activations. Received: NaN or infinity: the weights are not "
        "finite, or the numbers overflow."
    )


def beside(choice: NDArray[Any], step: Max) -> NDArray[np.bool_]:
    """bool [n_candidates * n_units]: those other than the chosen one, and no padding."""
    parts = [
        (choice != c) & (True if valid is None else valid.ravel())
        for c, valid in enumerate(step.valid)
    ]
    return np.concatenate(parts)


def joined(
    pattern: Pattern,
    parts: list[Part],
    output: tuple[Vector, Vector] | None,
    values: Mapping[int, Any],
) -> LocalMap:
    """The layers' inequalities together."""
    rows, offsets, units, still, at_zero = (
        np.concatenate(each) for each in list(zip(*parts, strict=True))[1:]
    )
    # To go on from, where values are kept: they are as large as all else.
    kept = parts if values else []
    return LocalMap(pattern, rows, offsets, units, still, at_zero, output, values, kept)


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


def turn(above: NDArray[Any], slopes: Vector, units: NDArray[np.int64]) -> None:
    """Give units the side to which their slopes lead; in place."""
    least = ZERO * float(np.abs(slopes).max(initial=0.0))
    if above.dtype == bool:
        above[units] = slopes[units] > least
        return
    n_units = len(above)
    order = units[np.lexsort((units, -slopes[units]))]  # the steepest first, of equals the first
    outputs, first = np.unique(order % n_units, return_index=True)
    steepest = order[first]
    rises = slopes[steepest] > least
    above[outputs[rises]] = (steepest // n_units)[rises]


def canonical(local: LocalMap) -> LocalMap:
    """Of candidates that are equal throughout the region, count the first as the maximum."""
    for i, (layer, unit) in enumerate(local.still):
        choice = local.pattern[layer]
        if choice.dtype != bool:
            candidate, output = divmod(int(unit), len(choice))
            if candidate < choice[output]:
                local.still[i, 1] = choice[output] * len(choice) + output
                choice[output] = candidate
    return local
