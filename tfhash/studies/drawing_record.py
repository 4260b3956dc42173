"""What a figure or table is that is no curve of `figures.FIGURES`: its name, and what draws it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfhash.files import write_text

if TYPE_CHECKING:
    import pandas as pd


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
    draw: Callable[[Path, Collection[str], Path], Mapping[str, Sequence[str]]]


def write_table(table: pd.DataFrame, file: Path, digits: int = 6) -> None:
    """Write a table as .csv, its numbers rounded."""
    write_text(file, table.round(digits).to_csv(index=False, lineterminator="\n"))
