"""Which figures there are: what each is drawn from, and the function that draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from tfhash.figures import layer_width
from tfhash.figures.style import Caption

Draw = Callable[[pd.DataFrame, pd.DataFrame, Caption], Figure]


@dataclass(frozen=True)
class FigureKind:
    """One figure of the paper, for any dataset.

    Attributes
    ----------
    name : str
        Beginning of its files' names.
    paper : str
        Its name in `results.paper_curves`.
    experiment : str
        Experiment that makes its runs.
    x_name, series_name : str, str or None
        Columns of the results: along the x axis, and telling curves of one metric apart.
    curves : tuple of (metric, split)
        What is drawn where there are results of it.
    draw : callable
        From our curves (`results.curves`), the paper's (maybe empty) and the words to a figure.
    """

    name: str
    paper: str
    experiment: str
    x_name: str
    series_name: str | None
    curves: tuple[tuple[str, str], ...]
    draw: Draw


FIGURES = (
    FigureKind(
        name="figure_2a",
        paper="fig2a",
        experiment="layer_width",
        x_name="width",
        series_name=None,
        curves=tuple(layer_width.REDUNDANCY),
        draw=layer_width.figure_2a,
    ),
    FigureKind(
        name="figure_2b",
        paper="fig2b",
        experiment="layer_width",
        x_name="width",
        series_name=None,
        curves=tuple(layer_width.ACCURACY),
        draw=layer_width.figure_2b,
    ),
)
