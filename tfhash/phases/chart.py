"""Points of the chart, how their values change along its axes, and the regimes that follow.

The regimes are those of "Neural networks behave as hash encoders", Section 5.6, which describes
them in words. What the words leave open is decided here:

- the values are accuracy and the share of distinct codes, which is 1 - redundancy. Their local
  elasticities at a point are the slopes of one least squares plane of the value's logarithm against
  the logarithms of all three axes, over all seeds of all points up to `WINDOW` grid steps away
  along each axis; the value improves along an axis where the elasticity is at least `EFFECT`, and
  differs from zero at a level of `LEVEL` by Student's t;
- "sufficiently_expressive": redundancy is within `NEAR` of 0 and accuracy within `NEAR` of its
  plateau, the best of the chart;
- "under_expressive": neither is, and both improve, each along one axis or more;
- "critically_expressive": everything else.

That nothing changes any more is no separate condition: within `NEAR` of both ends little can.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from tfhash.errors import InputError

AXES = ("width", "steps", "sample_size")
REGIMES = ("under_expressive", "critically_expressive", "sufficiently_expressive")
REGIME_TITLES = {  # of the regimes, in texts and figures
    "under_expressive": "under-expressive",
    "critically_expressive": "critically expressive",
    "sufficiently_expressive": "sufficiently expressive",
}
SHARES = ("redundancy", "accuracy")  # what is measured
VALUES = ("distinct", "accuracy")  # what has elasticities
# An elasticity of one hundredth counts, 0.7% more for a doubling, where it is significant at 5%.
EFFECT, LEVEL = 0.01, 0.05
LEAST = 1e-4  # shares below it count as it: one of MNIST's test images
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


def regimes(
    points: pd.DataFrame,
    plateau: float | None = None,
    *,
    window: int = WINDOW,
    effect: float = EFFECT,
) -> pd.DataFrame:
    """Means, elasticities and the regime of every point of a chart.

    Parameters
    ----------
    points
        What `chart_points` gives. Seeds that are missing at a point count as what is there.
    plateau
        The accuracy that networks of this kind come to; None for the largest mean of all points.
    window, effect
        Grid steps around a point that count, and the least elasticity that does.

    Returns
    -------
    pandas.DataFrame
        A row for each width, steps and sample_size: means of redundancy and accuracy over seeds, n
        (their number), gap (the plateau's accuracy less this one's),
        for each of `VALUES` and axis its elasticity (`distinct_by_width`) and p
        (`distinct_by_width_p`; two-sided; NaN where there are too few points), regime and axis, the
        one along which accuracy improves most, or where it does not the share of distinct codes, ""
        for none.

    Raises
    ------
    InputError
        An axis has one value alone, values are not finite, or the plateau is below a point.
    """
    for axis in AXES:
        if points[axis].nunique() < 2:
            raise InputError(
                f"Expected at least two values of {axis}: nothing can be said of how a network "
                f"changes along it. Received: {list(points[axis].unique())}."
            )
    shares = points[list(SHARES)].to_numpy(float)
    if not np.isfinite(shares).all():
        raise InputError("Expected finite redundancy and accuracy. Received: NaN or infinity.")
    keys = list(AXES)
    chart = points.groupby(keys)[list(SHARES)].mean()
    chart["n"] = points.groupby(keys).size()
    chart = chart.reset_index()
    highest = float(chart["accuracy"].max())
    if plateau is not None and plateau < highest:
        raise InputError(
            f"Expected a plateau of at least the largest mean accuracy, {highest:.4f}. "
            f"Received: {plateau}."
        )
    chart["gap"] = (highest if plateau is None else plateau) - chart["accuracy"]
    grids = [np.unique(points[axis]) for axis in AXES]
    steps, at = (
        np.stack([np.searchsorted(grid, one[a]) for a, grid in zip(AXES, grids, strict=True)], 1)
        for one in (points, chart)
    )
    logs = np.stack(
        [_log2(points[a].to_numpy(float), grid) for a, grid in zip(AXES, grids, strict=True)], 1
    )
    values = np.log2(np.maximum(np.column_stack([1 - shares[:, 0], shares[:, 1]]), LEAST))
    found = np.array([_elasticities(steps, logs, values, one, window) for one in at])
    for i, axis in enumerate(AXES):
        for j, value in enumerate(VALUES):
            chart[f"{value}_by_{axis}"] = found[:, 0, i, j]
            chart[f"{value}_by_{axis}_p"] = found[:, 1, i, j]
    improves = {
        (value, axis): (chart[f"{value}_by_{axis}"] >= effect)
        & (chart[f"{value}_by_{axis}_p"] < LEVEL)
        for value in VALUES
        for axis in AXES
    }
    near = np.stack([chart["redundancy"] <= NEAR, chart["gap"] <= NEAR])
    both = np.all([np.any([improves[value, a] for a in AXES], axis=0) for value in VALUES], axis=0)
    conditions = [near.all(axis=0), ~near.any(axis=0) & both]
    chart["regime"] = np.select(conditions, [REGIMES[2], REGIMES[0]], REGIMES[1])
    distinct, accuracy = (
        pd.DataFrame({a: chart[f"{value}_by_{a}"].where(improves[value, a]) for a in AXES})
        for value in VALUES
    )
    # Where accuracy is at rest, the axis along which codes still become more.
    chart["axis"] = _largest(accuracy).where(accuracy.notna().any(axis=1), _largest(distinct))
    return chart


def _largest(table: pd.DataFrame) -> pd.Series:
    """Name of the column with the largest value of each row, "" where there is none."""
    return table.fillna(-np.inf).idxmax(axis=1).where(table.notna().any(axis=1), "")


def _elasticities(
    positions: np.ndarray, logs: np.ndarray, values: np.ndarray, at: np.ndarray, window: int
) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of `values` against `logs` around a point, and their p, both float64 [3, n_values].

    Parameters
    ----------
    positions
        Numbers of the grid steps of all points, int [n, 3].
    logs
        log2 of their axes, float64 [n, 3].
    values
        Their logarithms, float64 [n, n_values].
    at
        Grid steps of the point, int [3].
    window
        Grid steps around it.
    """
    slopes = np.full((len(AXES), values.shape[1]), np.nan)
    p = slopes.copy()
    near = (np.abs(positions - at) <= window).all(axis=1)
    varies = np.ptp(logs[near], axis=0) > 0  # along the others there is nothing to see
    design = np.column_stack([np.ones(near.sum()), logs[near][:, varies]])
    n, k = design.shape
    if n <= k or np.linalg.matrix_rank(design) < k:
        return slopes, p
    inverse = np.linalg.inv(design.T @ design)
    fitted = inverse @ design.T @ values[near]
    rest = values[near] - design @ fitted
    errors = np.sqrt(np.diag(inverse)[:, None] * np.square(rest).sum(axis=0) / (n - k))
    flat = np.ptp(values[near], axis=0) == 0  # rounding alone would give it a slope
    fitted[:, flat], errors[:, flat] = 0, 1
    slopes[varies] = fitted[1:]
    p[varies] = 2 * stats.t.sf(np.abs(fitted[1:]) / errors[1:], n - k)
    return slopes, p


def _log2(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """log2, with a zero (no training) one doubling below the smallest step."""
    smallest = min(v for v in grid if v > 0)
    return np.log2(np.where(values > 0, values, smallest / 2))
