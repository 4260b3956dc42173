"""The activation hash phase chart: regimes of networks by width, training steps and sample size.

From tidy tables of the study `phase_chart` to regimes, thresholds and their tests. NumPy and pandas
alone.
"""

from tfhash.phases.chart import AXES, REGIMES, chart_points, regimes
from tfhash.phases.shipped import shipped_chart
from tfhash.phases.thresholds import (
    HeldOut,
    Thresholds,
    bootstrap,
    fit_thresholds,
    held_out,
)

__all__ = [
    "AXES",
    "REGIMES",
    "HeldOut",
    "Thresholds",
    "bootstrap",
    "chart_points",
    "fit_thresholds",
    "held_out",
    "regimes",
    "shipped_chart",
]
