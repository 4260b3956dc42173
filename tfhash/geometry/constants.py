"""The numbers that a network's steps use: read from the model's weights, anew for each call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from tfhash import backend


class Constant:
    """A tensor computed from a model's weights, read when it is first needed and then kept.

    Weights change between calls, and a plan is kept from call to call. `forget` drops the tensor:
    its memory is freed, and the next use reads the weights again.

    Parameters
    ----------
    read
        Gives the tensor.
    """

    def __init__(self, read: Callable[[], Any]) -> None:
        self._read = read
        self._value: Any = None

    @property
    def value(self) -> Any:
        """The tensor."""
        if self._value is None:
            self._value = self._read()
        return self._value

    def forget(self) -> None:
        """Read again at the next use."""
        self._value = None

    def zeros(self) -> Constant:
        """A constant of the same shape that is 0."""
        return Constant(lambda: keras.ops.zeros_like(self.value))


def is_array(value: Any) -> bool:
    """Whether a value is a variable, array or tensor."""
    return keras.ops.is_tensor(value) or hasattr(value, "__array__")


def constant_of(value: Any, dtype: str) -> Constant:
    """A variable, array or tensor: floats in `dtype`, anything else as it is."""

    def read() -> Any:
        if keras.backend.is_float_dtype(keras.backend.standardize_dtype(value.dtype)):
            return backend.to_tensor(value, dtype)
        return value.value if isinstance(value, keras.Variable) else value

    return Constant(read)


def filled(structure: Any) -> Any:
    """A structure with its constants' tensors in their places."""
    return keras.tree.map_structure(lambda x: x.value if isinstance(x, Constant) else x, structure)
