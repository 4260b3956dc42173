"""Made-up inputs of a known number of independent Gaussian factors: no download, no files.

As in "On the statistical and information-theoretic characteristics of deep network
representations", Section 4.3: ten classes by scikit-learn, their factors mixed by a random
rotation. How many examples there were, and how far apart the classes, is not said there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tfhash.datasets import mnist
from tfhash.datasets.dataset import Dataset, DatasetError, in_unit_range

SHAPE, N_VALUES = (25, 40), 1000
N_TRAIN, N_TEST, N_CLASSES = 12_000, 10_000, 10
N_FACTORS = 100  # where no number is asked for
_ROTATION = 1  # keeps its random numbers apart from those of the factors


@dataclass(frozen=True, eq=False)
class GaussianFactors(Dataset):
    """Made anew for each number of factors, where other datasets have their components taken."""

    def _made_with_factors(self, n: int) -> Dataset:
        if (len(self.x_train), len(self.x_test)) != (N_TRAIN, N_TEST):
            raise DatasetError(
                f"Expected all {N_TRAIN:,} training and {N_TEST:,} test examples, as other factors "
                f"make them anew. Received: {len(self.x_train):,} and {len(self.x_test):,}. Take "
                "the factors first, a part of the examples then."
            )
        return made(n)


def made(n_factors: int) -> GaussianFactors:
    """22,000 inputs float32 [25, 40] in [0, 1]: ten clouds in `n_factors` dimensions, rotated.

    Raises
    ------
    DatasetError
        `n_factors` is below 4, too few for ten classes to have a corner each, or above 1,000.
    """
    from sklearn.datasets import make_classification

    if not 4 <= n_factors <= N_VALUES:
        raise DatasetError(f"Expected from 4 to {N_VALUES} factors. Received: {n_factors}.")
    factors, labels = make_classification(
        N_TRAIN + N_TEST,
        n_features=n_factors,
        n_informative=n_factors,
        n_redundant=0,
        n_classes=N_CLASSES,
        n_clusters_per_class=1,
        random_state=0,
    )
    drawn = np.random.default_rng([0, _ROTATION]).standard_normal((N_VALUES, n_factors))
    rotation, _ = np.linalg.qr(drawn)
    x = (factors @ rotation.T).astype(np.float32).reshape(-1, *SHAPE)
    train, test = in_unit_range(x[:N_TRAIN], x[N_TRAIN:])
    y = labels.astype(np.int64)
    name = "gaussian_factors"
    return GaussianFactors(name, train, y[:N_TRAIN], test, y[N_TRAIN:], N_CLASSES)


def load() -> Dataset:
    """The inputs of 100 factors; `with_factors` gives those of others."""
    return made(N_FACTORS)


RECORD = replace(
    mnist.RECORD,
    name="gaussian_factors",
    title="Gaussian factors",
    like="mnist",
    input_shape=SHAPE,
    n_classes=N_CLASSES,
    n_train=N_TRAIN,
    n_test=N_TEST,
    source=load,
    sample_sizes=(10, 30, 100, 300, 1000, 3000, 10_000),
)
