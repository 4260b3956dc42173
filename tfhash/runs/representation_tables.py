"""Tables of the second paper from runs: weights chosen on validation data, ours and theirs.

The rows that they are made from are those of `results.load` of the studies of regularizers.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from tfhash.errors import InputError
from tfhash.runs.paper import packaged
from tfhash.runs.representation import BOUNDS, CHARACTERISTICS, TITLES

# Of the paper's columns that are called otherwise here. Its covariances and correlations are means
# of absolute values, though it does not say so.
PAPERS_NAMES = {
    "error_percent": "test_error",
    "covariance": "absolute_covariance",
    "correlation": "absolute_correlation",
}
CONDITION = ["sample_size", "width", "optimizer", "n_classes"]
CHOICE = [*CONDITION, "regularizer", "regularizer_normalized"]


def networks(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a network: its condition, regularizer, weight, repeat, epochs and what was measured.

    Parameters
    ----------
    rows
        Of `last_epoch(load(...))`, of one dataset.

    Returns
    -------
    pandas.DataFrame
        Columns `CHOICE`, regularizer_weight, repeat and epochs; test_error and validation_error in
        percent; and those of `CHARACTERISTICS` that were measured. sample_size and n_classes are 0
        for all.

    Raises
    ------
    InputError
        Test or validation accuracy was not measured, or several loss weights were tried without
        validation data to choose by.
    """
    rows = rows.assign(
        **{name: rows[name].fillna(0).astype(int) for name in ("sample_size", "n_classes")}
    )
    keys = [*CHOICE, "regularizer_weight", "repeat", "epochs"]
    parts = rows["metric"].where(rows["metric"] != "accuracy", rows["split"] + "_error")
    wide = rows.assign(column=parts).pivot_table(
        index=keys, columns="column", values="value", dropna=False, observed=True
    )
    wide = wide.dropna(how="all").reset_index()
    for name in ("test_error", "validation_error"):
        if name not in wide:
            raise InputError(
                f"Expected networks whose {name.split('_')[0]} accuracy is measured. Received: "
                "none. `tfhash run` of the study measures what is missing."
            )
        wide[name] = 100 * (1 - wide[name])
    choices = wide.groupby(CHOICE)
    tried = choices["regularizer_weight"].transform("nunique")
    blind = wide.loc[(tried > 1) & (choices["validation_error"].transform("count") == 0)]
    if len(blind):
        names = ", ".join(TITLES[name] for name in blind["regularizer"].unique())
        raise InputError(
            "Expected validation errors to choose the loss weight by. Received: none of networks "
            f"with {names}. Train with a protocol that holds examples out, as representations does."
        )
    found = [name for name in CHARACTERISTICS if name in wide]
    return wide[[*keys, "test_error", "validation_error", *found]].rename_axis(columns=None)


def chosen_weights(networks: pd.DataFrame) -> pd.DataFrame:
    """Of each condition and regularizer, the loss weight of the least validation error.

    The error is the mean over those repeats that all weights of the regularizer were trained for
    (or over all, where they share none): of the chosen weight there may be more. Of equal ones,
    the smaller weight is chosen.

    Returns
    -------
    pandas.DataFrame
        Columns `CHOICE`, regularizer_weight, validation_error and tried (the number of weights).
    """
    keys = [*CHOICE, "regularizer_weight"]
    parts = [_shared_repeats(group) for _, group in networks.groupby(CHOICE)]
    means = pd.concat(parts).groupby(keys, as_index=False)["validation_error"].mean()
    best = means.sort_values(["validation_error", "regularizer_weight"], kind="stable")
    tried = means.groupby(CHOICE)["regularizer_weight"].nunique().rename("tried")
    best = best.groupby(CHOICE, as_index=False).first().merge(tried.reset_index(), on=CHOICE)
    return _in_papers_order(best)


def all_weights(networks: pd.DataFrame) -> pd.DataFrame:
    """What each loss weight that was tried does: what `chosen_weights` chooses from, and more.

    Returns
    -------
    pandas.DataFrame
        Columns `CHOICE`, regularizer_weight and repeats; validation_error and test_error (percent)
        and the characteristics, means over all repeats.
    """
    measured = ["validation_error", "test_error", *(c for c in CHARACTERISTICS if c in networks)]
    groups = networks.groupby([*CHOICE, "regularizer_weight"])
    means = groups[measured].mean()
    means.insert(0, "repeats", groups["repeat"].nunique())
    return _in_papers_order(means.reset_index())


