"""tfhash: how good a hash function is the activation pattern of a Keras model?

Each part is loaded when it is first touched, and Keras with those that need it (`Encoder`,
`datasets`, `models`, `geometry`, `regularizers`, `training`, `studies`, `runs`); codes and
metrics work without it.
"""

import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfhash import _kernels

_kernels.use_installed(Path(__file__).parent)  # before anything asks for them

if TYPE_CHECKING:
    from tfhash import (
        audit,
        datasets,
        distributed,
        figures,
        geometry,
        metrics,
        models,
        phases,
        regularizers,
        representation,
        results,
        runs,
        studies,
        surgery,
        training,
    )
    from tfhash.codes import Codes, LayerSpan
    from tfhash.diagnosis import Diagnosis, diagnose
    from tfhash.encoder import Encoder
    from tfhash.reporting import report

__version__ = "0.1.0"

__all__ = [
    "Codes",
    "Diagnosis",
    "Encoder",
    "LayerSpan",
    "audit",
    "datasets",
    "diagnose",
    "distributed",
    "figures",
    "geometry",
    "metrics",
    "models",
    "phases",
    "regularizers",
    "report",
    "representation",
    "results",
    "runs",
    "studies",
    "surgery",
    "training",
]

_FROM_MODULES = {
    "Codes": "tfhash.codes",
    "Diagnosis": "tfhash.diagnosis",
    "Encoder": "tfhash.encoder",
    "LayerSpan": "tfhash.codes",
    "diagnose": "tfhash.diagnosis",
    "report": "tfhash.reporting",
}


def __getattr__(name: str) -> Any:
    if name in _FROM_MODULES:
        return getattr(import_module(_FROM_MODULES[name]), name)
    if name == "experiments":
        warnings.warn("tfhash.experiments is now tfhash.studies.", DeprecationWarning, stacklevel=2)
        return import_module("tfhash.studies")
    if name in __all__:
        return import_module(f"tfhash.{name}")
    raise AttributeError(f"module 'tfhash' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
