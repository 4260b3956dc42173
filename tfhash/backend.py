"""What differs between Keras backends: TensorFlow and JAX, one function each.

`KERAS_BACKEND` decides, as everywhere in Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
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


def to_tensor(array: Any, dtype: str) -> Any:
    """A backend tensor of an array, tensor or Keras variable."""
    if isinstance(array, keras.Variable):
        array = array.value
    return keras.ops.cast(keras.ops.convert_to_tensor(array), dtype)


def to_numpy(tensor: Any) -> np.ndarray:
    """A C-contiguous NumPy array of a backend tensor: the same memory where it can be.

    Of PyTorch's bfloat16 it is float32.
    """
    if keras.backend.backend() == "torch" and not isinstance(tensor, np.ndarray):
        tensor = tensor.detach().cpu()
        if keras.backend.standardize_dtype(tensor.dtype) == "bfloat16":
            tensor = tensor.float()  # NumPy has none; every bfloat16 is a float32
    return np.ascontiguousarray(np.asarray(tensor))


def matmul(a: Any, b: Any) -> Any:
    """The matrix product, in the precision of its arguments: on PyTorch `keras.ops.matmul` of
    float64 tensors is computed in float32."""
    if keras.backend.backend() == "torch":
        import torch

        return torch.matmul(a, b)
    return keras.ops.matmul(a, b)


@cache
def averages_repeat_edges() -> bool:
    """Whether average pools with padding "same" count the numbers at the edges several times.

    Of Keras 3.15.1 on PyTorch they do where one side of an axis gets more padding than the other;
    elsewhere, and in Keras that came later, padding is left out of the mean.
    """
    if keras.backend.backend() != "torch":
        return False
    made = keras.ops.average_pool(np.array([[[10.0], [20.0]]], np.float32), 3, 2, "same")
    return float(to_numpy(made).item()) > 16


def variable_values(variable: keras.Variable) -> np.ndarray:
    """What a Keras variable holds now, not to be written to: the same memory where it can be."""
    value = variable.value
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # What `value()` does, without what gradients need: a third of the time.
        value = tf.raw_ops.ReadVariableOp(resource=value.handle, dtype=value.dtype)
        if variable.dtype in ("float32", "float64"):  # no buffer can be of bfloat16
            return np.asarray(memoryview(value))  # a tensor's own `numpy` would copy
    return to_numpy(value)


def compiled_finite_check(variables: Sequence[Any]) -> Callable[[], bool]:
    """A quick check of Keras variables of floats, to be repeated.

    Gives True only where all they hold now is finite. TensorFlow, where reading a variable takes a
    tenth of a millisecond, looks at all in one compiled function; other backends give False.
    """
    if keras.backend.backend() != "tensorflow" or not variables:
        return lambda: not variables
    import tensorflow as tf

    def finite() -> Any:
        values = [variable.value for variable in variables]
        wide = [
            v if v.dtype in (tf.float32, tf.float64) else tf.cast(v, tf.float32) for v in values
        ]
        return tf.reduce_all([tf.reduce_all(tf.math.is_finite(value)) for value in wide])

    compiled = tf.function(finite, autograph=False).get_concrete_function()
    return lambda: bool(compiled())


def compiles_each_shape() -> bool:
    """Whether a new batch size costs a compilation even outside compiled functions."""
    return keras.backend.backend() == "jax"


def jit_compile() -> bool | str:
    """What to give `compile` for networks of some size: on CPUs, TensorFlow's own kernels are
    three to four times as fast as XLA's, in training ResNets."""
    if keras.backend.backend() != "tensorflow":
        return "auto"
    import tensorflow as tf

    return "auto" if tf.config.list_physical_devices("GPU") else False


def has_bfloat16() -> bool:
    """Whether the device is made for products of bfloat16: GPUs since Ampere, and TPUs.

    CPUs that have instructions for them are slower with them here, in training.
    """
    if keras.backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        # NVIDIA's say "8.0"; AMD's, which have it too, say otherwise.
        capability = str(getattr(device, "compute_capability", "8"))
        return device.platform != "cpu" and not capability.startswith(("5", "6", "7"))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        return bool(gpus) and all(d.get("compute_capability", (8, 0)) >= (8, 0) for d in details)
    return False


def compile_function(
    function: Callable[..., Any], xla: bool = True, donate: bool = False
) -> Callable[..., Any]:
    """`function` of tensors as one program.

    Parameters
    ----------
    function
        Pure, of tensors and nests of them.
    xla
        Whether TensorFlow hands it to XLA, whose compiling takes seconds for hundreds of
        operations; JAX always does.
    donate
        Whether the memory of the tensors in the first argument may be used for the results.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function, donate_argnums=0 if donate else ())
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


def uniform(shape: Any, seed: Any, step: Any) -> Any:
    """Draws float32 from [0, 1), the same ones for the same `seed`, int32 [2], and `step`, int32.

    Inside a program, where Keras's own generators have no state. Each backend draws others.
    """
    if keras.backend.backend() == "jax":
        import jax

        key = jax.random.key(seed[0])
        return jax.random.uniform(jax.random.fold_in(jax.random.fold_in(key, seed[1]), step), shape)
    import tensorflow as tf

    return tf.random.stateless_uniform(shape, tf.random.experimental.stateless_fold_in(seed, step))


def has_accelerator() -> bool:
    """Whether computations run on something other than the CPU."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return any(
            device.device_type in ("GPU", "TPU") for device in tf.config.list_logical_devices()
        )
    if backend == "jax":
        import jax

        return jax.default_backend() != "cpu"
    return False


