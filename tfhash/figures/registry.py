"""Which figures there are: what each is drawn from, and the function that draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from tfhash.figures import by_series, geometry, labels, layer_width
from tfhash.figures.labels import Labels
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


# By experiment: what is along the x axis and what tells curves apart; redundancy and accuracies.
_ALONG: dict[str, tuple[str, str, Draw, Callable[..., Figure]]] = {
    "training_time": (
        "epoch",
        "width",
        by_series.redundancy_by_epoch,
        by_series.accuracy_by_epoch,
    ),
    "sample_size": (
        "sample_size",
        "width",
        by_series.redundancy_by_sample_size,
        by_series.accuracy_by_sample_size,
    ),
    "label_noise": (
        "width",
        "label_noise",
        by_series.redundancy_by_width,
        by_series.accuracy_by_width,
    ),
}


def _pair(number: str, experiment: str, accuracy: Labels) -> tuple[FigureKind, FigureKind]:
    """Figures (a), redundancy ratio, and (b), accuracies, of several series along one factor."""
    x_name, series_name, draw_redundancy, draw_accuracy = _ALONG[experiment]
    common: dict[str, Any] = {
        "experiment": experiment,
        "x_name": x_name,
        "series_name": series_name,
    }
    return (
        FigureKind(
            name=f"figure_{number}a",
            paper=f"fig{number}a",
            curves=tuple(labels.REDUNDANCY),
            draw=draw_redundancy,
            **common,
        ),
        FigureKind(
            name=f"figure_{number}b",
            paper=f"fig{number}b",
            curves=tuple(accuracy),
            draw=partial(draw_accuracy, accuracy),
            **common,
        ),
    )


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
    # The paper has MNIST and CIFAR-10 in figures of their own.
    *_pair("3", "training_time", labels.ACCURACY_KMEANS_TRAIN),
    *_pair("4", "sample_size", labels.ACCURACY_KMEANS_TEST),
    *_pair("8", "training_time", labels.ACCURACY_KMEANS_TEST),
    *_pair("9", "sample_size", labels.ACCURACY_KMEANS_TEST),
    FigureKind(
        name="figure_2c",
        paper="fig2c",
        experiment="diameters",
        x_name="width",
        series_name=None,
        curves=geometry.DIAMETER,
        draw=geometry.figure_2c,
    ),
    FigureKind(
        name="figure_2f",
        paper="fig2f",
        experiment="random_data",
        x_name="epoch",
        series_name="width",
        curves=tuple(geometry.REDUNDANCY),
        draw=geometry.figure_2f,
    ),
    *_pair("12", "label_noise", labels.ACCURACY_KMEANS_TEST),
    FigureKind(
        name="region_density",
        paper="",
        experiment="diameters",
        x_name="epoch",
        series_name="width",
        curves=tuple(geometry.DENSITY),
        draw=geometry.region_density,
    ),
)
