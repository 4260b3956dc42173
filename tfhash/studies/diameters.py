"""How wide linear regions are, by layer width and training time (Figures 2c, 2d, 2e and 7)."""

from collections.abc import Sequence

from tfhash.datasets import family
from tfhash.studies.definition import Grid, Measured, Study, recipe_widths
from tfhash.studies.options import MlpOptions

MNIST_WIDTHS = (*range(5, 85, 5), 90, 100)
# Epochs that are kept and measured. The paper's histograms are of epochs 10 and 500.
EPOCHS = {
    "digits": (0, 1, 2, 3, 5, 10, 20, 30, 40),
    "mnist": (0, 1, 3, 6, 10, 30, 60, 100, 300, 500),
    "cifar10": (0, 1, 3, 6, 10, 20, 30, 40, 60, 80, 100, 120, 140, 160, 180, 200),
}


def widths(options: MlpOptions) -> Sequence[int]:
    """The widths that are asked for, the paper's for MNIST and its like, or the recipe's."""
    if family(options.dataset) == "mnist" and options.widths is None:
        return MNIST_WIDTHS
    return recipe_widths(options)


STUDY = Study(
    name="diameters",
    grids=(
        Grid(
            axes={"width": widths},
            kept=EPOCHS,
            length="kept",
            measures=(Measured(measure="diameters", at="every"),),
        ),
    ),
    figures={
        "digits": ("figure_2c",),  # the histograms are of wider networks
        "mnist": ("figure_2c", "figure_2d", "figure_2e", "figure_7"),
        "cifar10": ("figure_2c", "figure_2d", "figure_2e", "figure_7"),
    },
)
