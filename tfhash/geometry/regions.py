"""Regions as polytopes: the affine map of a network about an input, and where it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfhash.codes import Codes
from tfhash.geometry.crossings import Crossing, nearest_crossing
from tfhash.geometry.inputs import InputSpace, Points
from tfhash.geometry.interior import Box, Vector
from tfhash.geometry.local_maps import GeneralMaps, LocalMap
from tfhash.geometry.matrix_maps import MatrixMaps
from tfhash.geometry.polytope import Polytope
from tfhash.geometry.steps import Layer


@dataclass(frozen=True)
class Origin:
    """What all regions about one input share; `x` is flattened."""

    space: InputSpace
    x: Vector
    box: Box
    layers: tuple[Layer, ...]
    maps: MatrixMaps | GeneralMaps
    label: int | None


@dataclass(frozen=True, eq=False)
class Region:
    """A linear region of a network: a convex polytope on which it is one affine map.

    Matrices are of the input, flattened; of a model with several inputs, of all of them, flattened
    and joined in the order of `model.inputs`. Points are given back as the model takes its inputs:
    an array, or a list or dict of arrays, without the batch.

    Attributes
    ----------
    layers : tuple of Layer
        The layers of units: name, number of units, and whether their switches change the code.
    """

    layers: tuple[Layer, ...]
    _origin: Origin = field(repr=False)
    _local: LocalMap = field(repr=False)

    @property
    def x(self) -> Any:
        """float64 [...input shape]: the input that distances are measured from.

        A region's neighbors measure from the input that the first region was made for.
        """
        return self._origin.space.split(self._origin.x)

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

    @property
    def has_interior(self) -> bool:
        """Whether a ball fits into the region, as far as float64 resolves."""
        return bool(self._polytope.has_interior)

    @cached_property
    def facets(self) -> NDArray[np.int64]:
        """int64 [n_facets]: rows of the inequalities that bound the region, within the box.

        Each is a facet: without it the region would be larger. Of rows that are the same
        hyperplane, the first. Found by rays, and nonnegative least squares where these leave it
        open; see `geometry.projections.facets` for the method and its sources.

        Raises
        ------
        ValueError
            Where the region has no interior, as on a boundary with too many units at their kinks,
            or as a neighbor may that is thinner than float64 resolves.
        """
        if not self.has_interior:
            why = (
                f"between units that are exactly at their kinks: {self.names(self.on_boundary)}. "
                "Move x a little."
                if len(self.on_boundary)
                else "as it is thinner than float64 resolves."
            )
            raise ValueError(f"Expected a region with an interior. Received: one without, {why}")
        return self._polytope.first[self._polytope.facets]

    @property
    def center(self) -> Any:
        """float64 [...input shape]: the center of the largest ball in the region (Chebyshev).

        Raises
        ------
        ValueError
            Where no ball in the region is the largest, it being unbounded.
        """
        self._check_ball()
        return self._origin.space.split(self._polytope.ball.center)

    @property
    def radius(self) -> float:
        """Radius of the largest ball in the region, within 1e-9 of it; raises as `center`."""
        self._check_ball()
        return self._polytope.ball.radius

    @property
    def distance(self) -> float:
        """L2 distance from `x` to the region, exact: 0 for the region of `x`."""
        return self._polytope.distance

    @property
    def boundary_distance(self) -> float:
        """L2 distance from `x` to the region's boundary, exact; infinite where it has none.

        The box's sides are no boundary. The nearest hyperplane gives it, unless the point of it
        nearest to `x` is outside the box.
        """
        return self._polytope.boundary_distance

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
        found = nearest_crossing(self._polytope, self.weights, self.bias, label)
        if found.point is None:
            return found
        return found._replace(point=self._origin.space.split(found.point))

    def contains(self, z: Points) -> bool:
        """Whether an input lies in the region or on its boundary, within the box."""
        return self._polytope.contains(self._origin.space.point_of_batch(z, "z"))

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
        polytope = self._polytope
        place = polytope.facets[self._number(facet)]
        turning = self.units[polytope.group == place]
        local = self._origin.maps.across(self._local, turning, polytope.sides.normals[place])
        return Region(self.layers, self._origin, local)

    def face_distance(self, facet: int) -> float:
        """L2 distance from `x` to a facet, one of `facets`, exact."""
        return self._polytope.face_distance(self._number(facet))

    def face_bounds(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """float64 [n_facets], lower bounds of `face_distance`, and bool, whether they are it."""
        return self._polytope.face_bounds()

    @property
    def key(self) -> bytes:
        """Tells regions of a model apart: the same bytes for the same region."""
        return self._local.key

    def differs(self, other: Region, layer: int) -> bool:
        """Whether a layer's units are on other sides than in another region of the model."""
        return bool((self._local.pattern[layer] != other._local.pattern[layer]).any())

    def keys_across(self) -> list[bytes | None]:
        """The key of the region across each facet; None where it takes that region to know it."""
        units = self.units[self.facets]
        if len(self._local.still):
            return [None] * len(units)
        keys = self._local.keys_with(units)
        group = self._polytope.group
        if len(group) > len(self._polytope.first):  # several units may switch together
            together = np.bincount(group)[self._polytope.facets] > 1
            for i in np.flatnonzero(together):
                keys[i] = None
        return keys

    def _number(self, facet: int) -> int:
        """Which of the facets it is."""
        try:
            return self._numbers[facet]
        except (KeyError, TypeError):
            raise ValueError(
                f"Expected a facet, one of region.facets: {self.facets.tolist()}. "
                f"Received: {facet!r}."
            ) from None

    @cached_property
    def _numbers(self) -> dict[int, int]:
        return {facet: i for i, facet in enumerate(self.facets.tolist())}

    def _check_ball(self) -> None:
        if not self._polytope.ball.is_largest:
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
    def _polytope(self) -> Polytope:
        return Polytope(*self.inequalities, self._origin.x, self._origin.box)


def codes_of(regions: Sequence[Region]) -> Codes:
    """The activation patterns of regions of one model: a code each."""
    layers = regions[0].layers
    pattern = [i for i, layer in enumerate(layers) if layer.is_pattern]
    bits = [np.concatenate([each._local.pattern[i] for i in pattern]) for each in regions]
    ends = np.cumsum([0, *(layers[i].n_units for i in pattern)]).tolist()
    spans = [(layers[i].name, *ends[k : k + 2]) for k, i in enumerate(pattern)]
    return Codes(Codes.from_bits(np.stack(bits)).words, ends[-1], spans)
