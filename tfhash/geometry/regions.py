"""Regions as polytopes: the affine map of a network about an input, and where it ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash.codes import Codes
from tfhash.geometry.interior import Sides, Vector, deepest_point, has_largest_ball
from tfhash.geometry.local_maps import GeneralMaps, LocalMap
from tfhash.geometry.matrix_maps import MatrixMaps
from tfhash.geometry.projections import distinct_half_spaces, face_bounds, facets, nearest_point
from tfhash.geometry.region_inputs import checked_input
from tfhash.geometry.steps import Layer

_FLAT = 1e-13  # of the distances to the sides: a region of a smaller radius has no interior


class Crossing(NamedTuple):
    """Where the class changes.

    Attributes
    ----------
    distance : float
        L2, from the input; infinite where it does not change in the region.
    label : int
        The class there, -1 where there is none.
    point : float64 [...input shape] or None
    """

    distance: float
    label: int
    point: NDArray[np.float64] | None


@dataclass(frozen=True)
class Origin:
    """What all regions about one input share."""

    x: NDArray[np.float64]
    low: Vector
    high: Vector
    layers: tuple[Layer, ...]
    maps: MatrixMaps | GeneralMaps
    label: int | None

    @cached_property
    def flat(self) -> Vector:
        return self.x.ravel()


@dataclass(frozen=True, eq=False)
class Region:
    """A linear region of a network: a convex polytope on which it is one affine map.

    Attributes
    ----------
    layers : tuple of Layer
        The layers of units: name, number of units, and whether their switches change the code.
    """

    layers: tuple[Layer, ...]
    _origin: Origin = field(repr=False)
    _local: LocalMap = field(repr=False)

    @property
    def x(self) -> NDArray[np.float64]:
        """float64 [...input shape]: the input that distances are measured from.

        A region's neighbors measure from the input that the first region was made for.
        """
        return self._origin.x

    @property
    def weights(self) -> NDArray[np.float64]:
        """float64 [n_outputs, n_inputs]: in the region the model's output, before a softmax or
        sigmoid at its end, is `weights @ z + bias` for a flattened input `z`."""
        return self._output[0]

    @property
    def bias(self) -> NDArray[np.float64]:
        """float64 [n_outputs]."""
        return self._output[1]

    @property
    def inequalities(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`(A, b)`, float64 [m, n_inputs] and [m]: the region is where `A @ z <= b`.

        One row for each unit whose pre-activation changes in the region, and for each candidate of
        a maximum beside the one that is chosen; the box is not among them. On the side of a kink
        itself a unit is off, so that strictly the rows of units that are on say `<`.
        """
        return self._local.rows, self._local.offsets

    @property
    def units(self) -> NDArray[np.int64]:
        """int64 [m, 2]: the unit of each inequality, its layer and its index there, flattened.

        Of a maximum, the index is `candidate * n_units + output`.
        """
        return self._local.units

    @property
    def on_boundary(self) -> NDArray[np.int64]:
        """int64 [k, 2]: units exactly at their kink at `x`, which count as off.

        The region is the one on whose side they are off; of candidates that are the maximum
        together, the first is chosen. Empty where `x` is inside, and for neighbors.
        """
        return self._local.at_zero

    @property
    def code(self) -> Codes:
        """One code: the region's activation pattern, as `LineRegions.codes` has it."""
        return codes_of([self])

    @cached_property
    def facets(self) -> NDArray[np.int64]:
        """int64 [n_facets]: rows of the inequalities that bound the region, within the box.

        Each is a facet: without it the region would be larger. Of rows that are the same
        hyperplane, the first. Found by rays, and nonnegative least squares where these leave it
        open; see `geometry.projections.facets` for the method and its sources.

        Raises
        ------
        ValueError
            Where the region has no interior, as on a boundary with too many units at their kinks.
        """
        center, radius, _ = self._deepest
        if radius <= _FLAT * float(np.abs(self._sides.slack(center)).max(initial=0.0)):
            raise ValueError(
                "Expected a region with an interior. Received: one without, between units that "
                f"are exactly at their kinks: {self.names(self.on_boundary)}. Move x a little."
            )
        return self._distinct[facets(self._sides, center)]

    @property
    def center(self) -> NDArray[np.float64]:
        """float64 [...input shape]: the center of the largest ball in the region (Chebyshev).

        Raises
        ------
        ValueError
            Where no ball in the region is the largest, it being unbounded.
        """
        self._check_ball()
        return self._deepest[0].reshape(self.x.shape)

    @property
    def radius(self) -> float:
        """Radius of the largest ball in the region, within 1e-9 of it; raises as `center`."""
        self._check_ball()
        return self._deepest[1]

    @cached_property
    def distance(self) -> float:
        """L2 distance from `x` to the region, exact: 0 for the region of `x`."""
        return _distance(self._sides.rows, self._slack)

    @cached_property
    def boundary_distance(self) -> float:
        """L2 distance from `x` to the region's boundary, exact; infinite where it has none.

        The box's sides are no boundary. The nearest hyperplane gives it, unless the point of it
        nearest to `x` is outside the box.
        """
        if float(self._slack.min(initial=0.0)) < 0:
            return self.distance
        nearest = np.inf
        slack = self._slack[: len(self._distinct)]
        for i in np.argsort(slack):
            if slack[i] >= nearest:
                break
            nearest = min(nearest, self._hyperplane_distance(int(i)))
        return nearest

    @cached_property
    def decision_boundary(self) -> Crossing:
        """The point of the region nearest to `x` at which another class is as likely, exactly.

        Least over the classes, by projection onto the part of the region in which each is at least
        as likely as the class at `x`. The least over regions in the order of their distance
        (`geometry.explore`) is the distance to the nearest other class at all
        (Jordan, Lewis and Dimakis, "Provable certificates for adversarial examples", 2019).

        Raises
        ------
        ValueError
            Where the model's classes cannot be read off one output of logits.
        """
        label = self._origin.label
        if label is None:
            raise ValueError(
                "Expected a model with one output, a logit for each class. Received: a model whose "
                "classes cannot be read off."
            )
        rows, constants, labels = _more_likely(self.weights, self.bias, label)
        sizes = np.linalg.norm(rows, axis=1)
        x, nearest = self._origin.flat, Crossing(np.inf, -1, None)
        ahead = rows @ x + constants  # of the class at x: at least 0
        with np.errstate(divide="ignore", invalid="ignore"):
            least = np.where(sizes > 0, ahead / sizes, np.where(ahead > 0, np.inf, -np.inf))
        for i in np.argsort(least):
            if least[i] >= nearest.distance:
                break
            normals = np.vstack([self._sides.rows, rows[i] / (sizes[i] or 1.0)])
            moved = nearest_point(normals, np.append(self._slack, -least[i]))
            if moved is not None and np.linalg.norm(moved) < nearest.distance:
                point = (x + moved).reshape(self.x.shape)
                nearest = Crossing(float(np.linalg.norm(moved)), int(labels[i]), point)
        return nearest

    def contains(self, z: ArrayLike) -> bool:
        """Whether an input lies in the region or on its boundary, within the box."""
        point = checked_input(z, self.x.shape)
        slack = self._sides.slack(point.ravel())
        return bool(slack.min(initial=0.0) >= -1e-12 * np.abs(slack).max(initial=0.0))

    def neighbor(self, facet: int) -> Region:
        """The region across a facet.

        Its pattern differs in the unit at its kink on the facet, or in several where their
        hyperplanes coincide there. Of a model whose linear steps are matrices of up to 2**24
        numbers in all, what comes after that unit is computed anew, with the weights that the model
        had when the first region was made; of a larger one everything is, with its present weights.

        Parameters
        ----------
        facet : int
            One of `facets`.

        Raises
        ------
        ValueError
            Where it is no facet.
        """
        place = self._place(facet)
        turning = self.units[self._group == place]
        local = self._origin.maps.across(self._local, turning, self._sides.normals[place])
        return Region(self.layers, self._origin, local)

    def face_distance(self, facet: int) -> float:
        """L2 distance from `x` to a facet, one of `facets`, exact."""
        place, (among, rows, slack) = self._place(facet), self._bounding
        equal = int(np.searchsorted(among, place))
        return _distance(rows, slack, equal)

    def face_bounds(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """float64 [n_facets], lower bounds of `face_distance`, and bool, whether they are it."""
        return face_bounds(self._sides, self._slack, self._group[self.facets])

    @property
    def key(self) -> bytes:
        """Tells regions of a model apart: the same bytes for the same region."""
        return self._local.key

    def differs(self, other: Region, layer: int) -> bool:
        """Whether a layer's units are on other sides than in another region of the model."""
        return bool((self._local.pattern[layer] != other._local.pattern[layer]).any())

    def across(self, facet: int) -> tuple[bytes, Region | None]:
        """The key of the region across a facet, and the region where that needed it."""
        if self._is_alone[facet]:
            key = self._local.key_with(*self.units[facet].tolist())
            if key is not None:
                return key, None
        there = self.neighbor(facet)
        return there.key, there

    @cached_property
    def _is_alone(self) -> list[bool]:
        """For each inequality, whether its unit is the only one that switches there."""
        if len(self._local.still):
            return [False] * len(self._group)
        return [count == 1 for count in np.bincount(self._group)[self._group].tolist()]

    def _place(self, facet: int) -> int:
        try:
            return self._places[facet]
        except (KeyError, TypeError):
            raise ValueError(
                f"Expected a facet, one of region.facets: {self.facets.tolist()}. "
                f"Received: {facet!r}."
            ) from None

    @cached_property
    def _places(self) -> dict[int, int]:
        """The hyperplane of each facet."""
        return dict(zip(self.facets.tolist(), self._group[self.facets].tolist(), strict=True))

    @cached_property
    def _bounding(self) -> tuple[NDArray[np.int64], Vector, Vector]:
        """The sides that the region has, facets and the box: numbers, normals, slack."""
        box = np.arange(len(self._distinct), len(self._slack))
        among = np.concatenate([np.sort(self._group[self.facets]), box])
        return among, self._sides.rows[among], self._slack[among]

    def _hyperplane_distance(self, place: int) -> float:
        """L2 distance from `x` to the part of the region on a hyperplane, infinite if none."""
        normal, slack = self._sides.normals[place], self._slack[place]
        foot = self._sides.slack(self._origin.flat + slack * normal)
        foot[place] = 0.0
        if foot.min() >= 0:
            return abs(float(slack))
        return _distance(self._sides.rows, self._slack, place)

    def _check_ball(self) -> None:
        if not self._deepest[2]:
            raise ValueError(
                "Expected a region with a largest ball. Received: an unbounded one. Bound it: "
                "geometry.region(model, x, bounds=(low, high))."
            )

    def names(self, units: NDArray[np.int64]) -> str:
        """Units [k, 2] by layer and index, the first five of them."""
        named = [f"{self.layers[layer].name!r} unit {unit}" for layer, unit in units[:5].tolist()]
        return ", ".join(named) + (", ..." if len(units) > 5 else "")

    @property
    def _output(self) -> tuple[Vector, Vector]:
        if self._local.output is None:
            raise ValueError(
                "Expected a model with one output that is affine in each region, before a softmax "
                "or sigmoid. Received: a model with another, of which there are only inequalities."
            )
        return self._local.output

    @cached_property
    def _hyperplanes(self) -> tuple[Sides, NDArray[np.int64], NDArray[np.int64]]:
        """The distinct inequalities, the row of each, and which one each row is."""
        rows, offsets = self.inequalities
        sizes = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        normals, slack = rows / sizes[:, None], (offsets - rows @ self._origin.flat) / sizes
        first, group = distinct_half_spaces(normals, slack)
        offsets = (offsets / sizes)[first]
        return Sides(normals[first], offsets, self._origin.low, self._origin.high), first, group

    @cached_property
    def _sides(self) -> Sides:
        return self._hyperplanes[0]

    @property
    def _distinct(self) -> NDArray[np.int64]:
        return self._hyperplanes[1]

    @property
    def _group(self) -> NDArray[np.int64]:
        return self._hyperplanes[2]

    @cached_property
    def _slack(self) -> Vector:
        return self._sides.slack(self._origin.flat)

    @cached_property
    def _deepest(self) -> tuple[Vector, float, bool]:
        """Center, radius, and whether no ball is larger."""
        is_largest = has_largest_ball(self._sides)
        cap = np.inf if is_largest else 1 + float(np.abs(self._slack).max(initial=0.0))
        return *deepest_point(self._sides, self._origin.flat, cap), is_largest


def codes_of(regions: Sequence[Region]) -> Codes:
    """The activation patterns of regions of one model: a code each."""
    layers = regions[0].layers
    pattern = [i for i, layer in enumerate(layers) if layer.is_pattern]
    bits = [np.concatenate([each._local.pattern[i] for i in pattern]) for each in regions]
    ends = np.cumsum([0, *(layers[i].n_units for i in pattern)]).tolist()
    spans = [(layers[i].name, *ends[k : k + 2]) for k, i in enumerate(pattern)]
    return Codes(Codes.from_bits(np.stack(bits)).words, ends[-1], spans)


def _more_likely(
    weights: Vector, bias: Vector, label: int
) -> tuple[Vector, Vector, NDArray[np.int64]]:
    """How much the class at x is ahead of each other one: slopes, constants, the other classes."""
    if len(bias) == 1:
        sign = 1.0 if label else -1.0
        return sign * weights, sign * bias, np.array([1 - label])
    others = np.flatnonzero(np.arange(len(bias)) != label)
    return weights[label] - weights[others], bias[label] - bias[others], others


def _distance(rows: Vector, slack: Vector, equal: int = -1) -> float:
    """How long `nearest_point` is; infinite where there is none."""
    moved = nearest_point(rows, slack, equal)
    return math.inf if moved is None else math.sqrt(moved @ moved)
