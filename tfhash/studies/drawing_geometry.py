"""Figures of the geometry that are no curves: histograms of diameters, planes, Table 5."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from tfhash import figures, results
from tfhash.figures import Caption
from tfhash.files import write_text
from tfhash.runs import StoredRun
from tfhash.runs.plane import StoredPlane
from tfhash.studies import random_data

BINS = 25
EARLY = 10  # the epoch that the last one is compared with, as in the paper
# By figure, its panels: (width, what is compared).
HISTOGRAMS = {
    "figure_2d": ((50, "epoch"),),
    "figure_2e": ((50, "inputs"),),
    "figure_7": ((60, "epoch"), (60, "inputs"), (70, "epoch"), (70, "inputs")),
}


def draw(path: Path, datasets: Collection[str], figures_path: Path) -> list[str]:
    """Draw what there is, each with the table behind it; the names of the files."""
    drawn = []
    lengths = results.load_diameters(path)
    planes = results.load_planes(path)
    for dataset in sorted(datasets):
        here = lengths[lengths["dataset"] == dataset] if len(lengths) else lengths
        for name, panels in HISTOGRAMS.items():
            if len(here) and _draw_histograms(f"{name}_{dataset}", panels, here, figures_path):
                drawn.append(f"{name}_{dataset}.png")
        for run, by_epoch in planes:
            if run.spec.dataset == dataset:
                _draw_planes(run, by_epoch, figures_path / f"plane_{dataset}")
                drawn.append(f"plane_{dataset}.png")
                break
        if _table_5(path, dataset, figures_path / f"table_5_{dataset}.csv"):
            drawn.append(f"table_5_{dataset}.csv")
    return drawn


def _draw_histograms(
    name: str, panels: tuple[tuple[int, str], ...], lengths: pd.DataFrame, folder: Path
) -> bool:
    """Whether there were diameters of all panels to draw."""
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
    protocol = lengths["protocol"].iloc[0]
    title = figures.TITLES.get(lengths["dataset"].iloc[0], lengths["dataset"].iloc[0])
    caption = Caption(title, f"stochastic activation diameters, {protocol} protocol", "", "")
    figures.save(figures.diameter_histograms(table, caption), folder / name)
    _write(table.round(6), folder / f"{name}.csv")
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
    _write(pd.concat(tables).round(4), name.with_name(f"{name.name}.csv"))


def _table_5(path: Path, dataset: str, file: Path) -> bool:
    """Whether there were networks trained on random data."""
    table = results.load(path, history=False, stages=("encoding",))
    if "inputs" not in table:
        return False
    here = (table["experiment"] == random_data.STUDY.directory) & (table["dataset"] == dataset)
    trained = table[here & (table["inputs"] == "uniform")]
    if trained.empty:
        return False
    keys = ["dataset", "protocol", "width", "epoch", "metric"]
    means = trained.groupby(keys)["value"].agg(["mean", "std", "count"]).reset_index()
    paper = results.paper_tables().query("table == 5").copy()
    paper["epoch"] = paper["model"].str.extract(r"epoch (\d+)").astype(int)
    paper["metric"] = paper["metric"].str.removeprefix("train_")
    theirs = paper.set_index(["epoch", "metric"])["value"] / 100
    if dataset == "mnist":
        theirs.name = "paper"
        means = means.join(theirs, on=["epoch", "metric"])
    _write(means.round(6), file)
    return True


def _write(table: pd.DataFrame, file: Path) -> None:
    write_text(file, table.to_csv(index=False, lineterminator="\n"))
