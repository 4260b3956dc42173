"""Points of the chart, how their values change along its axes, and the regimes that follow.

The regimes are those of "Neural networks behave as hash encoders", Section 5.6, which describes
them in words. What the words leave open is decided here:

- a value improves along an axis at a point where it rises (falls, for redundancy) over the points
  up to `WINDOW` grid steps to either side, over all seeds: the slope of a least squares line
  against log2 of the axis, its local elasticity, is at least `EFFECT` per doubling and differs from
  zero at a level of `LEVEL` by Student's t;
- "sufficiently_expressive": redundancy is within `NEAR` of 0 and accuracy within `NEAR` of its
  plateau, the best of the chart;
- "under_expressive": neither is, and both improve, each along one axis or more;
- "critically_expressive": everything else.

That nothing changes any more is no separate condition: within `NEAR` of both ends little can.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from tfhash.errors import InputError

AXES = ("width", "steps", "sample_size")
REGIMES = ("under_expressive", "critically_expressive", "sufficiently_expressive")
VALUES = ("redundancy", "accuracy")
# A change of one hundredth per doubling of an axis counts, where it is significant at 5%.
EFFECT, LEVEL = 0.01, 0.05
NEAR = 0.1  # of zero redundancy, and of the plateau of accuracy
WINDOW = 2  # grid steps


def chart_points(table: pd.DataFrame) -> pd.DataFrame:
    """Points of a chart, one for each network and checkpoint.

    Parameters
    ----------
    table
        Rows of `results.load` of the study `phase_chart`, of one dataset.

    Returns
    -------
    pandas.DataFrame
        Columns width, steps (of training; 0 before it), sample_size, repeat, redundancy (test
        redundancy ratio) and accuracy (K-NN on the codes, test), both shares.

    Raises
    ------
    InputError
        There are no such rows, or they are of several datasets.
    """
    wanted = {("redundancy_ratio", "test"): "redundancy", ("knn_accuracy", "test"): "accuracy"}
    pairs = pd.Series(list(zip(table["metric"], table["split"], strict=True)), index=table.index)
    rows = table.assign(measured=pairs.map(wanted)).dropna(subset="measured")
    if rows.empty or rows["dataset"].nunique() > 1:
        raise InputError(
            "Expected redundancy and K-NN accuracy of a phase chart on one dataset. Received: "
            f"{', '.join(sorted(set(rows['dataset']))) or 'none'}. `tfhash run phase_chart` "
            "measures them."
        )
    steps = -(-rows["epoch_size"].astype(int) // rows["batch_size"].astype(int)) * rows["epoch"]
    keys = [*AXES, "repeat"]
    points = rows.assign(steps=steps).pivot_table(index=keys, columns="measured", values="value")
    points = points.dropna().reset_index().rename_axis(columns=None)
    return points.astype({"width": int, "steps": int, "sample_size": int, "repeat": int})


def regimes(points: pd.DataFrame) -> pd.DataFrame:
    """Means, elasticities and the regime of every point of a chart.

    Parameters
    ----------
    points
        What `chart_points` gives. Seeds that are missing at a point count as what is there.

    Returns
    -------
    pandas.DataFrame
        A row for each width, steps and sample_size: means of redundancy and accuracy over seeds, n
        (their number), gap (the plateau's accuracy, the largest of all points, less this one's),
        for each value and axis its elasticity (per doubling) and p (two-sided; NaN where there are
        too few values), regime and axis, the one along which accuracy improves most, or where it
        does not redundancy, "" for none.

    Raises
    ------
    InputError
        An axis has one value alone, or values are not finite.
    """
    for axis in AXES:
        if points[axis].nunique() < 2:
            raise InputError(
                f"Expected at least two values of {axis}: nothing can be said of how a network "
                f"changes along it. Received: {list(points[axis].unique())}."
            )
    if not np.isfinite(points[list(VALUES)].to_numpy(float)).all():
        raise InputError("Expected finite redundancy and accuracy. Received: NaN or infinity.")
    keys = list(AXES)
    chart = points.groupby(keys)[list(VALUES)].mean()
    chart["n"] = points.groupby(keys).size()
    chart = chart.reset_index()
    chart["gap"] = chart["accuracy"].max() - chart["accuracy"]
    for axis in AXES:
        for value in VALUES:
            found = [_elasticity(points, point, axis, value) for _, point in chart.iterrows()]
            chart[f"{value}_by_{axis}"] = [slope for slope, _ in found]
            chart[f"{value}_by_{axis}_p"] = [p for _, p in found]
    improves = {
        (value, axis): (sign * chart[f"{value}_by_{axis}"] >= EFFECT)
        & (chart[f"{value}_by_{axis}_p"] < LEVEL)
        for value, sign in zip(VALUES, (-1, 1), strict=True)
        for axis in AXES
    }
    near = np.stack([chart["redundancy"] <= NEAR, chart["gap"] <= NEAR])
    both = np.all([np.any([improves[value, a] for a in AXES], axis=0) for value in VALUES], axis=0)
    conditions = [near.all(axis=0), ~near.any(axis=0) & both]
    chart["regime"] = np.select(conditions, [REGIMES[2], REGIMES[0]], REGIMES[1])
    gains = pd.DataFrame(
        {a: chart[f"accuracy_by_{a}"].where(improves["accuracy", a]) for a in AXES}
    )
    # Where accuracy is at rest, the axis along which redundancy still falls.
    falls = pd.DataFrame(
        {a: -chart[f"redundancy_by_{a}"].where(improves["redundancy", a]) for a in AXES}
    )
    chart["axis"] = _largest(gains).where(gains.notna().any(axis=1), _largest(falls))
    return chart


def _largest(table: pd.DataFrame) -> pd.Series:
    """Name of the column with the largest value of each row, "" where there is none."""
    return table.fillna(-np.inf).idxmax(axis=1).where(table.notna().any(axis=1), "")


def _elasticity(
    points: pd.DataFrame, point: pd.Series, axis: str, value: str
) -> tuple[float, float]:
    """Slope of `value` per doubling of `axis` around a point, and its p."""
    grid = np.unique(points[axis])
    at = int(np.searchsorted(grid, point[axis]))
    window = grid[max(0, at - WINDOW) : at + WINDOW + 1]
    near = points[axis].isin(window)
    for other in AXES:
        if other != axis:
            near &= points[other] == point[other]
    x = _log2(points.loc[near, axis].to_numpy(float), grid)
    y = points.loc[near, value].to_numpy(float)
    if len(x) < 3 or np.ptp(x) == 0:
        return float("nan"), float("nan")
    if np.ptp(y) == 0:
        return 0.0, 1.0
    fitted = stats.linregress(x, y)
    return float(fitted.slope), float(fitted.pvalue)


def _log2(values: np.ndarray, grid: Sequence[float] | np.ndarray) -> np.ndarray:
    """log2, with a zero (no training) one doubling below the smallest step."""
    smallest = min(v for v in grid if v > 0)
    return np.log2(np.where(values > 0, values, smallest / 2))
