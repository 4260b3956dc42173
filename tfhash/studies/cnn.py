"""Encoding properties of convolutional networks (Tables 1 and 2)."""

from tfhash.studies.layer_width import PROPERTIES
from tfhash.studies.options import CnnOptions
from tfhash.studies.study import Grid, Study

STUDY = Study(
    name="cnn",
    title="encoding properties of the paper's convolutional networks",
    grids=(Grid(measures=PROPERTIES),),
    options=CnnOptions,
    encode_at_once=128,  # a network may have half a million units
    shows_values=True,
    figures=("table_1", "table_2"),
)
