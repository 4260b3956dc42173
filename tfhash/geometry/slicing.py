"""Going over a box in a few dimensions, layer by layer, with every cell on which nothing bends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfhash import progress
from tfhash.codes import Codes
from tfhash.geometry.cell_complex import CellComplex
from tfhash.geometry.line_sweep import Values, apply, candidates, flat
from tfhash.geometry.local_maps import check_finite
from tfhash.geometry.steps import Activation, Affine, Max, Plan

# Numbers of what is cut with the values and is none of the plan's.
_POINTS, _PAIRS, _FREE = -1, -2, -3


class Slicing:
    """Cuts a box along everything that bends in it.

    Parameters
    ----------
    plan : Plan
    region : "activation" or "linear"
    with_classes : bool
        Go on to the logits, and cut where another class is the likeliest.
    most_cells : int
        Stop at the unit with which there are more cells.

    Attributes
    ----------
    points : float64 [n_points, d]
    words : list of uint64 [n_cells, ...]
        For each layer so far whose switches tell regions apart, the packed pattern; or what a
        maximum chose.
    is_code : list of bool
        Whether each of them is a part of the code.
    stopped_at : str
        The layer in which there came to be too many cells; "" where there did not.
    """

    def __init__(self, plan: Plan, region: str, with_classes: bool, most_cells: int) -> None:
        self.plan, self.region, self.with_classes = plan, region, with_classes
        self.steps = plan.steps if with_classes else plan.up_to_units(region)
        self.most_cells = most_cells
        self.words: list[NDArray[np.uint64]] = []
        self.is_code: list[bool] = []
        self.stopped_at = ""

    def run(self, cells: CellComplex, inputs: NDArray[np.float64]) -> NDArray[np.int64]:
        """Cut a complex whose points are `inputs`, [n_points, input size]; gives cells' classes."""
        self.cells, self.points = cells, cells.corners
        self.alive: Values = {0: inputs}
        for i, step in enumerate(progress.bar(self.steps, "slice", "step")):
            if isinstance(step, Affine):
                made = apply(step, self.plan, self.alive)
            elif isinstance(step, Activation):
                made = [self.activation(step)]
            else:
                made = [self.maximum(step)]
            if self.stopped_at:
                break
            self.alive.update(zip(step.outputs, made, strict=True))
            for number in {*step.inputs, *step.outputs} - {self.plan.logits}:
                if self.plan.last_use.get(number, -1) <= i:
                    self.alive.pop(number, None)
        found = self.classes()
        self.alive.clear()
        return found

    def activation(self, step: Activation) -> NDArray[np.float64]:
        function, number = flat(step), step.inputs[0]
        check_finite(self.alive[number])
        for k, kink in enumerate(function.kinks):
            self.alive[number] = self.alive[number] - kink
            above = self.cut(number, self.plan.layers[step.layer + k].name)
            self.alive[number] = self.alive[number] + kink
            n_units = self.plan.layers[step.layer + k].n_units
            bits = np.zeros((len(above), n_units), bool)
            bits[:, : above.shape[1]] = above
            self.words.append(Codes.from_bits(bits).words)
            self.is_code.append(True)
            if self.stopped_at:
                return self.alive[number]
        z = self.alive[number]
        return function.value(function.above(z), z, np.where)

    def maximum(self, step: Max) -> NDArray[np.float64]:
        found = self.largest_of(candidates(step, self.plan, self.alive), step.name)
        if self.region == "linear":
            choice = np.stack([self.means(each) for each in found]).argmax(axis=0)
            self.words.append(choice.astype(np.uint64))
            self.is_code.append(False)
        return step.sign * np.max(found, axis=0)

    def classes(self) -> NDArray[np.int64]:
        """int64 [n_cells]: the class of each, -1 where they are not asked for or not known."""
        if not self.with_classes or self.stopped_at:
            return np.full(self.cells.n_cells, -1)
        assert self.plan.logits is not None
        logits = self.alive[self.plan.logits]
        if logits.shape[1] == 1:  # one logit: the second class where it is above 0
            return self.cut(self.plan.logits, "classes")[:, 0].astype(np.int64)
        found = self.largest_of([column[:, None] for column in logits.T], "classes")
        return self.means(np.hstack(found)).argmax(axis=1)

    def cut(self, number: int, name: str) -> NDArray[np.bool_]:
        """Cut along the zeros of the columns of a value; gives where each is above 0, by cell."""
        # No function that is on one side of 0 at all points cuts, now or later.
        lowest, highest = self.alive[number].min(axis=0), self.alive[number].max(axis=0)
        (may,) = np.nonzero((lowest <= 0) & (highest > 0))
        if not len(may):
            return np.broadcast_to(lowest > 0, (self.cells.n_cells, len(lowest)))
        kept = {_POINTS: self.points, **self.alive}
        ends = np.cumsum([0, *(each.shape[1] for each in kept.values())])
        first = int(ends[list(kept).index(number)])
        rows = np.hstack([*kept.values()])
        made = self.cells.cut(rows, (first + may).tolist(), self.most_cells)
        if not made.is_whole:
            self.stopped_at = name
        values = {
            each: np.ascontiguousarray(made.rows[:, start:stop])
            for each, start, stop in zip(kept, ends[:-1], ends[1:], strict=True)
        }
        self.points = values.pop(_POINTS)
        self.alive = values
        self.words = [part[made.origin] for part in self.words]
        above = np.broadcast_to(lowest > 0, (len(made.origin), len(lowest))).copy()
        above[:, may[: made.above.shape[1]]] = made.above
        return above

    def largest_of(self, found: list[NDArray[np.float64]], name: str) -> list[NDArray[np.float64]]:
        """Cut until in each cell one candidate is the largest throughout; gives all of them then.

        They are compared in pairs, the larger going on; where two agree that are not the largest
        there are cuts without need, so that a region may be several cells.
        """
        names = [_FREE - i for i in range(len(found))]
        self.alive.update(zip(names, found, strict=True))
        left, next_ = list(names), _FREE - len(names)
        while len(left) > 1 and not self.stopped_at:
            pairs = list(zip(left[::2], left[1::2], strict=False))
            self.alive[_PAIRS] = np.hstack([self.alive[a] - self.alive[b] for a, b in pairs])
            self.cut(_PAIRS, name)
            del self.alive[_PAIRS]
            left = left[2 * len(pairs) :]
            for a, b in pairs:
                self.alive[next_] = np.maximum(self.alive[a], self.alive[b])
                left.append(next_)
                next_ -= 1
        made = [self.alive[number] for number in names]
        for number in range(_FREE, next_, -1):
            del self.alive[number]
        return made

    def means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n_cells, ...]: values at the mean of each cell's points, which is inside it."""
        corners = self.cells.corners_of()
        return np.asarray(corners @ values) / corners.sum(axis=1)[:, None]
