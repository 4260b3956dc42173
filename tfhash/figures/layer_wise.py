"""Figure 5: encoding properties of single layers, of the first k and of the last k."""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tfhash.figures import style
from tfhash.figures.style import GRAY, Caption
from tfhash.properties import ENCODING_PROPERTIES

# Column of the table: its panel's title. Of redundancy the test set is drawn dashed.
PROPERTIES = {
    one.name: one.heading if one.quantity == "accuracy" and one.is_of_both_sets else one.title
    for one in ENCODING_PROPERTIES.values()
    if one.split == ("train" if one.quantity == "ratio" else "test")
}
DASHED = {"train_redundancy_ratio": "test_redundancy_ratio"}
ROWS = {
    "single": "layer {}",
    "first": "first {}",
    "last": "last {}",
}
_TITLES = {"single": "each layer alone", "first": "the first k layers", "last": "the last k layers"}


def tidy(table: pd.DataFrame) -> pd.DataFrame:
    """What is drawn, from `results.load_layer_wise`: means over repeats.

    Returns
    -------
    pandas.DataFrame
        Columns part, number, layers, n_bits, epoch, property, mean, std (NaN for one repeat), n.
    """
    keys = ["part", "number", "layers", "n_bits", "epoch"]
    measured = [name for name in ENCODING_PROPERTIES if name in table]
    long = table.melt(keys, measured, "property", "value")
    grouped = long.dropna(subset="value").groupby([*keys, "property"])["value"]
    summary = grouped.agg(mean="mean", std="std", n="count").reset_index()
    order = {kind: i for i, kind in enumerate(ROWS)}
    return summary.sort_values(
        ["part", "number", "property", "epoch"],
        key=lambda column: column.map(order) if column.name == "part" else column,
        ignore_index=True,
    )


def figure_5(measured: pd.DataFrame, caption: Caption) -> Figure:
    """A row of panels for each way of choosing layers, a color for each layer or number.

    Parameters
    ----------
    measured
        What `tidy` gives.
    caption
        `ours` and `paper` are not used.
    """
    shown = {k: v for k, v in PROPERTIES.items() if k in set(measured["property"])}
    kinds = [kind for kind in ROWS if kind in set(measured["part"])]
    with matplotlib.rc_context(style.STYLE):
        figure = style.Figure(
            figsize=(1.6 + 2.5 * len(shown), 0.5 + 2.3 * len(kinds)), layout="constrained"
        )
        grid = figure.subplots(len(kinds), len(shown), sharex=True, sharey="col", squeeze=False)
        numbers = sorted(set(measured["number"]))
        color = matplotlib.colormaps["viridis"]
        shades = {n: color(0.92 * i / max(1, len(numbers) - 1)) for i, n in enumerate(numbers)}
        for row, kind in zip(grid, kinds, strict=True):
            for axes, (name, title) in zip(row, shown.items(), strict=True):
                axes.set_xscale("symlog", linthresh=1)
                axes.xaxis.set_major_formatter("{x:,.0f}")
                style.as_percent(axes.yaxis)
                if kind == kinds[0]:
                    axes.set_title(title)
                if kind == kinds[-1]:
                    axes.set_xlabel("epoch")
                for number in numbers:
                    for what, dashes in ((name, "-"), (DASHED.get(name), (0, (2, 2)))):
                        curve = measured[
                            (measured["part"] == kind)
                            & (measured["number"] == number)
                            & (measured["property"] == what)
                        ]
                        spread = curve["std"].fillna(0)
                        axes.plot(
                            curve["epoch"],
                            curve["mean"],
                            color=shades[number],
                            linestyle=dashes,
                            linewidth=1.3,
                        )
                        axes.fill_between(
                            curve["epoch"],
                            curve["mean"] - spread,
                            curve["mean"] + spread,
                            color=shades[number],
                            alpha=0.2,
                            linewidth=0,
                        )
            row[0].set_ylabel(_TITLES[kind])
            row[-1].legend(
                handles=[
                    Line2D([], [], color=shades[n], linewidth=1.3, label=ROWS[kind].format(n))
                    for n in numbers
                ],
                loc="center left",
                bbox_to_anchor=(1.02, 0.5),
            )
        if "train_redundancy_ratio" in shown:
            grid[0][0].legend(
                handles=[
                    Line2D([], [], color=GRAY, linewidth=1.3, label="training set"),
                    Line2D(
                        [], [], color=GRAY, linewidth=1.3, linestyle=(0, (2, 2)), label="test set"
                    ),
                ],
                loc="best",
            )
        figure.suptitle(f"{caption.title}: {caption.subtitle}", x=0.01, ha="left", fontsize=9)
        return figure
