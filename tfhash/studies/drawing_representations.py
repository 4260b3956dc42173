"""Tables 4, 6, 8 and 9 and Figure 4 of the second paper, and the loss weights that are chosen."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from tfhash import figures
from tfhash.datasets import record
from tfhash.datasets.dataset import n_kept
from tfhash.figures import representation_tables as written
from tfhash.files import write_text
from tfhash.runs import representation_tables as tables
from tfhash.runs.paper import paper_representations
from tfhash.runs.representation import BOUNDS
from tfhash.studies import representations_cnn
from tfhash.studies.definition import Study
from tfhash.studies.drawing_record import (
    Draw,
    Drawing,
    MeasuredRuns,
    how_trained,
    overridden,
    write_table,
)
from tfhash.studies.representations import STUDY

_VARIED = (*tables.CHOICE, "regularizer_weight", "epochs", "learning_rate")
PAPERS_DATASET, PAPERS_WIDTH = "mnist", 100  # of Table 6, on all training examples
# By the paper's table of errors: the study, the paper's dataset and its default width.
ERRORS = {
    8: (STUDY, PAPERS_DATASET, PAPERS_WIDTH),
    4: (representations_cnn.STUDY, "cifar10", 128),
    9: (representations_cnn.STUDY, "cifar100", 128),
}


def weights(
    study: Study, measured: MeasuredRuns, datasets: Collection[str], figures_path: Path
) -> dict[str, list[str]]:
    """Write the loss weights that validation chooses, and what all of them do."""
    files: dict[str, list[str]] = {}
    for dataset, (rows, networks) in measured.networks(study, datasets, _VARIED).items():
        # As many as there are, for those that stored weights are looked up for.
        available = n_kept(record(dataset).n_train, rows["hold_out"].iloc[0])
        files[dataset] = []
        for name, make in (("weights", tables.chosen_weights), ("all_weights", tables.all_weights)):
            table = make(networks)
            every = (table["sample_size"] == 0) & (table["n_classes"] == 0)
            table["sample_size"] = table["sample_size"].mask(every, available)
            table.insert(0, "dataset", dataset)
            table.insert(1, "study", study.name)
            files[dataset].append(f"{study.name}_{name}_{dataset}.csv")
            write_table(table, figures_path / files[dataset][-1])
    return files


def table_of_errors(
    number: int, measured: MeasuredRuns, datasets: Collection[str], figures_path: Path
) -> dict[str, list[str]]:
    """Write one of `ERRORS`, of each dataset's networks, the paper's beside ours."""
    study, papers_dataset, width = ERRORS[number]
    paper = paper_representations()
    files = {}
    for dataset, (_, networks) in measured.networks(study, datasets, _VARIED).items():
        theirs = paper[(paper["table"] == f"table_{number}") & (dataset == papers_dataset)]
        errors = tables.errors(networks, theirs, width)
        name = f"representations_table_{number}_{dataset}"
        write_table(errors, figures_path / f"{name}.csv")
        write_text(figures_path / f"{name}.md", written.errors(errors))
        files[dataset] = [f"{name}.md"]
    return files


def table_6(
    measured: MeasuredRuns, datasets: Collection[str], figures_path: Path
) -> dict[str, list[str]]:
    """Write the characteristics of each condition, the paper's beside ours."""
    files: dict[str, list[str]] = {}
    for dataset, suffix, _, of_one in _conditions(measured, datasets):
        name = f"representations_table_6_{dataset}{suffix}"
        write_table(of_one, figures_path / f"{name}.csv")
        write_text(figures_path / f"{name}.md", written.characteristics(of_one))
        files.setdefault(dataset, []).append(f"{name}.md")
    return files


def figure_4(
    measured: MeasuredRuns, datasets: Collection[str], figures_path: Path
) -> dict[str, list[str]]:
    """Draw the bounds on mutual information of each condition against the error."""
    files: dict[str, list[str]] = {}
    for dataset, suffix, trained, of_one in _conditions(measured, datasets):
        if not set(BOUNDS) <= set(of_one):
            continue
        found = tables.correlations(of_one)
        name = f"representations_figure_4_{dataset}{suffix}"
        n = of_one["repeats"].max()
        repeats = f"{n} repeat{'s' if n > 1 else ''}"
        title = f"{figures.TITLES.get(dataset, dataset)}: {trained}, {repeats}"
        figures.save(figures.information(of_one, found, title), figures_path / name)
        write_table(found, figures_path / f"{name}.csv")
        files.setdefault(dataset, []).append(f"{name}.png")
    return files


def _conditions(
    measured: MeasuredRuns, datasets: Collection[str]
) -> Iterator[tuple[str, str, str, pd.DataFrame]]:
    """Of each sample size and width: dataset, end of files' names, training in words, Table 6."""
    for dataset, (rows, networks) in measured.networks(STUDY, datasets, _VARIED).items():
        for key, group in networks.groupby(tables.CONDITION):
            is_papers = key[:2] == (0, PAPERS_WIDTH)
            paper = _paper(dataset)
            suffix = "" if is_papers else f"_sample_size={key[0] or 'all'}_width={key[1]}"
            size, width, *_ = key
            run = rows.iloc[0]
            trained = how_trained(run["depth"], width, size, group["epochs"].max())
            trained += overridden(run)
            table = tables.table_6(group, paper if is_papers else paper.iloc[:0])
            yield dataset, suffix, trained, table


def _paper(dataset: str) -> pd.DataFrame:
    """The paper's numbers, none where the dataset is not its own."""
    paper = paper_representations()
    return paper if dataset == PAPERS_DATASET else paper.iloc[:0]


_NEEDED = "characteristics of networks with regularizers"
_DRAW: dict[str, Draw] = {
    "table_6": table_6,
    **{f"table_{number}": partial(table_of_errors, number) for number in ERRORS},
    "figure_4": figure_4,
    "weights": partial(weights, STUDY),
    "cnn_weights": partial(weights, representations_cnn.STUDY),
}
DRAWINGS = tuple(
    Drawing(name=f"representations_{name}", needs=_NEEDED, draw=draw)
    for name, draw in _DRAW.items()
)
