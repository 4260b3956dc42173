"""Following a line past the switches of maxima, up to the first kink of a unit."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfhash import backend
from tfhash.geometry.jvp import Choices, Ends, jvp
from tfhash.geometry.steps import Plan

# Stands for the distance of a unit that is at its kink already, but still counts as inside.
_AT_KINK = np.finfo(np.float32).tiny


def step_past_maxima(
    plan: Plan,
    x: NDArray[Any],
    directions: NDArray[Any],
    limits: NDArray[np.float64],
    ends: Ends,
    record: Choices,
    dtype: str,
) -> None:
    """Move the ends that a maximum's switch made to where a unit passes a kink.

    Past the switch the network has another candidate as that maximum and is else the same, so
    that its pre-activations are again affine in t; they are found at the point itself, with the
    choices given, and the next switch is looked for from where the line has come to. Both sides of
    all points go on together until none is left.

    Parameters
    ----------
    ends : of one `jvp` under the points' own choices `record`; moved in place
    """
    is_pattern = np.array([layer.is_pattern for layer in plan.layers] + [True])
    pending = []
    for sign, end, unit in ((-1, ends.lower, ends.lower_unit), (1, ends.upper, ends.upper_unit)):
        rows = np.flatnonzero(~is_pattern[unit[:, 0]])
        pending.append((rows, np.full(len(rows), sign), end[rows], unit[rows]))
    rows, signs, at, units = (np.concatenate(parts) for parts in zip(*pending, strict=True))
    choices = {layer: _rows_of(choice, rows) for layer, choice in record.items()}
    while len(rows):
        _switch(plan, choices, units)
        shape = (-1,) + (1,) * (x.ndim - 1)
        moved = _ends_from(
            plan, x[rows], directions[rows] * signs.reshape(shape), at, limits[rows], choices, dtype
        )
        at, units = at + moved.upper, moved.upper_unit
        for sign, end, unit in (
            (-1, ends.lower, ends.lower_unit),
            (1, ends.upper, ends.upper_unit),
        ):
            side = signs == sign
            end[rows[side]], unit[rows[side]] = at[side], units[side]
        on = np.flatnonzero(~is_pattern[units[:, 0]])
        rows, signs, at, units = rows[on], signs[on], at[on], units[on]
        choices = {layer: _rows_of(choice, on) for layer, choice in choices.items()}


def _rows_of(choice: Any, rows: NDArray[np.int64]) -> Any:
    return [each[rows] for each in choice] if isinstance(choice, list) else choice[rows]


def _switch(plan: Plan, choices: Choices, units: NDArray[np.int64]) -> None:
    """Choose, in each row, the candidate that has become the maximum."""
    for row, (layer, index) in enumerate(units):
        candidate, output = divmod(int(index), plan.layers[layer].n_units)
        choices[int(layer)][row].reshape(-1)[output] = candidate


def _ends_from(
    plan: Plan,
    x: NDArray[Any],
    directions: NDArray[Any],
    at: NDArray[np.float64],
    limits: NDArray[np.float64],
    choices: Choices,
    dtype: str,
) -> Ends:
    """How much farther than `at` the lines run before the next switch; only `upper` counts."""
    ends = Ends(np.zeros(len(at)), limits - at)

    def visit(above: Any, z: Any, u: Any, layer: int, first_unit: int) -> None:
        z, u = backend.to_numpy(z), backend.to_numpy(u)
        t = at.reshape((-1,) + (1,) * (z.ndim - 1)).astype(z.dtype)
        here = z + t * u
        if isinstance(above, int):  # candidates, not above the chosen one
            ends.reduce(np.minimum(here, 0), u, layer, first_unit, plan)
            return
        # How far inside its piece a unit is. Rounding may put it just outside.
        side = np.where(above, 1, -1).astype(z.dtype)
        inside = np.maximum(side * here, z.dtype.type(_AT_KINK))
        ends.reduce(inside, side * u, layer, first_unit, plan)

    jvp(plan, "activation", x, directions, dtype, visit, chosen=choices)
    return ends
