"""How wide linear regions are, by layer width and training time (Figures 2c, 2d, 2e and 7)."""

from __future__ import annotations

from tfhash.experiments import stages
from tfhash.experiments.options import Options
from tfhash.training import RunSpec

NAME = "diameters"
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
