"""The 8 x 8 handwritten digits that come with scikit-learn: no download, no files."""

from __future__ import annotations

import numpy as np

from tfhash.datasets.dataset import Dataset, from_pixels


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
