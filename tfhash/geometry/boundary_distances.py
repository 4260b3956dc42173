"""How far each example of a dataset is from where its region ends, and each layer's pattern."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import backend, progress
from tfhash.codes import whole_number
from tfhash.geometry.exploration import Exploration
from tfhash.geometry.gradient_norms import layer_distances
from tfhash.geometry.inputs import Points, input_space
from tfhash.geometry.regions import Region
from tfhash.geometry.regions_at import origin_of
from tfhash.geometry.steps import Layer
from tfhash.geometry.trace import plan_for


@dataclass(frozen=True, eq=False)
class BoundaryDistances:
    """Distances of `n` examples to where the network bends.

    Attributes
    ----------
    distances : float64 [n]
        L2 distance from each example to the boundary of its linear region, exact; infinite where
        there is none.
    units : int64 [n, 2]
        The unit that switches there: its layer, as an index into `layers`, and its index there,
        flattened; (-1, -1) where there is none.
    by_layer : float64 [n, n_layers]
        No unit of the layer switches any nearer.
    is_exact : bool [n, n_layers]
        Whether one does switch at that distance.
    layers : tuple of Layer
    """

    distances: NDArray[np.float64]
    units: NDArray[np.int64]
    by_layer: NDArray[np.float64]
    is_exact: NDArray[np.bool_]
    layers: tuple[Layer, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.distances)


def boundary_distances(model: keras.Model, x: Points, max_regions: int = 1) -> BoundaryDistances:
    """The distance to the nearest boundary for every example, and a lower bound for every layer.

    With `z` the pre-activation of a unit at `x` and `g` its gradient, the unit's hyperplane is
    `|z| / |g|` away, as long as nothing before it switches. The least over all units is exact: the
    nearest hyperplane is met before any other. So is a layer's least that is no larger than those
    of the layers before it; where it is larger, theirs is a lower bound. What is larger is made
    exact by walking over the regions around `x` in the order of their distance, as
    `geometry.explore` does, until one differs from its own in the layer.

    Networks whose linear steps are matrices (see `docs/geometry.md`) take one pass over all
    examples, with as many directions as the first layer has units, at most; others one pass of
    derivatives along every input for each example.

    Parameters
    ----------
    model : keras.Model
        As `geometry.chords` takes it. A maximum, such as max pooling, is a layer too: it switches
        where another of its values becomes the largest.
    x : float [n, ...input shape]
    max_regions : int
        Walk over up to as many regions for each example; 1 for one pass alone.

    Returns
    -------
    BoundaryDistances
        Of an example that is exactly on a boundary the distance is 0.

    Raises
    ------
    ValueError
        As `geometry.chords`; where `max_regions` is below 1.

    Examples
    --------
    >>> near = geometry.boundary_distances(model, x_test)
    >>> near.distances.mean(), np.bincount(near.units[:, 0])     # which layer bends first
    >>> geometry.boundary_distances(model, x_test[:20], max_regions=500).is_exact.mean(axis=0)
    """
    max_regions = whole_number(max_regions, "max_regions", 1)
    space = input_space(model, x)
    with backend.float64(), plan_for(model, space) as plan:
        points = space.points(x)
        points = points.astype(np.float64).reshape(len(points), space.size)
        own, units = layer_distances(plan, points)
        before = np.minimum.accumulate(own, axis=1)
        is_exact = own <= before
        nearest = own.argmin(axis=1)
        rows = np.arange(len(own))
        distances = own[rows, nearest]
        which = np.stack([nearest, units[rows, nearest]], axis=1)
        which[np.isinf(distances)] = -1
        if max_regions > 1:
            again = partial(plan_for, model, space)
            for i in progress.bar(range(len(points)), "boundary distances", "example"):
                if not is_exact[i].all():
                    origin, local = origin_of(again, plan, space, points[i], None)
                    start = Region(origin.layers, origin, local)
                    before[i], is_exact[i] = _walked(start, before[i], is_exact[i], max_regions)
    return BoundaryDistances(distances, which, before, is_exact, plan.layers)


def _walked(
    start: Region,
    bounds: NDArray[np.float64],
    is_exact: NDArray[np.bool_],
    max_regions: int,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Bounds and whether they are exact, after a walk until every layer has switched."""
    found = Exploration(start)
    bounds, is_exact = bounds.copy(), is_exact.copy()
    while not is_exact.all() and not found.is_complete and len(found) < max_regions:
        known = len(found)
        found._find_next()  # as `more`, but for Ctrl-C, which is to end all of it
        for region, distance in zip(
            found.regions[known:], found.distances[known:].tolist(), strict=True
        ):
            (open_,) = np.nonzero(~is_exact)
            for layer in open_:
                # Regions come in the order of their distance: none nearer differs in the layer.
                bounds[layer] = max(bounds[layer], distance)
                is_exact[layer] = region.differs(start, int(layer))
    if found.is_complete:
        bounds[~is_exact], is_exact[:] = np.inf, True
    return bounds, is_exact
