"""How wide linear regions are, by layer width and training time (Figures 2c, 2d, 2e and 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash import results
from tfhash.datasets import Dataset
from tfhash.experiments import measuring, stages
from tfhash.experiments.options import Options
from tfhash.training import RunSpec

if TYPE_CHECKING:
    import keras

NAME = "diameters"
EXAMPLES = 600  # as in the paper
LIMIT = 5.0  # how far to look to either side, as the authors' scripts do
# What is kept of the diameters: mean, standard deviation over mean, median, interquartile range,
# share of those that the limit cut short.
STATISTICS = (
    *("diameter", "diameter_variation", "diameter_median", "diameter_iqr", "diameter_clipped"),
)
MNIST_WIDTHS = (*range(5, 85, 5), 90, 100)
# Epochs that are kept and measured. The paper's histograms are of epochs 10 and 500.
EPOCHS = {
    "digits": (0, 1, 2, 3, 5, 10, 20, 30, 40),
    "mnist": (0, 1, 3, 6, 10, 30, 60, 100, 300, 500),
    "cifar10": (0, 1, 3, 6, 10, 20, 30, 40, 60, 80, 100, 120, 140, 160, 180, 200),
}


def specs(options: Options) -> list[RunSpec]:
    """One run for each repeat and width, which keeps its weights at all epochs of the grid."""
    grid = EPOCHS[options.dataset]
    epochs = grid[-1] if options.epoch is None else options.epoch
    widths = MNIST_WIDTHS if options.dataset == "mnist" else options.recipe.widths
    return [
        options.spec(
            NAME,
            width=width,
            repeat=repeat,
            epochs=epochs,
            checkpoint_epochs=tuple(e for e in grid if e <= epochs),
        )
        for repeat in options.repeats
        for width in options.widths or widths
    ]


def train(options: Options) -> None:
    """Train the networks of all widths and repeats."""
    stages.train(specs(options), options)


def run(options: Options) -> None:
    """Train the networks of all widths and repeats, and measure diameters at every epoch kept."""
    train(options)
    files = {
        results.PROPERTIES_FILE: [
            f"{split}_{name}" for split in ("test", "random") for name in STATISTICS
        ],
        results.DIAMETERS_FILE: ["test", "random"],
    }
    measuring.measure(specs(options), options, "diameters", files, _measure)


def _measure(
    model: keras.Model, data: Dataset, spec: RunSpec, epoch: int
) -> dict[str, dict[str, Any]]:
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
    return {results.PROPERTIES_FILE: values, results.DIAMETERS_FILE: lengths}


def _statistics(lengths: np.ndarray, clipped: np.ndarray) -> dict[str, float]:
    low, middle, high = np.percentile(lengths, (25, 50, 75))
    mean, deviation = lengths.mean(), lengths.std(ddof=1)
    numbers = (mean, deviation / mean, middle, high - low, clipped.mean())
    return {name: float(value) for name, value in zip(STATISTICS, numbers, strict=True)}
