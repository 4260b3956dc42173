"""tfhash: how good a hash function is the activation pattern of a Keras model?

Keras is loaded when something that needs it is first touched (``Encoder``, ``datasets``,
``models``, ``geometry``, ``training``, ``experiments``); codes and metrics work without it.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if find_spec("tfhash._native") is None:
    raise ImportError(
        f"{__path__[0]} is tfhash's source, without its compiled kernels: install it with "
        "'pip install -e .', or leave this folder to use the one installed elsewhere."
    )

from tfhash.codes import Codes, LayerSpan

if TYPE_CHECKING:
    from tfhash import (
        audit,
        datasets,
        experiments,
        figures,
        geometry,
        metrics,
        models,
        results,
        training,
    )
    from tfhash.encoder import Encoder

__version__ = "0.1.0"

__all__ = [
    "Codes",
    "Encoder",
    "LayerSpan",
    "audit",
    "datasets",
    "experiments",
    "figures",
    "geometry",
    "metrics",
    "models",
    "results",
    "training",
]


def __getattr__(name: str) -> Any:
    if name == "Encoder":
        return import_module("tfhash.encoder").Encoder
    if name in __all__:
        return import_module(f"tfhash.{name}")
    raise AttributeError(f"module 'tfhash' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
