"""Figures 2(a) and 2(b): encoding properties against the width of the hidden layers."""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from tfhash.figures import curves, labels, style
from tfhash.figures.labels import Labels
from tfhash.figures.style import Caption

# (metric, split): name in the legend, color, marker.
Entries = dict[tuple[str, str], tuple[str, str, str]]


def _entries(named: Labels, *looks: tuple[str, str]) -> Entries:
    """Each of the labels with a color and a marker, in their order."""
    return {key: (name, *look) for (key, name), look in zip(named.items(), looks, strict=False)}


REDUNDANCY = _entries(labels.REDUNDANCY, (style.BLUE, "o"), (style.ORANGE, "s"))
ACCURACY: Entries = {
    ("accuracy", "test"): ("the network", style.GRAY, "x"),
    **_entries(
        labels.ACCURACY_KMEANS_TRAIN,
        *((style.GREEN, "s"), (style.BLUE, "o"), (style.PURPLE, "^"), (style.ORANGE, "D")),
    ),
}


def figure_2a(ours: pd.DataFrame, paper: pd.DataFrame, caption: Caption) -> Figure:
    """Redundancy ratio of the training and the test set against layer width."""
    return _draw(REDUNDANCY, ours, paper, caption, "redundancy ratio")


def figure_2b(ours: pd.DataFrame, paper: pd.DataFrame, caption: Caption) -> Figure:
    """Accuracy of K-Means, K-NN and logistic regression on the codes against layer width."""
    figure = _draw(ACCURACY, ours, paper, caption, "accuracy")
    figure.axes[0].set_ylim(0, 1.02)
    return figure


def _draw(
    entries: Entries, ours: pd.DataFrame, paper: pd.DataFrame, caption: Caption, y_label: str
) -> Figure:
    with matplotlib.rc_context(style.STYLE):
        figure, axes = style.new_axes(caption, "units per hidden layer", y_label)
        legend = {}
        for (metric, split), (name, color, marker) in entries.items():
            theirs = paper[(paper["metric"] == metric) & (paper["split"] == split)]
            mine = ours[(ours["metric"] == metric) & (ours["split"] == split)]
            if len(mine):
                # Theirs below ours: where both agree, it looks out between the markers.
                curves.draw_paper(axes, theirs, color)
                curves.draw_ours(axes, mine, color, marker)
                legend[name] = (color, marker)
        curves.draw_legends(axes, legend, caption.ours, caption.paper if len(paper) else None)
        return figure
