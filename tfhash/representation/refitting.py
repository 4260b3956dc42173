"""Fits the weights of one dense layer anew, where what it is given has changed."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from tfhash.representation import affine as maps

RIDGE = 1e-10  # of the largest eigenvalue: of units that hang together any weights will do


def refit(old: keras.Model, new: Any, name: str, x: Any, y: ArrayLike | None) -> None:
    """Fit the dense layer `name` of `new`; `old` has what it gave before.

    Raises
    ------
    ValueError
        Where `y` is given and the layer is not the last, or of another length than `x`.
    """
    layer = next(one for one in new.layers if one.name == name)
    given = _read(new, layer.input, x)
    wanted = _pre_activation(_read(old, _named(old, name).input, x), _named(old, name))
    rows = np.column_stack([given, np.ones(len(given))]) if layer.use_bias else given
    gram = rows.T @ rows
    gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram)
    solved = np.linalg.solve(gram, rows.T @ wanted)
    _set(layer, solved)
    if y is None:
        return
    labels = np.asarray(y).reshape(-1)
    if layer.output is not new.outputs[0] or len(labels) != len(given):
        raise ValueError(
            f"Expected {len(given)} labels and a representation before the last layer. Received: "
            f"{len(labels)} labels, and {name!r} behind the representation: give no y to fit it by "
            "least squares."
        )
    _set(layer, _by_cross_entropy(rows, labels.astype(np.int64), solved))


def _read(model: Any, tensor: Any, x: Any) -> np.ndarray:
    outputs = keras.Model(model.inputs, tensor).predict(x, verbose=0)
    return np.asarray(outputs, np.float64)


def _named(model: Any, name: str) -> Any:
    return next(one for one in model.layers if one.name == name)


def _pre_activation(given: np.ndarray, layer: Any) -> np.ndarray:
    kernel, *bias = (np.asarray(w, np.float64) for w in layer.get_weights())
    return given @ kernel + (bias[0] if bias else 0)


def _set(layer: Any, solved: np.ndarray) -> None:
    d = layer.kernel.shape[0]
    maps.assign(layer.kernel, solved[:d])
    if layer.use_bias:
        maps.assign(layer.bias, solved[d])


def _by_cross_entropy(rows: np.ndarray, labels: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Softmax regression by L-BFGS from `start`, which is kept where nothing is better."""
    from scipy.optimize import minimize

    scale = np.sqrt(np.square(rows).mean(axis=0)) + 1e-12  # units of very different sizes
    scaled, n = rows / scale, len(rows)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        scores = scaled @ flat.reshape(start.shape)
        scores -= scores.max(axis=1, keepdims=True)
        shares = np.exp(scores)
        total = shares.sum(axis=1, keepdims=True)
        entropy = float((np.log(total[:, 0]) - scores[np.arange(n), labels]).mean())
        shares /= total
        shares[np.arange(n), labels] -= 1
        return entropy, (scaled.T @ shares).ravel() / n

    begin = start * scale[:, None]
    found = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 100})
    return np.asarray(found.x.reshape(start.shape) / scale[:, None])
