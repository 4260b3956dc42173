"""Tables 6 and 8 and Figure 4 of the second paper, and the loss weights that validation chooses."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from tfhash import figures, results
from tfhash.datasets import record
from tfhash.figures import representation_tables as written
from tfhash.files import write_text
from tfhash.runs import representation_tables as tables
from tfhash.runs.paper import paper_representations
from tfhash.runs.representation import BOUNDS
from tfhash.studies.representations import STUDY

PAPERS_DATASET, PAPERS_WIDTH = "mnist", 100  # of Table 6, on all training examples


def draw(path: Path, datasets: Collection[str], figures_path: Path) -> list[str]:
    """Write the tables of each dataset that has runs, the paper's numbers beside ours."""
    table = results.load(path, history=False, stages=("encoding",))
    table = table[(table["experiment"] == STUDY.directory) & table["dataset"].isin(datasets)]
    names: list[str] = []
    for dataset, rows in table.groupby("dataset"):
        networks = tables.networks(results.last_epoch(rows))
        chosen = tables.chosen_weights(networks)
        chosen.insert(0, "dataset", dataset)
        # As many as there are, for those that stored weights are looked up for.
        run = rows.iloc[0]
        n = record(str(dataset)).n_train
        available = n - round(n * run["hold_out"])
        chosen["sample_size"] = chosen["sample_size"].replace(0, available)
        _write(chosen, figures_path / f"representations_weights_{dataset}.csv")
        paper = paper_representations()
        if dataset != PAPERS_DATASET:
            paper = paper.iloc[:0]
        errors = tables.table_8(networks, paper)
        name = f"representations_table_8_{dataset}"
        _write(errors, figures_path / f"{name}.csv")
        write_text(figures_path / f"{name}.md", written.errors(errors))
        names.append(f"{name}.md")
        for key, group in networks.groupby(tables.CONDITION):
            is_papers = key == (0, PAPERS_WIDTH)
            of_one = tables.table_6(group, paper if is_papers else paper.iloc[:0])
            suffix = "" if is_papers else f"_sample_size={key[0] or 'all'}_width={key[1]}"
            name = f"representations_table_6_{dataset}{suffix}"
            _write(of_one, figures_path / f"{name}.csv")
            write_text(figures_path / f"{name}.md", written.characteristics(of_one))
            names.append(f"{name}.md")
            if not set(BOUNDS) <= set(of_one):
                continue
            found = tables.correlations(of_one)
            name = f"representations_figure_4_{dataset}{suffix}"
            figures.save(figures.information(of_one, found), figures_path / name)
            _write(found, figures_path / f"{name}.csv")
            names.append(f"{name}.png")
    return names


def _write(table: pd.DataFrame, file: Path) -> None:
    write_text(file, table.round(6).to_csv(index=False, lineterminator="\n"))
