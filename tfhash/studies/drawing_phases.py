"""The activation hash phase chart, its thresholds and how well they hold where not fitted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from tfhash import figures, phases
from tfhash.errors import InputError
from tfhash.phases.chart import EFFECT, WINDOW
from tfhash.phases.shipped import SIZES
from tfhash.phases.thresholds import agreement, intervals
from tfhash.runs.trouble import log
from tfhash.studies.drawing_record import Drawing, MeasuredRuns, are_alike, overridden, write_table
from tfhash.studies.phase_chart import STUDY

RESAMPLES = 200
# Definitions of the regimes that thresholds are tested for: window and effect, ours first.
DEFINITIONS = tuple(product((WINDOW, WINDOW - 1), (EFFECT, 5 * EFFECT)))

# What varies in a chart; epoch and batch size, whose steps are counted, may.
_VARIED = ("width", "sample_size", "epochs", "epoch_size", "batch_size")


def draw(
    measured: MeasuredRuns, datasets: Collection[str], figures_path: Path
) -> dict[str, list[str]]:
    """Draw the chart of each dataset that has runs.

    Beside each chart are its table, its thresholds with intervals, and a table of how many of its
    regimes are named by thresholds that were not fitted on them: on the other half of its points,
    or on the chart of another dataset, whose runs are there or that comes with the package.
    """
    table = measured.encoding
    table = table[table["experiment"] == STUDY.directory]
    points: dict[str, pd.DataFrame] = {}
    charts: dict[str, pd.DataFrame] = {}
    runs: dict[str, pd.Series] = {}
    for dataset, rows in table.groupby("dataset"):
        if not are_alike(rows, _VARIED, f"The phase chart of {dataset}"):
            continue
        try:
            of_one = phases.chart_points(rows)
            default = phases.regimes(of_one)
        except InputError as error:
            log.warning("The phase chart of %s is left out. %s", dataset, error)
            continue
        points[str(dataset)], charts[str(dataset)] = of_one, default
        runs[str(dataset)] = rows.iloc[0]
    drawn = [dataset for dataset in charts if dataset in datasets]
    if not drawn:
        return {}
    by_definition = {DEFINITIONS[0]: charts}
    for window, effect in DEFINITIONS[1:]:
        by_definition[window, effect] = {
            name: phases.regimes(one, window=window, effect=effect) for name, one in points.items()
        }
    files: dict[str, list[str]] = {}
    for dataset in drawn:
        name = f"phase_chart_{dataset}"
        _draw_one(charts[dataset], points[dataset], dataset, runs[dataset], figures_path / name)
        tests = [row for one, of in by_definition.items() for row in _tests(of, dataset, *one)]
        write_table(pd.DataFrame(tests), figures_path / f"{name}_tests.csv")
        files[dataset] = [f"{name}.png"]
    return files


def _tests(
    charts: Mapping[str, pd.DataFrame], dataset: str, window: int, effect: float
) -> list[dict[str, Any]]:
    """How many regimes of a dataset's chart thresholds name that were fitted elsewhere."""
    known = {"window": window, "effect": effect, "read_on": dataset, "fitted_on": dataset}
    rows = [{**known, **asdict(one)} for one in phases.held_out(charts[dataset])]
    fitted = {n: phases.fit_thresholds(one) for n, one in charts.items() if n != dataset}
    if (window, effect) == (WINDOW, EFFECT):  # the definition of the charts in the package
        absent = [name for name in SIZES if name not in charts]
        fitted |= {name: phases.shipped_chart(name).thresholds for name in absent}
    for other, thresholds in sorted(fitted.items()):
        share = agreement(thresholds, charts[dataset])
        rows.append({**known, "fitted_on": other, "split": "whole charts", "agreement": share})
    return rows


def _draw_one(
    chart: pd.DataFrame, points: pd.DataFrame, dataset: str, run: pd.Series, file: Path
) -> None:
    seeds = chart["n"]
    missing = int((seeds < seeds.max()).sum())
    if missing:
        there = points.groupby("repeat").size()
        few = [str(repeat) for repeat, n in there.items() if n < len(chart)]
        log.warning(
            "%s: %d of %d points of the phase chart have fewer seeds than the rest "
            "(of repeats %s some are missing): drawn as what is there.",
            *(dataset, missing, len(chart), ", ".join(few)),
        )
    most = f"{seeds.max()} seed{'s' if seeds.max() > 1 else ''}"
    n = f"{seeds.min()} to {most}" if missing else most
    layers = "1 hidden layer" if run["depth"] == 1 else f"{run['depth']} hidden layers"
    caption = figures.Caption(
        title=figures.TITLES.get(dataset, dataset),
        subtitle=f"activation hash phase chart, {layers}, {len(chart):,} points, {n}"
        f"{overridden(run, _VARIED)}",
        ours="Redundancy and K-NN accuracy of the test set",
        paper="",
    )
    figures.save(figures.phase_chart(chart, caption), file)
    write_table(chart, file.with_suffix(".csv"))
    fitted = phases.fit_thresholds(chart)
    table = intervals(fitted, phases.bootstrap(chart, RESAMPLES))
    write_table(table, file.with_name(f"{file.name}_thresholds.csv"))


DRAWINGS = (Drawing(name="phase_chart", needs="redundancy and knn at several points", draw=draw),)
