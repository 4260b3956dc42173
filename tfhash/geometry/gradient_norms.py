"""How far points are from the hyperplanes of their own regions, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfhash import backend, progress
from tfhash.geometry.interior import Vector
from tfhash.geometry.jvp import jvp
from tfhash.geometry.local_maps import CHUNK_BYTES, ZERO, beside
from tfhash.geometry.matrix_maps import Linear, MatrixMaps, are_small
from tfhash.geometry.pieces import PiecewiseLinear
from tfhash.geometry.steps import Activation, Affine, Max, Plan

# Derivatives [size, n or 1, n_directions], so that a step is one product; values [n, size].
Both = tuple[Vector, Vector]


def layer_distances(plan: Plan, x: Vector) -> tuple[Vector, NDArray[np.int64]]:
    """The distance to the nearest hyperplane of each layer, the map of the region continued.

    Parameters
    ----------
    x : float64 [n, n_inputs]

    Returns
    -------
    distances : float64 [n, n_layers], infinite where a layer has none
    units : int64 [n, n_layers], whose they are; of a maximum, the output
    """
    distances = np.full((len(x), len(plan.layers)), np.inf)
    units = np.zeros(distances.shape, np.int64)

    def note(rows: slice, layer: int, z: Vector, slopes: Vector, counts: Any = True) -> None:
        """`z`, `slopes`: [n or 1, n_units], values and norms of gradients; candidates too."""
        if not np.isfinite(z).all():
            raise ValueError(
                "Expected finite pre-activations. Received: NaN or infinity in layer "
                f"{plan.layers[layer].name!r}: the weights are not finite, or the numbers overflow."
            )
        moves = (slopes > ZERO * slopes.max(axis=1, keepdims=True, initial=0.0)) & counts
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = np.where(moves, np.abs(z) / slopes, np.inf)
        nearest = apart.argmin(axis=1)
        distances[rows, layer] = apart[np.arange(len(apart)), nearest]
        units[rows, layer] = nearest % plan.layers[layer].n_units

    if len(x) == 0:
        return distances, units
    if are_small(plan):
        linear = MatrixMaps(plan, x[0]).linear
        start = _directions(plan, linear, x.shape[1])
        width = max(1, CHUNK_BYTES // (8 * start.shape[1] * plan.largest_step()))
        for first in progress.bar(range(0, len(x), width), "boundary distances", "batch"):
            rows = slice(first, first + width)
            _pass(plan, linear, (start[:, None], x[rows]), lambda *found, at=rows: note(at, *found))
    else:
        for i in progress.bar(range(len(x)), "boundary distances", "example"):
            _passes(plan, x[i], lambda *found, at=slice(i, i + 1): note(at, *found))
    return distances, units


def _directions(plan: Plan, linear: list[Any], d: int) -> Vector:
    """float64 [d, r]: orthonormal directions in which all pre-activations move.

    Those in the row space of the first layer, where there is one of fewer units than inputs: a
    gradient's norm is that of its coordinates in them.
    """
    number = 0
    while True:
        steps = [i for i, step in enumerate(plan.steps) if number in step.inputs]
        if len(steps) != 1 or not isinstance(plan.steps[steps[0]], Affine):
            return np.eye(d)
        step, map_ = plan.steps[steps[0]], linear[steps[0]]
        if len(step.inputs) > 1 or len(step.outputs) > 1:
            return np.eye(d)
        matrix = map_.matrices[0][0]
        if matrix is not None:
            return np.linalg.qr(matrix.T)[0] if len(matrix) < d else np.eye(d)
        number = step.outputs[0]


def _pass(plan: Plan, linear: list[Any], start: Both, note: Any) -> None:
    """One pass of all steps on a batch, of values and of derivatives."""
    alive: dict[int, Both] = {0: start}
    for i, (step, map_) in enumerate(zip(plan.steps, linear, strict=True)):
        taken = [alive[number] for number in step.inputs]
        if isinstance(step, Affine):
            alive.update(zip(step.outputs, _mapped(map_, taken), strict=True))
        elif isinstance(step, Activation):
            alive[step.outputs[0]] = _bent(step, map_, *taken[0], note)
        else:
            found = [(step.sign * u, step.sign * z) for u, z in _mapped(map_, taken)]
            alive[step.outputs[0]] = _largest(step, found, note)
        for number in {*step.inputs, *step.outputs}:
            if plan.last_use.get(number, -1) <= i:
                alive.pop(number, None)


def _mapped(map_: Linear, taken: list[Both]) -> list[Both]:
    made = []
    for row, shift in zip(map_.matrices, map_.shifts, strict=True):
        parts = [
            (u, z) if m is None else (_product(m, u), z @ m.T)
            for m, (u, z) in zip(row, taken, strict=True)
        ]
        u, z = parts[0]
        for more_u, more_z in parts[1:]:
            u, z = u + more_u, z + more_z
        made.append((u, z if shift is None else z + shift))
    return made


def _product(matrix: Vector, u: Vector) -> Vector:
    made: Vector = matrix @ u.reshape(len(u), -1)
    return made.reshape(-1, *u.shape[1:])


def _norms(u: Vector) -> Vector:
    """float64 [n or 1, size]."""
    return np.sqrt(np.einsum("inj,inj->ni", u, u))


def _bent(step: Activation, function: PiecewiseLinear, u: Vector, z: Vector, note: Any) -> Both:
    norms = _norms(u)
    slope: Any = function.slopes[0]
    above = function.above(z)
    for k, (is_above, kink, next_slope) in enumerate(
        zip(above, function.kinks, function.slopes[1:], strict=True)
    ):
        note(step.layer + k, z - kink, norms)
        slope = np.where(is_above, next_slope, slope)
    return u * slope.T[:, :, None], function.value(above, z, np.where)


def _largest(step: Max, found: list[Both], note: Any) -> Both:
    zs = np.stack([z for _, z in found])
    for z, valid in zip(zs, step.valid, strict=True):
        if valid is not None:
            z[:, ~valid.ravel()] = -np.inf
    choice = zs.argmax(axis=0)  # [n, n_units]
    value = zs.max(axis=0)
    us = [u for u, _ in found]
    slopes: Vector = us[0]
    for c, u in enumerate(us[1:], 1):
        slopes = np.where((choice == c).T[:, :, None], u, slopes)
    norms = [np.broadcast_to(_norms(u - slopes), choice.shape) for u in us]
    counts = np.stack([beside(each, step) for each in choice])
    with np.errstate(invalid="ignore"):
        apart = np.where(counts, np.hstack([z - value for z in zs]), 0.0)
    note(step.layer, apart, np.where(counts, np.hstack(norms), 0.0), counts)
    return step.sign * slopes, step.sign * value


def _passes(plan: Plan, x: Vector, note: Any) -> None:
    """The same of one point and any network: a pass of derivatives along every input."""
    d = len(x)
    width = max(1, CHUNK_BYTES // (16 * plan.largest_step()))
    values: dict[tuple[int, int], Vector] = {}
    squares: dict[tuple[int, int], Vector] = {}
    for start in range(0, d, width):
        stop = min(start + width, d)
        directions = np.zeros((stop - start, d))
        directions[np.arange(stop - start), np.arange(start, stop)] = 1.0

        def visit(_: Any, z: Any, u: Any, layer: int, first: int) -> None:
            rows = backend.to_numpy(u)
            rows = rows.reshape(len(rows), -1)
            found = np.einsum("ij,ij->j", rows, rows)
            squares[layer, first] = squares.get((layer, first), 0.0) + found
            values[layer, first] = backend.to_numpy(z).reshape(1, -1)

        shape = plan.input_shape
        given = directions.reshape(-1, *shape)
        jvp(plan, "linear", x.reshape(1, *shape), given, "float64", visit)
    for layer in range(len(plan.layers)):
        firsts = sorted(first for at, first in values if at == layer)
        z = np.hstack([values[layer, first] for first in firsts])
        norms = np.sqrt(np.concatenate([squares[layer, first] for first in firsts]))[None]
        note(layer, z, norms)
