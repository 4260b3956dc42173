"""The charts that come with the package, and the thresholds fitted on each.

`tfhash draw` writes both tables of a dataset, as `phase_chart_digits.csv` and
`phase_chart_digits_thresholds.csv`, from the runs of

    tfhash run phase_chart --dataset=digits --repeat=3 --metrics=redundancy,knn
    tfhash run phase_chart --dataset=mnist --repeat=3 --metrics=redundancy,knn
    tfhash run phase_chart --dataset=cifar10 --repeat=3 --epoch=30 --metrics=redundancy,knn

The package's copies are these files.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources

import numpy as np
import pandas as pd

from tfhash.errors import unknown_name
from tfhash.phases.chart import AXES
from tfhash.phases.thresholds import Thresholds, bootstrap

# By dataset, numbers in one input, classes, and hidden layers of the chart's networks.
SIZES = {"digits": (8 * 8, 10, 1), "mnist": (28 * 28, 10, 1), "cifar10": (32 * 32 * 3, 10, 5)}
AXIS_REACH = 2**0.5  # how far beyond its last points a chart holds: a factor,
VALUE_REACH = 0.05  # and a share


@dataclass(frozen=True)
class Chart:
    """Points of a chart and what was fitted on them.

    Attributes
    ----------
    dataset : str
        What its networks were trained on.
    points : pandas.DataFrame
        What `regimes` gives.
    thresholds : Thresholds
        Fitted on all points.
    intervals : pandas.DataFrame
        What `intervals` gives: each threshold's 95% interval over resamples of the points.
    n_inputs, n_classes : int or None
        Numbers in one input, and classes, of the dataset; None where they are not known.
    n_layers : int
        Hidden layers of its networks, each of the width that the points have.
    """

    dataset: str
    points: pd.DataFrame
    thresholds: Thresholds
    intervals: pd.DataFrame
    n_inputs: int | None = None
    n_classes: int | None = None
    n_layers: int = 1

    @property
    def plateau(self) -> float:
        """The accuracy from which gaps are counted."""
        return float((self.points["accuracy"] + self.points["gap"]).iloc[0])

    @cached_property
    def resampled(self) -> list[Thresholds]:
        """Thresholds fitted on resamples of the points."""
        return bootstrap(self.points)

    def outside(self, **values: float) -> list[str]:
        """A line for each of `values`, by column of the points, that is outside of their range.

        A point stands for what is near it: half a doubling along an axis, `VALUE_REACH` of
        redundancy and accuracy.
        """
        lines = []
        for name, value in values.items():
            low, high = float(self.points[name].min()), float(self.points[name].max())
            if name in AXES:
                inside = low / AXIS_REACH <= value <= high * AXIS_REACH
            else:
                inside = low - VALUE_REACH <= value <= high + VALUE_REACH
            if not inside:
                lines.append(f"{name} is {value:.4g}; the chart has {low:.4g} to {high:.4g}")
        return lines

    def nearest(self, n: int, **values: float) -> pd.DataFrame:
        """The `n` points that are nearest, nearest first, with their distance.

        Distances are Euclidean: a doubling of width or sample size counts as much as a tenth of
        redundancy or accuracy.
        """
        apart = np.zeros(len(self.points))
        for name, value in values.items():
            theirs = self.points[name].to_numpy(float)
            if name in AXES:
                apart += (np.log2(theirs) - np.log2(value)) ** 2
            else:
                apart += ((theirs - value) / 0.1) ** 2
        order = np.argsort(apart, kind="stable")[:n]
        return self.points.iloc[order].assign(distance=np.sqrt(apart[order]))


@cache
def shipped_chart(dataset: str = "digits") -> Chart:
    """The chart of a dataset that comes with the package.

    Raises
    ------
    InputError
        There is none of that dataset.
    """
    if dataset not in SIZES:
        raise unknown_name("a chart's dataset", dataset, SIZES)
    points, table = _read(f"phase_chart_{dataset}"), _read(f"phase_chart_{dataset}_thresholds")
    points["axis"] = points["axis"].fillna("")
    values = dict(zip(table["threshold"], table["value"].astype(float), strict=True))
    return Chart(dataset, points, Thresholds(**values), table, *SIZES[dataset])


def _read(name: str) -> pd.DataFrame:
    with (resources.files("tfhash") / "data" / f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)
