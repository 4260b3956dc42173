"""The exact shape of linear regions, along lines and in planes, for any ReLU network in Keras."""

from tfhash.geometry.chords import Chords, chords

__all__ = ["Chords", "chords"]
