"""The 8 x 8 handwritten digits that come with scikit-learn: no download, no files."""

from __future__ import annotations

import numpy as np

from tfhash.datasets.dataset import Dataset, from_pixels
from tfhash.datasets.record import CnnTraining, MlpTraining, Record


def load() -> Dataset:
    """1,797 images float32 [8, 8]; of every class each fifth image is a test example."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    test = np.zeros(len(digits.target), dtype=bool)
    for label in range(10):
        test[np.flatnonzero(digits.target == label)[::5]] = True
    return from_pixels(
        "digits",
        (digits.images[~test], digits.target[~test]),
        (digits.images[test], digits.target[test]),
        n_classes=10,
        white=16.0,
    )


RECORD = Record(
    name="digits",
    title="Digits",
    input_shape=(8, 8),
    n_classes=10,
    n_train=1433,
    n_test=364,
    source=load,
    # The papers do not use them: MNIST's recipes at a size that takes seconds.
    mlp=MlpTraining(
        depth=1,
        widths=(3, 5, 7, 10, 15, 20, 30, 40, 60, 80),
        repeats=3,
        epochs=40,
        batch_size=32,
        learning_rate=0.003,
    ),
    cnn=CnnTraining(optimizer="adam", epochs=10, batch_size=32, decay_every=2.0),
    sample_sizes=(10, 20, 50, 100, 200, 500, 1000),
)
