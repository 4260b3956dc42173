"""What differs between Keras backends: TensorFlow and JAX, one function each.

`KERAS_BACKEND` decides, as everywhere in Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np

Arrays = dict[str, np.ndarray]
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Keras's own, and the paper's


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


def numbers(variable: keras.Variable) -> np.ndarray:
    """What a Keras variable holds now, not to be written to: the same memory where it can be."""
    value = variable.value
    if keras.backend.backend() == "tensorflow":
        value = memoryview(value.value())  # a tensor's own `numpy` would copy
    return array(value)


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


class Step(NamedTuple):
    """What one training step is made of, in pure functions of tensors.

    Weights, statistics and gradients are dicts of tensors. Measures are float32 [2, n_models], the
    sums over a batch of each model's loss and of its right answers.

    Attributes
    ----------
    n_models : int
        Models that are trained side by side.
    loss
        From (weights, statistics, x, y) to (total, (statistics that change, measures)): the total
        is what is differentiated by the weights.
    gradients
        From (gradients, weights) to the gradients that Adam is given.
    measure
        From (weights, statistics, x, y) to measures at inference.
    """

    n_models: int
    loss: Callable[..., Any]
    gradients: Callable[..., Any]
    measure: Callable[..., Any]


class EpochLoop(Protocol):
    """A training loop compiled for one set of weights and one dataset, which it holds."""

    def epoch(self, order: np.ndarray, rate: float) -> np.ndarray:
        """Train one epoch through the examples in `order`; the sums of the measures."""

    def measure(self, split: str) -> np.ndarray:
        """Sums of the measures over all examples of "train" or "test", weights as they are."""

    def read(self) -> dict[str, Arrays]:
        """Weights, statistics and Adam's two moments, and the number of steps taken."""


def epoch_loop(
    step: Step,
    data: Mapping[str, tuple[np.ndarray, np.ndarray]],
    batch_size: int,
    state: dict[str, Arrays],
) -> EpochLoop:
    """Compile a training loop with Adam; Python is left once per epoch.

    Parameters
    ----------
    step
        The training step.
    data
        "train" and "test": images float32 or uint8 (in 255ths) [n, n_pixels], labels int [n].
    batch_size
        Examples per step; what is left over makes a last, smaller step.
    state
        What `EpochLoop.read` gives: "weights", "statistics", "momentum", "velocity", all of float32
        arrays by name, and "steps", {"steps": int64 scalar}.

    Raises
    ------
    NotImplementedError
        The Keras backend is neither TensorFlow nor JAX.
    """
    backend = keras.backend.backend()
    loops: dict[str, type[_TensorFlowLoop] | type[_JaxLoop]] = {
        "tensorflow": _TensorFlowLoop,
        "jax": _JaxLoop,
    }
    if backend not in loops:
        raise NotImplementedError(
            f"Expected the Keras backend tensorflow or jax (KERAS_BACKEND). Received: {backend}."
        )
    return loops[backend](step, data, batch_size, state)


def adam_rate(rate: Any, steps: Any) -> Any:
    """Adam's rate with both bias corrections, at step number `steps` (from 1), as in Keras."""
    from keras import ops

    steps = ops.cast(steps, "float32")
    corrections = [1 - ops.power(ops.cast(beta, "float32"), steps) for beta in (BETA_1, BETA_2)]
    return rate * ops.sqrt(corrections[1]) / corrections[0]


EVALUATION_BATCH = 5_000


