"""Going over a window of a plane, layer by layer, with every polygon on which nothing bends."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfhash import _native
from tfhash.geometry.line_sweep import Values, apply, candidates, flat
from tfhash.geometry.pieces import PiecewiseLinear
from tfhash.geometry.steps import Activation, Affine, Max, Plan

MESH_BYTES = 1 << 29  # of the values of a patch held at once
_TOLERANCE = 2.0**-44  # of the largest value of a unit: nearer to 0 a line goes through a corner


@dataclass
class Patch:
    """Some polygons of the window, on their way through the plan.

    Attributes
    ----------
    step : the next to carry out
    points : float64 [n_points, 2], coordinates in the plane
    offsets, corners : int64, polygon `i` has `corners[offsets[i]:offsets[i + 1]]`, points in
        order around it
    alive : number of a value -> its rows at the points, float64 [n_points, size]; every one of
        them is affine within a polygon
    codes : uint64 [n_polygons, ...] each, of the layers so far: the packed activation pattern;
        what each maximum chose, where that tells regions apart
    seams : int64 [n_points]
        The same number for a point that other patches have too; -1 for one that none has.
    """

    step: int
    points: NDArray[np.float64]
    offsets: NDArray[np.int64]
    corners: NDArray[np.int64]
    alive: Values
    codes: list[NDArray[np.uint64]]
    seams: NDArray[np.int64]

    @property
    def n_polygons(self) -> int:
        return len(self.offsets) - 1


class Seams:
    """Gives points on the seams between patches numbers by which they are known in each.

    A new point on a seam is known by the two points that it lies between and the unit that is 0
    there: its coordinates, computed once for each patch, may differ by a rounding.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int, int], int] = {}
        self._n = 0

    def number(self, patch: Patch, points: NDArray[np.int64]) -> None:
        """Number the points of a patch that another will have too."""
        new = points[patch.seams[points] < 0]
        patch.seams[new] = self._n + np.arange(len(new))
        self._n += len(new)

    def extended(
        self,
        known: NDArray[np.int64],
        start: NDArray[np.int64],
        stop: NDArray[np.int64],
        zero_point: NDArray[np.int64],
        zero_unit: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """The numbers of a patch's points, and after them those of the new points of a cut."""
        numbers = np.concatenate([known, np.full(len(start), -1)])
        if not self._n:
            return numbers
        # Numbers of points of the same cut are not known yet: those lie inside polygons.
        low, high = np.sort([numbers[start], numbers[stop]], axis=0)
        (on,) = np.nonzero(low >= 0)
        unit = zero_unit[np.searchsorted(zero_point, len(known) + on)]
        keys = zip(low[on].tolist(), high[on].tolist(), unit.tolist(), strict=True)
        for point, key in zip(len(known) + on, keys, strict=True):
            numbers[point] = self._numbers.setdefault(key, self._n)
            self._n += int(numbers[point] == self._n)
        return numbers


class Mesh:
    """Finds the polygons of a window of a plane.

    Patches whose values take too much memory are halved, and one half waits until the other is
    through.

    Parameters
    ----------
    plan : Plan
    region : "activation" or "linear"
    with_classes : bool
        Go on to the logits, and cut where another class is the likeliest.
    """

    def __init__(self, plan: Plan, region: str, with_classes: bool) -> None:
        self.plan = plan
        self.region = region
        self.with_classes = with_classes
        self.steps = plan.steps if with_classes else plan.up_to_units(region)
        self.most_points = max(64, MESH_BYTES // (8 * plan.largest_step()))
        self.done: list[tuple[Patch, NDArray[np.int64]]] = []
        self.seams = Seams()

    def run(self, points: NDArray[np.float64], inputs: NDArray[np.float64]) -> None:
        """Cut the polygon whose corners are `points`, [n, 2] in the plane, in order around."""
        n = len(points)
        whole = Patch(0, points, np.array([0, n]), np.arange(n), {0: inputs}, [], np.full(n, -1))
        waiting = [whole]
        while waiting:
            patch = waiting.pop()
            while patch.step < len(self.steps):
                if len(patch.points) > self.most_points and patch.n_polygons > 1:
                    waiting.append(_halve(patch, self.seams))
                self.carry_on(patch)
            classes = self.classes(patch)
            patch.alive.clear()
            self.done.append((patch, classes))

    def carry_on(self, patch: Patch) -> None:
        step = self.steps[patch.step]
        if isinstance(step, Affine):
            made = apply(step, self.plan, patch.alive)
        elif isinstance(step, Activation):
            made = [self.activation(step, patch)]
        else:
            made = [self.maximum(step, patch)]
        patch.alive.update(zip(step.outputs, made, strict=True))
        for number in {*step.inputs, *step.outputs} - {self.plan.logits}:
            if self.plan.last_use.get(number, -1) <= patch.step:
                patch.alive.pop(number, None)
        patch.step += 1

    def activation(self, step: Activation, patch: Patch) -> NDArray[np.float64]:
        function = flat(step)
        z = patch.alive[step.inputs[0]]
        relative = self.cut(patch, np.hstack([z - kink for kink in function.kinks]))
        width = z.shape[1]
        for k in range(len(function.kinks)):
            part = np.ascontiguousarray(relative[:, k * width : (k + 1) * width])
            patch.codes.append(
                _native.polygon_codes(part, tolerance(part), patch.offsets, patch.corners)
            )
        return _value(function, relative[:, :width])

    def maximum(self, step: Max, patch: Patch) -> NDArray[np.float64]:
        found = candidates(step, self.plan, patch.alive)
        names = self.largest_of(patch, found)
        made = [patch.alive.pop(name) for name in names]
        if self.region == "linear":
            patch.codes.append(_chosen(patch, made))
        return step.sign * np.max(made, axis=0)

    def classes(self, patch: Patch) -> NDArray[np.int64]:
        """int64 [n_polygons]: the class of each, -1 where they are not asked for."""
        if not self.with_classes:
            return np.full(patch.n_polygons, -1)
        assert self.plan.logits is not None
        logits = patch.alive.pop(self.plan.logits)
        if logits.shape[1] == 1:  # one logit: the second class where it is above 0
            relative = self.cut(patch, logits)
            return (_means(patch, relative)[:, 0] > 0).astype(np.int64)
        names = self.largest_of(
            patch, [np.ascontiguousarray(column[:, None]) for column in logits.T]
        )
        made = np.hstack([patch.alive.pop(name) for name in names])
        return _means(patch, made).argmax(axis=1)

    def cut(self, patch: Patch, relative: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cut a patch along the lines on which columns of values are 0; gives all values."""
        start, stop, weight, zero_point, zero_unit, offsets, corners, parent = _native.cut_polygons(
            relative, tolerance(relative), patch.offsets, patch.corners
        )
        if len(parent) == patch.n_polygons:
            return relative
        no = np.empty(0, np.int64)
        blend = _native.blend_points
        patch.points = blend(patch.points, start, stop, weight, no, no)
        patch.alive = {
            i: blend(values, start, stop, weight, no, no) for i, values in patch.alive.items()
        }
        patch.seams = self.seams.extended(patch.seams, start, stop, zero_point, zero_unit)
        patch.offsets, patch.corners = offsets, corners
        patch.codes = [part[parent] for part in patch.codes]
        return blend(relative, start, stop, weight, zero_point, zero_unit)

    def largest_of(self, patch: Patch, found: list[NDArray[np.float64]]) -> list[int]:
        """Cut a patch until in each polygon one candidate is the largest throughout.

        Gives the numbers under which the candidates are alive then. They are compared in pairs, the
        larger going on; a line on which two agree that are not the largest cuts without need.
        """
        names = [-1 - i for i in range(len(found))]
        patch.alive.update(zip(names, found, strict=True))
        left, name = list(names), -1 - len(names)
        while len(left) > 1:
            pairs = list(zip(left[::2], left[1::2], strict=False))
            self.cut(patch, np.hstack([patch.alive[a] - patch.alive[b] for a, b in pairs]))
            left = left[2 * len(pairs) :]
            for a, b in pairs:
                patch.alive[name] = np.maximum(patch.alive[a], patch.alive[b])
                left.append(name)
                name -= 1
        for number in range(-1 - len(names), name, -1):
            del patch.alive[number]
        return names


def tolerance(relative: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64 [n_units]: how near 0 counts as 0."""
    return _TOLERANCE * np.abs(relative).max(axis=0, initial=0.0)


def _value(function: PiecewiseLinear, relative: NDArray[np.float64]) -> NDArray[np.float64]:
    z = relative + function.kinks[0]
    return function.value(function.above(z), z, np.where)


def _means(patch: Patch, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n_polygons, ...]: values at the mean of each polygon's corners."""
    sums = np.add.reduceat(values[patch.corners], patch.offsets[:-1], axis=0)
    return sums / np.diff(patch.offsets)[:, None]


def _chosen(patch: Patch, made: list[NDArray[np.float64]]) -> NDArray[np.uint64]:
    """uint64 [n_polygons, ...]: which candidate is the largest in each polygon, packed."""
    choice = np.stack([_means(patch, each) for each in made]).argmax(axis=0).astype(np.uint16)
    padded = np.zeros((len(choice), -(-choice.shape[1] // 4) * 4), np.uint16)
    padded[:, : choice.shape[1]] = choice
    return padded.view(np.uint64)


def _halve(patch: Patch, seams: Seams) -> Patch:
    """Keep the first half of a patch's polygons; gives the rest."""
    middle = patch.n_polygons // 2
    split = patch.offsets[middle]
    seams.number(patch, np.intersect1d(patch.corners[:split], patch.corners[split:]))
    later = _part(patch, middle, patch.n_polygons)
    vars(patch).update(vars(_part(patch, 0, middle)))
    return later


def _part(patch: Patch, start: int, stop: int) -> Patch:
    first, last = patch.offsets[start], patch.offsets[stop]
    used, corners = np.unique(patch.corners[first:last], return_inverse=True)
    return Patch(
        patch.step,
        patch.points[used],
        patch.offsets[start : stop + 1] - first,
        corners.astype(np.int64),
        {i: values[used] for i, values in patch.alive.items()},
        [part[start:stop] for part in patch.codes],
        patch.seams[used],
    )
