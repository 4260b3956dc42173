"""Tables 1 and 2: encoding properties of convolutional networks, beside the paper's."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from tfhash import models, results
from tfhash.figures import tables
from tfhash.files import write_text
from tfhash.studies.cnn import STUDY
from tfhash.studies.drawing_record import Drawing, MeasuredRuns, are_alike, write_table

TABLES = {"mnist": 1, "cifar10": 2}  # the paper's, by dataset


def draw(
    measured: MeasuredRuns, datasets: Collection[str], figures_path: Path
) -> dict[str, list[str]]:
    """Write Tables 1 and 2 for what was measured, the paper's numbers beside ours.

    Runs with `examples` are for trying things, and left out.
    """
    table = measured.encoding
    if "architecture" not in table:
        return {}
    table = table[(table["experiment"] == STUDY.directory) & table["examples"].isna()]
    table = results.last_epoch(table)
    files: dict[str, list[str]] = {}
    for dataset, ours in table.groupby("dataset"):
        if dataset not in datasets:
            continue
        (name,) = STUDY.figures_of(str(dataset))
        name += "" if dataset in TABLES else f"_{dataset}"
        alike = [
            rows
            for run, rows in ours.groupby(list(tables.RUN), sort=False)
            if are_alike(rows, (), f"{run[0]} in {name}")
        ]
        if not alike:
            continue
        paper = results.paper_tables()
        paper = paper[(paper["dataset"] == dataset) & (paper["table"] == TABLES.get(dataset))]
        written = tables.cnn_table(pd.concat(alike), paper, models.TITLES)
        write_table(written, figures_path / f"{name}.csv")
        text = tables.markdown(written)
        write_text(figures_path / f"{name}.md", text)
        print(f"\n{name}:\n{text}", flush=True)
        files[str(dataset)] = [f"{name}.md"]
    return files


DRAWINGS = tuple(
    Drawing(name=f"table_{number}", needs="networks of the whole dataset", draw=draw)
    for number in TABLES.values()
)
