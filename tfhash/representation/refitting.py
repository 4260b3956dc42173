"""Fits the weights of one dense layer anew, where what it is given has changed."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from tfhash import graph, rebuilding
from tfhash.encoder.batches import Source
from tfhash.encoder.inputs import Inputs
from tfhash.encoder.symbols import symbols_of
from tfhash.metrics._inputs import as_labels, check_labels
from tfhash.representation import affine as maps
from tfhash.representation.layers import batches

# Of the sum of the eigenvalues, added to each: it decides the weights of units that depend on one
# another linearly, and keeps those of units that nearly do from fitting the rounding of float32.
RIDGE = 1e-10


def refit(old: keras.Model, new: Any, name: str, x: Any, y: ArrayLike | None) -> None:
    """Fit the dense layer `name` of `new`; `old` has what it gave before.

    Parameters
    ----------
    old, new : keras.Model
        Both with a dense layer of that name.
    name : str
    x
        Inputs of both.
    y : int [n] or [n, 1], optional
        Their classes; with them the layer's weights minimize the cross entropy of its softmax,
        without them the squared distance from its old outputs before the activation.

    Raises
    ------
    ValueError
        Where there are no inputs, or they are NaN or infinite; where `y` is given and the layer is
        not the last, or gives no score for each class, or the labels are none of its classes, or of
        another length than `x`.
    """
    layer, before = (rebuilding.layer_of(model, name) for model in (new, old))
    labels = None if y is None else _classes(y, layer, new)
    given = _read(new, layer, x)
    if labels is not None:
        check_labels(labels, len(given))
    wanted = _pre_activation(_read(old, before, x), before)
    if len(wanted) != len(given):
        raise ValueError(
            "Expected x as arrays, or as batches that come again: it is read twice. Received: "
            f"{len(given)} inputs, then {len(wanted)}."
        )
    solved = _least_squares(given, wanted, layer.use_bias)
    if labels is not None:
        rows = np.column_stack([given, np.ones(len(given))]) if layer.use_bias else given
        solved = _by_cross_entropy(rows, labels, solved)
    _set(layer, solved)


def _classes(y: ArrayLike, layer: Any, model: Any) -> np.ndarray:
    """The labels int64 [n], where they are classes that the layer, the model's last, scores."""
    advice = "give no y to fit it by least squares"
    if layer.output is not model.outputs[0]:
        raise ValueError(
            "Expected a representation before the last layer, as y is given. Received: "
            f"{layer.name!r} behind it, which is not the last: {advice}."
        )
    if len(layer.output.shape) != 2:
        raise ValueError(
            "Expected a last layer that scores inputs, as y is given. Received: "
            f"{layer.name!r}, which scores each position of them: {advice}."
        )
    k = int(layer.kernel.shape[-1])
    if k < 2 or layer.activation not in (keras.activations.linear, keras.activations.softmax):
        raise ValueError(
            "Expected a last layer that gives logits or the softmax of at least two classes, as y "
            f"is given. Received: {layer.name!r} of {k} unit{'s' if k > 1 else ''} with activation "
            f"{keras.activations.serialize(layer.activation)!r}: {advice}."
        )
    labels = as_labels(y)
    known = np.isin(labels, np.arange(k))
    if not known.all():
        raise ValueError(
            f"Expected labels that are whole numbers from 0 to {k - 1}, the units of "
            f"{layer.name!r}. Received: {labels[~known].tolist()[0]!r}."
        )
    return labels.astype(np.int64)


def _read(model: Any, layer: Any, x: Any) -> np.ndarray:
    """What the layer is given, float64 [n, d]; with positions, each of them is a row."""
    (call,) = graph.calls_of(model, layer)
    inputs = Inputs(symbols_of(model, None))
    read = keras.Model(model.inputs, [call.input_tensors[0]])
    source = Source(inputs, x)
    parts = [one for (one,) in batches(read, inputs, source, None, [layer.name], "refitting")]
    if not parts:
        raise ValueError("Expected x of at least one input. Received: none.")
    given = np.concatenate(parts).astype(np.float64)
    if not np.isfinite(given).all():
        raise ValueError(
            f"Expected finite activations before layer {layer.name!r}, to fit its weights. "
            "Received: NaN or infinity."
        )
    return given.reshape(-1, given.shape[-1])


def _pre_activation(given: np.ndarray, layer: Any) -> np.ndarray:
    kernel, *bias = (np.asarray(w, np.float64) for w in layer.get_weights())
    return given @ kernel + (bias[0] if bias else 0)


def _least_squares(given: np.ndarray, wanted: np.ndarray, with_bias: bool) -> np.ndarray:
    """Weights [d, k] that bring `given` nearest to `wanted`, a row of biases below them if asked.

    Units are centered where there is a bias, and brought to the same size, so that what the ridge
    decides does not depend on their scale.
    """
    mean = given.mean(axis=0) if with_bias else np.zeros(given.shape[1])
    offset = wanted.mean(axis=0) if with_bias else np.zeros(wanted.shape[1])
    centered = given - mean
    size = np.sqrt(np.square(centered).mean(axis=0))
    size[size == 0] = 1
    scaled = centered / size
    gram = scaled.T @ scaled
    gram[np.diag_indices_from(gram)] += RIDGE * max(1.0, np.trace(gram))
    weights = np.linalg.solve(gram, scaled.T @ (wanted - offset)) / size[:, None]
    return np.vstack([weights, offset - mean @ weights]) if with_bias else weights


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
