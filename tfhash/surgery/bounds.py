"""What each channel of each node can be: over a box of inputs, or over data.

Over a box, by interval arithmetic, each sum with a bound on its own rounding; in chains of dense
layers with ReLU tightened by linear bounds that are carried back to the inputs (Zhang et al.,
"Efficient neural network robustness certification with general activation functions", 2018).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tfhash import backend
from tfhash.surgery.network import (
    AFFINE,
    CONCATENATE,
    CONV,
    DENSE,
    FLATTEN,
    INPUT,
    RELU,
    WHOLE,
    Array,
    Network,
    Node,
)
from tfhash.surgery.trace import IDENTITIES

ROUNDING = 2.0**-52


@dataclass
class Range:
    """The least and the greatest value of each channel, float64 [channels].

    `linear` (bool [channels]) tells where intervals alone did not give it.
    """

    low: Array
    high: Array
    linear: Array | None = None

    def take(self, channels: Any) -> Range:
        linear = None if self.linear is None else self.linear[channels]
        return Range(self.low[channels], self.high[channels], linear)


Ranges = dict[Node, Range]


def ranges_over_box(network: Network, boxes: Mapping[Node, tuple[Array, Array]]) -> Ranges:
    """The range of each node's channels over a box.

    Parameters
    ----------
    network : of inputs of a known shape
    boxes : for each input, the least and greatest values, of its shape; may be infinite
    """
    full: dict[Node, tuple[Array, Array]] = {}
    found: Ranges = {}
    with backend.float64():
        for node in network.nodes:
            if node.kind == INPUT:
                low, high = boxes[node]
            else:
                low, high = _interval(node, [full[one] for one in node.inputs])
            linear = np.zeros(low.shape[-1:], bool)
            if node.kind == DENSE and low.ndim == 1:
                better = _carried_back(node, full)
                if better is not None:
                    linear = (better[0] > low) | (better[1] < high)
                    low, high = np.maximum(low, better[0]), np.minimum(high, better[1])
            full[node] = low, high
            axes = tuple(range(low.ndim - 1))
            found[node] = Range(low.min(axis=axes), high.max(axis=axes), linear)
    return found


def ranges_over_data(
    network: Network, model: keras.Model, arrays: Sequence[Any], batch_size: int
) -> tuple[Ranges, int]:
    """The range of each node's channels over data, and the number of examples.

    Parameters
    ----------
    network : whose nodes are given
    model : of the same inputs, whose outputs are those nodes' in order, without the inputs
    arrays : [n, ...] for each input
    """
    nodes = [node for node in network.nodes if node.kind != INPUT]

    def finish(outputs: Any) -> list[Any]:
        lists = outputs if isinstance(outputs, list | tuple) else [outputs]
        extremes = []
        for tensor in lists:
            axes = tuple(range(len(tensor.shape) - 1))
            extremes += [keras.ops.min(tensor, axes), keras.ops.max(tensor, axes)]
        return extremes

    run = backend.compiled_model(model, finish, backend.has_accelerator())
    found: Ranges = {}
    inputs = keras.tree.flatten(network.inputs)
    n = len(arrays[0])
    for start in range(0, n, batch_size):
        batch = [np.asarray(array[start : start + batch_size]) for array in arrays]
        packed = keras.tree.pack_sequence_as(network.inputs, batch)
        values = [backend.to_numpy(one) for one in run(packed)]
        for i, node in enumerate(nodes):
            _widen(found, node, values[2 * i], values[2 * i + 1])
        for node, array in zip(inputs, batch, strict=True):
            axes = tuple(range(array.ndim - 1))
            _widen(found, node, array.min(axis=axes), array.max(axis=axes))
    return found, n


def _widen(found: Ranges, node: Node, low: Any, high: Any) -> None:
    low, high = (np.atleast_1d(np.asarray(one, np.float64)) for one in (low, high))
    if node in found:
        low, high = np.minimum(low, found[node].low), np.maximum(high, found[node].high)
    found[node] = Range(low, high)


def _interval(node: Node, given: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    shape = tuple(size or 1 for size in node.shape)
    everything = np.full(shape, -np.inf), np.full(shape, np.inf)
    if node.kind == WHOLE or not node.is_monotone:
        return everything
    if node.kind in (DENSE, CONV, AFFINE):
        return _weighted(node, *given[0])
    if node.kind == RELU:
        return np.maximum(given[0][0], 0), np.maximum(given[0][1], 0)
    if node.kind == FLATTEN:
        return given[0][0].reshape(-1), given[0][1].reshape(-1)
    lows, highs = ([pair[side] for pair in given] for side in (0, 1))
    if node.kind == CONCATENATE:
        return np.concatenate(lows, axis=-1), np.concatenate(highs, axis=-1)
    ends = _call(node, lows), _call(node, highs)
    if not node.sums:
        slack = [8 * ROUNDING * abs(end) for end in ends]
        constant = ends[0] == ends[1]  # up to rounding, where a function is saturated
    else:
        # A sum of n terms is rounded by less than n times the rounding of the sum of their sizes.
        n_terms = 8 + len(given) * math.prod(given[0][0].shape[:-1])
        slack = [
            n_terms * ROUNDING * _call(node, [abs(one) for one in arrays])
            for arrays in (lows, highs)
        ]
        axes = tuple(range(given[0][0].ndim - 1))
        constant = np.all([(low == high).all(axis=axes) for low, high in given], axis=0)
    with np.errstate(invalid="ignore"):  # of infinities; a NaN is no bound
        low = np.where(constant, ends[0], ends[0] - slack[0])
        high = np.where(constant, ends[1], ends[1] + slack[1])
    return np.where(low > -1e250, low, -np.inf), np.where(high < 1e250, high, np.inf)


def _call(node: Node, arrays: list[Array]) -> Array:
    """A channelwise function of arrays without a batch; an infinity is taken for a huge number."""
    assert node.function is not None
    tensors = [
        backend.to_tensor(np.clip(one, -1e300, 1e300)[np.newaxis], "float64") for one in arrays
    ]
    return backend.to_numpy(node.function(*tensors))[0].astype(np.float64)


def _weighted(node: Node, low: Array, high: Array) -> tuple[Array, Array]:
    if "scale" in node.weights:
        scale, bias = node.weights["scale"], node.weights["shift"]
        kernel = scale
        products = [scale * low, scale * high]
        with np.errstate(invalid="ignore"):
            products = [np.where(scale == 0, 0, one) for one in products]
        least, most = np.minimum(*products), np.maximum(*products)
        sums = abs(least), abs(most)
        terms = 2
        infinite = np.zeros_like(least, bool), np.zeros_like(most, bool)
    else:
        kernel, bias = node.weights["kernel"], node.weights["bias"]
        up, down = np.maximum(kernel, 0), np.maximum(-kernel, 0)
        terms = int(np.prod(kernel.shape[:-1])) + 2
        far_low, far_high = np.isneginf(low), np.isposinf(high)
        low, high = np.where(far_low, 0, low), np.where(far_high, 0, high)
        least = _apply(node, low, up) - _apply(node, high, down)
        most = _apply(node, high, up) - _apply(node, low, down)
        big_low, big_high = abs(low), abs(high)
        sums = (
            _apply(node, big_low, up) + _apply(node, big_high, down),
            _apply(node, big_high, up) + _apply(node, big_low, down),
        )
        infinite = np.zeros_like(least, bool), np.zeros_like(most, bool)
        if far_low.any() or far_high.any():
            ups, downs = (up > 0).astype(float), (down > 0).astype(float)
            far = far_low.astype(float), far_high.astype(float)
            infinite = (
                _apply(node, far[0], ups) + _apply(node, far[1], downs) > 0.5,
                _apply(node, far[1], ups) + _apply(node, far[0], downs) > 0.5,
            )
    slack = [2 * terms * ROUNDING * one for one in sums]
    # A sum is rounded only where it has terms.
    slack = [
        np.where(one > 0, part + 2 * ROUNDING * abs(bias), 0)
        for one, part in zip(sums, slack, strict=True)
    ]
    low_end, high_end = least + bias - slack[0], most + bias + slack[1]
    return np.where(infinite[0], -np.inf, low_end), np.where(infinite[1], np.inf, high_end)


def _apply(node: Node, values: Array, kernel: Array) -> Array:
    """The sums of a node's layer, without its bias."""
    if node.kind == DENSE:
        return values @ kernel
    layer = node.operation
    options = {
        "strides": layer.strides,
        "padding": layer.padding,
        "data_format": "channels_last",
        "dilation_rate": layer.dilation_rate,
    }
    tensor = backend.to_tensor(values[np.newaxis], "float64")
    if node.kind == CONV:
        made = keras.ops.conv(tensor, backend.to_tensor(kernel, "float64"), **options)
    else:
        weights = backend.to_tensor(kernel[..., np.newaxis], "float64")
        made = keras.ops.depthwise_conv(tensor, weights, **options)
    return backend.to_numpy(made)[0]


