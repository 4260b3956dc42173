"""The stochastic activation diameter (He et al., Section 5.1), exactly."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import _native, backend
from tfhash.codes import whole_number
from tfhash.geometry.chords import (
    Chords,
    check_options,
    checked_directions,
    chord_ends,
    norms_of,
)
from tfhash.geometry.inputs import InputSpace, Points, input_space
from tfhash.geometry.trace import plan_for

_BLOCK = 64  # examples that draw from one stream, so that threads draw side by side
_log = logging.getLogger("tfhash.geometry")


def stochastic_diameters(
    model: keras.Model,
    x: Points,
    seed: int | None = 0,
    limit: float = 5.0,
    *,
    direction: str | Points = "random",
    region: str = "activation",
    dtype: str = "float64",
    batch_size: int | None = None,
) -> NDArray[np.float64]:
    """The length of the piece of a random line through each point inside the point's region.

    He et al., Section 5.1; its mean over the points is their average stochastic activation
    diameter. Their code counts, of 200 points 0.05 apart on the line, those with the point's own
    code; this is the length itself, see `chords`.

    How many lengths the limit cut short is logged (logger `tfhash.geometry`, level INFO); which
    ones they are, and what ends the others, `stochastic_chords` tells.

    Parameters
    ----------
    model : keras.Model
        As `chords` takes it.
    x : float [n, ...input shape]
    seed : int or None
        Of the random directions; row `i` has the same one whatever `n` and `batch_size`.
        None draws others each time.
    limit : float, > 0
        How far to look on either side, in the units of the input (L2). The released code looks 5
        far, so that a diameter is at most 10. Where many are clipped, their mean says more of the
        limit than of the network: `float("inf")` clips none.
    direction : "random", "to_center" or array
        Uniform on the sphere; towards the mean of `x`; or as given, [n, ...input shape] or
        [...input shape], of any length but 0.
    region, dtype, batch_size : as in `chords`

    Returns
    -------
    float64 [n]
        L2 lengths in the units of the input.

    Raises
    ------
    ValueError
        As `chords`; for an unknown direction; for "to_center" where a point is the mean.

    Examples
    --------
    >>> geometry.stochastic_diameters(model, x_test[:600]).mean()
    """
    return stochastic_chords(
        model,
        x,
        seed,
        limit,
        direction=direction,
        region=region,
        dtype=dtype,
        batch_size=batch_size,
    ).lengths


def stochastic_chords(
    model: keras.Model,
    x: Points,
    seed: int | None = 0,
    limit: float = 5.0,
    *,
    direction: str | Points = "random",
    region: str = "activation",
    dtype: str = "float64",
    batch_size: int | None = None,
) -> Chords:
    """The chords whose lengths `stochastic_diameters` gives, with the same parameters.

    Directions are of length 1, so that `lower` and `upper` are distances.

    Examples
    --------
    >>> chords = geometry.stochastic_chords(model, x_test)
    >>> chords.lengths.mean(), chords.clipped.mean()   # the diameter; the share cut at 5
    """
    check_options(region, limit, dtype)
    space = input_space(model, x)
    with backend.float64(), plan_for(model, space, dtype) as plan:
        points = space.points(x)
        rows = _directions(direction, points, space, seed)
        norms = np.empty(len(points))

        def lines(start: int, stop: int) -> tuple[NDArray[Any], NDArray[np.float64]]:
            directions = rows(start, stop)
            norms[start:stop] = norms_of(directions)
            return directions, limit / norms[start:stop]

        lower, upper, lower_unit, upper_unit = chord_ends(
            plan, points, lines, region, dtype, batch_size
        )
    names = tuple(layer.name for layer in plan.layers)
    lower, upper = np.maximum(lower * norms, -limit), np.minimum(upper * norms, limit)
    ends = Chords(lower, upper, lower_unit, upper_unit, names, np.ones(len(points)))
    share = 100 * ends.clipped.mean() if len(points) else 0.0
    _log.info("%d diameters, %.1f%% of them clipped at %g", len(points), share, limit)
    return ends


Rows = Callable[[int, int], NDArray[Any]]  # [start, stop) of an array not kept in memory


def _directions(
    direction: str | Points, points: NDArray[Any], space: InputSpace, seed: int | None
) -> Rows:
    if not isinstance(direction, str):
        given = checked_directions(direction, points, space)
        return lambda start, stop: given[start:stop]
    if direction == "random":
        return _random_directions(space.shape, seed)
    if direction == "to_center":
        center = points.mean(axis=0, dtype=np.float64) if len(points) else np.zeros(space.shape)
        return lambda start, stop: center - points[start:stop]
    raise ValueError(
        f"Expected direction='random', 'to_center' or an array. Received: {direction!r}."
    )


def _random_directions(shape: tuple[int, ...], seed: int | None) -> Rows:
    """Rows of normal numbers, whose directions are uniform on the sphere."""
    checked = None if seed is None else whole_number(seed, "seed", 0)
    entropy = np.random.SeedSequence(checked).entropy

    def rows(start: int, stop: int) -> NDArray[np.float64]:
        blocks = range(start // _BLOCK, -(-stop // _BLOCK))
        drawn = np.empty((len(blocks), _BLOCK, *shape))

        def draw(block: int) -> None:
            stream = np.random.SeedSequence(entropy, spawn_key=(block,))
            np.random.default_rng(stream).standard_normal(out=drawn[block - blocks.start])

        with ThreadPoolExecutor(_native.get_num_threads()) as pool:
            list(pool.map(draw, blocks))
        skipped = blocks.start * _BLOCK
        return drawn.reshape(-1, *shape)[start - skipped : stop - skipped]

    return rows
