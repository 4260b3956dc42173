"""What uniform random inputs do to codes, and to training (Figure 2f and Table 5)."""

from __future__ import annotations

from tfhash.experiments import stages
from tfhash.experiments.options import Options
from tfhash.training import RunSpec

NAME = "random_data"
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


def train(options: Options) -> None:
    """Train the networks of all widths and repeats, on images and on random data."""
    stages.train(shown_specs(options) + trained_specs(options), options)
