"""Figures: from tidy tables to `matplotlib.figure.Figure`. They compute nothing."""

from tfhash.figures.registry import FIGURES, FigureKind
from tfhash.figures.style import Caption, save

__all__ = ["FIGURES", "Caption", "FigureKind", "save"]
