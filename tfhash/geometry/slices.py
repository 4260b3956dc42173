"""Slice regions: every linear region in a box of two to four dimensions, with volumes, exactly."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash import _native, backend
from tfhash.codes import real_array, whole_number
from tfhash.geometry.cell_complex import CellComplex
from tfhash.geometry.inputs import InputSpace, Points, input_space
from tfhash.geometry.region_inputs import Bounds, checked_ends, pair_of
from tfhash.geometry.sliced import SliceRegions
from tfhash.geometry.slicing import Slicing
from tfhash.geometry.steps import check_classes, check_region
from tfhash.geometry.trace import plan_for

MOST_DIMENSIONS = 4


def slice_regions(
    model: keras.Model,
    origin: Points,
    directions: Points,
    extent: float | Sequence[ArrayLike] = 1.0,
    *,
    region: str = "activation",
    classes: bool = False,
    max_regions: int = 1_000_000,
) -> SliceRegions:
    """Every region that meets a box in a slice of two to four dimensions, exactly.

    Layer by layer: within a cell on which all units before are settled, a pre-activation is affine
    and its zeros a hyperplane, which cuts the cell in two. Each layer is carried out once, at the
    corners of the cells known by then, in float64. See `geometry.cell_complex` for how cells are
    cut. In two dimensions `plane_regions` is the faster.

    Parameters
    ----------
    model : keras.Model
        As `tfhash.geometry.chords` takes it.
    origin : float [...input shape]
    directions : float [d, ...input shape], d from 2 to 4
        The slice is `origin + coordinates @ directions`. Of a model with several inputs, lists or
        dicts with an array for each input: of the origin [...input shape], of the directions
        [d, ...input shape].
    extent : float, or (low, high), each a number or float [d]
        The box, in coordinates; one number `e` means (-e, e).
    region : "activation" or "linear"
        Whether cells count as one region where their activation patterns are equal, or only where
        each maximum, such as max pooling, takes the same value too.
    classes : bool
        Find the likeliest class, and cut cells at the decision boundary, as `plane_regions` does.
    max_regions : int
        Stop at the unit with which there are more cells; what was found is given, with a warning.

    Returns
    -------
    SliceRegions
        Hyperplanes within 2**-44 (6e-14) of a corner, in units of their unit's largest value in
        the box, go through it.

    Raises
    ------
    ValueError
        As `tfhash.geometry.chords`; where the directions are parallel, zero or of another number,
        the box is empty, or classes are asked for of a model with no logits.

    Examples
    --------
    >>> a, b, c, d = x_test[:4]
    >>> found = geometry.slice_regions(model, a, [b - a, c - a, d - a], (-0.2, 1.2))
    >>> found.n_regions, found.volumes, found.codes()
    """
    space = input_space(model, origin, "origin")
    at = space.point(origin, "origin")
    spread = _checked_directions(directions, space)
    low, high = _checked_box(extent, len(spread))
    return _sliced(model, space, at, spread, low, high, region, classes, max_regions)


def _sliced(
    model: keras.Model,
    space: InputSpace,
    at: NDArray[np.float64],
    directions: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    region: str,
    classes: bool,
    max_regions: int,
) -> SliceRegions:
    """As `slice_regions`, of a point [size] and directions [d, size]; raises as it does."""
    check_region(region)
    max_regions = whole_number(max_regions, "max_regions", 1)
    with backend.float64(), plan_for(model, space) as plan:
        if classes:
            check_classes(plan, model.name)
        cells = CellComplex(low, high)
        slicing = Slicing(plan, region, classes, max_regions)
        found = slicing.run(cells, at + cells.corners @ directions)
    if slicing.stopped_at:
        warnings.warn(
            f"More than max_regions={max_regions} cells, at layer {slicing.stopped_at!r}: those of "
            "the units up to there are given. Make the box smaller or max_regions larger.",
            stacklevel=3,
        )
    nothing = np.zeros((cells.n_cells, 1), np.uint64)  # where no layer was reached
    words = np.ascontiguousarray(np.hstack(slicing.words or [nothing]))
    regions, _ = _native.region_ids(words, 64 * words.shape[1], None)
    parts = [w for w, is_code in zip(slicing.words, slicing.is_code, strict=True) if is_code]
    missing = [layer.n_units for layer in plan.layers if layer.is_pattern][len(parts) :]
    parts += [np.zeros((len(words), -(-n // 64)), np.uint64) for n in missing]
    return SliceRegions(
        slicing.points,
        regions,
        found if classes else None,
        plan.layers,
        not slicing.stopped_at,
        cells,
        tuple(parts),
        space,
        at,
        directions,
    )


def box_regions(
    model: keras.Model,
    bounds: Bounds,
    *,
    region: str = "activation",
    classes: bool = False,
    max_regions: int = 1_000_000,
) -> SliceRegions:
    """Every region in a box of the input space of a model of two to four numbers, exactly.

    Parameters
    ----------
    model : keras.Model
        As `tfhash.geometry.chords` takes it.
    bounds : (low, high), each a number or float [...input shape]
        Of a model with several inputs, each a number, or a list or dict with a number or an array
        for each input.
    region, classes, max_regions : as `slice_regions` takes them

    Returns
    -------
    SliceRegions
        Its coordinates are the input's numbers, flattened; of several inputs, joined in the order
        of `model.inputs`.

    Raises
    ------
    ValueError
        As `slice_regions`.

    Examples
    --------
    >>> found = geometry.box_regions(model, (-1, 1))
    >>> found.n_regions, found.volumes.sum()
    """
    space = input_space(model)
    d = space.size
    if not 2 <= d <= MOST_DIMENSIONS:
        raise ValueError(
            f"Expected a model with 2 to {MOST_DIMENSIONS} inputs. Received: {d}. Look at a slice "
            "of its input space: geometry.slice_regions."
        )
    low, high = checked_ends(bounds, space)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ValueError(f"Expected bounds that are finite. Received: {bounds!r}.")
    return _sliced(model, space, np.zeros(d), np.eye(d), low, high, region, classes, max_regions)


def _checked_directions(directions: Points, space: InputSpace) -> NDArray[np.float64]:
    """Directions, float64 [d, size]."""
    given = space.points(directions, "directions").astype(np.float64)
    if not 2 <= len(given) <= MOST_DIMENSIONS:
        raise ValueError(
            f"Expected 2 to {MOST_DIMENSIONS} directions. Received: {len(given)}. Along one there "
            "is geometry.line_regions."
        )
    given = given.reshape(len(given), space.size)
    if np.linalg.matrix_rank(given) < len(given):
        raise ValueError(
            f"Expected directions that span {len(given)} dimensions. Received: directions of which "
            "one is 0 or a combination of the others."
        )
    return given


def _checked_box(
    extent: float | Sequence[ArrayLike], d: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    try:
        ends: Any = extent
        if not isinstance(ends, list | tuple) and real_array(ends, "extent").ndim == 0:
            ends = (-ends, ends)
        low, high = (
            np.broadcast_to(real_array(end, "extent"), (d,)).astype(np.float64)
            for end in pair_of(ends)
        )
        good = bool(np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all())
    except ValueError:
        good = False
    if not good:
        raise ValueError(
            f"Expected a number above 0, or (low, high), numbers or float [{d}], low below high. "
            f"Received: {extent!r}."
        )
    return low, high
