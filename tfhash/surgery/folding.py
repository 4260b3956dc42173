"""Linear parts of a network folded together: normalization, always-on units, adjacent layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfhash.surgery.bounds import Range, Ranges
from tfhash.surgery.network import AFFINE, CONV, DENSE, LINEAR, RELU, Array, Network, Node
from tfhash.surgery.report import UnitChange
from tfhash.surgery.trace import IDENTITIES


def fold_normalization(network: Network) -> list[str]:
    """Fold each batch normalization into the layer before it, where that alone is normalized."""
    folded = []
    for node in list(network.nodes):
        if node.kind != AFFINE or "scale" not in node.weights:
            continue
        (given,) = node.inputs
        alone = network.consumers()[given] == [node] and given not in network.output_nodes()
        if alone and "kernel" in given.weights:
            scale, shift = node.weights["scale"], node.weights["shift"]
            given.weights["kernel"] = given.weights["kernel"] * scale
            given.weights["bias"] = given.weights["bias"] * scale + shift
            network.drop(node)
            folded.append(node.name)
    return folded


def drop_always_on(network: Network, known: list[Ranges], source: int) -> list[UnitChange]:
    """Take out each ReLU all of whose units are always on: it does nothing."""
    changes: list[UnitChange] = []
    for node in [one for one in network.nodes if one.kind == RELU]:
        given = node.inputs[0]
        if given not in known[source] or not (known[source][given].low >= 0).all():
            continue
        if given.kind not in (*LINEAR, AFFINE):
            continue  # a ReLU of what another one gave: nothing would become linear
        origin = given.origin if len(given.origin) else np.arange(given.channels)
        for unit in origin.tolist():
            proof = _proof(known, source, given)
            changes.append(UnitChange(given.name, unit, "made linear", "is always on", proof))
        network.drop(node)
    return changes


def fold_linear(network: Network) -> list[UnitChange]:
    """Make one layer of two with no activation between, where that has no more parameters."""
    changes: list[UnitChange] = []
    for second in list(network.linear()):
        chain = _chain(network, second)
        if chain is None:
            continue
        first, between = chain
        if first.kind not in LINEAR or not _is_pointwise(first, second):
            continue
        kernel, bias = first.weights["kernel"], first.weights["bias"]
        matrix = second.weights["kernel"].reshape(kernel.shape[-1], -1)
        n_parameters = kernel.size + bias.size + matrix.size + matrix.shape[1]
        if (kernel[..., 0].size + 1) * matrix.shape[1] > n_parameters:
            continue
        for unit in first.origin.tolist():
            reason = "no activation between two layers"
            changes.append(UnitChange(first.name, unit, "folded", reason, "weights"))
        second.weights = {
            "kernel": kernel @ matrix,
            "bias": bias @ matrix + second.weights["bias"],
        }
        second.inputs = list(first.inputs)
        if first.kind == CONV:
            second.kind, second.operation = CONV, first.operation
        for node in (first, *between):
            network.nodes.remove(node)
    return changes


def replace_always_on(network: Network, known: list[Ranges], source: int) -> list[UnitChange]:
    """Replace the always-on units between two dense layers by fewer.

    They are linear in the layer's input x, and the next layer reads a linear function of them:
    where they outnumber its outputs or the elements of x, as many units as those are enough. A
    shift keeps the new ones on.
    """
    changes: list[UnitChange] = []
    for second in [one for one in network.linear() if one.kind == DENSE]:
        chain = _chain(network, second)
        if chain is None or chain[0].kind != RELU:
            continue
        relu, between = chain
        first = relu.inputs[0]
        alone = network.consumers()[first] == [relu] and first not in network.output_nodes()
        if first.kind != DENSE or not alone or first not in known[source]:
            continue
        x, on = first.inputs[0], known[source][first].low >= 0
        kernel, bias = first.weights["kernel"], first.weights["bias"]
        matrix = second.weights["kernel"]
        n_new = min(matrix.shape[1], kernel.shape[0])
        if on.sum() <= n_new or on.all():
            continue
        product = kernel[:, on] @ matrix[on]
        by_output = matrix.shape[1] <= kernel.shape[0]
        new = product if by_output else np.eye(kernel.shape[0])
        readout = np.eye(matrix.shape[1]) if by_output else product
        low, _ = _product(new, known[source][x])
        if not np.isfinite(low).all():
            continue
        shift = np.maximum(0, -low)
        proof = _proof(known, source, first)
        for unit in first.origin[on].tolist():
            changes.append(UnitChange(first.name, unit, "folded", "is always on", proof))
        second.weights = {
            "kernel": np.concatenate([matrix[~on], readout]),
            "bias": second.weights["bias"] + bias[on] @ matrix[on] - shift @ readout,
        }
        first.weights = {
            "kernel": np.concatenate([kernel[:, ~on], new], axis=1),
            "bias": np.concatenate([bias[~on], shift]),
        }
        first.origin = np.concatenate([first.origin[~on], np.full(n_new, -1)])
        for ranges in known:
            if x not in ranges:
                continue
            low, high = (end + shift for end in _product(new, ranges[x]))
            low = np.where((low < 0) & (ranges is known[source]), 0, low)  # rounded alone
            _append(ranges, first, ~on, low, high)
            for node in (relu, *between):
                _append(ranges, node, ~on, np.maximum(low, 0), np.maximum(high, 0))
        for node in (first, relu, *between):
            node.resize(len(first.origin))
    return changes


def _append(ranges: Ranges, node: Node, keep: NDArray[np.bool_], low: Array, high: Array) -> None:
    old = ranges[node]
    linear = None
    if old.linear is not None:
        linear = np.concatenate([old.linear[keep], np.zeros(len(low), bool)])
    ranges[node] = Range(
        np.concatenate([old.low[keep], low]), np.concatenate([old.high[keep], high]), linear
    )


def _product(kernel: Array, x: Range) -> tuple[Array, Array]:
    """The least and the greatest that `x @ kernel` can be."""
    up, down = np.maximum(kernel, 0), np.minimum(kernel, 0)
    with np.errstate(invalid="ignore"):  # 0 times infinity: then nothing is known
        return (
            np.nan_to_num(x.low @ up + x.high @ down, nan=-np.inf, neginf=-np.inf),
            np.nan_to_num(x.high @ up + x.low @ down, nan=np.inf, posinf=np.inf),
        )


def _chain(network: Network, second: Node) -> tuple[Node, list[Node]] | None:
    """What a layer reads past layers that do nothing, if nothing else does, and those layers."""
    consumers, ends = network.consumers(), network.output_nodes()
    at = second.inputs[0]
    between: list[Node] = []
    while True:
        if len(consumers[at]) != 1 or at in ends:
            return None
        if not isinstance(at.operation, IDENTITIES):
            return at, between
        between.append(at)
        at = at.inputs[0]


def _is_pointwise(first: Node, second: Node) -> bool:
    """Whether `second` sees one place of what `first` gives at a time."""
    if second.kind == DENSE:
        return True
    kernel = second.weights["kernel"]
    plain = all(size == 1 for size in (*kernel.shape[:-2], *second.operation.strides))
    return plain and first.kind == CONV


def _proof(known: list[Ranges], source: int, node: Node) -> str:
    if source:
        return "data"
    linear = known[0][node].linear
    return "linear bounds" if linear is not None and linear.any() else "intervals"
