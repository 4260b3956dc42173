"""What uniform random inputs do to codes, and to training (Figure 2f and Table 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tfhash import results
from tfhash.datasets import Dataset
from tfhash.experiments import measuring, stages
from tfhash.experiments.options import Options
from tfhash.training import RunSpec

if TYPE_CHECKING:
    import keras

NAME = "random_data"
SPLITS = ("train", "test", "random")
# Networks that are trained on the images, and shown random data (the paper's for MNIST).
WIDTHS = {"digits": (10, 20, 40), "mnist": (40, 50, 60), "cifar10": (10, 20, 40, 80)}
EPOCHS = {
    "digits": (0, 1, 2, 3, 5, 10, 20, 30, 40),
    "mnist": (*range(11), 30, 60, 100),
    "cifar10": (*range(11), 20, 30, 40, 60, 80, 100, 120, 140, 160, 180, 200),
}
# Networks that are trained on random data.
TRAINED_WIDTH = 100
TRAINED_EPOCHS = {
    "digits": (0, 10, 30, 40),
    "mnist": (0, 100, 300, 500),
    "cifar10": (0, 100, 200),
}


def shown_specs(options: Options) -> list[RunSpec]:
    """One run for each repeat and width, trained on the images."""
    return _specs(options, options.widths or WIDTHS[options.dataset], EPOCHS[options.dataset])


def trained_specs(options: Options) -> list[RunSpec]:
    """One run for each repeat, trained on random data with the images' labels."""
    grid = TRAINED_EPOCHS[options.dataset]
    return _specs(options, (TRAINED_WIDTH,), grid, inputs="uniform")


def _specs(
    options: Options, widths: tuple[int, ...], grid: tuple[int, ...], inputs: str | None = None
) -> list[RunSpec]:
    epochs = grid[-1] if options.epoch is None else min(options.epoch, grid[-1])
    return [
        options.spec(
            NAME,
            width=width,
            repeat=repeat,
            epochs=epochs,
            inputs=inputs,
            checkpoint_epochs=tuple(e for e in grid if e <= epochs),
        )
        for repeat in options.repeats
        for width in widths
    ]


def run(options: Options) -> None:
    """Train networks of both kinds, and measure them at every epoch that was kept."""
    for specs, what, names, one in (
        (
            shown_specs(options),
            "redundancy on random data",
            [f"{split}_redundancy_ratio" for split in SPLITS],
            _measure_shown,
        ),
        (
            trained_specs(options),
            "training on random data",
            ["train_accuracy", "train_loss"],
            _measure_trained,
        ),
    ):
        stages.train(specs, options)
        measuring.measure(specs, options, what, {results.PROPERTIES_FILE: names}, one)


def _measure_shown(
    model: keras.Model, data: Dataset, spec: RunSpec, epoch: int
) -> dict[str, dict[str, float]]:
    """Redundancy ratios of both sets of images, and of as many random inputs as are trained on."""
    from tfhash.encoder import Encoder
    from tfhash.metrics import redundancy_ratio

    encoder = Encoder(model)
    random = data.uniform([spec.seed, spec.repeat]).x_train
    inputs = {"train": data.x_train, "test": data.x_test, "random": random}
    return {
        results.PROPERTIES_FILE: {
            f"{split}_redundancy_ratio": redundancy_ratio(encoder.encode(x))
            for split, x in inputs.items()
        }
    }


def _measure_trained(
    model: keras.Model, data: Dataset, spec: RunSpec, epoch: int
) -> dict[str, dict[str, float]]:
    """Accuracy and loss on the random images that the network was trained on."""
    import keras

    logits = model.predict(data.x_train, batch_size=2048, verbose=0)
    losses = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(data.y_train, logits)
    return {
        results.PROPERTIES_FILE: {
            "train_accuracy": float(np.mean(logits.argmax(axis=1) == data.y_train)),
            "train_loss": float(losses),
        }
    }