def table_6(networks: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """Characteristics of the networks at the chosen weights, of one condition.

    Parameters
    ----------
    networks
        What `networks` gave.
    paper
        Of `paper_representations`; empty where the condition is not the paper's.

    Returns
    -------
    pandas.DataFrame
        A row a regularizer: regularizer (the paper's name), normalized, weight, repeats, epochs,
        tried; then test_error (percent) and the characteristics, means over repeats, each with the
        paper's after it ("paper: ...") where it has one.
    """
    chosen, best = _best(networks)
    columns = ["test_error", *(name for name in CHARACTERISTICS if name in best)]
    table = _summary(chosen, best)
    for name in columns:
        table[name] = table["regularizer"].map(best.groupby("regularizer")[name].mean())
    paper = paper[paper["table"] == "table_6"]
    theirs = paper.pivot_table(index="row", columns="column", values="value")
    theirs = theirs.rename(columns=PAPERS_NAMES)
    table["regularizer"] = table["regularizer"].map(TITLES)
    for name in columns:
        if name in theirs:
            at = int(table.columns.get_indexer([name])[0]) + 1
            table.insert(at, f"paper: {name}", table["regularizer"].map(theirs[name]))
    return table


def correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Pearson's correlations of the bounds of the mutual information with the test error (Fig. 4).

    Parameters
    ----------
    table
        What `table_6` gave. Regularizers without all of the numbers are left out.

    Returns
    -------
    pandas.DataFrame
        A row a bound: bound, correlation (NaN for fewer than 3 regularizers), n (of them).
    """
    whole = table.dropna(subset=["test_error", *BOUNDS])
    n = len(whole)
    values = [whole[name].corr(whole["test_error"]) if n > 2 else float("nan") for name in BOUNDS]
    return pd.DataFrame({"bound": BOUNDS, "correlation": values, "n": n})


def errors(networks: pd.DataFrame, paper: pd.DataFrame, default_width: int) -> pd.DataFrame:
    """Test errors (percent) of all conditions at the chosen weights, with the paper's.

    Its Tables 4, 8 and 9.

    Parameters
    ----------
    networks
        What `networks` gave.
    paper
        Of `paper_representations`, one table; empty where the conditions are not the paper's.
    default_width
        Units that the paper's networks have where it does not vary them.

    Returns
    -------
    pandas.DataFrame
        A row a condition and regularizer: condition (as the paper calls it, or for others their
        sizes), regularizer, normalized, weight, repeats, epochs, tried, mean, std (NaN for one
        repeat), paper, paper_std (NaN where it has none), and apart, the difference in the paper's
        standard deviations.
    """
    paper = paper.set_index(["column", "row"])
    tables = []
    groups = {key: group for key, group in networks.groupby(CONDITION)}
    # As in the paper: the default first, other widths behind other sizes.
    for key in sorted(
        groups, key=lambda one: (one[CONDITION.index("width")] != default_width, one)
    ):
        chosen, best = _best(groups[key])
        table = _summary(chosen, best)
        of_one = best.groupby("regularizer")["test_error"]
        table["mean"] = table["regularizer"].map(of_one.mean())
        table["std"] = table["regularizer"].map(of_one.std())
        table["regularizer"] = table["regularizer"].map(TITLES)
        table.insert(0, "condition", _condition(key, default_width))
        theirs = paper.reindex(list(zip(table["condition"], table["regularizer"], strict=True)))
        table["paper"] = theirs["value"].to_numpy()
        table["paper_std"] = theirs["standard_deviation"].to_numpy()
        table["apart"] = (table["mean"] - table["paper"]) / table["paper_std"]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


@cache
def _stored() -> pd.DataFrame:
    return packaged("representation_weights.csv")


def stored_choice(
    study: str, dataset: str, regularizer: str, sample_size: int, width: int
) -> tuple[float, bool]:
    """The loss weight that a run of several chose, and whether the penalty is normalized.

    Where none was chosen for the sample size, those of the one nearest to it by ratio. They were
    chosen for training with Adam and with all classes.

    Raises
    ------
    InputError
        None is stored for the study, the dataset, the regularizer and the width.
    """
    known = _stored()
    known = known[known["study"] == study]
    here = known[
        (known["dataset"] == dataset)
        & (known["regularizer"] == regularizer)
        & (known["width"] == width)
    ]
    if here.empty:
        have = known[["dataset", "width"]].drop_duplicates().to_numpy()
        listed = "; ".join(f"{name}, width {units}" for name, units in have)
        raise InputError(
            f"Expected a dataset and a width with stored loss weights ({listed}). Received: "
            f"{dataset}, width {width}, {regularizer}. Leave quick out: all weights are tried."
        )
    apart = np.abs(np.log(here["sample_size"] / sample_size))
    nearest = here[apart == apart.min()]
    one = nearest.loc[nearest["validation_error"].idxmin()]
    return float(one["regularizer_weight"]), bool(one["regularizer_normalized"])


def _shared_repeats(networks: pd.DataFrame) -> pd.DataFrame:
    """Of one regularizer: the networks of those repeats that every loss weight has."""
    n_weights = networks["regularizer_weight"].nunique()
    counts = networks.groupby("repeat")["regularizer_weight"].transform("nunique")
    shared = networks[counts == n_weights]
    return networks if shared.empty else shared


def _best(networks: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of one condition: the chosen weight of each regularizer, and the networks trained at it.

    Where penalties were trained normalized and not, those of less validation error.
    """
    chosen = chosen_weights(networks).sort_values("validation_error", kind="stable")
    chosen = _in_papers_order(chosen.drop_duplicates("regularizer"))
    return chosen, networks.merge(chosen[[*CHOICE, "regularizer_weight"]])


def _summary(chosen: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    by_name = best.groupby("regularizer")
    table = chosen[["regularizer", "regularizer_normalized", "regularizer_weight", "tried"]]
    table = table.rename(
        columns={"regularizer_normalized": "normalized", "regularizer_weight": "weight"}
    )
    table["repeats"] = table["regularizer"].map(by_name["repeat"].nunique())
    table["epochs"] = table["regularizer"].map(by_name["epochs"].max())
    return table.reset_index(drop=True)


def _condition(key: Any, default_width: int) -> str:
    """What the paper calls `key`, values of `CONDITION`: what is not its default, as "data=1k"."""
    size, width, optimizer, n_classes = key
    data = f"{size // 1000}k" if size % 1000 == 0 else str(size)
    parts = {
        f"width={width}": width != default_width,
        f"data={data}": size > 0,
        f"optimizer={optimizer}": optimizer != "adam",
        f"classes={n_classes}": n_classes > 0,
    }
    return ", ".join(part for part, differs in parts.items() if differs) or "default"


def _in_papers_order(table: pd.DataFrame) -> pd.DataFrame:
    place = {name: i for i, name in enumerate(TITLES)}
    return table.sort_values(
        [*CONDITION, "regularizer"],
        key=lambda c: c.map(place) if c.name == "regularizer" else c,
        ignore_index=True,
    )
