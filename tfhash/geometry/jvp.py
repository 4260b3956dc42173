"""Carrying points and directions through a network, unit by unit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import _native, backend
from tfhash.geometry.steps import Activation, Affine, Max, Plan

# For each step that has one, what was chosen: for an Activation a list of bool [n, *shape], one for
# each of its kinks, above or not; for a Max the number of the chosen candidate, [n, *shape].
Choices = dict[int, Any]


@dataclass
class Ends:
    """The nearest switches found so far on both sides of `n` points, and what they are.

    Attributes
    ----------
    lower, upper : float64 [n]
        Distances t >= 0 against and along the direction.
    lower_unit, upper_unit : int64 [n, 2]
        Layer and index in it; -1 where none was found. At a `Max` the index is
        `candidate * n_units + output`.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    lower_unit: NDArray[np.int64] = field(init=False)
    upper_unit: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.lower_unit = np.full((len(self.lower), 2), -1)
        self.upper_unit = np.full((len(self.upper), 2), -1)

    def reduce(self, z: Any, u: Any, layer: int, first_unit: int, plan: Plan) -> None:
        """Bring the ends nearer to where `z + t * u` changes sign first."""
        n = len(self.lower)
        bad = _native.reduce_chords(
            backend.to_numpy(z).reshape(n, -1),
            backend.to_numpy(u).reshape(n, -1),
            layer,
            first_unit,
            self.lower,
            self.upper,
            self.lower_unit,
            self.upper_unit,
        )
        if bad >= 0:
            raise ValueError(
                "Expected finite pre-activations. Received: NaN or infinity in layer "
                f"{plan.layers[layer].name!r}, example {bad} of a batch: the weights are not "
                "finite, or the numbers overflow."
            )


Visit = Callable[[Any, Any, Any, int, int], None]


def jvp(
    plan: Plan,
    region: str,
    x: NDArray[Any],
    directions: NDArray[Any],
    dtype: str,
    visit: Visit,
    chosen: Choices | None = None,
    record: Choices | None = None,
    with_logits: bool = False,
) -> tuple[Any, Any] | None:
    """Pre-activations and their directional derivatives, layer by layer.

    Parameters
    ----------
    x, directions : [n, ...input shape], or one x for all directions
    visit : function of (side, z, u, layer, first_unit)
        Called at every layer: a unit switches where `z + t * u` crosses 0. `side` is 1 where
        it now counts as above, 0 where not: tensors, or the number 0 at candidates of a maximum,
        which are below the chosen one.
    chosen : take these pieces and candidates instead of the points' own
    record : is filled with the points' own
    with_logits : go on to the plan's logits

    Returns
    -------
    The logits and their derivatives, tensors; None where they are not asked for or there are none.
    """
    alive = {0: (backend.to_tensor(x, dtype), backend.to_tensor(directions, dtype))}
    logits = plan.logits if with_logits else None
    for i, step in enumerate(plan.up_to_units(region) if logits is None else plan.steps):
        pairs = [alive[number] for number in step.inputs]
        values, slopes = [z for z, _ in pairs], [u for _, u in pairs]
        if isinstance(step, Affine):
            made = list(zip(step.apply(values), step.linear(slopes), strict=True))
        elif isinstance(step, Activation):
            made = [_bend(step, values[0], slopes[0], visit, chosen, record)]
        else:
            made = [_choose(step, values, slopes, visit, chosen, record)]
        alive.update(zip(step.outputs, made, strict=True))
        for number in {*step.inputs, *step.outputs} - {logits}:
            if plan.last_use.get(number, -1) <= i:
                alive.pop(number, None)
    return None if logits is None else alive[logits]


def _bend(
    step: Activation, z: Any, u: Any, visit: Visit, chosen: Choices | None, record: Choices | None
) -> tuple[Any, Any]:
    function = step.function
    above = function.above(z) if chosen is None else chosen[step.layer]
    for k, kink in enumerate(function.kinks):
        at_zero = isinstance(kink, float) and kink == 0
        visit(above[k], z if at_zero else z - kink, u, step.layer + k, 0)
    if record is not None:
        record[step.layer] = [backend.to_numpy(each) for each in above]
    return function.value(above, z), function.derivative(above, u)


def _choose(
    step: Max,
    values: Sequence[Any],
    slopes: Sequence[Any],
    visit: Visit,
    chosen: Choices | None,
    record: Choices | None,
) -> tuple[Any, Any]:
    ops = keras.ops
    # The least is the largest of the negatives.
    zs = step.candidates([step.sign * z for z in values])
    us = step.candidates([step.sign * u for u in slopes])
    choice = _first_largest(step, zs) if chosen is None else chosen[step.layer]
    z, u = ops.zeros_like(zs[0]), ops.zeros_like(us[0])
    for c, (candidate, slope) in enumerate(zip(zs, us, strict=True)):
        z, u = ops.where(choice == c, candidate, z), ops.where(choice == c, slope, u)
    n_units = int(np.prod(step.shape))
    for c, (candidate, slope) in enumerate(zip(zs, us, strict=True)):
        below, rising = candidate - z, slope - u
        if step.valid[c] is not None:
            below, rising = (
                ops.where(step.valid[c], part, ops.zeros_like(part)) for part in (below, rising)
            )
        visit(0, below, rising, step.layer, c * n_units)
    if record is not None:
        record[step.layer] = backend.to_numpy(choice)
    return step.sign * z, step.sign * u


def _first_largest(step: Max, zs: Sequence[Any]) -> Any:
    """The number of the largest candidate, of the first of equals, for each output."""
    ops = keras.ops
    largest = choice = None
    for c, (z, valid) in enumerate(zip(zs, step.valid, strict=True)):
        if valid is not None:  # tensors on either side, for a number would make it float32
            z = ops.where(valid, z, ops.full_like(z, -np.inf))
        if largest is None:
            largest = z
            choice = ops.zeros(ops.shape(z), "int32")
            continue
        larger = z > largest
        largest = ops.where(larger, z, largest)
        choice = ops.where(larger, c, choice)
    return choice
