"""Stochastic activation diameters, at test examples and at uniform random inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash.datasets import Dataset
from tfhash.runs import AnySpec
from tfhash.runs.records import DIAMETERS, PROPERTIES, Record
from tfhash.studies.measure import Measure

if TYPE_CHECKING:
    import keras

EXAMPLES = 600  # as in the paper
LIMIT = 5.0  # how far to look to either side, as the authors' scripts do
# What is kept of the diameters: mean, standard deviation over mean, median, interquartile range,
# share of those that the limit cut short.
STATISTICS = (
    *("diameter", "diameter_variation", "diameter_median", "diameter_iqr", "diameter_clipped"),
)
SPLITS = ("test", "random")


def _diameters(model: keras.Model, data: Dataset, spec: AnySpec) -> Mapping[Record, dict[str, Any]]:
    """Diameters at test examples and at as many inputs drawn from U(0, 1), pixel by pixel."""
    from tfhash import geometry

    # The same examples, directions and random inputs for all networks of a repeat.
    rng = np.random.default_rng([spec.seed, spec.repeat])
    n = min(EXAMPLES, len(data.x_test))
    rows = rng.choice(len(data.x_test), n, replace=False)
    inputs = {"test": data.x_test[rows], "random": rng.random((n, *data.input_shape), np.float32)}
    seed = int(rng.integers(1 << 32))
    values: dict[str, float] = {}
    lengths: dict[str, list[float]] = {}
    for split, x in inputs.items():
        found = geometry.stochastic_chords(model, x, seed=seed, limit=LIMIT)
        statistics = _statistics(found.lengths, found.clipped)
        values.update({f"{split}_{name}": value for name, value in statistics.items()})
        lengths[split] = np.round(found.lengths, 6).tolist()
    return {PROPERTIES: values, DIAMETERS: lengths}


def _statistics(lengths: np.ndarray, clipped: np.ndarray) -> dict[str, float]:
    low, middle, high = np.percentile(lengths, (25, 50, 75))
    mean, deviation = lengths.mean(), lengths.std(ddof=1)
    numbers = (mean, deviation / mean, middle, high - low, clipped.mean())
    return {name: float(value) for name, value in zip(STATISTICS, numbers, strict=True)}


MEASURES = (
    Measure(
        name="diameters",
        columns={
            PROPERTIES: [f"{split}_{name}" for split in SPLITS for name in STATISTICS],
            DIAMETERS: SPLITS,
        },
        needs=("model", "data", "spec"),
        function=_diameters,
    ),
)
