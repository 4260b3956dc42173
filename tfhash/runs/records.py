"""What was measured of a run, by epoch: one file for each kind of record.

Measures hand values in; tables take tidy rows out. Only this module reads and writes these files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfhash.errors import InputError, plain
from tfhash.files import write_json, write_text
from tfhash.properties import ENCODING_PROPERTIES
from tfhash.runs.layout import (
    DIAMETERS_FILE,
    LAYER_WISE_FILE,
    PLANE_FILE,
    PROPERTIES_FILE,
    set_file_aside,
)
from tfhash.runs.plane import StoredPlane

if TYPE_CHECKING:
    import pandas as pd

# Properties whose name does not say on which set they are measured.
_SPLITS = {one.name: one.split for one in ENCODING_PROPERTIES.values() if not one.is_of_both_sets}
_EPOCH = re.compile(r"\d{1,9}")
# Columns of a layer-wise table that say which row is which.
PART_KEYS = ("part", "number", "layers", "n_bits")


class ResultsError(InputError):
    """A file of results that cannot be read."""


@dataclass(frozen=True)
class Record:
    """A JSON file of a run, {"epochs": {epoch: {name: value}}}.

    Attributes
    ----------
    stage : str
        What its rows are called in the column `stage` of tables.
    file : str
        Name of the file.
    check : callable
        From the values of one epoch to what is wrong with them, or "".
    tidy : callable
        From the values of one epoch to tidy rows: dicts of metric, split, value, and more.
    """

    stage: str
    file: str
    check: Callable[[Mapping[str, Any]], str]
    tidy: Callable[[Mapping[str, Any]], Iterator[dict[str, Any]]]

    def read(self, run: Path) -> dict[int, dict[str, Any]]:
        """The values of every epoch; empty where nothing is measured.

        Raises
        ------
        ResultsError
            The file is not what measuring writes.
        """
        return _read_epochs(run / self.file, self.check)

    def has(self, run: Path, epoch: int, columns: Sequence[str]) -> bool:
        """Whether all of `columns` are there at `epoch`. Needs the run's lock: see `_known`."""
        return set(columns) <= set(self._known(run).get(epoch, {}))

    def add(self, run: Path, epoch: int, values: Mapping[str, Any]) -> None:
        """Write `values` beside what there is. Needs the run's lock."""
        known = self._known(run)
        known[epoch] = {**known.get(epoch, {}), **values}
        write_json(run / self.file, {"epochs": {str(e): known[e] for e in sorted(known)}})

    def rows(self, run: Path) -> pd.DataFrame:
        """Tidy rows of every epoch. Raises as `read` does."""
        import pandas as pd

        epochs = self.read(run).items()
        found = [{"epoch": epoch, **row} for epoch, values in epochs for row in self.tidy(values)]
        return pd.DataFrame(found).assign(stage=self.stage) if found else pd.DataFrame()

    def _known(self, run: Path) -> dict[int, dict[str, Any]]:
        """What there is; a file that cannot be read is set aside, and a warning says so."""
        try:
            return self.read(run)
        except ResultsError as error:
            set_file_aside(run / self.file, str(error))
            return {}


@dataclass(frozen=True)
class LayerRecord:
    """A CSV file of a run: for each epoch and part of the layers a row, a column a property."""

    stage: str = "layers"
    file: str = LAYER_WISE_FILE

    def read(self, run: Path) -> pd.DataFrame:
        """The table; empty where nothing is measured.

        Raises
        ------
        ResultsError
            The file is not what measuring writes.
        """
        import pandas as pd

        file = run / self.file
        if not file.is_file():
            return pd.DataFrame(columns=["epoch", *PART_KEYS])
        try:
            table = pd.read_csv(file)
            for name in ("epoch", "number", "n_bits"):
                table[name] = table[name].astype("int64")
            for name in table.columns.difference(["epoch", *PART_KEYS]):
                table[name] = table[name].astype(float)
            if not set(table["part"]) <= {"single", "first", "last"}:
                raise ValueError("unknown parts of the layers")
            if table.duplicated(["epoch", *PART_KEYS[:2]]).any():
                raise ValueError("a part of the layers occurs twice")
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise ResultsError(
                f"Expected a table of layer-wise properties in {file}. Received: {plain(error)}. "
                "Remove the file and measure the run again."
            ) from error
        return table

    def has(self, run: Path, epoch: int, columns: Sequence[str]) -> bool:
        """Whether all of `columns` are there at `epoch`. Needs the run's lock."""
        table = self._known(run)
        here = table[table["epoch"] == epoch]
        return len(here) > 0 and all(c in here and bool(here[c].notna().all()) for c in columns)

    def add(self, run: Path, epoch: int, values: pd.DataFrame) -> None:
        """Write the columns of `values`, a row a part, beside what there is. Needs the lock."""
        import pandas as pd

        table = self._known(run)
        keys = ["epoch", *PART_KEYS]
        new = values.assign(epoch=epoch).dropna(axis="columns", how="all").set_index(keys)
        old = table[table["epoch"] == epoch].set_index(keys)
        # New numbers go over old ones; rows keep the order in which they were measured.
        merged = new.combine_first(old).reindex(new.index).reset_index()
        rest = table[table["epoch"] != epoch]
        table = merged if rest.empty else pd.concat([rest, merged], ignore_index=True)
        order = [*keys, *(c for c in values.columns if c not in keys)]
        order += [c for c in table.columns if c not in order]
        table = table.reindex(columns=order).sort_values("epoch", kind="stable")
        write_text(run / self.file, table.round(6).to_csv(index=False, lineterminator="\n"))

    def rows(self, run: Path) -> pd.DataFrame:
        """Tidy rows, with the columns of `PART_KEYS` besides. Raises as `read` does."""
        table = self.read(run)
        if table.empty:
            return table
        long = table.melt(["epoch", *PART_KEYS], var_name="property").dropna(subset="value")
        pairs = [metric_and_split(name) for name in long.pop("property")]
        # Not mistaken for those of the whole code where stages are not told apart.
        metrics = [f"layer_{metric}" for metric, _ in pairs]
        return long.assign(metric=metrics, split=[split for _, split in pairs], stage=self.stage)

    def _known(self, run: Path) -> pd.DataFrame:
        try:
            return self.read(run)
        except ResultsError as error:
            set_file_aside(run / self.file, str(error))
            return self.read(run)


