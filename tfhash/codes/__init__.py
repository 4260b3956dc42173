"""Neural codes: one bit per unit and example, packed 64 to a word."""

from tfhash.codes.codes import Codes, LayerSpan
from tfhash.codes.packing import Packer, native_floats

__all__ = ["Codes", "LayerSpan", "Packer", "native_floats"]
