"""Tidy tables of what runs hold. They read and never write, and need no Keras."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from tfhash.runs.layout import HISTORY_FILE
from tfhash.runs.plane import StoredPlane
from tfhash.runs.records import (
    DIAMETERS,
    LAYERS,
    PART_KEYS,
    PLANE,
    RECORDS,
    LayerRecord,
    Record,
    ResultsError,
    metric_and_split,
)
from tfhash.runs.store import StoredRun, stored_runs
from tfhash.runs.trouble import say_once
from tfhash.runs.writer import HISTORY_COLUMNS

TRAINING = "training"
STAGES = (TRAINING, *(record.stage for record in RECORDS))
CURVE_KEYS = ["dataset", "metric", "split", "x_name", "series", "x"]
_VALUES = ["stage", "epoch", "metric", "split", "value"]
# Columns that only some stages have, and that do not tell runs apart.
_FURTHER = [*PART_KEYS, "example"]


def load(
    root: str | os.PathLike[str], history: bool = True, stages: Collection[str] = STAGES
) -> pd.DataFrame:
    """Everything that the runs under `root` hold, in one tidy table.

    A file that cannot be read, or a run whose spec does not belong in its directory, is named once
    as a warning on standard error and left out.

    Parameters
    ----------
    root
        Folder of runs: `runs/`, or any folder in it.
    history
        Whether the training history, a row per epoch and metric, is wanted too.
    stages
        Leave out the others. The diameters alone can be a million rows.

    Returns
    -------
    pandas.DataFrame
        One row per number: a column for every single-valued field of the runs' specs (experiment,
        dataset, protocol, depth, width, repeat, ...), so that a new factor is a new column; then

        - stage: "training" (the history), "encoding" (properties of the whole code, and mean
          diameters), "layers" (properties of parts of the layers), "diameters" (every single one)
          or "plane" (its numbers of regions and polygons);
        - epoch: int; metric: "loss", "accuracy" (the network's own), "redundancy_ratio",
          "kmeans_accuracy", "knn_accuracy", "logistic_accuracy", and what else was measured; of
          parts of the layers "layer_redundancy_ratio" and so on; of every single diameter
          "example_diameter";
          split: "train" or "test" (or "random" inputs, or segments between the "same" class and
          "different" ones);
        - value: float. Ratios and accuracies are shares, 0 to 1;
        - where there are such stages, part, number, layers and n_bits as in `metrics.layer_wise`,
          and example, the number of the example that a diameter is at.

        The training stage's "train" numbers are means over an epoch's steps; the encoding stage
        measures the finished weights.

    Raises
    ------
    ResultsError
        There are no finished runs under `root`, or a stage is unknown.
    """
    unknown = sorted(set(stages) - set(STAGES))
    if unknown:
        raise ResultsError(f"Expected stages among {', '.join(STAGES)}. Received: {unknown}.")
    runs = stored_runs(root)
    if not runs:
        raise ResultsError(
            f"Expected finished runs under {root}. Received: none. Train some first, for example "
            "with `tfhash run layer_width`, or give the folder they are in."
        )
    filled = [table for run in runs for table in _tables_of(run, history, stages)]
    if not filled:
        filled = [_with_spec(runs[0], pd.DataFrame(columns=_VALUES))]
    # A width may not become 40.0 because runs of another kind have none.
    common = set.intersection(*(set(table.columns) for table in filled))
    filled = [t.astype({name: object for name in t.columns if name not in common}) for t in filled]
    table = pd.concat(filled, ignore_index=True)
    last = [name for name in (*_VALUES, *_FURTHER) if name in table]
    table = table[[*(name for name in table.columns if name not in last), *last]]
    return table.astype({"epoch": int, "value": float})


def load_layer_wise(root: str | os.PathLike[str]) -> pd.DataFrame:
    """What the layer-wise study measured under `root`; empty where it measured nothing.

    Returns
    -------
    pandas.DataFrame
        A row for each run, epoch and part of the layers: the fields of the run's spec, epoch, and
        the columns of `metrics.layer_wise`. Files that cannot be read are named and left out.
    """
    tables = [
        _with_spec(run, table)
        for run in stored_runs(root)
        for table in _readable(run, LAYERS)
        if len(table)
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def load_diameters(root: str | os.PathLike[str]) -> pd.DataFrame:
    """Every single diameter that was measured, in one tidy table.

    Returns
    -------
    pandas.DataFrame
        One row per diameter: the columns of the runs' specs, as in `load`; then epoch, split
        ("test" for the test examples, "random" for uniform random inputs) and value (L2, in
        pixels of range 0 to 1). Empty where none was measured. Files that cannot be read are named
        and left out.
    """
    tables = []
    for run in stored_runs(root):
        for epochs in _readable(run, DIAMETERS):
            for epoch, by_split in epochs.items():
                for split, values in by_split.items():
                    table = pd.DataFrame({"value": values}).assign(epoch=epoch, split=split)
                    tables.append(_with_spec(run, table))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def load_planes(
    root: str | os.PathLike[str],
) -> list[tuple[StoredRun, dict[int, StoredPlane]]]:
    """The planes that were measured under `root`: a run, and by epoch its plane."""
    found = []
    for run in stored_runs(root):
        for epochs in _readable(run, PLANE):
            planes = {epoch: StoredPlane.from_json(values) for epoch, values in epochs.items()}
            if planes:
                found.append((run, planes))
    return found


def last_epoch(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each run's last epoch that has any, without the column `epoch`.

    The epoch differs between runs where early stopping ended some of them sooner.
    """
    keys = run_columns(table)
    last = table.groupby(keys, dropna=False)["epoch"].transform("max")
    return table[table["epoch"] == last].drop(columns="epoch")


def run_columns(table: pd.DataFrame) -> list[str]:
    """Columns of `table` that say which run a row is of: those from its spec."""
    return [name for name in table.columns if name not in (*_VALUES, *_FURTHER)]


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean, standard deviation and number over repeats.

    Returns
    -------
    pandas.DataFrame
        The columns of `table` other than repeat and value; mean, std (over n - 1; NaN for one
        repeat) and n.
    """
    keys = [name for name in table.columns if name not in ("repeat", "value")]
    grouped = table.groupby(keys, dropna=False, sort=False)["value"]
    return grouped.agg(mean="mean", std="std", n="count").reset_index()


def curves(summary: pd.DataFrame, x_name: str, series_name: str | None = None) -> pd.DataFrame:
    """A summary in the shape of the paper's curves.

    Parameters
    ----------
    summary
        What `summary` gave.
    x_name
        Column that is drawn along the x axis, as "width".
    series_name
        Column that tells several curves of one metric apart, as "width"; its values become
        series such as "width=40".

    Returns
    -------
    pandas.DataFrame
        Columns dataset, metric, split, x_name, series ("" for none), x, mean, std, n.
    """
    series = "" if series_name is None else series_name + "=" + summary[series_name].astype(str)
    table = summary.assign(x_name=x_name, series=series, x=summary[x_name])
    return table[[*CURVE_KEYS, "mean", "std", "n"]].sort_values(CURVE_KEYS, ignore_index=True)


def _tables_of(run: StoredRun, history: bool, stages: Collection[str]) -> Iterator[pd.DataFrame]:
    """The tidy table of each stage of one run that has rows."""
    read = [(HISTORY_FILE, _history)] if history and TRAINING in stages else []
    read += [(record.file, record.rows) for record in RECORDS if record.stage in stages]
    for file, rows in read:
        try:
            table = rows(run.path)
        except ResultsError as error:
            say_once(run.path / file, f"left out. {error}")
        else:
            if len(table):
                yield _with_spec(run, table)


def _readable(run: StoredRun, record: Record | LayerRecord) -> Iterator[Any]:
    """What a record of a run holds, once; nothing, and a warning, where it cannot be read."""
    try:
        yield record.read(run.path)
    except ResultsError as error:
        say_once(run.path / record.file, f"left out. {error}")


def _with_spec(run: StoredRun, table: pd.DataFrame) -> pd.DataFrame:
    """`table`, with a column for every single-valued field of the run's spec in front."""
    spec = {k: v for k, v in run.spec.to_json().items() if not isinstance(v, list)}
    # At once: pandas takes longer to insert so many columns one by one than to read the run.
    return pd.concat([pd.DataFrame(spec, index=table.index), table], axis=1)


def _history(run: Path) -> pd.DataFrame:
    """Tidy rows of the training history.

    Raises
    ------
    ResultsError
        The file is not what training writes.
    """
    file = run / HISTORY_FILE
    try:
        if not file.is_file():
            raise OSError("no such file")
        table = pd.read_csv(file)[list(HISTORY_COLUMNS)].astype(float)
        table["epoch"] = table["epoch"].astype("int64")
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise ResultsError(
            f"Expected a training history ({', '.join(HISTORY_COLUMNS)}) in {file}. "
            f"Received: {error}."
        ) from error
    untested = table.loc[table["test_accuracy"].isna(), "epoch"]
    long = table.melt("epoch", var_name="property")
    long = long[~(long["epoch"].isin(untested) & long["property"].str.startswith("test_"))]
    pairs = [metric_and_split(name) for name in long.pop("property")]
    metrics, splits = ([pair[i] for pair in pairs] for i in (0, 1))
    return long.assign(metric=metrics, split=splits, stage=TRAINING)
