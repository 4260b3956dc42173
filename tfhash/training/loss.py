"""The loss that all networks are trained with."""

from __future__ import annotations

import math
from typing import Any

CERTAIN = 1e-7


def cross_entropies(logits: Any, labels: Any) -> Any:
    """Cross-entropy of the softmax, with probabilities held to [1e-7, 1 - 1e-7].

    That is how the paper's Keras 2.2 computed it, and it matters where few examples are trained on
    for long. An example that is certain has no gradient left. Without the bound, its gradient is
    nothing but what rounding leaves of p - 1, no longer as large as the other classes' together;
    Adam, which asks for no more than signs, follows it until all units are on for every input.

    Parameters
    ----------
    logits
        Float tensor [..., n_classes, batch].
    labels
        Integer tensor [batch].

    Returns
    -------
    Tensor [..., batch]
    """
    from keras import ops

    classes = ops.arange(logits.shape[-2], dtype="int32")[:, None]
    # From the largest: else a loss near 0 would drown in the rounding of the logits.
    logits = logits - ops.stop_gradient(ops.max(logits, axis=-2, keepdims=True))
    chosen = ops.where(ops.equal(classes, ops.cast(labels, "int32")), logits, 0.0)
    losses = ops.log(ops.sum(ops.exp(logits), axis=-2)) - ops.sum(chosen, axis=-2)
    return ops.clip(losses, CERTAIN, -math.log(CERTAIN))


def keras_loss(labels: Any, logits: Any) -> Any:
    """The same of logits [batch, n_classes], as Keras's `compile` takes it."""
    from keras import ops

    return cross_entropies(ops.transpose(logits), ops.reshape(labels, (-1,)))
