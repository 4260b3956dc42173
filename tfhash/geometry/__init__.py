"""The exact shape of linear regions, along lines and in planes, for any ReLU network in Keras."""

from tfhash.geometry.chords import Chords, chords
from tfhash.geometry.diameters import stochastic_chords, stochastic_diameters
from tfhash.geometry.lines import LineRegions, line_regions

__all__ = [
    "Chords",
    "LineRegions",
    "chords",
    "line_regions",
    "stochastic_chords",
    "stochastic_diameters",
]
