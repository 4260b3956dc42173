"""Chords: the piece of a line through a point on which the network's region does not change."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import backend, progress
from tfhash.codes import whole_number
from tfhash.geometry.inputs import InputSpace, Points, input_space
from tfhash.geometry.jvp import Choices, Ends, jvp
from tfhash.geometry.past_maxima import step_past_maxima
from tfhash.geometry.steps import Plan, check_region
from tfhash.geometry.trace import plan_for

BATCH_BYTES = 1 << 27  # of the numbers alive at once

# Directions of the examples [start, stop) and how far to look along each, in multiples of it.
Lines = Callable[[int, int], tuple[NDArray[Any], NDArray[np.float64]]]


@dataclass(frozen=True)
class Chords:
    """For each of `n` lines `x + t * direction`, the interval of `t` inside `x`'s region.

    Attributes
    ----------
    lower, upper : float64 [n]
        The ends, `lower <= 0 <= upper`, in multiples of the direction; infinite where nothing
        switches, and at the limit where something may switch past it.
    lower_unit, upper_unit : int64 [n, 2]
        The unit that switches there: its layer, as an index into `layers`, and its index in the
        layer's output, flattened. (-1, -1) where the end is infinite or the limit. Of several that
        switch together, the first.
    layers : tuple of str
        Names of the layers of units.
    norms : float64 [n]
        L2 norms of the directions.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    lower_unit: NDArray[np.int64]
    upper_unit: NDArray[np.int64]
    layers: tuple[str, ...]
    norms: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.lower)

    @property
    def lengths(self) -> NDArray[np.float64]:
        """float64 [n]: L2 length of each chord, in the units of the input."""
        return (self.upper - self.lower) * self.norms

    @property
    def clipped(self) -> NDArray[np.bool_]:
        """bool [n]: whether the limit, not a unit, is an end of the chord."""
        at_limit = [
            (unit[:, 0] < 0) & np.isfinite(end)
            for unit, end in ((self.lower_unit, self.lower), (self.upper_unit, self.upper))
        ]
        return at_limit[0] | at_limit[1]


def chords(
    model: keras.Model,
    x: Points,
    directions: Points,
    limit: float = float("inf"),
    *,
    region: str = "activation",
    dtype: str = "float64",
    batch_size: int | None = None,
) -> Chords:
    """How far each line through a point stays in the point's region, exactly.

    With `z` the pre-activations at `x` and `u` their derivatives along the direction, under
    `x`'s own pattern of units that are on, unit `i` switches at `t = -z[i] / u[i]`; the
    nearest on either side are the ends. That takes one forward pass and one of derivatives.

    The model may be Sequential, Functional or nested, or subclassed where its `call` is made of
    layers and `keras.ops`. Its current weights are used, at inference. Everything a unit or the
    class depends on must be continuous and piecewise linear: any layer that is linear at inference
    (dense layers, convolutions, batch normalization, average pooling, additions, reshapes,
    resizing, dropout and augmentation, which do nothing here, `TimeDistributed` of such); max
    pooling and other maxima; ReLU, LeakyReLU, PReLU, ReLU6, `hard_sigmoid`, `hard_tanh`, `abs`,
    `clip` and the like, also those of TensorFlow, JAX and PyTorch. Softmax, sigmoid, tanh and
    other smooth output activations at the very end are left out; nothing else is.

    Parameters
    ----------
    model : keras.Model
        Built; sizes that its inputs leave open are those of `x`. It is not changed.
    x : float [n, ...input shape]
        Of a model with several inputs, everywhere in `tfhash.geometry` where there is one array of
        the input's shape, a list with one for each input, in the order of `model.inputs`, or a
        dict by their names, as `predict` takes them. A point is then all inputs together, and
        distances are those of its numbers, flattened and joined in that order.
    directions : float [n, ...input shape], or [...input shape] for one direction for all
        Of any length but 0.
    limit : float, > 0
        Look no farther than `abs(t) = limit`, a multiple of the direction.
    region : "activation" or "linear"
        They differ for models with max pooling (or another maximum of several values). An
        "activation" region ends where a unit passes a kink of its activation function, as the
        neural code of He et al. does; a "linear" region ends also where another value becomes the
        maximum. On an activation region the network is piecewise linear and the line is followed
        past those switches, one pass for each.
    dtype : "float64" or "float32"
        The precision of the passes; "float32" is faster, with ends good to about five digits.
    batch_size : int, optional
        Examples per pass; without it, as many as 128 MB of intermediate numbers allow.

    Returns
    -------
    Chords
        On a boundary: a unit whose pre-activation is exactly 0 is off, so the region of a point
        on a boundary is the one in which the unit stays off, and the chord ends at the point (at
        t = 0) on the side on which it would turn on. Where `z = u = 0` a unit does not switch.
        A float64 pass and the model's own float32 pass may disagree on the sign of a
        pre-activation within rounding of 0; the chord is then that of the float64 network.

    Raises
    ------
    ValueError
        Where shapes do not fit, a number is NaN or infinite, a direction is zero, `limit <= 0`,
        the model is not built or has no kink, or has a layer that is not piecewise linear, which
        is named with the reason.

    Examples
    --------
    >>> ends = geometry.chords(model, x_test, x_test[::-1] - x_test, limit=1.0)
    >>> ends.upper                                   # share of the way to the other image
    >>> ends.layers[ends.upper_unit[0, 0]]           # the layer of the unit that ends the first
    """
    check_options(region, limit, dtype)
    space = input_space(model, x)
    with backend.float64(), plan_for(model, space, dtype) as plan:
        points = space.points(x)
        given = checked_directions(directions, points, space)
        limits = np.full(len(points), float(limit))
        norms = norms_of(given)

        def lines(start: int, stop: int) -> tuple[NDArray[Any], NDArray[np.float64]]:
            return given[start:stop], limits[start:stop]

        ends = chord_ends(plan, points, lines, region, dtype, batch_size)
    return Chords(*ends, tuple(layer.name for layer in plan.layers), norms)