def recurrent_states(model: Any) -> list[Any]:
    """The variables that stateful recurrent layers keep, which a model does not list as its own."""
    stateful = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.RNN) and layer.stateful
    ]
    states = [state for layer in stateful for state in keras.tree.flatten(layer.states)]
    return [state for state in states if isinstance(state, keras.Variable)]


def _as_variables_are(
    model: keras.Model, compile_for: Callable[[list[Any]], Callable[[Any], list[Any]]]
) -> Callable[[Any], list[Any]]:
    """A function that is compiled again where the model has other variables than before.

    Adapters and quantization give it others. `compile_for` is given all that there are.
    """
    known: dict[tuple[int, ...], tuple[list[Any], Callable[[Any], list[Any]]]] = {}

    def run(inputs: Any) -> list[Any]:
        own = (*model.trainable_variables, *model.non_trainable_variables)
        held = [*own, *recurrent_states(model)]
        key = tuple(map(id, held))
        if key not in known:
            known.clear()
            known[key] = held, compile_for(held)  # held, so that no other gets these ids
        return known[key][1](inputs)

    return run


def compiled_model(
    model: keras.Model, finish: Callable[[Any], list[Any]], accelerated: bool
) -> Callable[[Any], list[Any]]:
    """A model at inference, with its weights as they are at each call, as one compiled function.

    Parameters
    ----------
    finish
        Is compiled with it: from the model's outputs to a list of tensors.
    accelerated
        Whether it will run on an accelerator. TensorFlow compiles it with XLA there, where Keras
        would; on CPUs XLA's convolutions are slower than TensorFlow's own.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _as_variables_are(
            model,
            lambda _: _traced_once(
                lambda inputs: finish(model(inputs, training=False)),
                [symbol.shape[0] for symbol in model.inputs],
                accelerated and bool(model.jit_compile),
            ),
        )
    if backend == "jax":
        import jax

        # Not by `stateless_call`, which does not know of the states of recurrent layers.
        def pure(held: list[Any], values: list[Any], inputs: Any) -> list[Any]:
            with keras.StatelessScope(state_mapping=list(zip(held, values, strict=True))):
                return finish(model(inputs, training=False))

        def compiled(held: list[Any]) -> Callable[[Any], list[Any]]:
            jitted = jax.jit(partial(pure, held))
            return lambda inputs: jitted([variable.value for variable in held], inputs)

        return _as_variables_are(model, compiled)
    import torch

    def detached(inputs: Any) -> list[Any]:
        with torch.no_grad():
            return finish(model(inputs, training=False))

    return detached


def is_positive(tensor: Any) -> Any:
    """Whether numbers that are not NaN are > 0, subnormal ones too, which compiled comparisons
    take for 0: told from their bits."""
    size = {"float16": 16, "bfloat16": 16, "float32": 32, "float64": 64}[
        keras.backend.standardize_dtype(tensor.dtype)
    ]
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.bitcast(tensor, f"int{size}") > 0
    if backend == "jax":
        import jax

        return jax.lax.bitcast_convert_type(tensor, f"int{size}") > 0
    import torch

    return tensor.view(getattr(torch, f"int{size}")) > 0


def _traced_once(
    function: Callable[[Any], list[Any]], batch_sizes: list[int | None], xla: bool
) -> Callable[[Any], list[Any]]:
    """TensorFlow's compiled function of a nest of arrays, for any number of rows.

    It is traced once for each type and shape of inputs without their rows, and on purpose: where a
    `tf.function` finds out by itself, TensorFlow warns of the fifth one in a process.
    """
    import tensorflow as tf

    compiled = tf.function(function, autograph=False, jit_compile=xla)
    traced: dict[Any, Any] = {}

    def call(inputs: Any) -> list[Any]:
        tensors = [tf.convert_to_tensor(part) for part in keras.tree.flatten(inputs)]
        specs = [
            tf.TensorSpec((n, *tensor.shape[1:]), tensor.dtype)
            for n, tensor in zip(batch_sizes, tensors, strict=True)
        ]
        key = tuple((tuple(spec.shape), spec.dtype) for spec in specs)
        if key not in traced:
            packed = keras.tree.pack_sequence_as(inputs, specs)
            traced[key] = compiled.get_concrete_function(packed)
        return traced[key](keras.tree.pack_sequence_as(inputs, tensors))

    return call
