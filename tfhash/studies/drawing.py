"""Drawing every figure that the results at hand allow, and saying what was left out and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tfhash import figures, results
from tfhash.errors import InputError
from tfhash.figures import Caption, FigureKind
from tfhash.files import write_text
from tfhash.runs import RECIPES, Recipe, stored_runs
from tfhash.studies import (
    drawing_cnn,
    drawing_geometry,
    drawing_layers,
    drawing_phases,
    drawing_representations,
    drawing_shifts,
)

# What is no curve: from the folder of runs, datasets and the folder of figures to files written.
DRAWERS = (
    drawing_geometry.draw,
    drawing_layers.draw,
    drawing_cnn.draw,
    drawing_phases.draw,
    drawing_shifts.draw,
    drawing_representations.draw,
)


@dataclass(frozen=True, kw_only=True)
class DrawOptions:
    """Where runs are read from, and where figures go: figures/ beside the runs if None.

    The figures/ of a checkout are the project's own results: they are named to be drawn again.
    """

    load_path: Path
    figures_path: Path | None = None


OPTIONS = DrawOptions


def run(options: DrawOptions) -> None:
    """Draw what there are results for."""
    draw(options.load_path, options.figures_path or options.load_path / "figures")


def draw(
    path: Path,
    figures_path: Path,
    datasets: Collection[str] | None = None,
    experiments: Collection[str] | None = None,
) -> None:
    """Draw what there are results for, each figure with the table behind it.

    Parameters
    ----------
    path
        Folder of the runs.
    figures_path
        Where NAME.png, NAME.svg and NAME.csv are written for each figure, and `deviations.csv`.
    datasets, experiments
        Leave out the others; None for all. Figures that are no curves are drawn with all
        experiments only.

    Raises
    ------
    InputError
        There are no results, or the figures' folder cannot be written.
    """
    table = results.load(path, history=False, stages=("encoding",))
    if datasets is not None:
        table = table[table["dataset"].isin(datasets)]
    try:
        figures_path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Expected a folder that can be written at {figures_path}. Received: {error.strerror}."
        ) from error
    left_out: list[str] = []
    # By experiment without runs, and the script that makes them, its figures.
    missing: dict[tuple[str, str | None], list[str]] = {}
    deviations = []
    n_drawn = 0
    for kind in figures.FIGURES:
        if experiments is not None and kind.experiment not in experiments:
            continue
        if kind.datasets and not any(kind.shows(name) for name in set(table["dataset"])):
            continue
        rows = _rows_of(kind, table)
        if rows.empty and kind.experiment in set(table["experiment"]):
            measured = " or ".join(dict.fromkeys(metric for metric, _ in kind.curves))
            measured_by = kind.script or f"run_{kind.experiment}_encoding_properties.py"
            left_out.append(f"{kind.name}: no {measured} under {path}; {measured_by} measures it.")
        elif rows.empty:
            missing.setdefault((kind.experiment, kind.script), []).append(kind.name)
        for name, group in _settings(kind, rows):
            apart = _draw_one(kind, name, group, figures_path)
            if len(apart):
                deviations.append(apart)
            print(f"Drew {figures_path / name}.png (and .svg, and the table behind it, .csv)")
            n_drawn += 1
            drawn = set(zip(group["metric"], group["split"], strict=True))
            left_out += [
                f"of {name}: {metric} ({split}) is not measured"
                for metric, split in kind.curves
                if (metric, split) not in drawn
            ]
    for (experiment, script), names in missing.items():
        makers = (
            f"{script} makes them"
            if script
            else f"run_{experiment}_train_mlp.py and then "
            f"run_{experiment}_encoding_properties.py make them"
        )
        left_out.append(f"{', '.join(names)}: no {experiment} runs under {path}; {makers}.")
    if experiments is None:
        # A run may have nothing in `table`, and layers or planes all the same.
        there = {run.spec.dataset for run in stored_runs(path)}
        found = there if datasets is None else there & set(datasets)
        for drawer in DRAWERS:
            for name in drawer(path, found, figures_path):
                print(f"Drew {figures_path / name} (and the table behind it, .csv)")
                n_drawn += 1
    for reason in left_out:
        print(f"Left out {reason}")
    _report(pd.concat(deviations) if deviations else pd.DataFrame(), figures_path)
    print(f"{n_drawn} figure{' is' if n_drawn == 1 else 's are'} in {figures_path}", flush=True)


def _rows_of(kind: FigureKind, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `table` that `kind` draws, of each run's last measured epoch."""
    wanted = pd.MultiIndex.from_frame(table[["metric", "split"]]).isin(list(kind.curves))
    encoded = (table["stage"] == "encoding") & (table["experiment"] == kind.experiment)
    if kind.datasets:
        encoded &= table["dataset"].map(kind.shows).astype(bool)
    rows = table[encoded & wanted]
    # The network's own accuracy comes with every measurement and makes no figure by itself.
    if set(rows["metric"]) <= {"accuracy"}:
        return rows.iloc[:0]
    return rows if kind.x_name == "epoch" else results.last_epoch(rows)


