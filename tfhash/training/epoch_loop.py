"""Training loops: an epoch of Adam's steps as one compiled program.

Everything is in `keras.ops`; what differs between TensorFlow and JAX is in `tfhash.backend`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from tfhash import backend

Arrays = dict[str, np.ndarray]
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Keras's own, and the paper's
EVALUATION_BATCH = 5_000


class Step(NamedTuple):
    """What one training step is made of, in pure functions of tensors.

    Weights, statistics and gradients are dicts of tensors.

    Attributes
    ----------
    n_models : int
        Models that are trained side by side.
    loss
        From (weights, statistics, x, y, valid, steps) to (total, (statistics that change,
        measures)): the total is what is differentiated by the weights. Measures are float32
        [2, n_models], the sums over the batch of each model's loss and of its right answers.
        `valid`, float32 [batch], is 1 for examples and 0 for what only fills up the last batch of
        an epoch; `steps` is that part of the state, which random draws are made from.
    gradients
        From (gradients, weights) to the gradients that Adam is given.
    measure
        From (weights, statistics, x, y) to measures at inference, of each example: float32
        [2, n_models, n].
    """

    n_models: int
    loss: Callable[..., Any]
    gradients: Callable[..., Any]
    measure: Callable[..., Any]


class EpochLoop:
    """A training loop with Adam for one dataset; Python is left once per epoch.

    Weights, moments and data stay in the device's memory.

    Parameters
    ----------
    step
        The training step.
    data
        "train" and "test": images float32 or uint8 (in 255ths) [n, n_pixels], labels int [n].
    batch_size
        Examples per step; what is left over makes a last, smaller step.
    xla
        Whether TensorFlow compiles it with XLA: many times faster for many small networks, after
        seconds of compiling.

    Raises
    ------
    NotImplementedError
        The Keras backend is neither TensorFlow nor JAX.
    """

    def __init__(
        self,
        step: Step,
        data: Mapping[str, tuple[np.ndarray, np.ndarray]],
        batch_size: int,
        xla: bool = True,
    ) -> None:
        if keras.backend.backend() not in ("tensorflow", "jax"):
            raise NotImplementedError(
                "Expected the Keras backend tensorflow or jax (KERAS_BACKEND). "
                f"Received: {keras.backend.backend()}."
            )
        self._n_models, self._batch_size = step.n_models, batch_size
        self._data = {
            split: (ops.convert_to_tensor(x), ops.convert_to_tensor(y.astype(np.int32)))
            for split, (x, y) in data.items()
        }
        self._epoch = backend.compile_function(partial(_epoch, step), xla, donate=True)
        self._measure = backend.compile_function(partial(_measure, step), xla=False)
        self._state: dict[str, dict[str, Any]] = {}

    def load(self, state: Mapping[str, Arrays]) -> None:
        """Go on from `state`, which is what `read` gives.

        Its parts are "weights", "statistics", "momentum" and "velocity", all of float32 arrays by
        name, and "steps", {"steps": int32 scalar, "seed": int32 [2]}.
        """
        self._state = {
            part: {name: ops.convert_to_tensor(array) for name, array in arrays.items()}
            for part, arrays in state.items()
        }

    def read(self) -> dict[str, Arrays]:
        """Weights, statistics and Adam's two moments, and the number of steps taken."""
        return {
            part: {name: np.array(tensor) for name, tensor in tensors.items()}
            for part, tensors in self._state.items()
        }

    def epoch(self, order: np.ndarray, rate: float) -> np.ndarray:
        """Train one epoch through the training examples in `order`.

        Returns
        -------
        numpy.ndarray
            float64 [2, n_models], the sums of each model's losses and right answers, in each step
            before its weights change.
        """
        n_steps = -(-len(order) // self._batch_size)
        # Filled up, or the last step would be compiled once more for its own size.
        filled = np.resize(order, (n_steps, self._batch_size)).astype(np.int32)
        self._state, sums = self._epoch(
            self._state,
            *self._data["train"],
            ops.convert_to_tensor(filled),
            ops.convert_to_tensor(np.int32(len(order))),
            ops.convert_to_tensor(np.float32(rate)),
        )
        return np.asarray(sums, np.float64)

    def measure(self, split: str, rows: np.ndarray | None = None) -> np.ndarray:
        """Means over "train" or "test", or some rows of it, with the weights of the moment.

        Returns
        -------
        numpy.ndarray
            float64 [2, n_models], loss and accuracy.
        """
        x, y = self._data[split]
        rows = np.arange(x.shape[0]) if rows is None else rows
        size = min(EVALUATION_BATCH, x.shape[0])
        sums = np.zeros((2, self._n_models))
        for start in range(0, len(rows), size):
            chosen = rows[start : start + size]
            # Filled up, so that one program does for any number of examples.
            filled = np.resize(chosen, size).astype(np.int32)
            found = self._measure(
                ops.convert_to_tensor(filled),
                self._state["weights"],
                self._state["statistics"],
                x,
                y,
            )
            sums += np.asarray(found)[:, :, : len(chosen)].sum(axis=2, dtype=np.float64)
        return sums / len(rows)


def _epoch(
    step: Step, state: Any, x: Any, y: Any, order: Any, n: Any, rate: Any
) -> tuple[Any, Any]:
    """One epoch through rows `order`, int32 [n_steps, batch_size], the first `n` of them."""
    n_steps, batch_size = order.shape

    def train_on(i: Any, carry: Any) -> tuple[Any, Any]:
        state, sums = carry
        rows = order[i]
        found, (statistics, measures) = backend.gradients(
            step.loss,
            state["weights"],
            state["statistics"],
            _unit(ops.take(x, rows, axis=0)),
            ops.take(y, rows, axis=0),
            ops.cast(i * batch_size + ops.arange(batch_size, dtype="int32") < n, "float32"),
            state["steps"],
        )
        found = step.gradients(found, state["weights"])
        steps = state["steps"]["steps"] + 1
        alpha = _adam_rate(rate, steps)
        new: dict[str, dict[str, Any]] = {"weights": {}, "momentum": {}, "velocity": {}}
        for name, g in found.items():
            weight, m, v = (state[part][name] for part in new)
            m = m + (g - m) * (1 - BETA_1)
            v = v + (g * g - v) * (1 - BETA_2)
            new["weights"][name] = weight - m * alpha / (ops.sqrt(v) + EPSILON)
            new["momentum"][name], new["velocity"][name] = m, v
        new["statistics"] = {**state["statistics"], **statistics}
        return {**new, "steps": {**state["steps"], "steps": steps}}, sums + measures

    return ops.fori_loop(0, n_steps, train_on, (state, ops.zeros((2, step.n_models), "float32")))


def _adam_rate(rate: Any, steps: Any) -> Any:
    """Adam's rate with both bias corrections, at step number `steps` (from 1), as in Keras."""
    steps = ops.cast(steps, "float32")
    corrections = [1 - ops.power(ops.cast(beta, "float32"), steps) for beta in (BETA_1, BETA_2)]
    return rate * ops.sqrt(corrections[1]) / corrections[0]


def _measure(step: Step, rows: Any, weights: Any, statistics: Any, x: Any, y: Any) -> Any:
    x, y = (ops.take(of, rows, axis=0) for of in (x, y))
    return step.measure(weights, statistics, _unit(x), y)


def _unit(x: Any) -> Any:
    """Images float32 in [0, 1]: bytes are 255ths, as `datasets` reads them."""
    if keras.backend.standardize_dtype(x.dtype) == "uint8":
        return ops.cast(x, "float32") / 255.0
    return x
