"""Figures 6 and 10, and how much regularizers and wrong labels shift the encoding properties."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from tfhash import figures
from tfhash.figures import Caption
from tfhash.runs.conditions import CONDITIONS, condition_of
from tfhash.runs.shifts import MODEL, pairs, shifts
from tfhash.studies import label_noise, regularizers
from tfhash.studies.drawing_record import Drawing, MeasuredRuns, overridden, write_table

_VARIED = ("width", *CONDITIONS["none"])  # the fields that make a condition
_VARIED_NOISE = ("width", "label_noise")


def draw_pairs(
    name: str,
    function: Callable[[pd.DataFrame, Caption], Figure],
    measured: MeasuredRuns,
    datasets: Collection[str],
    figures_path: Path,
) -> dict[str, list[str]]:
    """Draw networks with each regularizer beside those without, by `function`."""
    files = {}
    for dataset, rows in _by_condition(measured, datasets).items():
        paired = _regularizer_pairs(measured, rows, dataset)
        if paired is None:
            continue
        caption = Caption(
            title=figures.TITLES.get(dataset, dataset),
            subtitle=f"a point a model, {rows['epochs'].iloc[0]:,} epochs, "
            f"{rows['width'].nunique()} widths, {_seeds(rows)}"
            f"{overridden(rows.iloc[0], _VARIED)}",
            ours="",
            paper="",
        )
        file = figures_path / f"{name}_{dataset}"
        figures.save(function(paired, caption), file)
        write_table(paired, file.with_suffix(".csv"))
        files[dataset] = [f"{file.name}.png"]
    return files


def regularizers_shifts(
    measured: MeasuredRuns, datasets: Collection[str], figures_path: Path
) -> dict[str, list[str]]:
    """Write how much each regularizer shifts each property."""
    files = {}
    for dataset, rows in _by_condition(measured, datasets).items():
        paired = _regularizer_pairs(measured, rows, dataset)
        if paired is not None:
            name = f"regularizers_shifts_{dataset}.csv"
            write_table(shifts(paired, "condition"), figures_path / name)
            files[dataset] = [name]
    return files


def label_noise_shifts(
    measured: MeasuredRuns, datasets: Collection[str], figures_path: Path
) -> dict[str, list[str]]:
    """Write how much each share of wrong labels shifts each property."""
    files = {}
    for dataset, rows in measured.last_epochs(label_noise.STUDY, datasets, _VARIED_NOISE).items():
        if not (rows["label_noise"] == 0).any():
            continue
        paired = pairs(rows, "label_noise", 0.0)
        if paired.empty:
            continue
        _warn_of_missing(measured, rows, "label_noise", f"{label_noise.STUDY.name} of {dataset}")
        name = f"label_noise_shifts_{dataset}.csv"
        write_table(shifts(paired, "label_noise"), figures_path / name)
        files[dataset] = [name]
    return files


def _by_condition(measured: MeasuredRuns, datasets: Collection[str]) -> dict[str, pd.DataFrame]:
    """By dataset, networks of the study of regularizers at their last epoch, by `condition`."""
    found = measured.last_epochs(regularizers.STUDY, datasets, _VARIED)
    return {
        name: rows.assign(condition=rows.apply(condition_of, axis=1)).dropna(subset="condition")
        for name, rows in found.items()
    }


def _regularizer_pairs(
    measured: MeasuredRuns, rows: pd.DataFrame, dataset: str
) -> pd.DataFrame | None:
    """Networks with each regularizer beside those without; None where there are no pairs."""
    what = f"{regularizers.STUDY.name} of {dataset}"
    missing = [name for name in CONDITIONS if name not in set(rows["condition"])]
    if "none" in missing or len(missing) == len(CONDITIONS) - 1:
        return None
    if missing:
        measured.warn(f"{what}: no networks of {', '.join(missing)}: drawn without.")
    paired = pairs(rows, "condition", "none")
    if paired.empty:
        return None
    _warn_of_missing(measured, rows, "condition", what)
    return paired


def _warn_of_missing(measured: MeasuredRuns, rows: pd.DataFrame, factor: str, what: str) -> None:
    """Name the networks that some values of the factor have and others have not."""
    every = rows[list(MODEL)].drop_duplicates()
    for value, of_value in rows.groupby(factor):
        there = pd.MultiIndex.from_frame(of_value[list(MODEL)])
        missing = every[~pd.MultiIndex.from_frame(every).isin(there)]
        seeds = []
        for repeat, of_repeat in missing.groupby("repeat"):
            widths = ", ".join(map(str, sorted(of_repeat["width"])))
            some = repeat in set(of_value["repeat"])
            seeds.append(f"{repeat} (widths {widths})" if some else str(repeat))
        if seeds:
            measured.warn(
                f"{what}: seeds {', '.join(seeds)} of {factor} {value} are missing: drawn as what "
                "is there."
            )


def _seeds(rows: pd.DataFrame) -> str:
    """How many seeds there are, in words: the fewest and the most of any condition."""
    counts = rows.groupby("condition")["repeat"]
    few, many = counts.nunique().min(), counts.nunique().max()
    return f"{many} seed{'s' if many > 1 else ''}" if few == many else f"{few} to {many} seeds"


_NEEDED = "networks with regularizers and without"
DRAWINGS = (
    *(
        Drawing(name=name, needs=_NEEDED, draw=partial(draw_pairs, name, function))
        for name, function in (("figure_6", figures.figure_6), ("figure_10", figures.figure_10))
    ),
    Drawing(name="regularizers_shifts", needs=_NEEDED, draw=regularizers_shifts),
    Drawing(
        name="label_noise_shifts",
        needs="networks with wrong labels and without",
        draw=label_noise_shifts,
    ),
)
