"""Figures 3, 4, 8 and 9: encoding properties of a few widths against epochs or sample size."""

from __future__ import annotations

from functools import partial
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from tfhash.figures import curves, style
from tfhash.figures.labels import REDUNDANCY, Labels, words
from tfhash.figures.style import Caption

_MARKERS = "os^Dx"


def redundancy_by_epoch(ours: pd.DataFrame, paper: pd.DataFrame, caption: Caption) -> Figure:
    """Redundancy ratio of the training and the test set against training time."""
    return _by_epoch(REDUNDANCY, ours, paper, caption, y_label="redundancy ratio")


def accuracy_by_epoch(
    panels: Labels, ours: pd.DataFrame, paper: pd.DataFrame, caption: Caption
) -> Figure:
    """Accuracy of K-Means, K-NN and logistic regression on the codes against training time."""
    return _by_epoch(panels, ours, paper, caption, y_label="accuracy")


def redundancy_by_sample_size(ours: pd.DataFrame, paper: pd.DataFrame, caption: Caption) -> Figure:
    """Redundancy ratio of the training and the test set against sample size."""
    return _by_sample_size(REDUNDANCY, ours, paper, caption, y_label="redundancy ratio")


def accuracy_by_sample_size(
    panels: Labels, ours: pd.DataFrame, paper: pd.DataFrame, caption: Caption
) -> Figure:
    """Accuracy of K-Means, K-NN and logistic regression on the codes against sample size."""
    return _by_sample_size(panels, ours, paper, caption, y_label="accuracy")


def _draw(
    panels: Labels,
    ours: pd.DataFrame,
    paper: pd.DataFrame,
    caption: Caption,
    x_label: str,
    y_label: str,
    scale: dict[str, Any],
) -> Figure:
    """One panel for each of `panels`, one color for each series."""
    shown = {
        key: title
        for key, title in panels.items()
        if ((ours["metric"] == key[0]) & (ours["split"] == key[1])).any()
    }
    with matplotlib.rc_context(style.STYLE):
        figure, row = style.new_row(caption, list(shown.values()), x_label, y_label)
        names = sorted(set(ours["series"]), key=lambda name: (len(name), name))
        looks = {name: (style.SERIES[i % 5], _MARKERS[i % 5]) for i, name in enumerate(names)}
        for axes, (metric, split) in zip(row, shown, strict=True):
            axes.set_xscale(**scale)
            axes.xaxis.set_major_formatter("{x:,.0f}")
            for name, (color, marker) in looks.items():
                theirs, mine = (
                    table[
                        (table["metric"] == metric)
                        & (table["split"] == split)
                        & (table["series"] == name)
                    ]
                    for table in (paper, ours)
                )
                curves.draw_paper(axes, theirs, color)
                curves.draw_ours(axes, mine, color, marker)
        entries = {words(n.replace("=", " ")): look for n, look in looks.items()}
        curves.draw_legends(row[0], entries, caption.ours, caption.paper if len(paper) else None)
        return figure


def redundancy_by_width(ours: pd.DataFrame, paper: pd.DataFrame, caption: Caption) -> Figure:
    """Redundancy ratio of the training and the test set against layer width."""
    return _by_width(REDUNDANCY, ours, paper, caption, y_label="redundancy ratio")


def accuracy_by_width(
    panels: Labels, ours: pd.DataFrame, paper: pd.DataFrame, caption: Caption
) -> Figure:
    """Accuracy of K-Means, K-NN and logistic regression on the codes against layer width."""
    return _by_width(panels, ours, paper, caption, y_label="accuracy")


# Epoch 0 is shown too, so the scale is linear up to epoch 1.
_by_epoch = partial(_draw, x_label="epoch", scale={"value": "symlog", "linthresh": 1})
_by_sample_size = partial(_draw, x_label="training examples", scale={"value": "log"})
_by_width = partial(_draw, x_label="units per hidden layer", scale={"value": "linear"})
