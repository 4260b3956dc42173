"""Networks of steps that act pixel by pixel, such as convolutions: lines have a kernel for them.

A kink bends what is in its receptive cone. So every pixel has its own points along the line, and
only at those are its values computed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfhash import _native
from tfhash.geometry import line_sweep
from tfhash.geometry.pixels import Join, Sum, Windows, structure
from tfhash.geometry.stack import Line, not_finite
from tfhash.geometry.steps import Activation, Affine, Flat, Max, Plan, size

_TOO_MANY, _NOT_FINITE = 1, 2
_SHORTEST = 2.0**-40  # a part of a line is not cut below this: what is left switches at one point
STEPS_HELD = 64  # bytes for each value of the largest step, at least, of a line
_UNLIMITED = 2**62


class _Made(NamedTuple):
    """A value as the kernel holds it: its number there, its pixels and their channels."""

    number: int
    n_pixels: int
    n_channels: int


class _NotLocal(Exception):
    """A step does not act on few pixels, or not on the pixels that the kernel holds."""


@dataclass
class LocalNetwork:
    """What the kernel takes.

    Attributes
    ----------
    steps : list of dict
    n_values, input_pixels : int
    firsts : int64 [n_layers + 1]
        Where the states of each layer begin.
    counts : bool [n_layers]
        The layers whose switches change the code.
    most_bytes : int
        Of values that may be held at once on a line.
    names : list of str
    """

    input_pixels: int
    firsts: NDArray[np.int64]
    counts: list[bool]
    most_bytes: int
    names: list[str]
    steps: list[dict[str, Any]] = field(default_factory=list)
    n_values: int = 1

    def lines(self, ends: NDArray[np.float64]) -> Iterator[Line]:
        """What switches from each `ends[i, 0]` to `ends[i, 1]`.

        Raises
        ------
        ValueError
            Where a pre-activation is not finite.
        """
        found, states = self._run(ends, self.most_bytes)
        states = states.reshape(len(ends), 2, -1)
        for pair, (outcome, t, units), ours in zip(ends, found, states, strict=True):
            if outcome == _TOO_MANY:
                t, units, first = self._in_parts(pair)
            else:
                first = ours[0]
            order = np.lexsort((units[:, 1], units[:, 0], t))
            parts = [
                first[self.firsts[i] : self.firsts[i + 1]]
                for i, counts in enumerate(self.counts)
                if counts
            ]
            yield t[order], units[order], np.concatenate(parts)

    def _run(
        self, ends: NDArray[np.float64], most_bytes: int
    ) -> tuple[list[Any], NDArray[np.bool_]]:
        rows = np.ascontiguousarray(ends.reshape(2 * len(ends), -1))
        found, states = _native.local_lines(
            self.steps, self.n_values, self.input_pixels, rows, most_bytes, int(self.firsts[-1])
        )
        if any(outcome == _NOT_FINITE for outcome, _, _ in found):
            raise not_finite(self.names)
        return found, states

    def _in_parts(
        self, ends: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
        """A line that has too many points to be held at once, part by part."""
        waiting = [(0.5, 1.0), (0.0, 0.5)]
        ts, named, first, last = [], [], None, None
        while waiting:
            start, stop = waiting.pop()
            at = np.array([start, stop])[:, None]
            pair = np.where(at == 1, ends[1], ends[0] + at * (ends[1] - ends[0]))
            most_bytes = _UNLIMITED if stop - start < _SHORTEST else self.most_bytes
            [(outcome, t, units)], states = self._run(pair[None], most_bytes)
            if outcome == _TOO_MANY:
                middle = (start + stop) / 2
                waiting += [(middle, stop), (start, middle)]
                continue
            if last is None:
                first = states[0]
            else:  # what switches where this part and the one before meet
                switched = np.flatnonzero(last != states[0])
                layer = np.searchsorted(self.firsts, switched, side="right") - 1
                ts.append(np.full(len(switched), start))
                named.append(np.stack([layer, switched - self.firsts[layer]], axis=1))
            last = states[1]
            ts.append(start + t * (stop - start))
            named.append(units)
        assert first is not None
        return np.concatenate(ts), np.concatenate(named), first


def local_network(plan: Plan, region: str) -> LocalNetwork | None:
    """The steps of a plan up to its last units, or None where one does not act on few pixels."""
    # Of candidates that are equal, one is to stay the maximum: the kernel's roundings differ.
    if region == "linear" and plan.has_maxima:
        return None
    steps = plan.up_to_units(region)
    if any(
        step.local is None and step.flat != Flat() if isinstance(step, Affine) else False
        for step in steps
    ):
        return None
    # The kernel divides it by the threads, where each of them has a line of its own.
    least = STEPS_HELD * plan.largest_step() * _native.get_num_threads()
    most_bytes = max(line_sweep.SWEEP_BYTES, least)
    network = LocalNetwork(
        structure(plan.input_shape)[0],
        np.cumsum([0, *(layer.n_units for layer in plan.layers)]),
        [layer.is_pattern for layer in plan.layers],
        most_bytes,
        [layer.name for layer in plan.layers],
    )
    try:
        _Builder(network, plan).build(steps)
    except _NotLocal:
        return None
    return network


class _Builder:
    """Turns a plan's steps into the kernel's."""

    def __init__(self, network: LocalNetwork, plan: Plan) -> None:
        self.network, self.plan = network, plan
        self.made = {0: _Made(0, *structure(plan.input_shape))}
        self.uses: Counter[int] = Counter()

    def build(self, steps: tuple[Affine | Activation | Max, ...]) -> None:
        """Fill the network."""
        self.uses.update(number for step in steps for number in step.inputs)
        for step in steps:
            inputs = [self.made[number] for number in step.inputs]
            if isinstance(step, Activation):
                made = self.activation(step, inputs[0])
            elif isinstance(step, Max):
                made = self.maximum(step, inputs)
            elif step.local is None:  # another shape
                made = inputs[0]
                if self.uses[step.inputs[0]] > 1:  # others take what it stands for
                    self.uses[step.outputs[0]] += 1
            else:
                if len(step.outputs) != 1:
                    raise _NotLocal
                made = self.affine(step, inputs)
            self.made[step.outputs[0]] = made

    def affine(self, step: Affine, inputs: list[_Made]) -> _Made:
        assert step.local is not None
        shape = structure(self.plan.shapes[step.inputs[0]])
        out = structure(self.plan.shapes[step.outputs[0]])
        is_alone = self.uses[step.inputs[0]] == 1
        for part in step.local:
            if isinstance(part, Sum):
                inputs = [self.sum(part, inputs)]
            elif isinstance(part, Join):
                inputs = [self.join(step, inputs, out)]
            elif part.table is None:
                inputs = [self.scaled(part, inputs[0], shape, is_alone)]
            else:
                inputs = [self.windows(part, inputs[0], shape, out)]
            shape, is_alone = (inputs[0].n_pixels, inputs[0].n_channels), True
        return inputs[0]

    def add(self, kind: str, inputs: list[_Made], shape: tuple[int, int], **rest: Any) -> _Made:
        made = _Made(self.network.n_values, *shape)
        self.network.n_values += 1
        self.network.steps.append(
            {
                "kind": kind,
                "inputs": [each.number for each in inputs],
                "output": made.number,
                "n_pixels": made.n_pixels,
                "n_channels": made.n_channels,
                **rest,
            }
        )
        return made

    def add_windows(
        self, value: _Made, shape: tuple[int, int], table: Any, n_inputs: int, **rest: Any
    ) -> _Made:
        given = {"weights": None, "channel_weights": None, "scale": None, "shift": None, **rest}
        return self.add("windows", [value], shape, table=table, n_inputs=n_inputs, **given)

    def windows(
        self, part: Windows, value: _Made, shape: tuple[int, int], out: tuple[int, int]
    ) -> _Made:
        assert part.table is not None
        table, n_inputs = part.table(), shape[1]
        if table is None:
            raise _NotLocal
        rest = {
            name: None if read is None else np.ascontiguousarray(read())
            for name, read in part._asdict().items()
            if name != "table"
        }
        if value[1:] != shape and value.n_pixels != 1:
            if (
                shape[0] != 1
                or len(table) != 1
                or rest["channel_weights"] is not None
                or (table != 0).any()
            ):
                raise _NotLocal
            # A vector that is held as pixels: all of them are taken.
            table, n_inputs = np.arange(value.n_pixels, dtype=np.int32)[None], value.n_channels
        if rest["weights"] is not None:
            made = len(table), rest["weights"].shape[1]
        elif rest["channel_weights"] is not None:
            made = len(table), rest["channel_weights"].shape[1]
        else:
            made = out
        return self.add_windows(value, made, table, n_inputs, **rest)

    def scaled(self, part: Windows, value: _Made, shape: tuple[int, int], is_alone: bool) -> _Made:
        """A scale and a shift; within the step before, where nothing else takes what it makes."""

        def of(read: Any) -> NDArray[np.float64] | None:
            if read is None:
                return None
            found = np.ascontiguousarray(read(), np.float64)
            if value[1:] != shape and len(found) != size(shape):
                found = np.tile(found, shape[0])
            return found

        scale, shift = of(part.scale), of(part.shift)
        step = self.network.steps[-1] if self.network.steps else None
        made_last = step is not None and step["output"] == value.number
        if step is None or not (made_last and is_alone and step["kind"] == "windows"):
            table = np.arange(value.n_pixels, dtype=np.int32)[:, None]
            return self.add_windows(
                value, value[1:], table, value.n_channels, scale=scale, shift=shift
            )
        if scale is not None:
            for name in ("scale", "shift"):
                if step[name] is not None:
                    step[name] = _spread(step[name], scale) * _spread(scale, step[name])
            step["scale"] = scale if step["scale"] is None else step["scale"]
        if shift is not None:
            before = step["shift"]
            step["shift"] = (
                shift if before is None else _spread(before, shift) + _spread(shift, before)
            )
        return value

    def sum(self, part: Sum, inputs: list[_Made]) -> _Made:
        largest = max(inputs, key=lambda each: each.n_pixels)
        self.check(inputs, largest[1:])
        return self.add("sum", inputs, largest[1:], signs=list(part.signs))

    def join(self, step: Affine, inputs: list[_Made], out: tuple[int, int]) -> _Made:
        shapes = [structure(self.plan.shapes[number]) for number in step.inputs]
        parts = []
        for value, shape in zip(inputs, shapes, strict=True):
            if value[1:] == shape:
                parts.append(value)
            elif shape[0] == 1:
                table = np.arange(value.n_pixels, dtype=np.int32)[None]
                parts.append(self.add_windows(value, shape, table, value.n_channels))
            elif value.n_pixels == 1:
                table = np.arange(shape[0], dtype=np.int32)[:, None]
                parts.append(self.add_windows(value, shape, table, shape[1]))
            else:
                raise _NotLocal
        return self.add("join", parts, out)

    def activation(self, step: Activation, value: _Made) -> _Made:
        function = line_sweep.flat(step)

        def arrays(numbers: tuple[Any, ...]) -> list[NDArray[np.float64]]:
            return [np.array(each, np.float64).reshape(-1) for each in numbers]

        return self.add(
            "activation",
            [value],
            value[1:],
            kinks=arrays(function.kinks),
            slopes=arrays(function.slopes),
            offsets=arrays(function.offsets),
            layer=step.layer,
            first_state=int(self.network.firsts[step.layer]),
        )

    def maximum(self, step: Max, inputs: list[_Made]) -> _Made:
        if step.local is None:
            raise _NotLocal
        table = None
        if step.local.table is None:
            shape = max(inputs, key=lambda each: each.n_pixels)[1:]
            self.check(inputs, shape)
        else:
            table = step.local.table()
            taken = structure(self.plan.shapes[step.inputs[0]])
            if inputs[0][1:] != taken and inputs[0].n_pixels != 1:
                raise _NotLocal
            shape = structure(step.shape)
        return self.add("maximum", inputs, shape, table=table, sign=float(step.sign))

    def check(self, inputs: list[_Made], shape: tuple[int, int]) -> None:
        """That inputs are held in these pixels, or each in one."""
        if any(each[1:] != shape and each.n_pixels != 1 for each in inputs):
            raise _NotLocal


def _spread(these: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """A number for each channel as one for each unit, where the others are such."""
    if len(these) >= len(others):
        return these
    return np.tile(these, len(others) // len(these))
