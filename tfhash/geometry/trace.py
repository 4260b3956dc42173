"""From a Keras model to its plan: the steps a line goes through on its way to the units."""

from __future__ import annotations

import weakref
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import keras

from tfhash.geometry.inputs import input_shape
from tfhash.geometry.layer_handlers import handler_of
from tfhash.geometry.planning import plan_of
from tfhash.geometry.steps import Plan
from tfhash.geometry.tracer import Tracer

# By model and dtype, the last plan and what the model was like then.
_plans: weakref.WeakKeyDictionary[Any, dict[str, tuple[Hashable, Plan]]] = (
    weakref.WeakKeyDictionary()
)


@contextmanager
def plan_for(
    model: keras.Model, points: tuple[int, ...] = (), dtype: str = "float64"
) -> Iterator[Plan]:
    """The plan of a model, with its weights as they are now, for the length of a call.

    Sizes that the model's input leaves open are taken from the shape of the `points`.

    Plans are kept while their models live, without weights; a model that was changed (another
    activation function, say) is taken apart again, and so is, at every call, one with layers of
    the user's own, which may do in Python what no plan shows.

    Raises
    ------
    ValueError
        As `trace`.
    """
    shape = input_shape(model, points)
    kept = _plans.setdefault(model, {})
    before = kept.pop(dtype, None)  # taken out: two threads do not share one
    now = shape, _likeness(model)
    if before is not None and before[0] == now:
        plan, is_lasting = before[1], True
    else:
        plan, is_lasting = trace(model, shape, dtype)
        now = shape, _likeness(model)  # being called may change what a layer has noted of itself
    try:
        yield plan
    finally:
        plan.forget()
        if is_lasting:
            kept[dtype] = now, plan


def trace(model: keras.Model, shape: tuple[int, ...], dtype: str) -> tuple[Plan, bool]:
    """Take a model apart into steps that compute in `dtype` on examples of a shape.

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
    start = keras.KerasTensor((None, *shape), dtype=keras.backend.floatx())
    tracer.new(start)
    outputs = tracer.call(model, (start,), {}, path="")
    ends = [tracer.number(out) for out in keras.tree.flatten(outputs)]
    plan = plan_of(model.name, tracer.steps, tracer.shapes, tracer.constants, ends)
    return plan, tracer.is_lasting


def _likeness(model: keras.Model) -> Hashable:
    """Something that differs where a model's layers, or what they are set to, do."""
    layers = model._flatten_layers(include_self=True, recursive=True)
    # Whatever is set anew is another object. They are not held on to: some hold the model.
    parts = chain.from_iterable(((layer,), vars(layer).values()) for layer in layers)
    return tuple(map(id, chain.from_iterable(parts)))
