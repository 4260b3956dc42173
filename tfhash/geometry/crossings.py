"""Where another class becomes as likely as the one at an input, within a region."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfhash.geometry.interior import Vector
from tfhash.geometry.polytope import Polytope
from tfhash.geometry.projections import nearest_point


class Crossing(NamedTuple):
    """Where the class changes.

    Attributes
    ----------
    distance : float
        L2, from the input; infinite where it does not change in the region.
    label : int
        The class there, -1 where there is none.
    point : float64 [...input shape] or None
        Of a model with several inputs, as it takes them: a list or dict of such.
    """

    distance: float
    label: int
    point: Any


def nearest_crossing(polytope: Polytope, weights: Vector, bias: Vector, label: int) -> Crossing:
    """The point of a polytope nearest to its `x` at which another class is as likely as `label`.

    Least over the classes, by projection onto the part in which each is at least as likely.

    Parameters
    ----------
    weights, bias : float64 [n_outputs, d], float64 [n_outputs]
        The logits are `weights @ z + bias`; of one logit, class 1 is where it is above 0.
    label : the class at `x`

    Returns
    -------
    Crossing
        With the point as float64 [d].
    """
    rows, constants, labels = _more_likely(weights, bias, label)
    sizes = np.linalg.norm(rows, axis=1)
    x, nearest = polytope.x, Crossing(math.inf, -1, None)
    ahead = rows @ x + constants  # of the class at x: at least 0
    with np.errstate(divide="ignore", invalid="ignore"):
        least = np.where(sizes > 0, ahead / sizes, np.where(ahead > 0, np.inf, -np.inf))
    for i in np.argsort(least):
        if least[i] >= nearest.distance:
            break
        normals = np.vstack([polytope.sides.rows, rows[i] / (sizes[i] or 1.0)])
        moved = nearest_point(normals, np.append(polytope.slack, -least[i]))
        if moved is not None and np.linalg.norm(moved) < nearest.distance:
            nearest = Crossing(float(np.linalg.norm(moved)), int(labels[i]), x + moved)
    return nearest


def _more_likely(
    weights: Vector, bias: Vector, label: int
) -> tuple[Vector, Vector, NDArray[np.int64]]:
    """How much the class at x is ahead of each other one: slopes, constants, the other classes."""
    if len(bias) == 1:
        sign = 1.0 if label else -1.0
        return sign * weights, sign * bias, np.array([1 - label])
    others = np.flatnonzero(np.arange(len(bias)) != label)
    return weights[label] - weights[others], bias[label] - bias[others], others