class _TensorFlowLoop:
    """Without XLA, whose matrix products on CPUs are slower than TensorFlow's own."""

    def __init__(
        self,
        step: Step,
        data: Mapping[str, tuple[np.ndarray, np.ndarray]],
        batch_size: int,
        state: dict[str, Arrays],
    ) -> None:
        import tensorflow as tf

        self._step, self._batch_size = step, batch_size
        self._data = {k: (tf.constant(x), tf.constant(y, tf.int32)) for k, (x, y) in data.items()}
        self._state = {
            part: {k: tf.Variable(array, trainable=False) for k, array in arrays.items()}
            for part, arrays in state.items()
        }
        self._epoch = tf.function(self._run_epoch, autograph=False)
        self._measure_all = tf.function(self._run_measure, autograph=False)

    def epoch(self, order: np.ndarray, rate: float) -> np.ndarray:
        import tensorflow as tf

        sums = self._epoch(tf.constant(order, tf.int32), tf.constant(rate, tf.float32))
        return np.asarray(sums, np.float64)

    def measure(self, split: str) -> np.ndarray:
        return np.asarray(self._measure_all(*self._data[split]), np.float64)

    def read(self) -> dict[str, Arrays]:
        return {
            part: {name: variable.numpy() for name, variable in variables.items()}
            for part, variables in self._state.items()
        }

    def _run_epoch(self, order: Any, rate: Any) -> Any:
        import tensorflow as tf

        n, size = order.shape[0], self._batch_size
        sums = tf.zeros((2, self._step.n_models), tf.float32)
        if n >= size:
            # Not sliced in the loop, so that the size of a batch is known when it is compiled.
            full = tf.reshape(order[: n - n % size], (-1, size))

            def body(i: Any, sums: Any) -> tuple[Any, Any]:
                return i + 1, sums + self._train_on(full[i], rate)

            _, sums = tf.while_loop(
                lambda i, _: i < n // size, body, (0, sums), parallel_iterations=1
            )
        return sums + self._train_on(order[n - n % size :], rate) if n % size else sums

    def _read_part(self, part: str) -> dict[str, Any]:
        return {name: variable.read_value() for name, variable in self._state[part].items()}

    def _train_on(self, rows: Any, rate: Any) -> Any:
        """One step; the measures of its batch before the step."""
        import tensorflow as tf

        x, y = (tf.gather(array, rows) for array in self._data["train"])
        weights = self._read_part("weights")
        with tf.GradientTape() as tape:
            tape.watch(weights)
            total, (statistics, measures) = self._step.loss(
                weights, self._read_part("statistics"), _unit(x), y
            )
        gradients = self._step.gradients(tape.gradient(total, weights), weights)
        steps = self._state["steps"]["steps"].assign_add(1)
        # One pass over the memory, where Keras's own formula in single operations makes ten. The
        # kernel has 1 - beta in single precision, which is 1.3e-5 less than the 0.001 of Keras:
        # `share` takes that out of the velocities again.
        share = float(np.sqrt((np.float32(1) - np.float32(BETA_2)) / np.float64(1 - BETA_2)))
        for name, gradient in gradients.items():
            tf.raw_ops.ResourceApplyAdam(
                var=self._state["weights"][name].handle,
                m=self._state["momentum"][name].handle,
                v=self._state["velocity"][name].handle,
                # The correction of the bias is in the rate already.
                beta1_power=0.0,
                beta2_power=0.0,
                lr=adam_rate(rate, steps) * share,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=EPSILON * share,
                grad=gradient,
            )
        for name, value in statistics.items():
            self._state["statistics"][name].assign(value)
        return measures

    def _run_measure(self, x: Any, y: Any) -> Any:
        weights, statistics = self._read_part("weights"), self._read_part("statistics")
        return sum(
            self._step.measure(
                weights,
                statistics,
                _unit(x[start : start + EVALUATION_BATCH]),
                y[start : start + EVALUATION_BATCH],
            )
            for start in range(0, x.shape[0], EVALUATION_BATCH)
        )


