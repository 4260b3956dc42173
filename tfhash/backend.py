"""What differs between Keras backends: TensorFlow and JAX, one function each.

`KERAS_BACKEND` decides, as everywhere in Keras.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np


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


def array(tensor: Any) -> np.ndarray:
    """A C-contiguous NumPy array of a backend tensor: the same memory where it can be."""
    if keras.backend.backend() == "torch":
        tensor = tensor.detach().cpu()
    return np.ascontiguousarray(np.asarray(tensor))


def compiles_each_shape() -> bool:
    """Whether a new batch size costs a compilation even outside compiled functions."""
    return keras.backend.backend() == "jax"


def compiled(function: Callable[..., Any], xla: bool = True) -> Callable[..., Any]:
    """`function` of tensors as one program; the tensors in its first argument are given up.

    Parameters
    ----------
    function
        Pure, of tensors and nests of them.
    xla
        Whether TensorFlow hands it to XLA, whose compiling takes seconds for hundreds of
        operations; JAX always does.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function, donate_argnums=0)
    import tensorflow as tf

    return tf.function(function, autograph=False, jit_compile=xla)


def gradients(function: Callable[..., Any], weights: Any, *rest: Any) -> tuple[Any, Any]:
    """The gradients by `weights` of the first thing that `function` returns, and the second."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(function, has_aux=True)(weights, *rest)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(weights)
        total, other = function(weights, *rest)
    return tape.gradient(total, weights), other


def memory() -> int:
    """Bytes of the memory in which models are trained: the accelerator's where JAX has one."""
    if keras.backend.backend() == "jax":
        import jax

        # CPUs have no such statistics.
        limit = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
        if limit:
            return int(limit)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # Windows
        return 8 << 30
