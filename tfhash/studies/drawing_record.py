"""What a figure or table is that is no curve of `figures.FIGURES`, and what it is drawn from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tfhash import results
from tfhash.errors import InputError
from tfhash.files import write_text
from tfhash.runs import RECIPES, representation_tables
from tfhash.runs.trouble import log

if TYPE_CHECKING:
    import pandas as pd

    from tfhash.runs import StoredRun
    from tfhash.runs.plane import StoredPlane
    from tfhash.studies.definition import Study


class MeasuredRuns:
    """What was measured of the runs in a folder: read when first asked for, and once.

    Whoever draws of it leaves the tables as they are.

    Parameters
    ----------
    path
        Folder of the runs.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last: dict[tuple[str, str, tuple[str, ...]], pd.DataFrame | None] = {}
        self._networks: dict[tuple[str, str], pd.DataFrame | None] = {}
        self._warned: set[str] = set()

    @cached_property
    def encoding(self) -> pd.DataFrame:
        """Numbers of whole codes and networks, as `results.load` gives them.

        Raises
        ------
        ResultsError
            There are no runs.
        """
        return results.load(self.path, history=False, stages=("encoding",))

    @cached_property
    def layers(self) -> pd.DataFrame:
        """As `results.load_layer_wise` gives it."""
        return results.load_layer_wise(self.path)

    @cached_property
    def diameters(self) -> pd.DataFrame:
        """As `results.load_diameters` gives it."""
        return results.load_diameters(self.path)

    @cached_property
    def planes(self) -> list[tuple[StoredRun, dict[int, StoredPlane]]]:
        """As `results.load_planes` gives it."""
        return results.load_planes(self.path)

    def warn(self, message: str) -> None:
        """Log a warning about what was measured, once however many draw of it."""
        if message not in self._warned:
            self._warned.add(message)
            log.warning("%s", message)

    def last_epochs(
        self, study: Study, datasets: Collection[str], varied: Collection[str]
    ) -> dict[str, pd.DataFrame]:
        """By dataset, what was measured of a study's networks at their last epoch.

        A dataset whose networks are not `are_alike` but for `varied` is left out.
        """
        table = self.encoding
        there = table.loc[table["experiment"] == study.directory, "dataset"].unique()
        found = {}
        for name in sorted(set(there) & set(datasets)):
            key = study.name, str(name), tuple(varied)
            if key not in self._last:
                here = (table["experiment"] == study.directory) & (table["dataset"] == name)
                alike = are_alike(table[here], varied, f"{study.name} of {name}")
                self._last[key] = results.last_epoch(table[here]) if alike else None
            rows = self._last[key]
            if rows is not None:
                found[str(name)] = rows
        return found

    def networks(
        self, study: Study, datasets: Collection[str], varied: Collection[str]
    ) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
        """By dataset, what `last_epochs` gives of it, and that as one row a network.

        A warning says which dataset is left out, and why.
        """
        found = {}
        for name, rows in self.last_epochs(study, datasets, varied).items():
            key = study.name, name
            if key not in self._networks:
                try:
                    self._networks[key] = representation_tables.networks(rows)
                except InputError as error:
                    self._networks[key] = None
                    log.warning("%s of %s is left out. %s", *key, error)
            networks = self._networks[key]
            if networks is not None:
                found[name] = rows, networks
        return found


Draw = Callable[[MeasuredRuns, Collection[str], Path], Mapping[str, Sequence[str]]]


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
        From what was measured, datasets and the folder of figures to the names of the files
        written, by dataset; a dataset that lacks what is needed is left out.
    """

    name: str
    needs: str
    draw: Draw


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
            "in a folder of their own.",
            *(what, name, values),
        )
    return not mixed


def how_trained(depth: int, width: int, sample_size: float | None, epochs: int) -> str:
    """How networks were trained, as figures say it; None, NaN or 0 training examples are all."""
    examples = f"{int(sample_size):,}" if sample_size and sample_size > 0 else "all"
    return (
        f"{depth} hidden layer{'s' if depth > 1 else ''} of {width} units, {examples} training "
        f"examples, {epochs} epochs"
    )


def overridden(run: pd.Series, varied: Collection[str] = ()) -> str:
    """What flags changed of a run's protocol, but for `varied`: "", or with a comma before it."""
    usual = RECIPES.get((run["protocol"], run["dataset"]))
    if usual is None:
        return ""
    in_words = {
        "batch_size": f"batches of {int(run['batch_size']):,}",
        "batch_norm": f"{'with' if run['batch_norm'] else 'without'} batch normalization",
    }
    changed = [n for n in in_words if n not in varied and run[n] != getattr(usual, n)]
    return "".join(f", {in_words[name]}" for name in changed)


def write_table(table: pd.DataFrame, file: Path, digits: int = 6) -> None:
    """Write a table as .csv, its numbers rounded."""
    write_text(file, table.round(digits).to_csv(index=False, lineterminator="\n"))
