"""Figures of curves: ours and the paper's, and how far apart they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from tfhash import figures, results
from tfhash.figures import Caption, FigureKind
from tfhash.runs import RECIPES, Recipe
from tfhash.studies.drawing_record import overridden, write_table


def draw(
    kind: FigureKind,
    table: pd.DataFrame,
    datasets: Sequence[str],
    folder: Path,
    deviations: list[pd.DataFrame],
    left_out: list[str],
) -> dict[str, list[str]]:
    """Draw a figure of curves; the files by dataset. Adds to `deviations` and `left_out`."""
    rows = _rows_of(kind, table[table["dataset"].isin(datasets)])
    files: dict[str, list[str]] = {}
    for name, group in _settings(kind, rows):
        # Some runs may have stopped early, or be measured in part.
        last = table.loc[group.index, "epoch"]
        epochs = [last.max()] if kind.x_name == "epoch" else sorted(set(last))
        apart = _draw_one(kind, name, group, epochs, folder)
        if len(apart):
            deviations.append(apart)
        files.setdefault(str(group["dataset"].iloc[0]), []).append(f"{name}.png")
        drawn = set(zip(group["metric"], group["split"], strict=True))
        left_out += [
            f"of {name}: {metric} ({split}) is not measured"
            for metric, split in kind.curves
            if (metric, split) not in drawn
        ]
    return files


def _rows_of(kind: FigureKind, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `table` that `kind` draws, of each run's last measured epoch."""
    wanted = pd.MultiIndex.from_frame(table[["metric", "split"]]).isin(list(kind.curves))
    encoded = (table["stage"] == "encoding") & (table["experiment"] == kind.experiment)
    rows = table[encoded & wanted]
    # The network's own accuracy comes with every measurement and makes no figure by itself.
    if set(rows["metric"]) <= {"accuracy"}:
        return rows.iloc[:0]
    return rows if kind.x_name == "epoch" else results.last_epoch(rows)


def _settings(kind: FigureKind, rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The name and the rows of each figure: runs that differ only in what the figure shows.

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


def _draw_one(
    kind: FigureKind, name: str, rows: pd.DataFrame, epochs: Sequence[int], folder: Path
) -> pd.DataFrame:
    """Draw and write one figure and its table; how far it is from the paper's curves."""
    run = rows.iloc[0]
    ours = results.curves(results.summary(rows), kind.x_name, kind.series_name)
    recipe = RECIPES.get(("paper", run["dataset"]))
    paper = results.paper_curves()
    paper = paper[(paper["figure"] == kind.paper) & (paper["dataset"] == run["dataset"])]
    if recipe is None or run["depth"] != recipe.depth:
        paper = paper.iloc[:0]
    caption = _caption(run, epochs, ours, recipe)
    figures.save(kind.draw(ours, paper, caption), folder / name)
    theirs = paper.rename(columns={"y": "paper", "uncertainty": "paper_uncertainty"})
    theirs = theirs.drop(columns=["figure", "reading"])
    behind = ours.merge(theirs, how="left")
    write_table(behind, folder / f"{name}.csv")
    deviations = results.deviations(ours, paper)
    deviations.insert(0, "figure", name)
    return deviations


def _caption(
    run: pd.Series, epochs: Sequence[int], ours: pd.DataFrame, recipe: Recipe | None
) -> Caption:
    length = f"{epochs[0]:,}" if len(epochs) == 1 else f"{epochs[0]:,} to {epochs[-1]:,}"
    low, high = ours["n"].min(), ours["n"].max()
    repeats = str(low) if low == high else f"{low} to {high}"
    spread = f", mean ± sd of {repeats} repeats" if high > 1 else ", 1 repeat"
    return Caption(
        title=figures.TITLES.get(run["dataset"], run["dataset"]),
        subtitle=f"{run['depth']} hidden layer{'s' if run['depth'] > 1 else ''}, "
        f"{run['protocol']} protocol{overridden(run)}",
        ours=f"tfhash: {length} epochs{spread}",
        paper=f"paper: {recipe.epochs:,} epochs, {recipe.repeats} repeats" if recipe else "",
    )


def report(deviations: pd.DataFrame, folder: Path, is_all: bool) -> None:
    """Print how far our curves are from the paper's, and keep the table.

    Where not all figures were drawn, the table keeps what it says of the others.
    """
    if deviations.empty:
        return
    file = folder / "deviations.csv"
    kept = deviations
    if not is_all and file.is_file():
        before = pd.read_csv(file)
        kept = pd.concat([before[~before["figure"].isin(deviations["figure"])], deviations])
    write_table(_without_empty_series(kept), file)
    deviations = _without_empty_series(deviations)
    print("\nAbsolute differences from the paper's curves, at the points that both have:")
    print(deviations.to_string(index=False, float_format="{:.3f}".format))
    print(f"(also in {file})\n")


def _without_empty_series(deviations: pd.DataFrame) -> pd.DataFrame:
    named = deviations.get("series", pd.Series(dtype=str)).fillna("")
    return deviations if any(named) else deviations.drop(columns="series", errors="ignore")
