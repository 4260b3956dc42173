"""A step that is applied to each of several parts of an example, as to all time steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from tfhash.geometry.steps import Activation, Affine, Flat, Max, Step


def repeated(step: Step, n_parts: int, numbers: Sequence[int]) -> Step:
    """The step on values of shape `(n_parts, *shape)`, part by part.

    Parameters
    ----------
    numbers : for each number of a value that the step knows, the number of that of all parts
    """
    inputs = tuple(numbers[i] for i in step.inputs)
    outputs = tuple(numbers[i] for i in step.outputs)
    changed: dict[str, Any] = {"inputs": inputs, "outputs": outputs}
    if isinstance(step, Activation | Max):
        changed["shape"] = (n_parts, *step.shape)
    if isinstance(step, Affine):
        does_nothing = step.flat == Flat()
        changed |= {
            "apply": _on_parts(step.apply, n_parts),
            "linear": _on_parts(step.linear, n_parts),
            "flat": Flat() if does_nothing else None,
            "local": None,
        }
    elif isinstance(step, Max):
        changed["local"] = None
        changed["candidates"] = _on_parts(step.candidates, n_parts)
        changed["valid"] = tuple(
            None if valid is None else np.broadcast_to(valid, changed["shape"])
            for valid in step.valid
        )
    return dataclasses.replace(step, **changed)


def _on_parts(function: Callable[[Any], Any], n_parts: int) -> Callable[[Any], Any]:
    def called(tensors: Sequence[Any]) -> tuple[Any, ...]:
        apart = [keras.ops.reshape(x, (-1, *x.shape[2:])) for x in tensors]
        made = function(apart)
        return tuple(keras.ops.reshape(x, (-1, n_parts, *x.shape[1:])) for x in made)

    return called
