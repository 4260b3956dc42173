"""From the steps that were noted to a plan: those that the units and the class depend on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import keras

from tfhash.geometry.constants import Constant
from tfhash.geometry.pixels import Join
from tfhash.geometry.steps import Activation, Affine, Flat, Layer, Max, Opaque, Plan, Step, size


def plan_of(
    name: str,
    steps: Sequence[Step],
    shapes: Sequence[tuple[int, ...]],
    constants: Sequence[Constant],
    ends: Sequence[int],
) -> Plan:
    """The steps that the units and the class depend on, checked and numbered.

    Parameters
    ----------
    name : the model's
    steps : all of the model's, in an order in which they can be carried out
    shapes : of the values, without the batch
    constants : what the steps read anew for each call
    ends : numbers of the values that the model gives

    Raises
    ------
    ValueError
        Where a step that counts is not piecewise linear, or no step has a kink.
    """
    made_by = {number: step for step in steps for number in step.outputs}
    logits = ends[0] if len(ends) == 1 else None
    head = made_by.get(logits) if logits is not None else None
    if isinstance(head, Opaque):
        logits = head.inputs[0] if head.is_head else None
    units = [step for step in steps if isinstance(step, Activation | Max)]
    needed = _upstream([out for step in units for out in step.outputs], made_by)
    for step in steps:
        if not isinstance(step, Opaque):
            continue
        is_last = step.is_smooth and id(step) not in needed and step.outputs[0] in ends
        if not is_last:
            raise ValueError(
                f"Expected layers that are piecewise linear. Received: {step.name}, which "
                f"{step.reason}. Replace it, or measure the model up to it: "
                "keras.Model(model.inputs, the tensor before it)."
            )
    if not any(isinstance(step, Activation) for step in steps):
        raise ValueError(
            "Expected a model with activation functions that have a kink, such as ReLU. "
            f"Received: {name!r}, which has none."
        )
    if logits is not None:
        needed |= _upstream([logits], made_by)
    kept: list[Affine | Activation | Max] = []
    layers: list[Layer] = []
    taken: set[str] = set()
    for step in steps:
        if id(step) not in needed or isinstance(step, Opaque):
            continue
        if isinstance(step, Activation | Max):
            step = dataclasses.replace(step, layer=len(layers))
            layers += _layers(step, taken)
        kept.append(step)
    last_use = {number: i for i, step in enumerate(kept) for number in step.inputs}
    return Plan(tuple(kept), tuple(layers), tuple(shapes), last_use, logits, tuple(constants))


def joined_at_once(
    steps: Sequence[Step], shapes: Sequence[tuple[int, ...]], n_inputs: int
) -> list[Step]:
    """Steps in which inputs are not taken apart that the first layer only joins again.

    Where one step joins them, as vectors and in their order, and no other takes one: the network
    may be a stack of dense layers, which has kernels.

    Parameters
    ----------
    steps : all of a model's, first those that take its inputs, the values from 1 on, out of value 0
    shapes : of the values
    """
    inputs = tuple(range(1, n_inputs + 1))
    taking = [step for step in steps if not set(inputs).isdisjoint(step.inputs)]
    is_join = len(taking) == 1 and isinstance(taking[0], Affine) and taking[0].local == (Join(),)
    if not is_join or taking[0].inputs != inputs or any(len(shapes[i]) != 1 for i in inputs):
        return list(steps)
    join, shape = taking[0], (-1, *shapes[taking[0].outputs[0]])

    def joined(tensors: Sequence[Any]) -> tuple[Any, ...]:
        return (keras.ops.reshape(tensors[0], shape),)

    whole = Affine(join.name, (0,), join.outputs, joined, joined, Flat())
    return [whole if step is join else step for step in steps[n_inputs:]]


def _upstream(numbers: Iterable[int], made_by: dict[int, Step]) -> set[int]:
    """The ids of the steps that values depend on."""
    found: set[int] = set()
    pending = list(numbers)
    while pending:
        step = made_by.get(pending.pop())
        if step is not None and id(step) not in found:
            found.add(id(step))
            pending += step.inputs
    return found


def _layers(step: Activation | Max, taken: set[str]) -> list[Layer]:
    name = step.name
    if name in taken:
        name = next(f"{name}#{i}" for i in count(2) if f"{name}#{i}" not in taken)
    taken.add(name)
    n_units = size(step.shape)
    if isinstance(step, Max):
        return [Layer(name, n_units, False)]
    others = [
        f"{name}>{kink:g}" if isinstance(kink, float) else f"{name}>{i}"
        for i, kink in enumerate(step.function.kinks[1:], 1)
    ]
    return [Layer(each, n_units, True) for each in (name, *others)]