def chord_ends(
    plan: Plan, x: NDArray[Any], lines: Lines, region: str, dtype: str, batch_size: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """The first four fields of `Chords`, batch by batch."""
    if batch_size is None:
        itemsize = np.dtype(dtype).itemsize
        batch_size = max(1, BATCH_BYTES // (2 * itemsize * plan.largest_step()))
    batch_size = whole_number(batch_size, "batch_size", 1)
    n = len(x)
    lower, upper = np.empty(n), np.empty(n)
    lower_unit, upper_unit = np.empty((n, 2), np.int64), np.empty((n, 2), np.int64)
    starts = range(0, n, batch_size)
    for start in progress.bar(starts, "chords", "batch"):
        rows = slice(start, min(start + batch_size, n))
        directions, limits = lines(rows.start, rows.stop)
        ends = _batch_ends(plan, x[rows], directions, limits, region, dtype)
        lower[rows], upper[rows] = 0.0 - ends.lower, ends.upper
        lower_unit[rows], upper_unit[rows] = ends.lower_unit, ends.upper_unit
    sizes = np.array([layer.n_units for layer in plan.layers] + [1])
    for unit in (lower_unit, upper_unit):  # of a maximum, the output alone
        unit[:, 1] = np.where(unit[:, 0] < 0, -1, unit[:, 1] % sizes[unit[:, 0]])
    return lower, upper, lower_unit, upper_unit


def _batch_ends(
    plan: Plan,
    x: NDArray[Any],
    directions: NDArray[Any],
    limits: NDArray[np.float64],
    region: str,
    dtype: str,
) -> Ends:
    ends = Ends(limits.copy(), limits.copy())
    record: Choices | None = {} if region == "activation" and plan.has_maxima else None

    def visit(_: Any, z: Any, u: Any, layer: int, first_unit: int) -> None:
        ends.reduce(z, u, layer, first_unit, plan)

    jvp(plan, region, x, directions, dtype, visit, record=record)
    if record is not None:
        step_past_maxima(plan, x, directions, limits, ends, record, dtype)
    return ends


def check_options(region: str, limit: float, dtype: str) -> None:
    """Raise ValueError for a region, limit or dtype that is none."""
    check_region(region)
    try:
        is_length = not isinstance(limit, str) and float(limit) > 0
    except (TypeError, ValueError):
        is_length = False
    if not is_length:
        raise ValueError(f"Expected a limit above 0. Received: {limit!r}.")
    if dtype not in ("float64", "float32"):
        raise ValueError(f"Expected dtype='float64' or 'float32'. Received: {dtype!r}.")


def checked_directions(directions: Points, points: NDArray[Any], space: InputSpace) -> NDArray[Any]:
    """Directions as an array with one for each point, though one for all be given."""
    given = space.points(directions, "directions", (1, 0), len(points))
    return np.broadcast_to(given, points.shape) if given.ndim < points.ndim else given


def norms_of(directions: NDArray[Any]) -> NDArray[np.float64]:
    """float64 [n]: L2 norms of the rows; raises ValueError where one is 0."""
    norms = np.empty(len(directions))
    for start in range(0, len(directions), 1024):
        block = directions[start : start + 1024].astype(np.float64, copy=False)
        rows = block.reshape(len(block), -1)
        with np.errstate(over="ignore", under="ignore"):
            squares = np.einsum("ij,ij->i", rows, rows)
        norms[start : start + 1024] = np.sqrt(squares)
        for i in np.flatnonzero(~((squares > 1e-200) & (squares < 1e200))):
            largest = np.abs(rows[i]).max(initial=0.0)
            if largest == 0:
                raise ValueError(
                    f"Expected directions other than 0. Received: zeros at row {start + i}."
                )
            norms[start + i] = largest * np.linalg.norm(rows[i] / largest)
    return norms
