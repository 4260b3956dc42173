"""Pictures of representations: histograms by class, scatters of two units, values by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.ticker import MaxNLocator

from tfhash.figures.labels import words
from tfhash.figures.style import GRAY, SERIES, STYLE, Caption, Figure, as_percent

SHARES = ("accuracy", "sparsity", "dead_units")  # values that are read as percent


def unit_histogram(table: pd.DataFrame, title: str = "") -> MatplotlibFigure:
    """The upper plots of Choi et al., Figure 1: a unit's activations, by class.

    Parameters
    ----------
    table
        One row per bin and class, the bins of a class in order: label, left and right (its edges),
        count.
    title
        What was trained, and how.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.8, 3.2), layout="constrained")
        axes = figure.add_subplot()
        draw_histogram(axes, table)
        axes.set(title=title, xlabel="activation", ylabel="inputs")
        axes.legend(title="class", ncols=2)
        return figure


def unit_scatter(table: pd.DataFrame, title: str = "") -> MatplotlibFigure:
    """The lower plots of Choi et al., Figure 1: two units' activations, colored by class.

    Parameters
    ----------
    table
        One row per input: label, and the activations of two units in the columns first and second.
    title
        What was trained, and how.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.2, 3.8), layout="constrained")
        axes = figure.add_subplot()
        draw_scatter(axes, table)
        axes.set(title=title, xlabel="first unit", ylabel="second unit")
        axes.legend(title="class", ncols=2, markerscale=2)
        return figure


def units_by_regularizer(
    histograms: pd.DataFrame, points: pd.DataFrame, title: str = ""
) -> MatplotlibFigure:
    """Choi et al., Figure 1: a column a regularizer.

    Parameters
    ----------
    histograms, points
        As `unit_histogram` and `unit_scatter` take them, with a column regularizer.
    title
        What was trained, and how.
    """
    names = list(dict.fromkeys(histograms["regularizer"]))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(0.6 + 2.3 * len(names), 4.8), layout="constrained")
        panels = figure.subplots(2, len(names), squeeze=False)
        for (upper, lower), name in zip(panels.T, names, strict=True):
            draw_histogram(upper, histograms[histograms["regularizer"] == name])
            draw_scatter(lower, points[points["regularizer"] == name])
            upper.set_title(name)
            upper.set_xlabel("activation of a unit")
            lower.set_xlabel("one unit")
        panels[0][0].set_ylabel("inputs")
        panels[1][0].set_ylabel("another unit")
        lines = panels[1][0].get_legend_handles_labels()
        figure.legend(*lines, title="class", loc="outside right center", markerscale=2)
        figure.suptitle(title, x=0.01, ha="left", fontsize=9)
        return figure


def information(
    table: pd.DataFrame, correlations: pd.DataFrame, title: str = ""
) -> MatplotlibFigure:
    """Choi et al., Figure 4: bounds of the mutual information and the error, by regularizer.

    Parameters
    ----------
    table
        As `runs.representation_tables.table_6` gives it: regularizer, test_error (percent), and
        the bounds mi_x_lower, mi_x_upper, mi_y_lower and mi_y_upper (nats).
    correlations
        As `runs.representation_tables.correlations` gives them: bound, correlation, n.
    title
        What was trained, and how.
    """
    of_bound = correlations.set_index("bound")["correlation"]
    places = range(len(table))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.8), layout="constrained")
        axes = figure.add_subplot()
        for what, color in (("x", SERIES[0]), ("y", SERIES[1])):
            for bound, marker in (("lower", "^"), ("upper", "v")):
                name = f"mi_{what}_{bound}"
                label = f"I(z; {what}), {bound} bound (r = {of_bound[name]:.2f})"
                axes.plot(places, table[name], marker, color=color, markersize=4, label=label)
            lower, upper = table[f"mi_{what}_lower"], table[f"mi_{what}_upper"]
            axes.vlines(places, lower, upper, color=color, linewidth=1)
        error = axes.twinx()
        error.plot(places, table["test_error"], "o--", color=GRAY, markersize=3, linewidth=0.9)
        error.set_ylabel("test error (dashed)")
        as_percent(error.yaxis, whole=100)
        error.grid(False)  # lines at two kinds of ticks are read as neither's
        axes.set_xticks(places)
        axes.set_xticklabels(table["regularizer"], rotation=45, ha="right", rotation_mode="anchor")
        axes.set_ylabel("nats")
        figure.legend(loc="outside lower center", ncols=2, fontsize=8)
        figure.suptitle(title, x=0.01, ha="left", fontsize=9)
        return figure


def characteristics_by_layer(
    table: pd.DataFrame,
    columns: Sequence[str] = ("amplitude", "correlation", "sparsity", "stable_rank"),
    title: str = "",
) -> MatplotlibFigure:
    """One panel for each characteristic, its value for each layer, from the first on.

    Parameters
    ----------
    table
        As `tfhash.representation.characteristics` gives it: one row a layer, its index their names.
    columns
        What to draw.
    title
        What was trained, and how.
    """
    missing = [column for column in columns if column not in table]
    if missing or not columns:
        raise ValueError(
            f"Expected columns among {', '.join(map(str, table.columns))}. Received: {columns!r}."
        )
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(1 + 2.4 * len(columns), 3.4), layout="constrained")
        row = figure.subplots(1, len(columns), squeeze=False)[0]
        places = range(len(table))
        for axes, column in zip(row, columns, strict=True):
            axes.plot(places, table[column], marker="o", markersize=3)
            _name_value(axes, column)
            axes.set_xticks(places if len(table) <= 12 else [])
            if len(table) <= 12:
                axes.set_xticklabels(table.index, rotation=60, ha="right", rotation_mode="anchor")
            else:
                axes.set_xlabel("layer, from the first on")
        figure.suptitle(title, fontsize=9)
        return figure


def by_weight(table: pd.DataFrame, metrics: Sequence[str], caption: Caption) -> MatplotlibFigure:
    """Choi et al., Figures 2 and 3: a panel a metric against the loss weight, by number of factors.

    Parameters
    ----------
    table
        One row per metric, n_factors and weight: mean and std, the latter NaN for one repeat.
        Weight 0, without the regularizer, is a decade below the least of the others.
    metrics
        The panels, from the left.
    caption
        What was trained, and how.
    """
    weights = sorted(set(table["weight"]) - {0.0})
    places = table["weight"].where(table["weight"] > 0, weights[0] / 10)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(1.2 + 3.2 * len(metrics), 3.6), layout="constrained")
        row = figure.subplots(1, len(metrics), squeeze=False)[0]
        numbers = sorted(set(table["n_factors"]))
        for axes, metric in zip(row, metrics, strict=True):
            for n_factors, color, marker in zip(numbers, SERIES, "os^Dx", strict=False):
                rows = table[(table["metric"] == metric) & (table["n_factors"] == n_factors)]
                rows = rows.assign(place=places).sort_values("place")
                axes.plot(rows["place"], rows["mean"], color=color, marker=marker, markersize=3)
                low, high = rows["mean"] - rows["std"], rows["mean"] + rows["std"]
                axes.fill_between(rows["place"], low, high, color=color, alpha=0.2, linewidth=0)
            axes.set_xscale("log")
            axes.set_xticks([weights[0] / 10, *weights], ["none", *(f"{w:g}" for w in weights)])
            axes.minorticks_off()
            _name_value(axes, metric)
            axes.set_xlabel("loss weight")
        figure.legend(
            row[0].lines, [str(n) for n in numbers], title="factors", loc="outside right center"
        )
        figure.suptitle(f"{caption.title}: {caption.subtitle}", x=0.01, ha="left", fontsize=9)
        return figure


def _check_columns(table: Any, names: Sequence[str]) -> None:
    there = list(map(str, getattr(table, "columns", ())))
    if not set(names) <= set(there):
        raise ValueError(
            f"Expected a table with the columns {', '.join(names)}, as representation.unit_tables "
            f"gives it. Received: {', '.join(there) or f'an object of {type(table).__name__}'}."
        )


def _name_value(axes: Axes, column: str) -> None:
    axes.set_title(words(column))
    if column in SHARES:
        as_percent(axes.yaxis)


def draw_histogram(axes: Axes, table: pd.DataFrame) -> None:
    """Outlines of a unit's activations, by class; `table` as `unit_histogram` takes it."""
    _check_columns(table, ("label", "left", "right", "count"))
    for label, bins in table.groupby("label", sort=True):
        edges = [*bins["left"], bins["right"].iloc[-1]]
        axes.stairs(bins["count"], edges, fill=True, alpha=0.4, label=str(label))
    axes.yaxis.set_major_locator(MaxNLocator("auto", integer=True))


def draw_scatter(axes: Axes, table: pd.DataFrame) -> None:
    """Two units' activations, colored by class; `table` as `unit_scatter` takes it."""
    _check_columns(table, ("label", "first", "second"))
    for label, points in table.groupby("label", sort=True):
        axes.scatter(points["first"], points["second"], s=4, alpha=0.5, label=str(label))
