"""One look for all figures, and how they are written to disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.ticker import Formatter

from tfhash.datasets import RECORDS
from tfhash.files import replacing

# Okabe and Ito's palette: told apart by all common kinds of color vision.
BLUE, ORANGE, GREEN, PURPLE, GRAY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, GRAY)  # of one series after the other
TITLES = {one.name: one.title for one in RECORDS.values()}  # of the datasets
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


class Figure(MatplotlibFigure):
    """A figure that a notebook shows without pyplot.

    Once: where pyplot's own way of showing figures is set up, IPython takes that one.
    """

    def _repr_png_(self) -> bytes:
        with BytesIO() as file:
            self.savefig(file, format="png", bbox_inches="tight")
            return file.getvalue()


class PercentTicks(Formatter):
    """Ticks as percent, with as many decimals as those of the axis need: 70%, and not 70.0%.

    Parameters
    ----------
    whole
        What is 100%.
    """

    def __init__(self, whole: float = 1.0) -> None:
        self.whole = whole

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """The texts of all ticks of an axis."""
        percents = [100 * float(value) / self.whole for value in values]
        exact = (n for n in range(4) if all(abs(p - round(p, n)) < 1e-6 for p in percents))
        decimals = next(exact, 4)
        # A tick of -1e-17 is 0%, and not -0%.
        return [f"{round(p, decimals) + 0.0:.{decimals}f}%" for p in percents]

    def __call__(self, x: float, pos: int | None = None) -> str:
        return self.format_ticks([x])[0]


def as_percent(*axes: Axis, whole: float = 1.0) -> None:
    """Let axes read as percent of `whole`."""
    for axis in axes:
        axis.set_major_formatter(PercentTicks(whole))


@dataclass(frozen=True)
class Caption:
    """The words on a figure.

    Attributes
    ----------
    title, subtitle : str
        What was trained on, and how it was trained.
    ours, paper : str
        Names of our curves and the paper's.
    """

    title: str
    subtitle: str
    ours: str
    paper: str


def new_axes(caption: Caption, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """A figure of one panel, with y read as percent."""
    figure = Figure(figsize=(4.8, 3.8), layout="constrained")
    axes = figure.add_subplot()
    add_title(axes, caption)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    as_percent(axes.yaxis)
    return figure, axes


def add_title(axes: Axes, caption: Caption) -> None:
    """Title and subtitle above one panel."""
    axes.set_title(caption.title, fontweight="bold", pad=18)
    axes.annotate(
        caption.subtitle,
        (0, 1),
        (0, 6),
        xycoords="axes fraction",
        textcoords="offset points",
        color=GRAY,
        fontsize=8,
    ).set_in_layout(False)


def new_row(
    caption: Caption, titles: Sequence[str], x_label: str, y_label: str
) -> tuple[Figure, list[Axes]]:
    """A figure of one panel for each of `titles`, side by side, with y read as percent."""
    figure = Figure(figsize=(1.2 + 2.9 * len(titles), 3.8), layout="constrained")
    row = list(figure.subplots(1, len(titles), sharey=True, squeeze=False)[0])
    for axes, title in zip(row, titles, strict=True):
        axes.set_title(title)
        axes.set_xlabel(x_label)
    figure.suptitle(f"{caption.title}: {caption.subtitle}", x=0.01, ha="left", fontsize=9)
    row[0].set_ylabel(y_label)
    as_percent(row[0].yaxis)
    return figure, row


def save(figure: MatplotlibFigure, path: str | os.PathLike[str]) -> list[Path]:
    """Write `figure` to `path` with .png (200 dots per inch) and .svg added, and return both.

    Each is written whole or not at all.
    """
    options: dict[str, dict[str, Any]] = {
        "png": {"dpi": 200},
        "svg": {"dpi": 120, "metadata": {"Date": None}},
    }
    files = []
    for form, how in options.items():
        files.append(Path(f"{path}.{form}"))
        with matplotlib.rc_context(STYLE), replacing(files[-1]) as file:
            figure.savefig(file, format=form, **how)
    return files
