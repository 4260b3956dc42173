"""Going along a segment, layer by layer, with every point at which something bends."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfhash import _native, backend
from tfhash.geometry.pieces import PiecewiseLinear
from tfhash.geometry.steps import Activation, Affine, Max, Plan

SWEEP_BYTES = 1 << 28  # of the values of a stretch of the segment held at once

_SHORTEST = 2.0**-40  # a stretch is not cut below this: what is left switches at one point

Values = dict[int, NDArray[np.float64]]


@dataclass
class Stretch:
    """A part of the segment, on its way through the plan.

    Attributes
    ----------
    step : the next to carry out
    t : float64 [n_points], ascending
    alive : number of a value -> its rows at the points, float64 [n_points, size]; every one of
        them is affine between neighboring points
    """

    step: int
    t: NDArray[np.float64]
    alive: Values


class Sweep:
    """Finds what switches along a segment.

    Stretches that have come to hold too many points are cut in two, and the later part waits
    until the earlier one is through; so each layer meets the stretches in their order.
    """

    def __init__(self, plan: Plan, region: str) -> None:
        self.plan = plan
        self.region = region
        self.steps = plan.up_to_units(region)
        self.most_points = max(4, SWEEP_BYTES // (8 * plan.largest_step()))
        self.found: list[tuple[NDArray[np.float64], int, NDArray[np.int64]]] = []
        # For each layer: the state of its units in the last piece seen and in the first.
        self.last: dict[int, NDArray[Any]] = {}
        self.first: dict[int, NDArray[Any]] = {}

    def run(self, ends: NDArray[np.float64]) -> None:
        """Go from the first point to the second, [2, input size]."""
        waiting = [Stretch(0, np.array([0.0, 1.0]), {0: ends})]
        while waiting:
            stretch = waiting.pop()
            while stretch.step < len(self.steps):
                later = self.carry_on(stretch)
                if later is not None:
                    waiting.append(later)

    def finish(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
        """Breakpoints, their units, and the code of the first region."""
        t = np.concatenate([np.empty(0), *(t for t, _, _ in self.found)])
        layers = np.concatenate(
            [np.empty(0, np.int64), *(np.full(len(t), layer) for t, layer, _ in self.found)]
        )
        units = np.concatenate([np.empty(0, np.int64), *(unit for _, _, unit in self.found)])
        order = np.lexsort((units, layers, t))
        code = [self.first[i] for i, layer in enumerate(self.plan.layers) if layer.is_pattern]
        return t[order], np.stack([layers, units], axis=1)[order], np.concatenate(code)

    def carry_on(self, stretch: Stretch) -> Stretch | None:
        """Carry out a stretch's next step, or cut it and give the part that has to wait."""
        step = self.steps[stretch.step]
        if isinstance(step, Affine):
            made = apply(step, self.plan, stretch.alive)
        else:
            if isinstance(step, Activation):
                bent = self.activation(step, stretch)
            else:
                bent = self.maximum(step, stretch)
            if bent is None:
                return _cut(stretch)
            made = [bent]
        stretch.alive.update(zip(step.outputs, made, strict=True))
        for number in {*step.inputs, *step.outputs}:
            if self.plan.last_use.get(number, -1) <= stretch.step:
                stretch.alive.pop(number, None)
        stretch.step += 1
        return None

    def activation(self, step: Activation, stretch: Stretch) -> NDArray[np.float64] | None:
        """Note where units pass their kinks; None where that would be too many points."""
        function, number = flat(step), step.inputs[0]
        events = [
            _native.line_events(_minus(stretch.alive[number], kink)) for kink in function.kinks
        ]
        piece, weight, unit, inside = (np.concatenate(parts) for parts in zip(*events, strict=True))
        is_last = stretch.step == len(self.steps) - 1
        rows = piece if is_last else self.insert(stretch, piece, weight, inside)
        if rows is None:
            return None
        if is_last:  # nothing comes after, so that no values at the new points are needed
            t, later = stretch.t[piece], stretch.t[piece + 1]
            t = np.minimum(t + weight * (later - t), later)
        else:
            t = stretch.t[rows]
        z = stretch.alive[number]
        ends = np.cumsum([len(each[0]) for each in events])
        for k, (kink, here) in enumerate(
            zip(function.kinks, np.split(np.arange(len(rows)), ends[:-1]), strict=True)
        ):
            exact = here[inside[here]]
            if len(exact) and not is_last:  # what was blended is off by a rounding
                z[rows[exact], unit[exact]] = kink if isinstance(kink, float) else kink[unit[exact]]
            self.note(t[here], step.layer + k, unit[here])
            first, last = (_minus(z[ends], kink) for ends in ([0, 1], [-1, -2]))
            on = [(point > 0) | ((point == 0) & (next_ > 0)) for point, next_ in (first, last)]
            self.join(stretch, step.layer + k, *on)
        return function.value(function.above(z), z, np.where)

    def maximum(self, step: Max, stretch: Stretch) -> NDArray[np.float64] | None:
        """Put points where another candidate becomes the largest; None where too many."""
        found = candidates(step, self.plan, stretch.alive)
        names = [-1 - i for i in range(len(found))]  # alive like the rest, and so refined
        stretch.alive.update(zip(names, found, strict=True))
        del found
        # By pairs, the larger of each going on: where two that are not the largest of all cross,
        # the point put there is one too many, and bends nothing.
        left, name = list(names), -1 - len(names)
        fits = True
        while len(left) > 1 and fits:
            pairs = list(zip(left[::2], left[1::2], strict=False))
            ahead = np.hstack([stretch.alive[a] - stretch.alive[b] for a, b in pairs])
            piece, weight, _, inside = _native.line_events(ahead)
            fits = self.insert(stretch, piece, weight, inside) is not None
            left = left[2 * len(pairs) :]
            for a, b in pairs:
                stretch.alive[name] = np.maximum(stretch.alive[a], stretch.alive[b])
                left.append(name)
                name -= 1
        made = {number: stretch.alive.pop(number) for number in range(-1, name, -1)}
        if not fits:
            return None
        if self.region == "linear":
            self.note_choices(step, stretch, [made[number] for number in names])
        return step.sign * made[left[0]]

    def note_choices(self, step: Max, stretch: Stretch, made: list[NDArray[np.float64]]) -> None:
        """Note the points at which the largest candidate is another than before."""
        middle = np.stack([each[:-1] + each[1:] for each in made])
        choice = middle.argmax(axis=0)
        point, unit = np.nonzero(choice[1:] != choice[:-1])
        self.note(stretch.t[point + 1], step.layer, unit)
        self.join(stretch, step.layer, choice[0], choice[-1])

    def insert(
        self,
        stretch: Stretch,
        piece: NDArray[np.int64],
        weight: NDArray[np.float64],
        inside: NDArray[np.bool_],
    ) -> NDArray[np.int64] | None:
        """Refine a stretch by the points of events inside its pieces, one for those that agree.

        Gives the row of each event, or None where that makes too many points to hold.
        """
        order = np.lexsort((weight, piece))
        order = order[inside[order]]
        pieces, weights = piece[order], weight[order]
        is_new = np.ones(len(order), bool)
        is_new[1:] = (pieces[1:] != pieces[:-1]) | (weights[1:] != weights[:-1])
        pieces, weights = pieces[is_new], weights[is_new]
        too_many = len(stretch.t) + len(pieces) > self.most_points
        if too_many and stretch.t[-1] - stretch.t[0] > _SHORTEST:
            return None
        rows = piece + np.searchsorted(pieces, piece)  # of events at a point
        rows[order] = pieces[np.cumsum(is_new) - 1] + np.cumsum(is_new)
        if len(pieces):
            for number, values in stretch.alive.items():
                stretch.alive[number] = _native.blend_rows(values, pieces, weights)
            later = stretch.t[pieces + 1]
            t = _native.blend_rows(stretch.t[:, None], pieces, weights)[:, 0]
            new = pieces + 1 + np.arange(len(pieces))
            t[new] = np.minimum(t[new], later)
            stretch.t = t
        return rows

    def note(self, t: NDArray[np.float64], layer: int, unit: NDArray[np.int64]) -> None:
        self.found.append((t, layer, unit))

    def join(self, stretch: Stretch, layer: int, first: NDArray[Any], last: NDArray[Any]) -> None:
        """Note what switches where this stretch and the one before meet."""
        if layer in self.last:
            unit = np.flatnonzero(self.last[layer] != first)
            self.note(np.full(len(unit), stretch.t[0]), layer, unit)
        else:
            self.first[layer] = first
        self.last[layer] = last


