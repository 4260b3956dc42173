"""How the encoding properties come about during training (Figures 3 and 8)."""

from dataclasses import replace

from tfhash.studies.definition import Grid, Study
from tfhash.studies.layer_width import PROPERTIES

WIDTHS = {"digits": (10, 20, 40), "mnist": (40, 50, 60), "cifar10": (10, 20, 40, 80)}
# Epochs that are measured, as in the paper; the last one that is trained is measured too.
EPOCHS = {
    "digits": (0, 1, 2, 3, 5, 10, 20, 30, 40),
    "mnist": (0, 1, 3, 6, 10, 30, 60, 100, 300, 600, 1000, 1200, 1500, 1800, 2000),
    "cifar10": (0, 1, 3, 6, 10, 20, 30, 40, 60, 80, 100, 120, 140, 160, 180, 200),
}

STUDY = Study(
    name="training_time",
    grids=(
        Grid(
            axes={"width": WIDTHS},
            kept=EPOCHS,
            measures=tuple(replace(one, at="every") for one in PROPERTIES),
        ),
    ),
    encode_at_once=2048,
    figures={
        "digits": ("figure_3a", "figure_3b"),
        "mnist": ("figure_8a", "figure_8b"),
        "cifar10": ("figure_3a", "figure_3b"),
    },
)
