"""Curves with their spread over repeats, the paper's own beside them."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from tfhash.figures.style import GRAY


def draw_ours(axes: Axes, curve: pd.DataFrame, color: str, marker: str) -> None:
    """One solid line of means, in a band of one standard deviation to either side.

    Parameters
    ----------
    axes
        Where to draw.
    curve
        Columns x, mean and std (NaN: no band), as `results.curves` gives them.
    color, marker
        How to draw.
    """
    curve = curve.sort_values("x")
    spread = curve["std"].fillna(0)
    axes.plot(curve["x"], curve["mean"], color=color, marker=marker, markersize=3.2, linewidth=1.4)
    axes.fill_between(
        curve["x"],
        curve["mean"] - spread,
        curve["mean"] + spread,
        color=color,
        alpha=0.2,
        linewidth=0,
    )


def draw_paper(axes: Axes, curve: pd.DataFrame, color: str) -> None:
    """The paper's curve, dashed: columns x and y, as `results.paper_curves` gives them."""
    curve = curve.sort_values("x")
    axes.plot(curve["x"], curve["y"], color=color, linewidth=1.2, linestyle=(0, (4, 2)), alpha=0.8)


def draw_legends(
    axes: Axes, entries: dict[str, tuple[str, str]], ours: str, paper: str | None
) -> None:
    """Colors, below the panel, say what is measured; line styles, in it, by whom.

    Parameters
    ----------
    axes
        Where to draw.
    entries
        Color and marker by name.
    ours, paper
        Names of the solid lines and, where there are any, the dashed ones.
    """
    measures = [
        Line2D([], [], color=color, marker=marker, markersize=3.2, linewidth=1.4, label=name)
        for name, (color, marker) in entries.items()
    ]
    axes.figure.legend(handles=measures, loc="outside lower center", ncols=2)
    # In lines of their own, the parts leave room for the curves.
    lines = [Line2D([], [], color=GRAY, linewidth=1.4, label=ours.replace(", ", ",\n"))]
    if paper is not None:
        lines.append(Line2D([], [], color=GRAY, linewidth=1.2, linestyle=(0, (4, 2)), label=paper))
    axes.legend(handles=lines, loc="best")
