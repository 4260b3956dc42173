"""The encoder: from a Keras model and inputs to neural codes."""

from tfhash.encoder.encoder import Encoder

__all__ = ["Encoder"]
