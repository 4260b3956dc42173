"""Figures of the geometry that are no curves: histograms of diameters, planes, Table 5."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from tfhash import figures, results
from tfhash.figures import Caption
from tfhash.runs import StoredRun
from tfhash.runs.plane import StoredPlane
from tfhash.studies import random_data
from tfhash.studies.drawing_record import (
    Drawing,
    MeasuredRuns,
    are_alike,
    overridden,
    write_table,
)

BINS = 25
EARLY = 10  # the epoch that the last one is compared with, as in the paper
# By figure, its panels: (width, what is compared).
HISTOGRAMS = {
    "figure_2d": ((50, "epoch"),),
    "figure_2e": ((50, "inputs"),),
    "figure_7": ((60, "epoch"), (60, "inputs"), (70, "epoch"), (70, "inputs")),
}


def draw_histograms(
    name: str, measured: MeasuredRuns, datasets: Collection[str], figures_path: Path
) -> dict[str, list[str]]:
    """Draw one of `HISTOGRAMS` for each of `datasets`."""
    lengths = measured.diameters
    files = {}
    for dataset in sorted(datasets):
        here = lengths[lengths["dataset"] == dataset] if len(lengths) else lengths
        file = f"{name}_{dataset}"
        if len(here) and _draw_histograms(file, HISTOGRAMS[name], here, figures_path):
            files[dataset] = [f"{file}.png"]
    return files


def draw_planes(
    measured: MeasuredRuns, datasets: Collection[str], figures_path: Path
) -> dict[str, list[str]]:
    """Draw the plane of the first network of each of `datasets` that has one."""
    files: dict[str, list[str]] = {}
    for run, by_epoch in measured.planes:
        dataset = run.spec.dataset
        if dataset in datasets and dataset not in files:
            _draw_planes(run, by_epoch, figures_path / f"plane_{dataset}")
            files[dataset] = [f"plane_{dataset}.png"]
    return files


def write_table_5(
    measured: MeasuredRuns, datasets: Collection[str], figures_path: Path
) -> dict[str, list[str]]:
    """Write Table 5 for each of `datasets`: how well networks fit random data."""
    names = {dataset: f"table_5_{dataset}.csv" for dataset in sorted(datasets)}
    return {
        dataset: [name]
        for dataset, name in names.items()
        if _table_5(measured, dataset, figures_path / name)
    }


def _draw_histograms(
    name: str, panels: tuple[tuple[int, str], ...], lengths: pd.DataFrame, folder: Path
) -> bool:
    """Whether there were diameters of all panels to draw."""
    lengths = lengths[lengths["width"].isin([width for width, _ in panels])]
    if lengths.empty or not are_alike(lengths, ("width",), name):
        return False
    last = lengths["epoch"].max()
    rows = []
    for i, (width, compared) in enumerate(panels):
        of_width = lengths[lengths["width"] == width]
        title = f"width {width}" if len(panels) == 1 else f"({'abcd'[i]}) width {width}"
        if compared == "epoch":
            true = of_width[of_width["split"] == "test"]
            series = {f"epoch {e}": true[true["epoch"] == e]["value"] for e in (EARLY, last)}
        else:
            trained = of_width[of_width["epoch"] == last]
            title += f", epoch {last}"
            series = {
                text: trained[trained["split"] == split]["value"]
                for split, text in (("test", "test images"), ("random", "random inputs"))
            }
        if any(values.empty for values in series.values()):
            return False
        rows += _bins(title, series)
    table = pd.DataFrame(rows)
    run = lengths.iloc[0]
    title = figures.TITLES.get(run["dataset"], run["dataset"])
    trained = f"{run['protocol']} protocol{overridden(run)}"
    caption = Caption(title, f"stochastic activation diameters, {trained}", "", "")
    figures.save(figures.diameter_histograms(table, caption), folder / name)
    write_table(table, folder / f"{name}.csv")
    return True


def _bins(panel: str, series: dict[str, pd.Series]) -> list[dict[str, object]]:
    """Both histograms over the same bins, from 0 to where all but one in a hundred lie."""
    top = max(float(np.percentile(values, 99)) for values in series.values())
    edges = np.linspace(0, top, BINS + 1)
    return [
        {
            "panel": panel,
            "series": name,
            "left": left,
            "right": right,
            "share": count / len(values),
            "n": len(values),
            "mean": values.mean(),
            "sd": values.std(),
        }
        for name, values in series.items()
        for left, right, count in zip(
            edges[:-1], edges[1:], np.histogram(values, edges)[0], strict=True
        )
    ]


def _draw_planes(run: StoredRun, planes: dict[int, StoredPlane], name: Path) -> None:
    """Draw the same window before and after training."""
    panels = {}
    tables = []
    for epoch, stored in planes.items():
        panels[f"epoch {epoch}: {stored.n_regions:,} regions"] = stored
        polygon = np.repeat(np.arange(len(stored)), np.diff(stored.offsets))
        corners = pd.DataFrame(stored.points[stored.corners], columns=["a", "b"])
        for column, numbers in (("class", stored.classes), ("region", stored.regions)):
            corners.insert(0, column, numbers[polygon])
        corners.insert(0, "polygon", polygon)
        corners.insert(0, "epoch", epoch)
        tables.append(corners)
    title = figures.TITLES.get(run.spec.dataset, run.spec.dataset)
    width = getattr(run.spec, "width", "-")
    text = f"the plane through three test images, colored by class; width {width}"
    marks = {"0": (0.0, 0.0), "1": (1.0, 0.0), "2": (0.0, 1.0)}
    figures.save(figures.planes(panels, marks, Caption(title, text, "", "")), name)
    write_table(pd.concat(tables), name.with_name(f"{name.name}.csv"), digits=4)


def _table_5(measured: MeasuredRuns, dataset: str, file: Path) -> bool:
    """Whether there were networks trained on random data."""
    table = measured.encoding
    if "inputs" not in table:
        return False
    here = (table["experiment"] == random_data.STUDY.directory) & (table["dataset"] == dataset)
    trained = table[here & (table["inputs"] == "uniform")]
    alike = [
        rows
        for protocol, rows in trained.groupby("protocol", sort=False)
        if are_alike(rows, ("width",), f"Table 5 of {dataset}, {protocol} protocol,")
    ]
    if not alike:
        return False
    trained = pd.concat(alike)
    keys = ["dataset", "protocol", "width", "epoch", "metric"]
    means = trained.groupby(keys)["value"].agg(["mean", "std", "count"]).reset_index()
    paper = results.paper_tables().query("table == 5").copy()
    paper["epoch"] = paper["model"].str.extract(r"epoch (\d+)").astype(int)
    paper["metric"] = paper["metric"].str.removeprefix("train_")
    theirs = paper.set_index(["epoch", "metric"])["value"] / 100
    if dataset == "mnist":
        theirs.name = "paper"
        means = means.join(theirs, on=["epoch", "metric"])
    write_table(means, file)
    return True


DRAWINGS = (
    *(
        Drawing(
            name=name,
            needs=f"diameters of width {', '.join(str(w) for w in {w: 0 for w, _ in panels})} at "
            f"epoch {EARLY} and a later one",
            draw=partial(draw_histograms, name),
        )
        for name, panels in HISTOGRAMS.items()
    ),
    Drawing(name="plane", needs="regions in a plane", draw=draw_planes),
    Drawing(name="table_5", needs="networks trained on random inputs", draw=write_table_5),
)
