"""How densely regions lie between examples, and a plane through three of them, over training.

Neither is in the paper: it samples points, and regions along lines and in planes take exact ends.
The networks are those of the diameters, of a few widths.
"""

from tfhash.studies.definition import Grid, Measured, Study
from tfhash.studies.diameters import EPOCHS

STUDY = Study(
    name="region_density",
    experiment="diameters",
    grids=(
        Grid(
            axes={
                "width": {"digits": (10, 20, 40), "mnist": (50, 60, 70), "cifar10": (10, 20, 40)}
            },
            kept=EPOCHS,
            length="kept",
            measures=(
                Measured(measure="region_density", at="every"),
                Measured(measure="plane", at="ends", networks="widest"),
            ),
        ),
    ),
    figures=("region_density", "plane"),
)
