"""One look for all figures, and how they are written to disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

# Okabe and Ito's palette: told apart by all common kinds of colour vision.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555"
STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "svg.fonttype": "none",
    # No dates or random identifiers: the same table gives the same file.
    "svg.hashsalt": "tfhash",
}


def new_axes(title: str, subtitle: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """A figure of one panel, with y from 0 to 1 read as percent."""
    figure = Figure(figsize=(4.6, 3.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontweight="bold", pad=18)
    axes.annotate(
        subtitle,
        (0, 1),
        (0, 6),
        xycoords="axes fraction",
        textcoords="offset points",
        color=GREY,
        fontsize=8,
    )
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    return figure, axes


def save(figure: Figure, path: str | os.PathLike[str]) -> list[Path]:
    """Write `figure` to `path` with .png (200 dots per inch) and .svg added, and return both."""
    files = [Path(f"{path}.png"), Path(f"{path}.svg")]
    with matplotlib.rc_context(STYLE):
        figure.savefig(files[0], dpi=200)
        figure.savefig(files[1], metadata={"Date": None})
    return files
