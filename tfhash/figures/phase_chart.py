"""The activation hash phase chart: slices, colored by regime, with lines of equal values."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tfhash.figures import style
from tfhash.figures.style import Caption
from tfhash.phases.chart import REGIME_TITLES, REGIMES
from tfhash.properties import ENCODING_PROPERTIES

COLORS = dict(zip(REGIMES, ("#F2B8A0", "#F5E6A8", "#A9D3C0"), strict=True))
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
LEVELS = {"redundancy": (0.05, 0.2, 0.5, 0.8, 0.95), "accuracy": (0.2, 0.4, 0.6, 0.8, 0.9)}
# Where lines have their numbers, as shares of the panel's width: those of two lines that are next
# to each other, and of the two values, apart.
NUMBERS_AT = {"redundancy": (0.12, 0.3), "accuracy": (0.66, 0.84)}


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
        Three rows of up to four panels, as many as there are values: width against steps, width
        against sample size, and sample size against steps.
    """
    with matplotlib.rc_context({**style.STYLE, "axes.grid": False}):
        n_panels = min(PANELS, max(chart[kept].nunique() for _, _, kept in SLICES))
        figure = style.Figure(figsize=(0.6 + 2.6 * n_panels, 7.6), layout="constrained")
        grid = figure.subplots(len(SLICES), n_panels, squeeze=False)
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
        handles: list[Patch | Line2D] = [
            Patch(color=COLORS[regime], label=words) for regime, words in REGIME_TITLES.items()
        ]
        handles += [
            Line2D([], [], color=color, linestyle=dashes, linewidth=1, label=f"equal {name}")
            for name, (color, dashes) in LINES.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=5 if n_panels > 2 else 3)
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
    colors = ListedColormap(list(COLORS.values()))
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
        levels = [level for level in LEVELS[name] if low < level < high]
        if levels and min(heights.shape) > 1:
            lines = axes.contour(
                np.ma.masked_invalid(heights),
                levels=levels,
                colors=color,
                linestyles=dashes,
                linewidths=1,
            )
            _number(axes, lines, [share * (n_x - 1) for share in NUMBERS_AT[name]])
    texts = [f"{value:,}" for value in regime.columns]
    axes.set_xticks(range(n_x), texts, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(n_y), [f"{value:,}" for value in regime.index])
    axes.tick_params(labelsize=6)


def _number(axes: Axes, lines: ContourSet, at: Sequence[float]) -> None:
    """Write the level on the longest piece of each line, near one of `at` along x in turn."""
    longest = (max(pieces, key=len) for pieces in lines.allsegs if pieces)
    places = []
    for i, piece in enumerate(longest):
        if np.ptp(piece, axis=0).max() < 1:  # the number would be all that is seen of it
            continue
        # Of an upright piece, near its middle: at its ends numbers are cut off.
        apart = np.abs(piece - (at[i % len(at)], np.ptp(piece[:, 1]) / 2 + piece[:, 1].min()))
        places.append(piece[(apart @ (1, 0.5)).argmin()])
    axes.clabel(lines, fmt=lambda value: f"{100 * value:.0f}%", fontsize=6, manual=places)


def place(chart: pd.DataFrame, redundancy: float, accuracy: float, title: str = "") -> Figure:
    """The points of a chart by redundancy and accuracy, and one model among them.

    Parameters
    ----------
    chart
        As in `phase_chart`.
    redundancy, accuracy
        The model's test redundancy ratio and K-NN accuracy, shares.
    title
        Written above.
    """
    with matplotlib.rc_context(style.STYLE):
        figure = style.Figure(figsize=(4.8, 3.8), layout="constrained")
        axes = figure.add_subplot()
        for regime, words in REGIME_TITLES.items():
            points = chart[chart["regime"] == regime]
            axes.scatter(
                points["redundancy"],
                points["accuracy"],
                s=14,
                color=COLORS[regime],
                edgecolors=style.GRAY,
                linewidth=0.3,
                label=words,
            )
        axes.scatter([redundancy], [accuracy], s=110, color="black", marker="*", label="the model")
        axes.set_xlabel(ENCODING_PROPERTIES["test_redundancy_ratio"].heading)
        axes.set_ylabel(ENCODING_PROPERTIES["knn_accuracy"].title)
        style.as_percent(axes.xaxis, axes.yaxis)
        axes.set_title(title)
        axes.legend(loc="best")
        return figure
