"""Figures 6 and 10: encoding properties with a regularizer against those without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfhash.figures import style
from tfhash.figures.labels import ACCURACY_KMEANS_TEST
from tfhash.figures.style import Caption
from tfhash.properties import ENCODING_PROPERTIES, SETS

TITLES = {
    "batch_norm": "batch normalization",
    "clipping": "gradient clipping",
    "l2": "weight decay (L2)",
}
# (metric, split): title.
_RATIO = ENCODING_PROPERTIES["train_redundancy_ratio"]
REDUNDANCY = {(_RATIO.metric, _RATIO.split): f"{_RATIO.title} ({SETS[_RATIO.split]})"}
LOGISTIC = {("logistic_accuracy", "test"): ACCURACY_KMEANS_TEST["logistic_accuracy", "test"]}
PROPERTIES = {**REDUNDANCY, **ACCURACY_KMEANS_TEST}
GUIDES = (0.02, 0.04)  # of redundancy, above and below y = x
_COLORS = (style.GREEN, style.BLUE, style.PURPLE, style.ORANGE)


def figure_6(pairs: pd.DataFrame, caption: Caption) -> Figure:
    """Redundancy and logistic accuracy in two rows, a regularizer in each column.

    Parameters
    ----------
    pairs
        Columns condition, metric, split, x (without), y (with), a row for each model.
    caption
        `ours` and `paper` are not used.
    """
    return _grid(pairs, caption, {**REDUNDANCY, **LOGISTIC}, by_row=False)


def figure_10(pairs: pd.DataFrame, caption: Caption) -> Figure:
    """All four properties, a regularizer in each row. Parameters as in `figure_6`."""
    return _grid(pairs, caption, PROPERTIES, by_row=True)


def _grid(
    pairs: pd.DataFrame,
    caption: Caption,
    properties: Mapping[tuple[str, str], str],
    by_row: bool,
) -> Figure:
    there = set(zip(pairs["metric"], pairs["split"], strict=True))
    shown: Sequence[tuple[str, str]] = [key for key in properties if key in there]
    conditions = [name for name in TITLES if name in set(pairs["condition"])]
    shape = (len(conditions), len(shown)) if by_row else (len(shown), len(conditions))
    with matplotlib.rc_context(style.STYLE):
        figure = style.Figure(
            figsize=(0.6 + 2.5 * shape[1], 0.6 + 2.4 * shape[0]), layout="constrained"
        )
        panels = figure.subplots(*shape, squeeze=False)
        for i, condition in enumerate(conditions):
            for j, (metric, split) in enumerate(shown):
                axes = panels[i][j] if by_row else panels[j][i]
                points = pairs[
                    (pairs["condition"] == condition)
                    & (pairs["metric"] == metric)
                    & (pairs["split"] == split)
                ]
                _panel(axes, points, _COLORS[j % 4], metric == "redundancy_ratio")
                if (i if by_row else j) == 0:
                    axes.set_title(properties[metric, split] if by_row else TITLES[condition])
                if (j if by_row else i) == 0:
                    axes.set_ylabel(
                        f"with {TITLES[condition]}" if by_row else properties[metric, split]
                    )
                if i + 1 == len(conditions) if by_row else j + 1 == len(shown):
                    axes.set_xlabel("without")
        figure.suptitle(f"{caption.title}: {caption.subtitle}", x=0.01, ha="left", fontsize=9)
        return figure


def _panel(axes: Axes, points: pd.DataFrame, color: str, guides: bool) -> None:
    # Of a property that is not measured with this regularizer there is an empty panel.
    shown = points[["x", "y"]].to_numpy() if len(points) else np.array([0.0, 1.0])
    low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    pad = 0.05 * (high - low) + 0.005
    ends = np.array([low - pad, high + pad])
    axes.plot(ends, ends, color=style.GRAY, linewidth=0.9)
    for guide in GUIDES if guides else ():
        for sign in (-1, 1):
            axes.plot(ends, ends + sign * guide, color=style.GRAY, linewidth=0.6, linestyle=":")
    axes.scatter(points["x"], points["y"], s=12, color=color, alpha=0.7, linewidth=0)
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))  # the same of both
    style.as_percent(axes.xaxis, axes.yaxis)
