"""Encoding properties of convolutional networks (Tables 1 and 2)."""

from tfhash.studies.definition import Grid, Study
from tfhash.studies.layer_width import PROPERTIES
from tfhash.studies.options import CnnOptions

STUDY = Study(
    name="cnn",
    grids=(Grid(measures=PROPERTIES),),
    options=CnnOptions,
    encode_at_once=128,  # a network may have half a million units
    shows_values=True,
    figures={"digits": ("table_1",), "mnist": ("table_1",), "cifar10": ("table_2",)},
)
