"""Encoding properties of the whole code, and the network's own accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from tfhash.datasets import Dataset
from tfhash.metrics import encoding_properties
from tfhash.properties import ENCODING_PROPERTIES, FAMILIES
from tfhash.runs import AnySpec
from tfhash.runs.records import PROPERTIES, Record
from tfhash.studies.measure import Measure
from tfhash.studies.shared_pass import Split

# By family of `metrics.encoding_properties`, the names of what it gives.
COLUMNS = {
    family: [one.name for one in ENCODING_PROPERTIES.values() if one.family == family]
    for family in FAMILIES
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
    return {PROPERTIES: measured.given()}


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
        for family, columns in COLUMNS.items()
    ),
    Measure(
        name="accuracy",
        columns={PROPERTIES: ("train_accuracy", "test_accuracy")},
        needs=("outputs", "data"),
        function=_accuracies,
    ),
)
