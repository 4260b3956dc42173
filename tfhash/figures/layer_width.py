"""Figures 2(a) and 2(b): encoding properties against the width of the hidden layers."""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from tfhash.figures import curves, style

# (metric, split): name in the legend, colour, marker.
Entries = dict[tuple[str, str], tuple[str, str, str]]
REDUNDANCY: Entries = {
    ("redundancy_ratio", "train"): ("training set", style.BLUE, "o"),
    ("redundancy_ratio", "test"): ("test set", style.ORANGE, "s"),
}
ACCURACY: Entries = {
    ("accuracy", "test"): ("the network", style.GREY, "x"),
    ("logistic_accuracy", "test"): ("logistic regression", style.PURPLE, "^"),
    ("knn_accuracy", "test"): ("K-NN", style.BLUE, "o"),
    ("kmeans_accuracy", "train"): ("K-Means (training set)", style.GREEN, "s"),
}


def figure_2a(ours: pd.DataFrame, paper: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Redundancy ratio of the training and the test set against layer width."""
    return _draw(REDUNDANCY, ours, paper, title, subtitle, "redundancy ratio")


def figure_2b(ours: pd.DataFrame, paper: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Accuracy of K-Means, K-NN and logistic regression on the codes against layer width."""
    return _draw(ACCURACY, ours, paper, title, subtitle, "accuracy")


def _draw(
    entries: Entries,
    ours: pd.DataFrame,
    paper: pd.DataFrame,
    title: str,
    subtitle: str,
    y_label: str,
) -> Figure:
    with matplotlib.rc_context(style.STYLE):
        figure, axes = style.new_axes(title, subtitle, "units per hidden layer", y_label)
        legend = {}
        for (metric, split), (name, colour, marker) in entries.items():
            theirs = paper[(paper["metric"] == metric) & (paper["split"] == split)]
            mine = ours[(ours["metric"] == metric) & (ours["split"] == split)]
            if len(mine):
                # Below our own: where both agree, ours is seen and theirs looks out at the edges.
                curves.draw_paper(axes, theirs, colour)
                curves.draw_ours(axes, mine, colour, marker)
                legend[name] = (colour, marker)
        curves.draw_legend(axes, legend, "tfhash: mean ± 1 sd", len(paper) > 0)
        return figure
