"""`simplify`: a smaller model with the same outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tfhash import backend, graph
from tfhash.encoder.checks import check_inputs, check_weights
from tfhash.encoder.inputs import Inputs
from tfhash.encoder.symbols import symbols_of
from tfhash.surgery import folding, removing
from tfhash.surgery.bounds import Ranges, ranges_over_box, ranges_over_data
from tfhash.surgery.build import build
from tfhash.surgery.network import INPUT, LINEAR, WHOLE, Array, Network, Node
from tfhash.surgery.report import SurgeryReport, UnitChange
from tfhash.surgery.trace import network_of

BATCH = 256
COMPARED = 1000  # rows


def simplify(
    model: keras.Model, x: Any = None, bounds: Any = None
) -> tuple[keras.Model, SurgeryReport]:
    """Make a smaller model with the same outputs, by taking out units that do nothing.

    - Units that never fire are removed, and so are those that are constant or that no later layer
      reads. Where an addition joins branches, a channel goes if no layer past it needs it.
    - A ReLU whose units are all always on goes; two dense layers (or a convolution and a pointwise
      one) with nothing left between become one where that has no more parameters. Where only some
      units are always on, they are linear and the others are not: between two dense layers they
      are replaced by as many units as the next layer has outputs, or this one inputs, if those
      are fewer. Else they stay, since taking them out needs a path around the layer.
    - Units with equal weights are merged, with proportional weights too where the activation is a
      ReLU or leaky ReLU.
    - Batch normalization is folded into the layer before it.

    Dense, convolutional and depthwise layers, normalization, additions and concatenations,
    pooling, padding, flattening and dropout are followed. Layers of a `call` of their own that give
    their input back as it came, such as the penalties of `tfhash.regularizers`, are left out of the
    new model, which is a plain one. Other layers of Keras's are left as they
    are, with the units that they read; the report says so. The model given is not changed.

    Parameters
    ----------
    model : keras.Model
        Sequential or Functional, built. Its current weights are used.
    x : [n, ...], of the model's input shape, optional
        Units that never fire, or always do, over these inputs count too. That is an equality over
        the data, and no proof for others.
    bounds : (low, high), optional
        The least and the greatest value of each element of the inputs: numbers, or arrays that
        broadcast to the shape of an input; for a model of several inputs, they hold for each.
        What holds within them is proven, by interval arithmetic and linear bounds in float64. They
        are widened to the nearest numbers of the inputs' dtype.
        Without them, what holds for every input is.

    Returns
    -------
    small : keras.Model
        Of new layers, uncompiled; layers keep their names. Sequential where the model is.
    report : SurgeryReport

    Raises
    ------
    ValueError
        Where the model cannot be taken apart (the layer and the reason are named), has weights
        that are not finite, or bounds or `x` do not suit it.
    """
    network = network_of(model)
    check_weights(model)
    before = _sizes(network)
    arrays = None if x is None else _arrays(model, x)
    boxes = _boxes(network, bounds)
    if arrays is not None and bounds is not None:
        _check_within(network, boxes, arrays)
    folding.fold_normalization(network)
    known: list[Ranges] = [{}, {}]
    if all(None not in node.shape for node in network.nodes):
        known[0] = ranges_over_box(network, boxes)
    elif bounds is not None:
        raise ValueError(
            "Expected a model of a fixed input shape where bounds are given. Received: "
            f"{model.name!r}, which leaves sizes open. Give x instead."
        )
    if arrays is not None:
        nodes = build(network, model.name, sequential=False, every=True)
        known[1], _ = ranges_over_data(network, nodes, arrays, BATCH)
    changes = _operate(network, known, 1 if arrays is None else 2)
    small = build(network, model.name, isinstance(model, keras.Sequential))
    after = _sizes(network)
    report = SurgeryReport(
        model.name,
        tuple(changes),
        {node.name: node.reason for node in network.nodes if node.kind == WHOLE},
        {name: (n, after.get(name, 0)) for name, n in before.items()},
        (model.count_params(), small.count_params()),
        _described(bounds),
        0 if arrays is None else len(arrays[0]),
        _difference(model, small, network, arrays, boxes),
    )
    return small, report


def _operate(network: Network, known: list[Ranges], n_sources: int) -> list[UnitChange]:
    """All that can be done, until nothing more can; what is proven first."""
    changes: list[UnitChange] = []
    for source in range(n_sources):
        while True:
            done = [
                *removing.remove_constant(network, known, source),
                *removing.merge_equal(network, known),
                *folding.drop_always_on(network, known, source),
                *folding.fold_linear(network),
                *folding.replace_always_on(network, known, source),
            ]
            if not done:
                break
            changes += done
    return changes


def _sizes(network: Network) -> dict[str, int]:
    return {node.name: node.channels for node in network.nodes if node.kind in LINEAR}


def _arrays(model: keras.Model, x: Any) -> list[Any]:
    for one in keras.tree.flatten(x):
        if isinstance(one, Iterator) or not (hasattr(one, "shape") or np.isscalar(one)):
            raise ValueError(
                "Expected x as an array [n, ...], or a list or dict of arrays as the model takes "
                f"them: it is read more than once. Received: {type(one).__name__}. Put batches "
                "together with np.concatenate."
            )
    inputs = Inputs(symbols_of(model, None))
    arrays = inputs.flat(x)
    if len(arrays[0]) == 0:
        raise ValueError("Expected at least one example in x. Received: none.")
    for start in range(0, len(arrays[0]), BATCH):
        batch = [np.asarray(array[start : start + BATCH]) for array in arrays]
        check_inputs(batch, inputs.names, start)
    return list(arrays)


def _boxes(network: Network, bounds: Any) -> dict[Node, tuple[Array, Array]]:
    if bounds is None:
        bounds = (-np.inf, np.inf)
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise ValueError(f"Expected bounds as a pair (low, high). Received: {bounds!r}.")
    boxes = {}
    for node in network.nodes:
        if node.kind != INPUT:
            continue
        shape = tuple(size or 1 for size in node.shape)
        try:
            ends = [np.asarray(one, np.float64) for one in bounds]
        except (TypeError, ValueError):
            raise ValueError(
                "Expected bounds (low, high) as numbers or arrays of numbers. "
                f"Received: {bounds!r:.80}."
            ) from None
        try:
            low, high = (np.broadcast_to(end, shape) for end in ends)
        except ValueError:
            raise ValueError(
                f"Expected bounds (low, high) that broadcast to inputs of shape {node.shape}. "
                f"Received shapes: {[end.shape for end in ends]}."
            ) from None
        if not (low <= high).all():
            raise ValueError(
                "Expected bounds (low, high) with low <= high throughout. Received: "
                f"{_described(bounds)}."
            )
        # Inputs come rounded to their dtype: 0.1 as a float32 is above 0.1.
        dtype = node.arguments[1]["dtype"]
        if keras.backend.is_float_dtype(dtype) and dtype != "float64":
            low, high = (
                np.minimum(low, _rounded(low, dtype)),
                np.maximum(high, _rounded(high, dtype)),
            )
        boxes[node] = low, high
    return boxes


def _rounded(end: Array, dtype: str) -> Array:
    with np.errstate(over="ignore"):
        return backend.to_numpy(backend.to_tensor(end, dtype)).astype(np.float64)


def _check_within(
    network: Network, boxes: dict[Node, tuple[Array, Array]], arrays: list[Any]
) -> None:
    for node, array in zip(keras.tree.flatten(network.inputs), arrays, strict=True):
        low, high = boxes[node]
        for start in range(0, len(array), BATCH):
            part = np.asarray(array[start : start + BATCH])
            if (part < low).any() or (part > high).any():
                raise ValueError(
                    f"Expected x within the bounds {float(low.min()):g} to {float(high.max()):g}. "
                    f"Received: values from {part.min():g} to {part.max():g} in rows {start} to "
                    f"{start + len(part) - 1}."
                )


def _described(bounds: Any) -> str:
    if bounds is None:
        return "every input"
    low, high = (np.asarray(one, np.float64) for one in bounds)
    return f"every input from {low.min():g} to {high.max():g}"


def _difference(
    model: keras.Model,
    small: keras.Model,
    network: Network,
    arrays: list[Any] | None,
    boxes: dict[Node, tuple[Array, Array]],
) -> float | None:
    inputs = keras.tree.flatten(network.inputs)
    if arrays is None:
        if not all(np.isfinite(end).all() for box in boxes.values() for end in box):
            return None
        rng = np.random.default_rng(0)
        arrays = [
            rng.uniform(*boxes[node], (BATCH, *node.shape)).astype(node.arguments[1]["dtype"])
            for node in inputs
        ]
    rows = [np.asarray(array[:COMPARED]) for array in arrays]
    given = keras.tree.pack_sequence_as(network.inputs, rows)
    with graph.nodes_restored(model):
        one, other = (
            keras.tree.flatten(net.predict(given, batch_size=BATCH, verbose=0))
            for net in (model, small)
        )
    worst = 0.0
    for a, b in zip(one, other, strict=True):
        a, b = a.astype(float), b.astype(float)
        largest = float(np.abs(a[np.isfinite(a)]).max(initial=0)) or 1.0
        with np.errstate(invalid="ignore"):
            apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0, np.abs(a - b))
        worst = max(worst, float(np.nan_to_num(apart, nan=np.inf).max(initial=0)) / largest)
    return worst
