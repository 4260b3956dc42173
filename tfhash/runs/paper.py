"""The paper's own numbers, and how far ours are from them."""

from __future__ import annotations

from importlib import resources

import pandas as pd

from tfhash.runs.tables import CURVE_KEYS


def paper_curves() -> pd.DataFrame:
    """The paper's curves, read off Figures 2a, 2b, 3, 4, 8 and 9.

    Returns
    -------
    pandas.DataFrame
        Columns figure, dataset, metric, split, x_name, series ("" for none), x, y, uncertainty
        (about a 95% reading error of y) and reading (whether the curve was covered by another).
        The network's own accuracy is the metric "accuracy", as in `load`.
    """
    table = packaged("paper_curves.csv")
    table["metric"] = table["metric"].replace({"test_accuracy": "accuracy"})
    table["series"] = table["series"].fillna("")
    return table


def paper_tables() -> pd.DataFrame:
    """The paper's Tables 1, 2 and 5: columns source, table, dataset, model, metric, value, unit."""
    return packaged("paper_tables.csv")


def paper_representations() -> pd.DataFrame:
    """Tables of Choi et al., "On the statistical and information-theoretic characteristics ...".

    Returns
    -------
    pandas.DataFrame
        Columns table ("table_2", 3, 4, 6, 8 or 9), row and column as the paper calls them, value
        and standard_deviation (NaN where none is given). Errors are in percent.
    """
    return packaged("representation_tables.csv")


def deviations(ours: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """How far our curves are from the paper's, at the points that both have.

    Parameters
    ----------
    ours
        What `curves` gave.
    paper
        Rows of `paper_curves`, of one figure.

    Returns
    -------
    pandas.DataFrame
        One row per curve: dataset, metric, split, series, points, mean_difference and
        largest_difference (absolute, in the metric's own unit), largest_at (the x of the largest);
        then, means over the points, our_std (our standard deviation over repeats, NaN where a point
        has one) and paper_uncertainty (how exactly the paper's curve can be read: its bands of
        standard deviations cannot).
    """
    both = ours.merge(paper, on=CURVE_KEYS, validate="one_to_one")
    both["difference"] = (both["mean"] - both["y"]).abs()
    rows = []
    for keys, curve in both.groupby(["dataset", "metric", "split", "series"]):
        worst = curve.loc[curve["difference"].idxmax()]
        rows.append(
            (
                *(*keys, len(curve), curve["difference"].mean(), worst["difference"], worst["x"]),
                *(curve["std"].mean(skipna=False), curve["uncertainty"].mean()),
            )
        )
    return pd.DataFrame(
        rows,
        columns=[
            *("dataset", "metric", "split", "series", "points"),
            *("mean_difference", "largest_difference", "largest_at"),
            *("our_std", "paper_uncertainty"),
        ],
    )


def packaged(name: str) -> pd.DataFrame:
    """A table that comes with the package."""
    with resources.as_file(resources.files("tfhash") / "data" / name) as file:
        return pd.read_csv(file)
