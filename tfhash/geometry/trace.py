"""From a Keras model to its plan: the steps a line goes through on its way to the units."""

from __future__ import annotations

import weakref
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import keras

from tfhash.geometry.inputs import InputSpace, input_space
from tfhash.geometry.layer_handlers import handler_of
from tfhash.geometry.planning import joined_at_once, plan_of
from tfhash.geometry.steps import Plan
from tfhash.geometry.tracer import Tracer

# By model and dtype, the last plan and what the model was like then.
_plans: weakref.WeakKeyDictionary[Any, dict[str, tuple[Hashable, Plan]]] = (
    weakref.WeakKeyDictionary()
)


@contextmanager
def plan_for(
    model: keras.Model, space: InputSpace | None = None, dtype: str = "float64"
) -> Iterator[Plan]:
    """The plan of a model, with its weights as they are now, for the length of a call.

    `space` is what the model takes: to be given where it leaves sizes open.

    Plans are kept while their models live, without weights; a model that was changed (another
    activation function, say) is taken apart again, and so is, at every call, one with layers of
    the user's own, which may do in Python what no plan shows.

    Raises
    ------
    ValueError
        As `trace`.
    """
    space = space or input_space(model)
    kept = _plans.setdefault(model, {})
    before = kept.pop(dtype, None)  # taken out: two threads do not share one
    now = space.shapes, _likeness(model)
    if before is not None and before[0] == now:
        plan, is_lasting = before[1], True
    else:
        plan, is_lasting = trace(model, space, dtype)
        # Being called may change what a layer has noted of itself.
        now = space.shapes, _likeness(model)
    try:
        yield plan
    finally:
        plan.forget()
        if is_lasting:
            kept[dtype] = now, plan


def trace(model: keras.Model, space: InputSpace, dtype: str) -> tuple[Plan, bool]:
    """Take a model apart into steps that compute in `dtype` on what it takes.

    Returns
    -------
    plan : Plan
    is_lasting : bool
        Whether it stays right when weights change.

    Raises
    ------
    ValueError
        Where the model has no activation function with a kink, or has a layer, named, that is not
        piecewise linear.
    """
    tracer = Tracer(dtype, handler_of)
    start = keras.KerasTensor((None, *space.shape), dtype=keras.backend.floatx())
    tracer.new(start)
    inputs = start
    if len(space.shapes) > 1:
        inputs = space.packed(tracer.parts(start, space.names, space.shapes))
    outputs = tracer.call(model, (inputs,), {}, path="")
    ends = [tracer.number(out) for out in keras.tree.flatten(outputs)]
    steps = tracer.steps
    if len(space.shapes) > 1:
        steps = joined_at_once(steps, tracer.shapes, len(space.shapes))
    plan = plan_of(model.name, steps, tracer.shapes, tracer.constants, ends)
    return plan, tracer.is_lasting


def _likeness(model: keras.Model) -> Hashable:
    """Something that differs where a model's layers, or what they are set to, do."""
    layers = model._flatten_layers(include_self=True, recursive=True)
    # Whatever is set anew is another object. They are not held on to: some hold the model.
    parts = chain.from_iterable(((layer,), vars(layer).values()) for layer in layers)
    return tuple(map(id, chain.from_iterable(parts)))
