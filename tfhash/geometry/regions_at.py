"""The region of an input, and those around it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import backend
from tfhash.geometry.inputs import InputSpace, Points, input_space
from tfhash.geometry.interior import Box
from tfhash.geometry.local_maps import GeneralMaps, LocalMap, check_finite
from tfhash.geometry.matrix_maps import MatrixMaps, are_small
from tfhash.geometry.region_inputs import Bounds, checked_bounds
from tfhash.geometry.regions import Origin, Region
from tfhash.geometry.steps import Plan
from tfhash.geometry.trace import plan_for


def region(model: keras.Model, x: Points, *, bounds: Bounds | None = None) -> Region:
    """The linear region of one input: its affine map, its inequalities, what lies across them.

    One pass at `x` gives the pattern, and one of the derivatives along every input the affine
    map of the output and of every pre-activation under it. What takes longer, facets and center, is
    computed when it is asked for.

    Parameters
    ----------
    model : keras.Model
        As `geometry.chords` takes it. Maxima, such as max pooling, bound regions too.
    x : float [...input shape], or [1, ...input shape]
        Of a model with several inputs, a list or dict with an array for each.
    bounds : (low, high), each a number or float [...input shape], optional
        Look at the part of the region in this box, which `x` is in. Without it regions may be
        unbounded. With several inputs, low and high are each a number, or a list or dict with a
        number or an array for each.

    Returns
    -------
    Region
        All of it in float64. An `x` exactly on a boundary is warned of, and named in
        `Region.on_boundary`: units at their kink are off.

    Raises
    ------
    ValueError
        As `geometry.chords`; where `x` is not one input, or is outside the bounds.

    Examples
    --------
    >>> here = geometry.region(model, x_test[0], bounds=(0, 1))
    >>> here.radius, here.boundary_distance, len(here.facets)
    >>> there = here.neighbor(here.facets[0])
    """
    space = input_space(model, x)
    with backend.float64(), plan_for(model, space) as plan:
        point = space.point_of_batch(x)
        origin, local = origin_of(partial(plan_for, model, space), plan, space, point, bounds)
    found = Region(origin.layers, origin, local)
    if len(found.on_boundary):
        warnings.warn(
            f"x is exactly on a boundary: {found.names(found.on_boundary)} at the kink. The "
            "region is the one on whose side they are off.",
            stacklevel=2,
        )
    return found


def neighbors(model: keras.Model, x: Points, *, bounds: Bounds | None = None) -> list[Region]:
    """The regions across every facet of the region of `x`, in the order of its facets.

    Parameters, results and errors as `region`.
    """
    here = region(model, x, bounds=bounds)
    return [here.neighbor(facet) for facet in here.facets]


def origin_of(
    open_plan: Callable[[], AbstractContextManager[Plan]],
    plan: Plan,
    space: InputSpace,
    x: NDArray[np.float64],
    bounds: Bounds | None,
) -> tuple[Origin, LocalMap]:
    """What all regions about an input share, and the map of its own; raises as `region`."""
    box = Box(*checked_bounds(bounds, space, x))
    maps = MatrixMaps(plan, x) if are_small(plan) else GeneralMaps(open_plan, x)
    with np.errstate(invalid="ignore", over="ignore"):  # it is told of
        local = maps.at()
    check_finite(local.offsets)
    label = None
    if local.output is not None and plan.has_classes:
        logits = local.output[0] @ x + local.output[1]
        label = int(logits.argmax()) if len(logits) > 1 else int(logits[0] > 0)
    return Origin(space, x, box, plan.layers, maps, label), local