def _settings(kind: FigureKind, rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Rows that belong in one figure, with its name: runs that differ in what it shows alone.

    The name is that of the figure and the dataset, then whatever else tells two figures apart.
    """
    varied = {"repeat", kind.x_name, kind.series_name}
    settings = [
        name
        for name in results.run_columns(rows)
        if name not in varied and rows[name].notna().any()  # not those of other kinds of runs
    ]
    for dataset, of_dataset in rows.groupby("dataset", sort=False):
        groups = [group for _, group in of_dataset.groupby(settings, dropna=False, sort=False)]
        names = [f"{kind.name}_{dataset}"] * len(groups)
        for setting in settings:
            values = [group[setting].iloc[0] for group in groups]
            if len(set(names)) < len(names) and len(set(values)) > 1:
                names = [f"{n}_{setting}={v}" for n, v in zip(names, values, strict=True)]
        yield from zip(names, groups, strict=True)


def _draw_one(kind: FigureKind, name: str, rows: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Draw and write one figure and its table; how far it is from the paper's curves."""
    run = rows.iloc[0]
    ours = results.curves(results.summary(rows), kind.x_name, kind.series_name)
    recipe = RECIPES.get(("paper", run["dataset"]))
    paper = results.paper_curves()
    paper = paper[(paper["figure"] == kind.paper) & (paper["dataset"] == run["dataset"])]
    if recipe is None or run["depth"] != recipe.depth:
        paper = paper.iloc[:0]
    caption = _caption(run, ours, recipe)
    figures.save(kind.draw(ours, paper, caption), folder / name)
    theirs = paper.rename(columns={"y": "paper", "uncertainty": "paper_uncertainty"})
    theirs = theirs.drop(columns=["figure", "reading"])
    behind = ours.merge(theirs, how="left").round(6)
    write_text(folder / f"{name}.csv", behind.to_csv(index=False, lineterminator="\n"))
    deviations = results.deviations(ours, paper)
    deviations.insert(0, "figure", name)
    return deviations


def _caption(run: pd.Series, ours: pd.DataFrame, recipe: Recipe | None) -> Caption:
    low, high = ours["n"].min(), ours["n"].max()
    repeats = str(low) if low == high else f"{low} to {high}"
    spread = f", mean ± sd of {repeats} repeats" if high > 1 else ", 1 repeat"
    return Caption(
        title=figures.TITLES.get(run["dataset"], run["dataset"]),
        subtitle=f"{run['depth']} hidden layer{'s' if run['depth'] > 1 else ''}, "
        f"{run['protocol']} protocol",
        ours=f"tfhash: {run['epochs']:,} epochs{spread}",
        paper=f"paper: {recipe.epochs:,} epochs, {recipe.repeats} repeats" if recipe else "",
    )


def _report(deviations: pd.DataFrame, folder: Path) -> None:
    """Print how far our curves are from the paper's, and keep the table."""
    if deviations.empty:
        return
    deviations = deviations.drop(columns="series") if not any(deviations["series"]) else deviations
    write_text(
        folder / "deviations.csv",
        deviations.round(6).to_csv(index=False, lineterminator="\n"),
    )
    print("\nAbsolute differences from the paper's curves, at the points that both have:")
    print(deviations.to_string(index=False, float_format="{:.3f}".format))
    print(f"(also in {folder / 'deviations.csv'})\n")
