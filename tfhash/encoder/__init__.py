"""The encoder: from a Keras model and inputs to neural codes."""

from tfhash._extras import named_if_missing

with named_if_missing("tfhash.encoder"):
    from tfhash.encoder.encoder import Encoder, encoder_of

__all__ = ["Encoder", "encoder_of"]