def metric_and_split(name: str) -> tuple[str, str]:
    """Metric and split of a property: "train_redundancy_ratio" is ("redundancy_ratio", "train")."""
    if name in _SPLITS:
        return name, _SPLITS[name]
    split, _, metric = name.partition("_")
    return metric, split


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises
    ------
    ResultsError
        It is missing, no file, or holds something else.
    """
    try:
        if not file.is_file():
            raise OSError("no such file")
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(f"Expected JSON in {file}. Received: {plain(error)}.") from error
    if not isinstance(content, dict):
        raise ResultsError(f"Expected a JSON object in {file}. Received: {type(content).__name__}.")
    return content


def read_epochs(file: Path) -> dict[int, dict[str, Any]]:
    """What a file of a run holds by epoch, {epoch: {name: value}}; empty where it is not there.

    Raises
    ------
    ResultsError
        The file is not what measuring writes.
    """
    return _read_epochs(file, lambda values: "")


def read_properties(run: Path) -> dict[int, dict[str, float]]:
    """Encoding properties of one run, {epoch: {property: value}}; empty where there are none.

    Raises
    ------
    ResultsError
        The file is not what measuring writes.
    """
    return PROPERTIES.read(run)


def _read_epochs(
    file: Path, check: Callable[[Mapping[str, Any]], str]
) -> dict[int, dict[str, Any]]:
    if not file.exists():
        return {}
    content = read_json(file)
    wrong = ""
    try:
        epochs = dict(content["epochs"].items())
        found = {int(e): dict(v) for e, v in epochs.items() if _EPOCH.fullmatch(e)}
        if len(found) < len(epochs):
            wrong = f"epochs {', '.join(map(repr, list(epochs)[:5]))}"
        wrong = wrong or next((text for v in found.values() if (text := check(v))), "")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        wrong = repr(error)
    if wrong:
        raise ResultsError(
            f'Expected {{"epochs": {{epoch: {{name: value}}}}}} in {file}. Received something '
            f"else ({wrong:.200}). Remove the file and measure the run again."
        )
    return found


def _is_number(value: object) -> bool:
    """Whether it is one that fits a float; a loss may be infinite, or not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or abs(value) < 1 << 63


def _check_numbers(values: Mapping[str, Any]) -> str:
    bad = [name for name, value in values.items() if not _is_number(value)]
    return f"no number for {bad[0]}" if bad else ""


def _tidy_numbers(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in values.items():
        metric, split = metric_and_split(name)
        yield {"metric": metric, "split": split, "value": value}


def _check_lengths(values: Mapping[str, Any]) -> str:
    for name, lengths in values.items():
        if not isinstance(lengths, list) or not all(map(_is_number, lengths)):
            return f"no list of numbers for {name}"
    return ""


def _tidy_lengths(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for split, lengths in values.items():
        for example, value in enumerate(lengths):
            row = {"metric": "example_diameter", "split": split, "example": example}
            yield {**row, "value": value}


def _check_plane(values: Mapping[str, Any]) -> str:
    StoredPlane.from_json(values)
    return ""


def _tidy_plane(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    plane = StoredPlane.from_json(values)
    for metric, value in (("plane_regions", plane.n_regions), ("plane_polygons", len(plane))):
        yield {"metric": metric, "split": "test", "value": value}


PROPERTIES = Record("encoding", PROPERTIES_FILE, _check_numbers, _tidy_numbers)
DIAMETERS = Record("diameters", DIAMETERS_FILE, _check_lengths, _tidy_lengths)
PLANE = Record("plane", PLANE_FILE, _check_plane, _tidy_plane)
LAYERS = LayerRecord()
RECORDS: tuple[Record | LayerRecord, ...] = (PROPERTIES, LAYERS, DIAMETERS, PLANE)
