"""Figures 2(c) and 2(f), and one that the paper has not: region density over training."""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import ScalarFormatter

from tfhash.figures import curves, style
from tfhash.figures.style import Caption

DIAMETER = (("diameter", "test"),)
# (metric, split): what the line's style says, the style.
Styles = dict[tuple[str, str], tuple[str, str]]
REDUNDANCY: Styles = {
    ("redundancy_ratio", "train"): ("MNIST (training set)", "-"),
    ("redundancy_ratio", "random"): ("uniform random inputs", ":"),
}
DENSITY: Styles = {
    ("region_density", "same"): ("between two of one class", "-"),
    ("region_density", "different"): ("between two of different classes", ":"),
}


def figure_2c(ours: pd.DataFrame, paper: pd.DataFrame, caption: Caption) -> Figure:
    """Average stochastic activation diameter against layer width."""
    with matplotlib.rc_context(style.STYLE):
        figure, axes = style.new_axes(caption, "units per hidden layer", "mean diameter (L2)")
        axes.yaxis.set_major_formatter(ScalarFormatter())
        of_diameter = ours[(ours["metric"] == "diameter") & (ours["split"] == "test")]
        curves.draw_ours(axes, of_diameter, style.BLUE, "o")
        axes.set_ylim(bottom=0)
        axes.legend(handles=[Line2D([], [], color=style.BLUE, label=caption.ours)], loc="best")
        return figure


def figure_2f(ours: pd.DataFrame, paper: pd.DataFrame, caption: Caption) -> Figure:
    """Redundancy ratio of the images and of random inputs over the first epochs of training."""
    styles = {
        key: (name.replace("MNIST", caption.title), line)
        for key, (name, line) in REDUNDANCY.items()
    }
    with matplotlib.rc_context(style.STYLE):
        figure, axes = style.new_axes(caption, "epoch", "redundancy ratio")
        _draw(axes, ours[ours["x"] <= 10], styles)
        axes.set_ylim(-0.02, 1.02)
        return figure


def region_density(ours: pd.DataFrame, paper: pd.DataFrame, caption: Caption) -> Figure:
    """Regions per unit of length between examples of one class and of two, over training."""
    with matplotlib.rc_context(style.STYLE):
        figure, axes = style.new_axes(caption, "epoch", "regions per unit of length (L2)")
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.set_xscale("symlog", linthresh=1)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        _draw(axes, ours, DENSITY)
        axes.set_ylim(bottom=0)
        return figure


def _draw(axes: Axes, ours: pd.DataFrame, styles: Styles) -> None:
    """One color for each series, one line style for each kind of number."""
    names = sorted(set(ours["series"]), key=lambda name: (len(name), name))
    for name, color in zip(names, style.SERIES, strict=False):
        for (metric, split), (_, line) in styles.items():
            rows = (ours["metric"] == metric) & (ours["split"] == split) & (ours["series"] == name)
            mine = ours[rows].sort_values("x")
            axes.plot(mine["x"], mine["mean"], line, color=color, linewidth=1.5)
            low, high = (mine["mean"] + sign * mine["std"].fillna(0) for sign in (-1, 1))
            axes.fill_between(mine["x"], low, high, color=color, alpha=0.2, linewidth=0)
    handles = [
        Line2D([], [], color=color, label=name.replace("=", " "))
        for name, color in zip(names, style.SERIES, strict=False)
    ]
    handles += [
        Line2D([], [], color=style.GRAY, linestyle=line, label=text)
        for text, line in styles.values()
    ]
    axes.figure.legend(handles=handles, loc="outside lower center", ncols=2)
