"""How much a factor shifts the encoding properties, model by model."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd
from scipy import stats

from tfhash.errors import InputError

MODEL = ["width", "repeat"]  # what says which two networks are a pair


def pairs(table: pd.DataFrame, factor: str, without: Hashable) -> pd.DataFrame:
    """Each network beside the one of the same width and seed without the factor.

    Parameters
    ----------
    table
        Rows of `last_epoch(load(...))` of one dataset and study, with a column `factor`.
    factor
        Column that says what a network was trained with.
    without
        Its value for the networks that the others are compared with.

    Returns
    -------
    pandas.DataFrame
        Columns `factor`, metric, split, width, repeat, x (the value without) and y (with), a row
        for each pair. Networks without a partner are left out.

    Raises
    ------
    InputError
        No network was trained without the factor.
    """
    keys = ["metric", "split", *MODEL]
    base = table[table[factor] == without]
    if base.empty:
        raise InputError(
            f"Expected networks of {factor}={without} to compare with. Received: none."
        )
    x = base.set_index(keys)["value"].rename("x")
    rest = table[table[factor] != without][[factor, *keys, "value"]]
    found = rest.rename(columns={"value": "y"}).join(x, on=keys, how="inner")
    return found[[factor, *keys, "x", "y"]].reset_index(drop=True)


def shifts(paired: pd.DataFrame, factor: str) -> pd.DataFrame:
    """Mean of y - x over all pairs, with Student's 95% interval and p of the paired test.

    Returns
    -------
    pandas.DataFrame
        A row for each value of the factor, metric and split: n (pairs), shift, low, high, p
        (two-sided), spread (largest less smallest mean over repeats of x among the widths: how much
        width changes the property, without the factor) and share (the absolute shift over it).
        Interval and p are NaN for fewer than two pairs.
    """
    rows = []
    for (value, metric, split), group in paired.groupby([factor, "metric", "split"], sort=False):
        apart = (group["y"] - group["x"]).to_numpy(float)
        n, mean = len(apart), apart.mean()
        low = high = p = float("nan")
        if n > 1:
            error = apart.std(ddof=1) / np.sqrt(n)
            reach = stats.t.ppf(0.975, n - 1) * error
            low, high = mean - reach, mean + reach
            p = 2 * stats.t.sf(abs(mean) / error, n - 1) if error else float(mean == 0)
        spread = float(np.ptp(group.groupby("width")["x"].mean()))
        rows.append(
            {
                factor: value,
                "metric": metric,
                "split": split,
                "n": n,
                "shift": mean,
                "low": low,
                "high": high,
                "p": p,
                "spread": spread,
                "share": abs(mean) / spread if spread else float("nan"),
            }
        )
    return pd.DataFrame(rows)
