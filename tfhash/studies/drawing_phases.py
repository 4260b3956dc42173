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
from tfhash.phases.thresholds import agreement, intervals
from tfhash.runs.trouble import log
from tfhash.studies.drawing_record import Drawing, MeasuredRuns, are_alike, write_table
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

    Beside each chart are its table, its thresholds with intervals, and a table of how many regimes
    they name on points that they were not fitted on: other halves, and other datasets.
    """
    table = measured.encoding
    table = table[table["experiment"] == STUDY.directory]
    points: dict[str, pd.DataFrame] = {}
    files: dict[str, list[str]] = {}
    for dataset, rows in table.groupby("dataset"):
        if not are_alike(rows, _VARIED, f"The phase chart of {dataset}"):
            continue
        try:
            of_one = phases.chart_points(rows)
            chart = phases.regimes(of_one)
        except InputError as error:
            log.warning("The phase chart of %s is left out. %s", dataset, error)
            continue
        points[str(dataset)] = of_one
        if dataset not in datasets:
            continue  # the tests are of all charts
        name = f"phase_chart_{dataset}"
        _draw_one(chart, of_one, str(dataset), figures_path / name)
        files[str(dataset)] = [f"{name}.png"]
    if points:
        tests = [one for definition in DEFINITIONS for one in _tests(points, *definition)]
        write_table(pd.DataFrame(tests), figures_path / "phase_chart_tests.csv")
    return files


def _tests(tables: Mapping[str, pd.DataFrame], window: int, effect: float) -> list[dict[str, Any]]:
    """How many regimes thresholds name that were fitted on other points, or another dataset."""
    charts = {n: phases.regimes(one, window=window, effect=effect) for n, one in tables.items()}
    rows: list[dict[str, Any]] = []
    for name, chart in charts.items():
        known = {"window": window, "effect": effect, "fitted_on": name}
        rows += [{**known, "read_on": name, **asdict(one)} for one in phases.held_out(chart)]
        fitted = phases.fit_thresholds(chart)
        for other, theirs in charts.items():
            if other != name:
                share = agreement(fitted, theirs)
                row = {"read_on": other, "split": "whole charts", "agreement": share}
                rows.append({**known, **row})
    return rows


def _draw_one(chart: pd.DataFrame, points: pd.DataFrame, dataset: str, file: Path) -> None:
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
    caption = figures.Caption(
        title=figures.TITLES.get(dataset, dataset),
        subtitle=f"activation hash phase chart, 1 hidden layer, {len(chart):,} points, {n}",
        ours="Redundancy and K-NN accuracy of the test set",
        paper="",
    )
    figures.save(figures.phase_chart(chart, caption), file)
    write_table(chart, file.with_suffix(".csv"))
    fitted = phases.fit_thresholds(chart)
    table = intervals(fitted, phases.bootstrap(chart, RESAMPLES))
    write_table(table, file.with_name(f"{file.name}_thresholds.csv"))


DRAWINGS = (Drawing(name="phase_chart", needs="redundancy and knn at several points", draw=draw),)
