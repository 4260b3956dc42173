"""How the encoding properties come about during training (Figures 3 and 8)."""

from __future__ import annotations

from tfhash.experiments import stages
from tfhash.experiments.options import Options
from tfhash.training import RunSpec

NAME = "training_time"
WIDTHS = {"digits": (10, 20, 40), "mnist": (40, 50, 60), "cifar10": (10, 20, 40, 80)}
# Epochs that are measured, as in the paper; the last one that is trained is measured too.
EPOCHS = {
    "digits": (0, 1, 2, 3, 5, 10, 20, 30, 40),
    "mnist": (0, 1, 3, 6, 10, 30, 60, 100, 300, 600, 1000, 1200, 1500, 1800, 2000),
    "cifar10": (0, 1, 3, 6, 10, 20, 30, 40, 60, 80, 100, 120, 140, 160, 180, 200),
}


def specs(options: Options) -> list[RunSpec]:
    """One run for each repeat and width, which keeps its weights at all epochs of the grid."""
    epochs = options.recipe.epochs if options.epoch is None else options.epoch
    return [
        options.spec(
            NAME,
            width=width,
            repeat=repeat,
            checkpoint_epochs=tuple(e for e in EPOCHS[options.dataset] if e <= epochs),
        )
        for repeat in options.repeats
        for width in options.widths or WIDTHS[options.dataset]
    ]


def encoding_properties(options: Options) -> None:
    """Measure the codes of all networks that are trained, at every epoch that was kept."""
    stages.encoding_properties(specs(options), options, every_epoch=True)
