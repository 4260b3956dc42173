"""Tables 1 and 2: convolutional networks, the paper's numbers beside ours."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tfhash.properties import ENCODING_PROPERTIES

# (metric, split) of the results: the column's name.
COLUMNS = {
    ("accuracy", "test"): "test accuracy",
    **{(one.metric, one.split): one.label_with(one.split) for one in ENCODING_PROPERTIES.values()},
}
# The same: the paper's name for the metric. Its K-Means accuracies exceed those of K-NN on the test
# set: they are the training set's.
PAPER = {
    ("accuracy", "test"): "test_accuracy",
    ("kmeans_accuracy", "train"): "kmeans_accuracy",
    ("knn_accuracy", "test"): "knn_accuracy",
    ("logistic_accuracy", "test"): "logistic_accuracy",
}
RUN = ("architecture", "protocol", "epochs", "learning_rate", "decay", "decay_every")


def cnn_table(ours: pd.DataFrame, paper: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """One row for each network, means over repeats.

    Parameters
    ----------
    ours
        Rows of `results.load`, of the last epoch of runs on one dataset.
    paper
        Rows of `results.paper_tables` for that dataset.
    titles
        What the paper calls each architecture.

    Returns
    -------
    pandas.DataFrame
        Columns model, protocol, epochs, rate (of learning) and repeats, missing where only the
        paper has the network; then those of `COLUMNS`, each with the paper's after it
        ("paper: ...") where it has one. Shares from 0 to 1.
    """
    rows: list[dict[str, object]] = []
    for run, of_one in ours.groupby(list(RUN), sort=False):
        architecture, protocol, epochs, rate, decay, decay_every = run
        row: dict[str, object] = {
            "model": titles.get(architecture, architecture),
            "protocol": protocol,
            "epochs": int(epochs),
            "rate": f"{rate:g} x {decay:g} every {decay_every:g}",
            "repeats": of_one["repeat"].nunique(),
        }
        for (metric, split), name in COLUMNS.items():
            wanted = (of_one["metric"] == metric) & (of_one["split"] == split)
            row[name] = of_one.loc[wanted, "value"].mean()
        rows.append(row)
    table = pd.DataFrame(rows)
    # In the paper's order, and those that are ours alone after them.
    models = list(dict.fromkeys(paper["model"]))
    table = pd.DataFrame({"model": models}).merge(table, how="outer", on="model")
    place = {model: i for i, model in enumerate(models)}
    table = table.sort_values(
        "model", key=lambda c: c.map(place).fillna(len(place)), kind="stable", ignore_index=True
    )
    theirs = paper.pivot_table(index="model", columns="metric", values="value") / 100
    for key, metric in PAPER.items():
        if metric in theirs:
            at = table.columns.get_loc(COLUMNS[key]) + 1
            table.insert(at, f"paper: {COLUMNS[key]}", table["model"].map(theirs[metric]))
    return table.astype({"epochs": "Int64", "repeats": "Int64"})


def markdown(table: pd.DataFrame) -> str:
    """The table for people: shares as percent, a dash where there is nothing."""
    text = pd.DataFrame(index=table.index)
    for name in table:
        shares = name.removeprefix("paper: ") in COLUMNS.values()
        text[name] = [
            "-" if pd.isna(value) else f"{100 * value:.2f}%" if shares else str(value)
            for value in table[name]
        ]
    lines = [list(text), ["---"] * len(text.columns), *text.to_numpy().tolist()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
