"""Studies: each a short file that says what is trained and measured; one runner does it."""

from tfhash.studies.options import CnnOptions, MlpOptions
from tfhash.studies.registry import STUDIES, study
from tfhash.studies.study import Grid, Measured, Study

__all__ = ["STUDIES", "CnnOptions", "Grid", "Measured", "MlpOptions", "Study", "study"]
