"""Which layers make the code a good hash: each alone, the first k, the last k (Figure 5)."""

from tfhash.properties import FAMILIES
from tfhash.studies.definition import Grid, Measured, Study
from tfhash.studies.training_time import EPOCHS

STUDY = Study(
    name="layer_wise",
    grids=(
        Grid(
            axes={"width": {"digits": (10,), "mnist": (40,), "cifar10": (40,)}},
            defaults={"depth": 5},
            kept=EPOCHS,
            measures=tuple(
                Measured(measure=f"layers_{name}", choice=name, at="every") for name in FAMILIES
            ),
        ),
    ),
    figures=("figure_5",),
)