def apply(step: Affine, plan: Plan, alive: Values) -> list[NDArray[np.float64]]:
    """The outputs of an affine step at the rows of its inputs."""
    n = len(alive[step.inputs[0]])
    return [rows_of(x, n) for x in step.apply(tensors_of(step.inputs, plan, alive))]


def candidates(step: Max, plan: Plan, alive: Values) -> list[NDArray[np.float64]]:
    """What a maximum chooses from, [n, n_units] each, the largest being chosen.

    In the place of one that is outside its window's input is the first that is inside.
    """
    n = len(alive[step.inputs[0]])
    tensors = [step.sign * x for x in tensors_of(step.inputs, plan, alive)]
    found = [rows_of(x, n) for x in step.candidates(tensors)]
    n_units = found[0].shape[1]
    inside = np.stack([np.ones(n_units, bool) if v is None else v.ravel() for v in step.valid])
    if inside.all():
        return found
    stand_in = np.empty_like(found[0])
    first = inside.argmax(axis=0)
    for c, each in enumerate(found):
        stand_in[:, first == c] = each[:, first == c]
    return [np.where(here, each, stand_in) for here, each in zip(inside, found, strict=True)]


def tensors_of(numbers: tuple[int, ...], plan: Plan, alive: Values) -> list[Any]:
    """Values as tensors of their own shape."""
    n = len(alive[numbers[0]])
    if backend.compiles_each_shape():  # few batch sizes: the rows past n are zeros
        n_padded = 1 << (n - 1).bit_length()
        padded = {
            i: np.concatenate([alive[i], np.zeros((n_padded - n, alive[i].shape[1]))])
            for i in set(numbers)
        }
    else:
        n_padded, padded = n, alive
    return [
        backend.to_tensor(padded[i].reshape(n_padded, *plan.shapes[i]), "float64") for i in numbers
    ]


