"""A layer's units in one call: a histogram by class and a scatter of two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure

from tfhash.figures import representations, style

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike

    from tfhash.encoder import Encoder


def unit_pictures(
    model: keras.Model | Encoder,
    layer: Any,
    x: Any,
    y: ArrayLike | None = None,
    units: tuple[int, int] = (0, 1),
    title: str = "",
) -> Figure:
    """Choi et al., Figure 1, of one layer: a unit's activations by class, and those of two units.

    Parameters
    ----------
    model, layer, x, y, units
        As `tfhash.representation.unit_tables` takes them, which gives the numbers.
    title
        What was trained, and how; by default the layer's name.

    Raises
    ------
    ValueError
        As `unit_tables` raises it.

    Examples
    --------
    >>> figures.unit_pictures(model, "dense_4", x_test, y_test, units=(3, 17))
    """
    from tfhash.representation import unit_tables

    tables = unit_tables(model, layer, x, y, units)
    with matplotlib.rc_context(style.STYLE):
        figure = style.Figure(figsize=(8.2, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        representations.draw_histogram(left, tables.histogram)
        representations.draw_scatter(right, tables.points)
        left.set(xlabel=f"activation of unit {units[0]}, zeros left out", ylabel="samples")
        right.set(xlabel=f"unit {units[0]}", ylabel=f"unit {units[1]}")
        if y is not None:
            lines = right.get_legend_handles_labels()
            figure.legend(*lines, title="class", loc="outside right center", markerscale=2)
        figure.suptitle(title or getattr(layer, "name", str(layer)), x=0.01, ha="left", fontsize=9)
        return figure
