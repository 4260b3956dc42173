"""tfhash: how good a hash function is the activation pattern of a Keras model?

Keras is loaded when something that needs it is first touched (``Encoder``, ``datasets``,
``models``, ``geometry``, ``training``, ``studies``, ``runs``); codes and metrics work without it.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfhash import _kernels

_kernels.use_installed(Path(__file__).parent)  # before anything asks for them

from tfhash.codes import Codes, LayerSpan  # noqa: E402

if TYPE_CHECKING:
    from tfhash import (
        audit,
        datasets,
        figures,
        geometry,
        metrics,
        models,
        phases,
        results,
        runs,
        studies,
        training,
    )
    from tfhash.diagnosis import Diagnosis, diagnose
    from tfhash.encoder import Encoder

__version__ = "0.1.0"

__all__ = [
    "Codes",
    "Diagnosis",
    "Encoder",
    "LayerSpan",
    "audit",
    "datasets",
    "diagnose",
    "figures",
    "geometry",
    "metrics",
    "models",
    "phases",
    "results",
    "runs",
    "studies",
    "training",
]


def __getattr__(name: str) -> Any:
    if name == "Encoder":
        return import_module("tfhash.encoder").Encoder
    if name in ("Diagnosis", "diagnose"):
        return getattr(import_module("tfhash.diagnosis"), name)
    if name in __all__:
        return import_module(f"tfhash.{name}")
    raise AttributeError(f"module 'tfhash' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
