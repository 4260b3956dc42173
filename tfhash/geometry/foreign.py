"""Activation functions that leave no graph of Keras's operations when they are called symbolically.

Such are the functions of TensorFlow, JAX and PyTorch that are given to a layer as its activation,
and some of Keras's own. Each becomes one operation, whose pieces are read off its values.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tfhash import backend, graph
from tfhash.geometry.pieces import PiecewiseLinear

_ALIASES = {
    "abs": "absolute",
    "hard_swish": "hard_silu",
    "hardshrink": "hard_shrink",
    "hardsigmoid": "hard_sigmoid",
    "hardswish": "hard_silu",
    "hardtanh": "hard_tanh",
    "logsigmoid": "log_sigmoid",
    "softshrink": "soft_shrink",
    "swish": "silu",
}
# Where the functions of these names may bend: each library has its own.
_KINKS: dict[str, tuple[tuple[float, ...], ...]] = {
    "absolute": ((0.0,),),
    "hard_sigmoid": ((-3.0, 3.0), (-2.5, 2.5)),
    "hard_tanh": ((-1.0, 1.0),),
    "leaky_relu": ((0.0,),),
    "relu": ((0.0,),),
    "relu6": ((0.0, 6.0),),
    "soft_shrink": ((-0.5, 0.5),),
}
_GRID = np.concatenate([np.linspace(-16, 16, 4097), [-1e4, 1e4]])


class Applied(keras.Operation):
    """A function of one tensor as an operation.

    Parameters
    ----------
    function : of one tensor
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def call(self, x: Any) -> Any:
        """The function's value."""
        return self.function(x)

    @property
    def function_name(self) -> str:
        """The name of the activation, as Keras has it where it has one."""
        return known_name(self.function) or name_of(self.function)


def name_of(function: Any) -> str:
    """A function as a reader knows it."""
    function = graph.unwrapped(function)
    return str(getattr(function, "__name__", None) or type(function).__name__)


def known_name(function: Any) -> str | None:
    """Keras's name for a function of Keras, TensorFlow, JAX or PyTorch; None for any other's."""
    name = graph.library_name(function)
    return None if name is None else _ALIASES.get(name, name)


def pieces_of(operation: Applied) -> PiecewiseLinear | None:
    """The linear pieces of a function that bends where its name says; None of any other."""
    for kinks in _KINKS.get(known_name(operation.function) or "", ()):
        found = _read(operation.function, kinks)
        if found is not None:
            return found
    return None


def _read(function: Callable[[Any], Any], kinks: tuple[float, ...]) -> PiecewiseLinear | None:
    """The pieces between given kinks, or None where the function's values are not on them."""

    def values(x: Any) -> Any:
        return backend.to_numpy(function(backend.to_tensor(np.asarray(x), "float64")))

    edges = (kinks[0] - 2, *kinks, kinks[-1] + 2)
    slopes, offsets = [], []
    for low, high in itertools.pairwise(edges):
        at = np.array([low, high])
        first, last = values(at)
        slopes.append(float((last - first) / (high - low)))
        offsets.append(float(first - slopes[-1] * low))
    found = PiecewiseLinear(kinks, tuple(slopes), tuple(offsets))
    expected = found.value(found.above(_GRID), _GRID, np.where)
    off = np.abs(values(_GRID) - expected) > 1e-9 * np.maximum(1, np.abs(_GRID))
    return None if off.any() else found


def view(layer: Any, **changes: Any) -> Any:
    """A layer that shares everything with another but what is changed; for one call only."""
    other = object.__new__(type(layer))
    vars(other).update(vars(layer), **changes)
    return other
