"""Figures: from tidy tables to `matplotlib.figure.Figure`. They compute nothing."""

from tfhash.figures.histograms import diameter_histograms
from tfhash.figures.planes import plane, planes
from tfhash.figures.registry import FIGURES, FigureKind
from tfhash.figures.style import TITLES, Caption, save

__all__ = [
    "FIGURES",
    "TITLES",
    "Caption",
    "FigureKind",
    "diameter_histograms",
    "plane",
    "planes",
    "save",
]
