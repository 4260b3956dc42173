"""Models: one file per family, each a function from sizes to an uncompiled `keras.Model`."""

from tfhash.models.mlp import mlp

__all__ = ["mlp"]
