"""Encoding properties of the whole code, and the network's own accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from tfhash.datasets import Dataset
from tfhash.metrics import encoding_properties
from tfhash.runs import AnySpec
from tfhash.runs.records import PROPERTIES, Record
from tfhash.studies.measure import Measure
from tfhash.studies.shared_pass import Split

# By family of `metrics.encoding_properties`, what it gives.
FAMILIES = {
    "redundancy": ("train_redundancy_ratio", "test_redundancy_ratio"),
    "kmeans": ("train_kmeans_accuracy", "test_kmeans_accuracy"),
    "knn": ("knn_accuracy",),
    "logistic": ("logistic_accuracy",),
}


def _properties(
    family: str, codes: Split, data: Dataset, spec: AnySpec
) -> Mapping[Record, dict[str, float]]:
    measured = encoding_properties(
        codes.train,
        data.y_train,
        codes.test,
        data.y_test,
        families=(family,),
        random_state=spec.repeat,
    )
    return {PROPERTIES: {k: v for k, v in asdict(measured).items() if v is not None}}


def _accuracies(outputs: Split, data: Dataset) -> Mapping[Record, dict[str, Any]]:
    """Shares of examples whose largest output is that of their label."""
    labels = Split(data.y_train, data.y_test)
    return {
        PROPERTIES: {
            f"{split}_accuracy": float(np.mean(given.argmax(axis=1) == y))
            for split, given, y in zip(labels._fields, outputs, labels, strict=True)
        }
    }


MEASURES = (
    *(
        Measure(
            name=family,
            columns={PROPERTIES: columns},
            needs=("codes", "data", "spec"),
            function=partial(_properties, family),
        )
        for family, columns in FAMILIES.items()
    ),
    Measure(
        name="accuracy",
        columns={PROPERTIES: ("train_accuracy", "test_accuracy")},
        needs=("outputs", "data"),
        function=_accuracies,
    ),
)
