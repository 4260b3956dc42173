"""Figure 1: a map of neural codes, colored by class."""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tfhash.figures import style
from tfhash.figures.style import Caption


def figure_1(places: pd.DataFrame, caption: Caption) -> Figure:
    """A dot for each image.

    Parameters
    ----------
    places
        Columns x, y and label.
    caption
        `ours` and `paper` are not used.
    """
    with matplotlib.rc_context(style.STYLE):
        figure = style.Figure(figsize=(5.6, 5.0), layout="constrained")
        axes = figure.add_subplot()
        colors = matplotlib.colormaps["tab10"]
        labels = sorted(set(places["label"]))
        # One collection in the order of the table: no class lies on top of the others.
        axes.scatter(
            places["x"],
            places["y"],
            c=[colors(labels.index(label) % 10) for label in places["label"]],
            s=3,
            linewidths=0,
            rasterized=True,
        )
        for label, rows in places.groupby("label"):
            axes.annotate(
                str(label),
                (rows["x"].median(), rows["y"].median()),
                fontsize=11,
                fontweight="bold",
                ha="center",
                va="center",
                bbox={"boxstyle": "circle,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75},
            )
        style.add_title(axes, caption)
        axes.spines[:].set_visible(False)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_aspect("equal", "datalim")
        axes.legend(
            handles=[
                Line2D(
                    [],
                    [],
                    marker="o",
                    linestyle="",
                    markersize=4,
                    label=label,
                    color=colors(i % 10),
                )
                for i, label in enumerate(labels)
            ],
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            title="class",
        )
        return figure
