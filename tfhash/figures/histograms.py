"""Figures 2(d), 2(e) and 7: histograms of stochastic activation diameters."""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from tfhash.figures import style
from tfhash.figures.style import Caption

_COLORS = (style.BLUE, style.ORANGE)


def diameter_histograms(table: pd.DataFrame, caption: Caption) -> Figure:
    """One panel for each pair of histograms, one over the other.

    Parameters
    ----------
    table
        One row per bin: panel and series (what they are called, in the order in which they are
        drawn), left and right (its edges), share (of the series' diameters in it), mean.
    caption
        Its title and subtitle.
    """
    panels = list(dict.fromkeys(table["panel"]))
    with matplotlib.rc_context(style.STYLE):
        figure, row = style.new_row(caption, panels, "diameter (L2)", "share of examples")
        for axes, panel in zip(row, panels, strict=True):
            here = table[table["panel"] == panel]
            for series, color in zip(dict.fromkeys(here["series"]), _COLORS, strict=False):
                bins = here[here["series"] == series]
                edges = [*bins["left"], bins["right"].iloc[-1]]
                axes.stairs(bins["share"], edges, fill=True, color=color, alpha=0.35)
                axes.stairs(bins["share"], edges, color=color, linewidth=1.2, label=series)
                axes.axvline(bins["mean"].iloc[0], color=color, linewidth=1, linestyle="--")
            axes.legend(loc="upper right")
        return figure
