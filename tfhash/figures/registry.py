"""Which figures there are: what each is drawn from, and the function that draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from tfhash.datasets import family
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
    datasets : tuple of str
        What it is drawn for; empty for all. The paper has MNIST and CIFAR-10 in figures of their
        own where it varies training time or sample size.
    draw : callable
        From our curves (`results.curves`), the paper's (maybe empty) and the words to a figure.
    script : str or None
        The one that trains and measures for it; None for the experiment's two.
    """

    name: str
    paper: str
    experiment: str
    x_name: str
    series_name: str | None
    curves: tuple[tuple[str, str], ...]
    draw: Draw
    datasets: tuple[str, ...] = ()
    script: str | None = None

    def shows(self, dataset: str) -> bool:
        """Whether it is drawn for `dataset`, or for the one that it is like."""
        return not self.datasets or family(dataset) in self.datasets


def _pair(
    number: str, experiment: str, accuracy: Labels, datasets: tuple[str, ...]
) -> tuple[FigureKind, FigureKind]:
    """Figures (a), redundancy ratio, and (b), accuracies, of a few widths along one factor."""
    by_epoch = experiment == "training_time"
    common: dict[str, Any] = {
        "experiment": experiment,
        "x_name": "epoch" if by_epoch else "sample_size",
        "series_name": "width",
        "datasets": datasets,
    }
    draw = by_series.redundancy_by_epoch if by_epoch else by_series.redundancy_by_sample_size
    return (
        FigureKind(
            name=f"figure_{number}a",
            paper=f"fig{number}a",
            curves=tuple(labels.REDUNDANCY),
            draw=draw,
            **common,
        ),
        FigureKind(
            name=f"figure_{number}b",
            paper=f"fig{number}b",
            curves=tuple(accuracy),
            draw=(
                partial(by_series.accuracy_by_epoch, accuracy)
                if by_epoch
                else by_series.accuracy_by_sample_size
            ),
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
    *_pair("3", "training_time", labels.ACCURACY_KMEANS_TRAIN, ("cifar10", "digits")),
    *_pair("4", "sample_size", labels.ACCURACY_KMEANS_TEST, ("cifar10", "digits")),
    *_pair("8", "training_time", labels.ACCURACY_KMEANS_TEST, ("mnist",)),
    *_pair("9", "sample_size", labels.ACCURACY_KMEANS_TEST, ("mnist",)),
    FigureKind(
        name="figure_2c",
        paper="fig2c",
        experiment="diameters",
        x_name="width",
        series_name=None,
        curves=geometry.DIAMETER,
        draw=geometry.figure_2c,
        script="run_diameters.py",
    ),
    FigureKind(
        name="figure_2f",
        paper="fig2f",
        experiment="random_data",
        x_name="epoch",
        series_name="width",
        curves=tuple(geometry.REDUNDANCY),
        draw=geometry.figure_2f,
        script="run_random_data.py",
    ),
    FigureKind(
        name="figure_12a",
        paper="fig12a",
        experiment="label_noise",
        x_name="width",
        series_name="label_noise",
        curves=tuple(labels.REDUNDANCY),
        draw=by_series.redundancy_by_width,
        script="`tfhash run label_noise`",
    ),
    FigureKind(
        name="figure_12b",
        paper="fig12b",
        experiment="label_noise",
        x_name="width",
        series_name="label_noise",
        curves=tuple(labels.ACCURACY_KMEANS_TEST),
        draw=by_series.accuracy_by_width,
        script="`tfhash run label_noise`",
    ),
    FigureKind(
        name="region_density",
        paper="",
        experiment="diameters",
        x_name="epoch",
        series_name="width",
        curves=tuple(geometry.DENSITY),
        draw=geometry.region_density,
        script="run_region_density.py",
    ),
)
