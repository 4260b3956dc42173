"""What the activations of a layer are like: characteristics, mutual information, and other
networks with the same outputs.

`Statistics`, `mutual_information` and `noise_sweep` work on arrays; Keras is loaded when what needs
a model is first touched.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfhash.representation.information import (
    MutualInformation,
    mutual_information,
    noise_sweep,
)
from tfhash.representation.ranks import stable_rank
from tfhash.representation.statistics import Characteristics, Statistics

if TYPE_CHECKING:
    from tfhash.representation.layers import characteristics
    from tfhash.representation.networks import comparable_network, identical_output_network
    from tfhash.representation.units import UnitTables, unit_tables

__all__ = [
    "Characteristics",
    "MutualInformation",
    "Statistics",
    "UnitTables",
    "characteristics",
    "comparable_network",
    "identical_output_network",
    "mutual_information",
    "noise_sweep",
    "stable_rank",
    "unit_tables",
]

_FROM_MODULES = {
    "characteristics": "tfhash.representation.layers",
    "comparable_network": "tfhash.representation.networks",
    "identical_output_network": "tfhash.representation.networks",
    "UnitTables": "tfhash.representation.units",
    "unit_tables": "tfhash.representation.units",
}


def __getattr__(name: str) -> Any:
    if name in _FROM_MODULES:
        return getattr(import_module(_FROM_MODULES[name]), name)
    raise AttributeError(f"module 'tfhash.representation' has no attribute {name!r}")
