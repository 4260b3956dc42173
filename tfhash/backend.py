"""What differs between Keras's backends, one function each."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray


def float64() -> AbstractContextManager[Any]:
    """A context in which tensors may be float64: JAX narrows them to float32 unless told."""
    if keras.backend.backend() != "jax":
        return nullcontext()
    import jax

    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax.experimental import enable_x64

    return enable_x64()


def tensor(array: Any, dtype: str) -> Any:
    """A backend tensor of an array, tensor or Keras variable."""
    if isinstance(array, keras.Variable):
        array = array.value
    return keras.ops.cast(keras.ops.convert_to_tensor(array), dtype)


def array(tensor: Any) -> NDArray[Any]:
    """A C-contiguous NumPy array of a backend tensor: the same memory where it can be."""
    if keras.backend.backend() == "torch":
        tensor = tensor.detach().cpu()
    return np.ascontiguousarray(np.asarray(tensor))


def compiles_each_shape() -> bool:
    """Whether a new batch size costs a compilation even outside compiled functions."""
    return keras.backend.backend() == "jax"
