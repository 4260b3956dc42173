"""Figures 2 and 3 of the second paper: regularizers on inputs of few and many factors."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path

import pandas as pd

from tfhash import figures
from tfhash.runs.representation import TITLES
from tfhash.studies.drawing_record import (
    Drawing,
    MeasuredRuns,
    how_trained,
    overridden,
    write_table,
)
from tfhash.studies.representation_factors import STUDY

_VARIED = ("n_factors", "regularizer", "regularizer_weight", "regularizer_normalized")
# By figure, the regularizer and the characteristic that is its target.
FIGURES = {
    "representations_figure_2": ("l1r", "sparsity"),
    "representations_figure_3": ("rr", "stable_rank"),
}


def draw(
    name: str, measured: MeasuredRuns, datasets: Collection[str], figures_path: Path
) -> dict[str, list[str]]:
    """Draw one of `FIGURES` for each dataset: the target and the accuracy against the weight."""
    regularizer, target = FIGURES[name]
    files = {}
    for dataset, rows in measured.last_epochs(STUDY, datasets, _VARIED).items():
        table = curves(rows, regularizer, target)
        if table.empty:
            continue
        run = rows.iloc[0]
        repeats = rows["repeat"].nunique()
        trained = how_trained(run["depth"], run["width"], run["sample_size"], run["epochs"])
        trained += overridden(run)
        caption = figures.Caption(
            title=figures.TITLES.get(dataset, dataset),
            subtitle=f"{TITLES[regularizer]}, {trained}, "
            + (f"mean ± sd of {repeats} repeats" if repeats > 1 else "1 repeat"),
            ours="",
            paper="",
        )
        file = f"{name}_{dataset}"
        figures.save(figures.by_weight(table, (target, "accuracy"), caption), figures_path / file)
        write_table(table, figures_path / f"{file}.csv")
        files[dataset] = [f"{file}.png"]
    return files


def curves(rows: pd.DataFrame, regularizer: str, target: str) -> pd.DataFrame:
    """Means over repeats, by number of factors and loss weight.

    Parameters
    ----------
    rows
        Of `last_epochs`, of one dataset.
    regularizer, target
        The regularizer whose networks are wanted, those without one being weight 0; and the
        characteristic of the last hidden layer beside the accuracy, both on the test set.

    Returns
    -------
    pandas.DataFrame
        A row a metric, number of factors and weight: metric, n_factors, weight, mean, std (NaN for
        one repeat), n. NaN, of a training that has diverged, is left out of a mean.
    """
    of_test = (rows["split"] == "test") & rows["metric"].isin([target, "accuracy"])
    wanted = rows[of_test & rows["regularizer"].isin(["none", regularizer])]
    if regularizer not in set(wanted["regularizer"]):
        return wanted.iloc[:0]
    wanted = wanted.rename(columns={"regularizer_weight": "weight"})
    keys = ["metric", "n_factors", "weight"]
    means = wanted.groupby(keys, observed=True)["value"].agg(["mean", "std", "count"])
    table = means.rename(columns={"count": "n"}).reset_index()
    return table.astype({"metric": str, "n_factors": int})


DRAWINGS = tuple(
    Drawing(
        name=name,
        needs=f"characteristics of networks with {regularizer} on inputs of known factors",
        draw=partial(draw, name),
    )
    for name, (regularizer, _) in FIGURES.items()
)
