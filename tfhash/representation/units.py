"""Single units of a layer: their activations by class, as tables that figures are drawn from."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash._extras import named_if_missing
from tfhash.codes import whole_number
from tfhash.encoder import Encoder
from tfhash.encoder.activation_tracer import Choice
from tfhash.encoder.batches import Source
from tfhash.metrics._inputs import check_labels
from tfhash.representation import layers
from tfhash.representation.channels import axis_of_site

with named_if_missing("unit_tables"):
    import pandas as pd

BINS = 40
POINTS = 2_000  # that a scatter shows at most


class UnitTables(NamedTuple):
    """What Choi et al., Figure 1, shows of one layer.

    Attributes
    ----------
    histogram : pandas.DataFrame
        A row for each class and bin: label, left and right (the bin's edges), count. Activations
        that are exactly 0 are left out.
    points : pandas.DataFrame
        A row for each sample, drawn at random where they are many: label, and the activations of
        two units, first and second.
    """

    histogram: pd.DataFrame
    points: pd.DataFrame


def unit_tables(
    model: keras.Model | Encoder,
    layer: Choice,
    x: Any,
    y: ArrayLike | None = None,
    units: tuple[int, int] = (0, 1),
    batch_size: int | None = None,
) -> UnitTables:
    """Activations of two units of a layer, by class.

    Parameters
    ----------
    model
        As `characteristics` takes it.
    layer
        One of its `layers`.
    x
        Inputs, as `tfhash.Encoder.encode` takes them.
    y : [n], optional
        Classes; without them the label of all is "all".
    units : two whole numbers
        Which units; the histogram is of the first. In a layer with positions a unit is a channel,
        and every position of every input is a sample.
    batch_size : int, optional
        As `characteristics` takes it.

    Returns
    -------
    UnitTables

    Raises
    ------
    ValueError
        Where the layer or a unit is not there, there are no inputs, labels do not suit them, or
        activations are NaN or infinite.
    """
    if not isinstance(units, tuple | list | np.ndarray) or len(units) != 2:
        raise ValueError(f"Expected units as a pair of whole numbers. Received: {units!r}.")
    names, read, inputs, whole = layers.reader(model, [layer])
    if len(names) != 1:
        raise ValueError(f"Expected one layer. Received: {', '.join(names)}.")
    axis = axis_of_site(whole, names[0], keras.tree.flatten(read.outputs)[0])
    parts, positions, n = [], 1, 0
    for (array,) in layers.batches(read, inputs, Source(inputs, x), batch_size, names):
        z = layers.as_units(array, axis, flatten=False)
        last = z.shape[1] - 1
        chosen = [whole_number(unit, f"a unit of {names[0]!r}", 0, last) for unit in units]
        n, positions = n + len(array), len(z) // len(array)
        parts.append(z[:, chosen])
        if not np.isfinite(parts[-1]).all():
            row, at = np.argwhere(~np.isfinite(parts[-1]))[0]
            raise ValueError(
                f"layer {names[0]!r}, inputs from row {n - len(array)} on: Expected finite "
                f"activations. Received: {parts[-1][row, at]} of unit {chosen[at]}."
            )
    if not parts:
        raise ValueError("Expected at least one input. Received: none.")
    labels = np.full(n, "all") if y is None else check_labels(y, n)
    first, second = np.concatenate(parts).T
    labels = np.repeat(labels, positions)
    rows = np.sort(np.random.default_rng(0).permutation(len(first))[:POINTS])
    points = {"label": labels[rows], "first": first[rows], "second": second[rows]}
    return UnitTables(histogram(first, labels), pd.DataFrame(points))


def histogram(z: NDArray[Any], labels: NDArray[Any]) -> pd.DataFrame:
    """The table of `UnitTables.histogram`, of activations float [n] and their labels [n]."""
    edges = np.linspace(min(float(z.min()), 0), max(float(z.max()), 1e-6), BINS + 1)
    parts = []
    for label in np.unique(labels):
        of_class = z[labels == label]
        counts = np.histogram(of_class[of_class != 0], edges)[0]
        parts.append({"label": label, "left": edges[:-1], "right": edges[1:], "count": counts})
    return pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True)