def _carried_back(node: Node, full: Mapping[Node, tuple[Array, Array]]) -> Any:
    """Bounds of a dense layer at the end of a chain of dense layers and ReLU; None elsewhere."""
    at, passed = node.inputs[0], False
    upper, lower = node.weights["kernel"].T, node.weights["kernel"].T
    above, below = node.weights["bias"].copy(), node.weights["bias"].copy()
    size = abs(upper).sum(axis=1) + abs(above)
    while True:
        if at.kind == RELU:
            passed = True
            low, high = (end.reshape(-1) for end in full[at.inputs[0]])
            if not (np.isfinite(low).all() and np.isfinite(high).all()):
                return None
            # Above: the line through the two ends. Below: 0 or the identity, the closer one.
            crosses = (low < 0) & (high > 0)
            slope = np.where(crosses, high / np.where(crosses, high - low, 1), high > 0)
            floor = np.where(crosses, high > -low, high > 0).astype(float)
            rest = np.where(crosses, -slope * low, 0)
            up, down = np.maximum(upper, 0), np.minimum(upper, 0)
            above = above + up @ rest
            upper = up * slope + down * floor
            up, down = np.maximum(lower, 0), np.minimum(lower, 0)
            below = below + down @ rest
            lower = up * floor + down * slope
        elif at.kind == DENSE and len(at.shape) == 1:
            kernel, bias = at.weights["kernel"], at.weights["bias"]
            above, below = above + upper @ bias, below + lower @ bias
            upper, lower = upper @ kernel.T, lower @ kernel.T
        elif at.kind == INPUT and passed:
            break
        elif at.kind == FLATTEN or _is_identity(at):
            pass
        else:
            return None
        if len(at.inputs) != 1:
            return None
        at = at.inputs[0]
        size = np.maximum(size, np.maximum(abs(upper).sum(axis=1), abs(lower).sum(axis=1)))
    low, high = (one.reshape(-1) for one in full[at])
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        return None
    most = above + np.maximum(upper, 0) @ high + np.minimum(upper, 0) @ low
    least = below + np.maximum(lower, 0) @ low + np.minimum(lower, 0) @ high
    largest = max(
        1.0,
        *(
            float(np.abs(end).max())
            for pair in full.values()
            for end in pair
            if np.isfinite(end).all()
        ),
    )
    slack = 1e-11 * (size * largest + abs(above) + abs(below))
    return least - slack, most + slack


def _is_identity(node: Node) -> bool:
    return isinstance(node.operation, IDENTITIES)
