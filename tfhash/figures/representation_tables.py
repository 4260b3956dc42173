"""Tables of the second paper as Markdown: ours, and the paper's in brackets."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tfhash.figures.labels import words
from tfhash.runs.representation import CHARACTERISTICS

# Beside what the two papers' tables have: how the networks were trained.
_RUN = ("weight", "normalized", "repeats", "epochs")


def characteristics(table: pd.DataFrame) -> str:
    """Table 6 from `runs.representation_tables.table_6`."""
    names = [name for name in table if name in ("test_error", *CHARACTERISTICS)]
    rows = [
        [
            row["regularizer"],
            *(_number(row[name], row.get(f"paper: {name}")) for name in names),
            *(_plain(row[name]) for name in _RUN),
        ]
        for _, row in table.iterrows()
    ]
    head = ["regularizer", *map(words, names), *_RUN]
    return _markdown(head, rows)


def errors(table: pd.DataFrame) -> str:
    """Tables 4, 8 and 9 from `runs.representation_tables.errors`: a column a condition."""
    conditions = list(dict.fromkeys(table["condition"]))
    cells = table.set_index(["regularizer", "condition"])
    rows = []
    for name in dict.fromkeys(table["regularizer"]):
        row = [name]
        for condition in conditions:
            if (name, condition) not in cells.index:
                row.append("-")
                continue
            one = cells.loc[(name, condition)]
            row.append(_spread(one["mean"], one["std"], one["paper"], one["paper_std"]))
        rows.append(row)
    repeats = table.groupby("condition", sort=False)[["repeats", "epochs"]].max()
    head = [
        "error, percent",
        *(f"{c} ({repeats['repeats'][c]} x {repeats['epochs'][c]} epochs)" for c in conditions),
    ]
    return _markdown(head, rows)


def transformed(table: pd.DataFrame) -> str:
    """Tables 2 and 3 from `studies.representation_transforms`: errors in percent."""
    names = [name for name in table if name != "network" and not name.startswith("paper: ")]
    rows = [
        [row["network"], *(_number(row[name], row.get(f"paper: {name}")) for name in names)]
        for _, row in table.iterrows()
    ]
    return _markdown(["network", *map(words, names)], rows)


def _spread(mean: float, std: float, paper: float, paper_std: float) -> str:
    ours = f"{mean:.2f}" if pd.isna(std) else f"{mean:.2f} ± {std:.2f}"
    return ours if pd.isna(paper) else f"{ours} ({paper:.2f} ± {paper_std:.2f})"


def _number(value: float, paper: float | None) -> str:
    ours = "-" if pd.isna(value) else f"{value:.3g}" if abs(value) < 100 else f"{value:.1f}"
    return ours if paper is None or pd.isna(paper) else f"{ours} ({paper:g})"


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
