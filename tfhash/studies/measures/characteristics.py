"""Characteristics of the last hidden layer on the test set, and accuracy on what was held out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash.datasets import Dataset
from tfhash.runs import AnySpec, RunSpec
from tfhash.runs.records import PROPERTIES, Record
from tfhash.runs.representation import BOUNDS, STATISTICS
from tfhash.studies.measure import Measure
from tfhash.studies.networks import PREDICT_AT_ONCE

if TYPE_CHECKING:
    import keras


def _characteristics(representation: np.ndarray) -> Mapping[Record, dict[str, Any]]:
    """All of them NaN where training has ended in numbers that are not finite."""
    from tfhash.representation import Statistics

    values = dict.fromkeys(STATISTICS, float("nan"))
    if np.isfinite(representation).all():
        statistics = Statistics(representation.shape[1])
        statistics.update(representation)
        found = statistics.result()
        values = {name: getattr(found, name) for name in STATISTICS}
    return {PROPERTIES: {f"test_{name}": value for name, value in values.items()}}


def _information(representation: np.ndarray, data: Dataset) -> Mapping[Record, dict[str, Any]]:
    """Bounds in nats, at a noise variance of 0.1; NaN as `_characteristics` has it."""
    from tfhash.representation import mutual_information

    values = dict.fromkeys(BOUNDS, float("nan"))
    if np.isfinite(representation).all():
        values = dict(zip(BOUNDS, mutual_information(representation, data.y_test), strict=True))
    return {PROPERTIES: {f"test_{name}": value for name, value in values.items()}}


def _validation(
    model: keras.Model, dataset: Dataset, spec: AnySpec
) -> Mapping[Record, dict[str, Any]]:
    """Share of the held-out training examples that are named right; NaN where there are none."""
    if isinstance(spec, RunSpec):
        dataset = spec.whole(dataset)
    x, y = dataset.held_out(spec.hold_out)
    accuracy = float("nan")
    if len(x):
        outputs = model.predict(x, batch_size=PREDICT_AT_ONCE, verbose=0)
        accuracy = float(np.mean(outputs.argmax(axis=1) == y))
    return {PROPERTIES: {"validation_accuracy": accuracy}}


MEASURES = (
    Measure(
        name="characteristics",
        columns={PROPERTIES: tuple(f"test_{name}" for name in STATISTICS)},
        needs=("representation",),
        function=_characteristics,
    ),
    Measure(
        name="information",
        columns={PROPERTIES: tuple(f"test_{name}" for name in BOUNDS)},
        needs=("representation", "data"),
        function=_information,
    ),
    Measure(
        name="validation",
        columns={PROPERTIES: ("validation_accuracy",)},
        needs=("model", "dataset", "spec"),
        function=_validation,
    ),
)
