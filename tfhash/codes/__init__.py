"""Neural codes: one bit per unit and example, packed 64 to a word."""

from tfhash.codes.codes import Codes
from tfhash.codes.layers import LayerSpan, short_list
from tfhash.codes.origin import Origin
from tfhash.codes.packing import Packer, native_floats
from tfhash.codes.reals import real_array
from tfhash.codes.words import frozen, plain_array, whole_number

__all__ = [
    "Codes",
    "LayerSpan",
    "Origin",
    "Packer",
    "frozen",
    "native_floats",
    "plain_array",
    "real_array",
    "short_list",
    "whole_number",
]
