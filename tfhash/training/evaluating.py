"""Loss and accuracy of a compiled model over many batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


@dataclass
class Sums:
    """Sums over examples of what Keras gives as means over a batch."""

    loss: float = 0.0
    accuracy: float = 0.0
    n: int = 0

    def add(self, logs: Mapping[str, float], n: int) -> None:
        """Add a batch of `n` examples."""
        self.loss += float(logs["loss"]) * n
        self.accuracy += float(logs["accuracy"]) * n
        self.n += n

    def means(self, prefix: str) -> dict[str, float]:
        """Means over all examples, their names after `prefix`."""
        return {f"{prefix}loss": self.loss / self.n, f"{prefix}accuracy": self.accuracy / self.n}


def evaluate(
    model: keras.Model, x: np.ndarray, y: np.ndarray, split: str, batch_size: int
) -> dict[str, float]:
    """Loss and accuracy with the weights of the moment, as "train_loss" or "test_accuracy".

    Some versions of Keras reset the metrics for every batch and some do not, so this does.
    """
    sums = Sums()
    for start in range(0, len(x), batch_size):
        rows = slice(start, start + batch_size)
        model.reset_metrics()
        sums.add(model.test_on_batch(x[rows], y[rows], return_dict=True), len(x[rows]))
    return sums.means(f"{split}_")
