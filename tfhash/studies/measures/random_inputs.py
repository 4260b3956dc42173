"""What uniform random inputs do to codes, and how well a network fits them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfhash.codes import Codes
from tfhash.datasets import Dataset
from tfhash.metrics import redundancy_ratio
from tfhash.runs import AnySpec
from tfhash.runs.records import PROPERTIES, Record
from tfhash.studies.measure import Measure
from tfhash.studies.shared_pass import Split

SPLITS = ("train", "test", "random")


def _redundancy(
    encode: Callable[[np.ndarray], Codes], codes: Split, data: Dataset, spec: AnySpec
) -> Mapping[Record, dict[str, Any]]:
    """Redundancy ratios of both sets of images, and of as many random inputs as are trained on."""
    random = encode(data.uniform([spec.seed, spec.repeat]).x_train)
    return {
        PROPERTIES: {
            f"{split}_redundancy_ratio": redundancy_ratio(given)
            for split, given in zip(SPLITS, (*codes, random), strict=True)
        }
    }


def _fit(outputs: Split, data: Dataset) -> Mapping[Record, dict[str, Any]]:
    """Accuracy and loss on what the network was trained on."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return {
        PROPERTIES: {
            "train_accuracy": float(np.mean(outputs.train.argmax(axis=1) == data.y_train)),
            "train_loss": float(loss(data.y_train, outputs.train)),
        }
    }


MEASURES = (
    Measure(
        name="random_redundancy",
        columns={PROPERTIES: [f"{split}_redundancy_ratio" for split in SPLITS]},
        needs=("encode", "codes", "data", "spec"),
        function=_redundancy,
    ),
    Measure(
        name="fit",
        columns={PROPERTIES: ("train_accuracy", "train_loss")},
        needs=("outputs", "data"),
        function=_fit,
    ),
)
