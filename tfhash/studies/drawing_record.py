"""What a figure or table is that is no curve of `figures.FIGURES`: its name, and what draws it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfhash import results
from tfhash.files import write_text
from tfhash.runs.trouble import log

if TYPE_CHECKING:
    import pandas as pd

    from tfhash.studies.definition import Study


Draw = Callable[[Path, Collection[str], Path], Mapping[str, Sequence[str]]]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure that is no curve, or a table.

    Attributes
    ----------
    name : str
        Beginning of its files' names, and its name in `Study.figures`.
    needs : str
        What has to be measured for it, as the message says where it is left out.
    draw : callable
        From the folder of runs, datasets and the folder of figures to the names of the files
        written, by dataset; a dataset that has not what is needed is left out.
    """

    name: str
    needs: str
    draw: Draw


def last_epochs(
    path: Path, study: Study, datasets: Collection[str], varied: Collection[str]
) -> dict[str, pd.DataFrame]:
    """By dataset, what was measured of a study's networks at their last epoch.

    A dataset whose networks are not `are_alike` is left out.
    """
    table = results.load(path, history=False, stages=("encoding",))
    table = table[(table["experiment"] == study.directory) & table["dataset"].isin(datasets)]
    return {
        str(name): results.last_epoch(rows)
        for name, rows in table.groupby("dataset")
        if are_alike(rows, varied, f"{study.name} of {name}")
    }


def are_alike(rows: pd.DataFrame, varied: Collection[str], what: str) -> bool:
    """Whether networks of one dataset differ in `varied` and their repeat alone.

    Otherwise a warning says that `what` is left out: a mean would be of networks of several kinds.
    """
    fixed = [name for name in results.run_columns(rows) if name not in {*varied, "repeat"}]
    mixed = [name for name in fixed if rows[name].nunique(dropna=False) > 1]
    for name in mixed:
        values = ", ".join(map(str, rows[name].unique()))
        log.warning(
            "%s is left out. Expected networks that have one %s. Received: %s. Keep those of each "
            "in a folder of their own (--save_path, --load_path).",
            *(what, name, values),
        )
    return not mixed


def write_table(table: pd.DataFrame, file: Path, digits: int = 6) -> None:
    """Write a table as .csv, its numbers rounded."""
    write_text(file, table.round(digits).to_csv(index=False, lineterminator="\n"))
