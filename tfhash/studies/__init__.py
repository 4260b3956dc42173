"""Studies: each a short file that says what is trained and measured; one runner does it.

The names below are loaded when they are first touched: `tfhash --help` needs the names of the
studies alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfhash.studies.registry import STUDIES, TITLES, study

if TYPE_CHECKING:
    from tfhash.studies.definition import Grid, Measured, Study
    from tfhash.studies.options import CnnOptions, MlpOptions

__all__ = ["STUDIES", "TITLES", "CnnOptions", "Grid", "Measured", "MlpOptions", "Study", "study"]

_FROM_MODULES = {
    "CnnOptions": "options",
    "Grid": "definition",
    "Measured": "definition",
    "MlpOptions": "options",
    "Study": "definition",
}


def __getattr__(name: str) -> Any:
    if name in _FROM_MODULES:
        return getattr(import_module(f"tfhash.studies.{_FROM_MODULES[name]}"), name)
    raise AttributeError(f"module 'tfhash.studies' has no attribute {name!r}")
