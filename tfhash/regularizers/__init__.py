"""The twelve regularizers of Choi et al. as Keras objects, and models that train with them."""

from tfhash.regularizers.applying import RegularizedModel, RepresentationPenalty, apply
from tfhash.regularizers.names import NAMES, RepresentationRegularizer, get, penalty

__all__ = [
    "NAMES",
    "RegularizedModel",
    "RepresentationPenalty",
    "RepresentationRegularizer",
    "apply",
    "get",
    "penalty",
]
