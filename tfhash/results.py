"""Results: what run directories hold, as one tidy table, and the paper's numbers beside it.

This module knows how a run directory is laid out; it reads and never writes one, and needs
neither Keras nor TensorFlow.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from tfhash.errors import InputError

SPEC_FILE = "spec.json"
HISTORY_FILE = "history.csv"
PROPERTIES_FILE = "properties.json"
LAYER_WISE_FILE = "layer_wise.csv"
DIAMETERS_FILE = "diameters.json"
PLANE_FILE = "plane.json"
HISTORY_COLUMNS = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy")
# Properties whose name does not say on which set they are measured.
_SPLITS = {"knn_accuracy": "test", "logistic_accuracy": "test"}
_VALUES = ["stage", "epoch", "metric", "split", "value"]
_CURVE_KEYS = ["dataset", "metric", "split", "x_name", "series", "x"]


class ResultsError(InputError):
    """A file of results that cannot be read."""


def checkpoint_file(epoch: int) -> str:
    """Name of the checkpoint of `epoch` in a run directory."""
    return f"epoch={epoch:04d}.keras"


def checkpoints(run: Path) -> dict[int, Path]:
    """Checkpoints of one run, by epoch, in order."""
    found = {int(p.stem.removeprefix("epoch=")): p for p in run.glob("epoch=*.keras")}
    return dict(sorted(found.items()))


def find_runs(root: str | os.PathLike[str]) -> list[Path]:
    """Directories of all finished runs under `root`, in order of their names."""
    found = []
    for folder, inner, files in os.walk(Path(root).expanduser()):
        # Hidden folders are runs in the making, or set aside.
        inner[:] = [name for name in inner if not name.startswith(".")]
        if SPEC_FILE in files:
            found.append(Path(folder))
    return sorted(found, key=_natural)


def read_properties(run: Path) -> dict[int, dict[str, float]]:
    """Encoding properties of one run, {epoch: {property: value}}; empty where there are none.

    Raises
    ------
    ResultsError
        The file is not what the encoding stage writes.
    """
    return read_epochs(run / PROPERTIES_FILE)


def read_epochs(file: Path) -> dict[int, dict[str, Any]]:
    """What a file of a run holds by epoch, {epoch: {name: value}}; empty where it is not there.

    Raises
    ------
    ResultsError
        The file is not what a measuring stage writes.
    """
    if not file.is_file():
        return {}
    content = _read_json(file)
    try:
        return {int(epoch): dict(values) for epoch, values in content["epochs"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ResultsError(
            f'Expected {{"epochs": {{epoch: {{name: value}}}}}} in {file}. Received something '
            f"else ({error!r}). Remove the file and measure the run again."
        ) from error


def load(root: str | os.PathLike[str], history: bool = True) -> pd.DataFrame:
    """Everything that the runs under `root` hold, in one tidy table.

    Parameters
    ----------
    root
        Folder of runs: `runs/`, or any folder in it.
    history
        Whether the training history, a row per epoch and metric, is wanted too.

    Returns
    -------
    pandas.DataFrame
        One row per number: a column for every single-valued field of the runs' specs (experiment,
        dataset, protocol, depth, width, repeat, ...), so that a new factor is a new column; then

        - stage: "training" (from `history.csv`) or "encoding" (from `properties.json`);
        - epoch: int; metric: "loss", "accuracy" (the network's own), "redundancy_ratio",
          "kmeans_accuracy", "knn_accuracy", "logistic_accuracy", and what else was measured;
          split: "train" or "test" (or "random" inputs, or segments between the "same" class and
          "different" ones);
        - value: float. Ratios and accuracies are shares, 0 to 1.

        The training stage's "train" numbers are means over an epoch's steps; the encoding stage
        measures the finished weights.

    Raises
    ------
    ResultsError
        There are no finished runs under `root`, or a file of one cannot be read.
    """
    runs = find_runs(root)
    if not runs:
        raise ResultsError(
            f"Expected finished runs under {root}. Received: none. Train some first "
            f"(run_layer_width_train_mlp.py), or name their folder with --load_path."
        )
    tables = []
    for run in runs:
        rows = list(_properties(run))
        if history:
            rows += _history(run)
        tables.append(_with_spec(run, pd.DataFrame(rows, columns=_VALUES)))
    # Filled tables only: pandas would let empty ones decide column types.
    filled = [table for table in tables if len(table)] or tables[:1]
    # Nor may a width become 40.0 because runs of another kind have none.
    common = set.intersection(*(set(table.columns) for table in filled))
    filled = [t.astype({name: object for name in t.columns if name not in common}) for t in filled]
    table = pd.concat(filled, ignore_index=True)
    # A field that no run uses, or that was added later, is "without it" and not a number.
    return table.astype({"epoch": int, "value": float})


def load_layer_wise(root: str | os.PathLike[str]) -> pd.DataFrame:
    """What the layer-wise experiment measured under `root`; empty where it measured nothing.

    Returns
    -------
    pandas.DataFrame
        A row for each run, epoch and part of the layers: the fields of the run's spec, epoch, and
        the columns of `metrics.layer_wise`.
    """
    tables = []
    for run in find_runs(root):
        file = run / LAYER_WISE_FILE
        if file.is_file():
            try:
                tables.append(_with_spec(run, pd.read_csv(file)))
            except ValueError as error:
                raise ResultsError(
                    f"Expected a table of layer-wise properties in {file}. Received: {error}."
                ) from error
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def load_diameters(root: str | os.PathLike[str]) -> pd.DataFrame:
    """Every single diameter that was measured, in one tidy table.

    Returns
    -------
    pandas.DataFrame
        One row per diameter: the columns of the runs' specs, as in `load`; then epoch, split
        ("test" for the test examples, "random" for uniform random inputs) and value (L2, in
        pixels of range 0 to 1). Empty where none was measured.
    """
    tables = []
    for run in find_runs(root):
        for epoch, by_split in read_epochs(run / DIAMETERS_FILE).items():
            for split, values in by_split.items():
                table = pd.DataFrame({"value": values}).assign(epoch=epoch, split=split)
                tables.append(_with_spec(run, table))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def last_epoch(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each run's last epoch that has any, without the column `epoch`.

    The epoch differs between runs where early stopping ended some of them sooner.
    """
    keys = run_columns(table)
    last = table.groupby(keys, dropna=False)["epoch"].transform("max")
    return table[table["epoch"] == last].drop(columns="epoch")


def run_columns(table: pd.DataFrame) -> list[str]:
    """Columns of `table` that say which run a row is of: those from its spec."""
    return [name for name in table.columns if name not in _VALUES]


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
    return table[[*_CURVE_KEYS, "mean", "std", "n"]].sort_values(_CURVE_KEYS, ignore_index=True)


def paper_curves() -> pd.DataFrame:
    """The paper's curves, read off Figures 2a, 2b, 3, 4, 8 and 9.

    Returns
    -------
    pandas.DataFrame
        Columns figure, dataset, metric, split, x_name, series ("" for none), x, y, uncertainty
        (about a 95% reading error of y) and reading (whether the curve was covered by another).
        The network's own accuracy is the metric "accuracy", as in `load`.
    """
    table = _packaged("paper_curves.csv")
    table["metric"] = table["metric"].replace({"test_accuracy": "accuracy"})
    table["series"] = table["series"].fillna("")
    return table


def paper_tables() -> pd.DataFrame:
    """The paper's Tables 1, 2 and 5: columns source, table, dataset, model, metric, value, unit."""
    return _packaged("paper_tables.csv")


def deviations(ours: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """How far our curves are from the paper's, at the points that both have.

    Parameters
    ----------
    ours
        What `curves` gave.
    paper
        Rows of `paper_curves`, of one figure.

    Returns
    -------
    pandas.DataFrame
        One row per curve: dataset, metric, split, series, points, mean_difference and
        largest_difference (absolute, in the metric's own unit), largest_at (the x of the largest).
    """
    both = ours.merge(paper, on=_CURVE_KEYS, validate="one_to_one")
    both["difference"] = (both["mean"] - both["y"]).abs()
    rows = []
    for keys, curve in both.groupby(["dataset", "metric", "split", "series"]):
        worst = curve.loc[curve["difference"].idxmax()]
        rows.append(
            (*keys, len(curve), curve["difference"].mean(), worst["difference"], worst["x"])
        )
    return pd.DataFrame(
        rows,
        columns=[
            *("dataset", "metric", "split", "series", "points"),
            *("mean_difference", "largest_difference", "largest_at"),
        ],
    )


def _with_spec(run: Path, table: pd.DataFrame) -> pd.DataFrame:
    """`table`, with a column for every single-valued field of the run's spec in front."""
    spec = {k: v for k, v in _read_json(run / SPEC_FILE).items() if not isinstance(v, list)}
    for at, (name, value) in enumerate(spec.items()):
        table.insert(at, name, value)
    return table


def _properties(run: Path) -> Iterator[tuple[Any, ...]]:
    for epoch, values in read_properties(run).items():
        for name, value in values.items():
            yield "encoding", epoch, *_metric_and_split(name), value


def _history(run: Path) -> Iterator[tuple[Any, ...]]:
    file = run / HISTORY_FILE
    try:
        table = pd.read_csv(file)[list(HISTORY_COLUMNS)]
    except (OSError, ValueError, KeyError) as error:
        raise ResultsError(
            f"Expected a training history ({', '.join(HISTORY_COLUMNS)}) in {file}. "
            f"Received: {error}."
        ) from error
    for name in HISTORY_COLUMNS[1:]:
        metric, split = _metric_and_split(name)
        for epoch, value in zip(table["epoch"], table[name], strict=True):
            yield "training", epoch, metric, split, value


def _metric_and_split(name: str) -> tuple[str, str]:
    if name in _SPLITS:
        return name, _SPLITS[name]
    split, _, metric = name.partition("_")
    return metric, split


def _natural(path: Path) -> list[tuple[str, int]]:
    """Sorts width=7 before width=10."""
    return [
        (part.rstrip("0123456789"), int(part[len(part.rstrip("0123456789")) :] or 0))
        for part in path.parts
    ]


def _packaged(name: str) -> pd.DataFrame:
    with resources.as_file(resources.files("tfhash") / "data" / name) as file:
        return pd.read_csv(file)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsError(f"Expected JSON in {file}. Received: {error}.") from error
    if not isinstance(content, dict):
        raise ResultsError(f"Expected a JSON object in {file}. Received: {type(content).__name__}.")
    return content
