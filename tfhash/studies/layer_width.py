"""How the encoding properties depend on the width of the hidden layers (Figures 2a and 2b)."""

from tfhash.properties import FAMILIES
from tfhash.studies.definition import Grid, Measured, Study, recipe_widths

# The encoding properties that --metrics chooses from, and the network's own accuracy.
PROPERTIES = (
    *(Measured(measure=name, choice=name) for name in FAMILIES),
    Measured(measure="accuracy"),
)

STUDY = Study(
    name="layer_width",
    grids=(Grid(axes={"width": recipe_widths}, measures=PROPERTIES),),
    encode_at_once=2048,
    figures=("figure_2a", "figure_2b"),
)
