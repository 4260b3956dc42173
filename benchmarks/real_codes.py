"""Codes of real images from networks trained for a few epochs, for the benchmarks to share."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import keras
import numpy as np

from tfhash import Codes, Encoder, datasets, models

# Layers, units of each, epochs: MNIST's codes have 100 bits, CIFAR-10's 1,000.
NETWORKS = {"mnist": (1, 100, 2), "cifar10": (5, 200, 2)}


@dataclass(frozen=True)
class RealCodes:
    """Codes and labels of both parts of a dataset."""

    train: Codes
    y_train: np.ndarray
    test: Codes
    y_test: np.ndarray


@cache
def real_codes(name: str, data_dir: Path | None) -> RealCodes:
    """Train the dataset's network and encode the dataset with it."""
    depth, width, epochs = NETWORKS[name]
    data = datasets.load(name, data_dir=data_dir)
    network = models.mlp(data.x_train.shape[1:], width=width, depth=depth, n_classes=10, seed=0)
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.fit(data.x_train, data.y_train, batch_size=128, epochs=epochs, verbose=0)
    encoder = Encoder(network)
    return RealCodes(
        encoder.encode(data.x_train), data.y_train, encoder.encode(data.x_test), data.y_test
    )
