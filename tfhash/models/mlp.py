"""Multi-layer perceptrons: hidden layers of one width, ReLU after each, or after all but one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


L2_LAYERS = ("all", "hidden")  # whose kernels the penalty may be of
LAST_ACTIVATIONS = ("relu", "linear")


def mlp(
    input_shape: Sequence[int],
    width: int,
    depth: int,
    n_classes: int,
    batch_norm: bool = False,
    l2: float = 0.0,
    l2_layers: str = "all",
    last_activation: str = "relu",
    seed: int | Sequence[int] | None = None,
) -> keras.Model:
    """An uncompiled multi-layer perceptron that ends in logits.

    Its layers are `dense_i`, `batch_norm_i` (on request), `relu_i` for i = 1 to depth (on request
    `linear_i`, which changes nothing, for the last of them), then
    `logits`, a linear layer: train it with a loss that has `from_logits=True`. The neural code is
    what `relu_1` to `relu_depth` give.

    Parameters
    ----------
    input_shape
        Shape of one input, without the batch.
    width
        Units of every hidden layer, at least 1.
    depth
        Number of hidden layers, at least 1.
    n_classes
        Number of logits.
    batch_norm
        Whether each ReLU comes after batch normalization.
    l2
        Weight of the sum of squared kernel weights in the loss.
    l2_layers
        Whose kernels these are: "all" dense layers, or the "hidden" ones, all but `logits`.
    last_activation
        "relu", or "linear" for none in the last hidden layer.
    seed
        The same seed gives the same initial weights: each layer draws its Glorot-uniform kernel
        from a seed of its own. None draws new weights each time.

    Raises
    ------
    ValueError
        A size below 1, a negative `l2`, unknown `l2_layers` or `last_activation`.
    """
    if min(width, depth, n_classes) < 1 or l2 < 0:
        raise ValueError(
            "Expected width, depth and n_classes of at least 1 and l2 of at least 0. "
            f"Received: width={width}, depth={depth}, n_classes={n_classes}, l2={l2}."
        )
    if l2_layers not in L2_LAYERS:
        raise ValueError(f"Expected l2_layers among {L2_LAYERS}. Received: {l2_layers!r}.")
    if last_activation not in LAST_ACTIVATIONS:
        raise ValueError(
            f"Expected last_activation among {LAST_ACTIVATIONS}. Received: {last_activation!r}."
        )
    from keras import Input, Sequential, initializers, layers, regularizers

    seeds = np.random.SeedSequence(seed).generate_state(depth + 1)

    penalized = range(depth + (l2_layers == "all"))

    def dense(units: int, i: int, name: str) -> keras.Layer:
        return layers.Dense(
            units,
            kernel_initializer=initializers.GlorotUniform(seed=int(seeds[i] >> 1)),
            kernel_regularizer=regularizers.L2(l2) if l2 and i in penalized else None,
            name=name,
        )

    stack = [Input(tuple(input_shape), name="image"), layers.Flatten(name="flatten")]
    for i in range(depth):
        stack.append(dense(width, i, f"dense_{i + 1}"))
        if batch_norm:
            stack.append(layers.BatchNormalization(name=f"batch_norm_{i + 1}"))
        activation = last_activation if i == depth - 1 else "relu"
        stack.append(layers.Activation(activation, name=f"{activation}_{i + 1}"))
    stack.append(dense(n_classes, depth, "logits"))
    return Sequential(stack, name="mlp")
