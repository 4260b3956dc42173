"""The activation hash phase chart: slices, colored by regime, with lines of equal values."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from tfhash.figures import style
from tfhash.figures.style import Caption
from tfhash.properties import ENCODING_PROPERTIES

REGIMES = {
    "under_expressive": ("under-expressive", "#F2B8A0"),
    "critically_expressive": ("critically expressive", "#F5E6A8"),
    "sufficiently_expressive": ("sufficiently expressive", "#A9D3C0"),
}
LABELS = {
    "width": "units per hidden layer",
    "steps": "training steps",
    "sample_size": "training examples",
}
# A row each: x, y and what is kept the same in a panel.
SLICES = (
    ("steps", "width", "sample_size"),
    ("sample_size", "width", "steps"),
    ("steps", "sample_size", "width"),
)
PANELS = 4  # values of what is kept the same, spread over its range
LINES = {"redundancy": (style.BLUE, "-"), "accuracy": (style.GRAY, "--")}
LEVELS = (0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95)


def phase_chart(chart: pd.DataFrame, caption: Caption) -> Figure:
    """Slices of a chart.

    Parameters
    ----------
    chart
        Columns width, steps, sample_size, regime, redundancy and accuracy, a row a point. Points
        that are missing stay white.
    caption
        `paper` is not used.

    Returns
    -------
    matplotlib.figure.Figure
        Three rows of up to four panels: width against steps, width against sample size, and sample
        size against steps.
    """
    with matplotlib.rc_context({**style.STYLE, "axes.grid": False}):
        figure = Figure(figsize=(11, 7.6), layout="constrained")
        grid = figure.subplots(len(SLICES), PANELS, squeeze=False)
        for row, (x, y, kept) in zip(grid, SLICES, strict=True):
            values = sorted(set(chart[kept]))
            chosen = np.unique(np.linspace(0, len(values) - 1, PANELS).round().astype(int))
            for axes, at in zip(row, chosen, strict=False):
                _slice(axes, chart[chart[kept] == values[at]], x, y)
                axes.set_title(f"{values[at]:,} {LABELS[kept]}")
                axes.set_xlabel(LABELS[x])
            row[0].set_ylabel(LABELS[y])
            for axes in row[len(chosen) :]:
                axes.set_visible(False)
        handles: list[Patch | Line2D] = [Patch(color=c, label=n) for n, c in REGIMES.values()]
        handles += [
            Line2D([], [], color=color, linestyle=dashes, linewidth=1, label=f"equal {name}")
            for name, (color, dashes) in LINES.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=5)
        figure.suptitle(
            f"{caption.title}: {caption.subtitle}. {caption.ours}", x=0.01, ha="left", fontsize=9
        )
        return figure


def _slice(axes: Axes, points: pd.DataFrame, x: str, y: str) -> None:
    """One panel: grid steps are drawn equally far apart."""
    numbers = {name: i for i, name in enumerate(REGIMES)}
    regime = points.assign(number=points["regime"].map(numbers)).pivot(
        index=y, columns=x, values="number"
    )
    colors = ListedColormap([color for _, color in REGIMES.values()])
    n_y, n_x = regime.shape
    axes.pcolormesh(
        np.arange(n_x + 1) - 0.5,
        np.arange(n_y + 1) - 0.5,
        np.ma.masked_invalid(regime.to_numpy(float)),
        cmap=colors,
        vmin=-0.5,
        vmax=len(REGIMES) - 0.5,
        edgecolors="white",
        linewidth=0.4,
    )
    for name, (color, dashes) in LINES.items():
        heights = points.pivot(index=y, columns=x, values=name).to_numpy(float)
        low, high = np.nanmin(heights), np.nanmax(heights)
        levels = [level for level in LEVELS if low < level < high]
        if levels and min(heights.shape) > 1:
            lines = axes.contour(
                np.ma.masked_invalid(heights),
                levels=levels,
                colors=color,
                linestyles=dashes,
                linewidths=1,
            )
            axes.clabel(lines, fmt=lambda value: f"{100 * value:.0f}%", fontsize=6)
    axes.set_xticks(range(n_x), [f"{value:,}" for value in regime.columns], rotation=45)
    axes.set_yticks(range(n_y), [f"{value:,}" for value in regime.index])
    axes.tick_params(labelsize=6)


def place(chart: pd.DataFrame, redundancy: float, accuracy: float) -> Figure:
    """The points of a chart by redundancy and accuracy, and one model among them.

    Parameters
    ----------
    chart
        As in `phase_chart`.
    redundancy, accuracy
        The model's test redundancy ratio and K-NN accuracy, shares.
    """
    with matplotlib.rc_context(style.STYLE):
        figure = Figure(figsize=(4.8, 3.8), layout="constrained")
        axes = figure.add_subplot()
        for regime, (name, color) in REGIMES.items():
            points = chart[chart["regime"] == regime]
            axes.scatter(
                points["redundancy"],
                points["accuracy"],
                s=14,
                color=color,
                edgecolors=style.GRAY,
                linewidth=0.3,
                label=name,
            )
        axes.scatter([redundancy], [accuracy], s=110, color="black", marker="*", label="the model")
        axes.set_xlabel(ENCODING_PROPERTIES["test_redundancy_ratio"].heading)
        axes.set_ylabel(ENCODING_PROPERTIES["knn_accuracy"].title)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(xmax=1))
        axes.legend(loc="best")
        return figure
