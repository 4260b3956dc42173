"""Thresholds that tell regimes apart by two values alone, and how well they do where not fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfhash.errors import InputError
from tfhash.phases.chart import REGIMES

_UNDER, _CRITICAL, _SUFFICIENT = REGIMES
SPLITS = ("random halves", "held-out widths")


@dataclass(frozen=True)
class Thresholds:
    """What tells the regimes apart, by redundancy (test) and gap (accuracy below the plateau).

    A network is under-expressive where redundancy is above `under_redundancy` or the gap above
    `under_gap`; else sufficiently expressive where redundancy is at most `sufficient_redundancy`
    and the gap at most `sufficient_gap`; else critically expressive.

    Attributes
    ----------
    under_redundancy, under_gap, sufficient_redundancy, sufficient_gap : float
        Shares, 0 to 1.
    """

    under_redundancy: float
    under_gap: float
    sufficient_redundancy: float
    sufficient_gap: float

    def regimes(self, redundancy: np.ndarray, gap: np.ndarray) -> np.ndarray:
        """The regime, str [n], for redundancies and gaps, both float [n]."""
        redundancy, gap = np.asarray(redundancy, float), np.asarray(gap, float)
        under = (redundancy > self.under_redundancy) | (gap > self.under_gap)
        sufficient = (redundancy <= self.sufficient_redundancy) & (gap <= self.sufficient_gap)
        return np.select([under, sufficient], [_UNDER, _SUFFICIENT], _CRITICAL)


@dataclass(frozen=True)
class HeldOut:
    """How many regimes thresholds name that were fitted on other points.

    Attributes
    ----------
    split : str
        "random halves" or "held-out widths".
    agreement : float
        Share of the points held out whose regime is named.
    low, high : float
        Of the agreements over all splits tried, the 2.5% and 97.5% quantiles.
    constant : float
        Agreement of always naming the commonest regime of the points fitted on.
    """

    split: str
    agreement: float
    low: float
    high: float
    constant: float


def fit_thresholds(chart: pd.DataFrame, n_candidates: int = 24) -> Thresholds:
    """The thresholds that name most regimes of `chart`.

    Parameters
    ----------
    chart
        What `regimes` gives.
    n_candidates
        Quantiles of each value that are tried as thresholds.

    Returns
    -------
    Thresholds
        Two pairs: first the one that tells under-expressive points best from the rest, then the
        one that tells sufficiently expressive ones best from what the first leaves.

    Raises
    ------
    InputError
        There are no points.
    """
    if chart.empty:
        raise InputError("Expected points of a chart to fit thresholds on. Received: none.")
    redundancy, gap = (chart[name].to_numpy(float) for name in ("redundancy", "gap"))
    regime = chart["regime"].to_numpy(str)
    levels = np.linspace(0, 1, n_candidates)
    # Above the largest value too: then nothing is under-expressive for it.
    r, g = (np.unique(np.append(np.quantile(v, levels), v.max())) for v in (redundancy, gap))
    above_r, above_g = redundancy > r[:, None], gap > g[:, None]
    is_under, is_sufficient = regime == _UNDER, regime == _SUFFICIENT
    right = ((above_r[:, None] | above_g[None]) == is_under).sum(axis=2)
    i, j = np.unravel_index(right.argmax(), right.shape)
    left = ~(above_r[i] | above_g[j])
    within = ~above_r[:, None] & ~above_g[None]
    right = ((within == is_sufficient) & left).sum(axis=2)
    k, m = np.unravel_index(right.argmax(), right.shape)
    return Thresholds(float(r[i]), float(g[j]), float(r[k]), float(g[m]))


def agreement(thresholds: Thresholds, chart: pd.DataFrame) -> float:
    """Share of the points of `chart` whose regime the thresholds name."""
    named = thresholds.regimes(chart["redundancy"].to_numpy(), chart["gap"].to_numpy())
    return float(np.mean(named == chart["regime"].to_numpy(str)))


def bootstrap(chart: pd.DataFrame, n: int = 200, seed: int = 0) -> list[Thresholds]:
    """Thresholds fitted on `n` resamples of the points of `chart`, drawn with replacement."""
    rng = np.random.default_rng(seed)
    draws = (rng.integers(0, len(chart), len(chart)) for _ in range(n))
    return [fit_thresholds(chart.iloc[rows]) for rows in draws]


def intervals(fitted: Thresholds, resampled: list[Thresholds]) -> pd.DataFrame:
    """A row for each threshold: name, value, and low and high, its 95% percentile interval."""
    rows = []
    for name, value in vars(fitted).items():
        low, high = np.quantile([getattr(one, name) for one in resampled], (0.025, 0.975))
        rows.append({"threshold": name, "value": value, "low": low, "high": high})
    return pd.DataFrame(rows)


def held_out(chart: pd.DataFrame, n: int = 100, seed: int = 0) -> list[HeldOut]:
    """Thresholds fitted on half of a chart and read on the other half.

    Parameters
    ----------
    chart
        What `regimes` gives.
    n
        Random halves that are tried; of the widths, the even and the odd ones in turn.
    seed
        Of the halves.

    Returns
    -------
    list of HeldOut
        For random halves of the points, and for halves by width.
    """
    rng = np.random.default_rng(seed)
    order = {width: i for i, width in enumerate(sorted(set(chart["width"])))}
    odd = chart["width"].map(order).to_numpy() % 2 == 1
    halves: Mapping[str, list[np.ndarray]] = {
        SPLITS[0]: [rng.permutation(len(chart)) < len(chart) // 2 for _ in range(n)],
        SPLITS[1]: [odd, ~odd],
    }
    found = []
    for name, masks in halves.items():
        shares, constants = [], []
        for mask in masks:
            fit, rest = chart[mask], chart[~mask]
            shares.append(agreement(fit_thresholds(fit), rest))
            constants.append(float(np.mean(rest["regime"] == fit["regime"].mode()[0])))
        low, high = np.quantile(shares, (0.025, 0.975))
        found.append(
            HeldOut(
                name, float(np.mean(shares)), float(low), float(high), float(np.mean(constants))
            )
        )
    return found