class _JaxLoop:
    """One XLA program per epoch; weights and moments stay where they are in the device's memory."""

    def __init__(
        self,
        step: Step,
        data: Mapping[str, tuple[np.ndarray, np.ndarray]],
        batch_size: int,
        state: dict[str, Arrays],
    ) -> None:
        import jax

        self._data = {k: (jax.device_put(x), jax.device_put(y)) for k, (x, y) in data.items()}
        self._state = jax.tree.map(jax.device_put, state)
        self._epoch = jax.jit(partial(_jax_epoch, step, batch_size), donate_argnums=0)
        self._measure = jax.jit(partial(_jax_measure, step))

    def epoch(self, order: np.ndarray, rate: float) -> np.ndarray:
        self._state, sums = self._epoch(
            self._state, *self._data["train"], order.astype(np.int32), np.float32(rate)
        )
        return np.asarray(sums, np.float64)

    def measure(self, split: str) -> np.ndarray:
        sums = self._measure(self._state["weights"], self._state["statistics"], *self._data[split])
        return np.asarray(sums, np.float64)

    def read(self) -> dict[str, Arrays]:
        return {
            part: {name: np.array(value) for name, value in values.items()}
            for part, values in self._state.items()
        }


def _jax_epoch(
    step: Step, batch_size: int, state: Any, x: Any, y: Any, order: Any, rate: Any
) -> Any:
    import jax

    def train_on(state: Any, rows: Any) -> tuple[Any, Any]:
        grads, (statistics, measures) = jax.grad(step.loss, has_aux=True)(
            state["weights"], state["statistics"], _unit(x[rows]), y[rows]
        )
        grads = step.gradients(grads, state["weights"])
        steps = state["steps"]["steps"] + 1
        alpha = adam_rate(rate, steps)
        momentum = jax.tree.map(lambda m, g: m + (g - m) * (1 - BETA_1), state["momentum"], grads)
        velocity = jax.tree.map(
            lambda v, g: v + (g * g - v) * (1 - BETA_2), state["velocity"], grads
        )
        weights = jax.tree.map(
            lambda w, m, v: w - m * alpha / (jax.numpy.sqrt(v) + EPSILON),
            state["weights"],
            momentum,
            velocity,
        )
        return {
            "weights": weights,
            "statistics": {**state["statistics"], **statistics},
            "momentum": momentum,
            "velocity": velocity,
            "steps": {"steps": steps},
        }, measures

    n = len(order)
    sums: Any = 0.0
    if n >= batch_size:
        full = order[: n - n % batch_size].reshape(-1, batch_size)
        state, measures = jax.lax.scan(train_on, state, full)
        sums = measures.sum(axis=0)
    if n % batch_size:
        state, measures = train_on(state, order[n - n % batch_size :])
        sums = sums + measures
    return state, sums


def _jax_measure(step: Step, weights: Any, statistics: Any, x: Any, y: Any) -> Any:
    return sum(
        step.measure(
            weights,
            statistics,
            _unit(x[start : start + EVALUATION_BATCH]),
            y[start : start + EVALUATION_BATCH],
        )
        for start in range(0, len(x), EVALUATION_BATCH)
    )


def _unit(x: Any) -> Any:
    """Images float32 in [0, 1]: bytes are 255ths, as `datasets` reads them."""
    from keras import ops

    if keras.backend.standardize_dtype(x.dtype) == "uint8":
        return ops.cast(x, "float32") / 255.0
    return x


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


def compiled(
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
        import tensorflow as tf

        return tf.function(
            lambda inputs: finish(model(inputs, training=False)),
            autograph=False,
            reduce_retracing=True,
            jit_compile=accelerated and bool(model.jit_compile),
        )
    if backend == "jax":
        import jax

        def pure(trainable: Any, other: Any, inputs: Any) -> list[Any]:
            outputs, _ = model.stateless_call(trainable, other, inputs, training=False)
            return finish(outputs)

        compiled_pure = jax.jit(pure)
        return lambda inputs: compiled_pure(
            [variable.value for variable in model.trainable_variables],
            [variable.value for variable in model.non_trainable_variables],
            inputs,
        )
    return lambda inputs: finish(model(inputs, training=False))
