"""Figures 6 and 10, and how much regularizers and wrong labels shift the encoding properties."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from tfhash import figures, results
from tfhash.files import write_text
from tfhash.runs.conditions import CONDITIONS, condition_of
from tfhash.runs.shifts import pairs, shifts
from tfhash.runs.trouble import log
from tfhash.studies import label_noise, regularizers


def draw(path: Path, datasets: Collection[str], figures_path: Path) -> list[str]:
    """Draw Figures 6 and 10 and write the tables of shifts; the names of the figures."""
    table = results.load(path, history=False, stages=("encoding",))
    names: list[str] = []
    for dataset in sorted(datasets):
        of_one = table[table["dataset"] == dataset]
        rows = of_one[of_one["experiment"] == regularizers.STUDY.directory]
        if len(rows):
            names += _regularizers(results.last_epoch(rows), dataset, figures_path)
        rows = of_one[of_one["experiment"] == label_noise.STUDY.directory]
        if len(rows):
            rows = results.last_epoch(rows)
            paired = pairs(rows, "label_noise", 0.0)
            file = figures_path / f"label_noise_shifts_{dataset}.csv"
            _write(shifts(paired, "label_noise"), file)
    return names


def _regularizers(rows: pd.DataFrame, dataset: str, figures_path: Path) -> list[str]:
    rows = rows.assign(condition=rows.apply(condition_of, axis=1)).dropna(subset="condition")
    missing = [name for name in CONDITIONS if name not in set(rows["condition"])]
    if missing:
        log.warning("%s: no networks of %s: drawn without.", dataset, ", ".join(missing))
    if "none" in missing or len(missing) == len(CONDITIONS) - 1:
        return []
    paired = pairs(rows, "condition", "none")
    seeds = rows.groupby("condition")["repeat"].unique()
    every = set(rows["repeat"])
    for name, there in seeds.items():
        if absent := sorted(every - set(there)):
            log.warning(
                "%s: seeds %s of %s are missing: drawn as what is there.",
                *(dataset, ", ".join(map(str, absent)), name),
            )
    counts = sorted({len(there) for there in seeds})
    run = rows.iloc[0]
    caption = figures.Caption(
        title=figures.TITLES.get(dataset, dataset),
        subtitle=f"a point a model, {run['epochs']:,} epochs, "
        f"{rows['width'].nunique()} widths, {' to '.join(map(str, counts))} "
        f"{'seed' if counts == [1] else 'seeds'}",
        ours="",
        paper="",
    )
    names = []
    for name, function in (("figure_6", figures.figure_6), ("figure_10", figures.figure_10)):
        file = figures_path / f"{name}_{dataset}"
        figures.save(function(paired, caption), file)
        _write(paired, file.with_suffix(".csv"))
        names.append(f"{file.name}.png")
    _write(shifts(paired, "condition"), figures_path / f"regularizers_shifts_{dataset}.csv")
    return names


def _write(table: pd.DataFrame, file: Path) -> None:
    write_text(file, table.round(6).to_csv(index=False, lineterminator="\n"))