def rows_of(tensor: Any, n: int) -> NDArray[np.float64]:
    """A tensor's first n rows, flat."""
    return backend.to_numpy(tensor)[:n].reshape(n, -1)


def flat(step: Activation) -> PiecewiseLinear:
    """A step's activation function for rows of flat values."""

    def flattened(number: Any) -> Any:
        if isinstance(number, float):
            return number
        return np.broadcast_to(backend.to_numpy(number), step.shape).reshape(-1)

    function = step.function
    return PiecewiseLinear(
        *(
            tuple(map(flattened, part))
            for part in (function.kinks, function.slopes, function.offsets)
        )
    )


def _minus(z: NDArray[np.float64], kink: Any) -> NDArray[np.float64]:
    return z if isinstance(kink, float) and kink == 0 else z - kink


def _cut(stretch: Stretch) -> Stretch:
    """Shorten a stretch to its first half; gives the second."""
    if len(stretch.t) == 2:
        half = np.array([0]), np.array([0.5])
        stretch.t = _native.blend_rows(stretch.t[:, None], *half)[:, 0]
        stretch.alive = {i: _native.blend_rows(v, *half) for i, v in stretch.alive.items()}
    middle = len(stretch.t) // 2
    later = Stretch(
        stretch.step,
        stretch.t[middle:].copy(),
        {i: values[middle:].copy() for i, values in stretch.alive.items()},
    )
    stretch.t = stretch.t[: middle + 1].copy()
    stretch.alive = {i: values[: middle + 1].copy() for i, values in stretch.alive.items()}
    return later
