"""Characteristics of the last hidden layer on the test set, and accuracy on what was held out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash.datasets import Dataset
from tfhash.runs import AnySpec, RunSpec
from tfhash.runs.records import PROPERTIES, Record
from tfhash.runs.representation import CHARACTERISTICS
from tfhash.studies.measure import PREDICT_AT_ONCE, Measure

if TYPE_CHECKING:
    import keras


def _characteristics(
    model: keras.Model, data: Dataset, spec: RunSpec
) -> Mapping[Record, dict[str, Any]]:
    """All of them NaN where training has ended in weights that are no numbers."""
    from tfhash import representation

    values = dict.fromkeys(CHARACTERISTICS, float("nan"))
    if all(np.isfinite(weights).all() for weights in model.get_weights()):
        table = representation.characteristics(
            model,
            data.x_test,
            data.y_test,
            layers=[spec.last_layer],
            mutual_information=True,
        )
        values = {name: float(table[name].iloc[0]) for name in CHARACTERISTICS}
    return {PROPERTIES: {f"test_{name}": value for name, value in values.items()}}


def _validation(
    model: keras.Model, dataset: Dataset, spec: AnySpec
) -> Mapping[Record, dict[str, Any]]:
    """Share of the held-out training examples that are named right; NaN where there are none."""
    kept = len(dataset.hold_out(spec.hold_out).x_train)
    x, y = dataset.x_train[kept:], dataset.y_train[kept:]
    accuracy = float("nan")
    if len(x):
        outputs = model.predict(x, batch_size=PREDICT_AT_ONCE, verbose=0)
        accuracy = float(np.mean(outputs.argmax(axis=1) == y))
    return {PROPERTIES: {"validation_accuracy": accuracy}}


MEASURES = (
    Measure(
        name="characteristics",
        columns={PROPERTIES: tuple(f"test_{name}" for name in CHARACTERISTICS)},
        needs=("model", "data", "spec"),
        function=_characteristics,
    ),
    Measure(
        name="validation",
        columns={PROPERTIES: ("validation_accuracy",)},
        needs=("model", "dataset", "spec"),
        function=_validation,
    ),
)
