"""The activation hash phase chart: regimes of networks by width, training steps and sample size.

From tidy tables of the study `phase_chart` to regimes, thresholds and their tests. NumPy and pandas
alone.
"""

from tfhash.phases.chart import AXES, REGIMES, chart_points, regimes
from tfhash.phases.shipped import Chart, shipped_chart
from tfhash.phases.thresholds import (
    HeldOut,
    Thresholds,
    agreement,
    bootstrap,
    fit_thresholds,
    held_out,
    intervals,
)

__all__ = [
    "AXES",
    "REGIMES",
    "Chart",
    "HeldOut",
    "Thresholds",
    "agreement",
    "bootstrap",
    "chart_points",
    "fit_thresholds",
    "held_out",
    "intervals",
    "regimes",
    "shipped_chart",
]
