"""Units that can go: constant ones, those that nothing reads, and those equal to another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfhash.surgery.bounds import Ranges
from tfhash.surgery.channels import Channels
from tfhash.surgery.network import AFFINE, DENSE, LINEAR, Array, Network, Node
from tfhash.surgery.report import UnitChange

# Weights that differ by no more than this, relative to the largest of their unit, are equal:
# twice the rounding of float32.
TOLERANCE = 2.0**-23
BLOCK = 512


def remove_constant(network: Network, known: list[Ranges], source: int) -> list[UnitChange]:
    """Take out units that are constant, or read by nothing, and add them to the next bias.

    Parameters
    ----------
    network : changed
    known : ranges, changed with it
    source : int
        Which of them tells what is constant: 0 the box, 1 the data. Over data, only units that
        are 0 throughout are constant.
    """
    channels = Channels(network)
    free, ranges = channels.free(), known[source]
    stays: set[int] = set()
    constant: set[int] = set()  # of those, some value is not 0
    ignored = set(free)  # all that reads them has weights of 0
    tightened: set[int] = set()
    for node in network.linear():
        given = node.inputs[0]
        ids = channels.groups[given]
        kernel = node.weights["kernel"]
        reads = abs(kernel).max(axis=(*range(kernel.ndim - 2), kernel.ndim - 1)) > 0
        ignored -= set(ids[reads].tolist())
        if given not in ranges:
            stays |= set(ids[reads].tolist())
            continue
        low, high = ranges[given].low, ranges[given].high
        same = (low == high) & np.isfinite(low)
        movable = source == 0 and (node.kind == DENSE or node.operation.padding == "valid")
        goes = same & ((low == 0) | movable)
        stays |= set(ids[reads & ~goes].tolist())
        constant |= set(ids[reads & (low != 0)].tolist())
    for node in network.nodes:
        if node in ranges and ranges[node].linear is not None:
            tightened |= set(channels.groups[node][ranges[node].linear].tolist())
    doomed = channels.spared(free - stays)
    changes = []
    for group in sorted(doomed):
        if group in ignored:
            reason, proof = "nothing reads it", "weights"
        else:
            reason = "is constant" if group in constant else "never fires"
            proof = "data" if source else "linear bounds" if group in tightened else "intervals"
        for layer, unit in channels.units(group):
            changes.append(UnitChange(layer, unit, "removed", reason, proof))
    if doomed:
        for node in network.linear():
            given = node.inputs[0]
            at = np.flatnonzero(np.isin(channels.groups[given], list(doomed & constant)))
            if len(at):
                kernel = node.weights["kernel"][..., at, :]
                sums = kernel.sum(axis=tuple(range(kernel.ndim - 2)))
                node.weights["bias"] = node.weights["bias"] + ranges[given].low[at] @ sums
        channels.remove(doomed, known)
    return changes


def merge_equal(network: Network, known: list[Ranges]) -> list[UnitChange]:
    """Merge units whose weights are equal, or proportional where that is as good."""
    channels = Channels(network)
    members: dict[int, list[tuple[Node, int]]] = {group: [] for group in channels.free()}
    for node in network.nodes:
        if node.kind in LINEAR or node.kind == AFFINE:
            for at, group in enumerate(channels.groups[node].tolist()):
                if group in members:
                    members[group].append((node, at))
    alike: dict[tuple[object, ...], list[int]] = {}
    for group, places in members.items():
        key = (group in channels.bent, *(id(node) for node, _ in places))
        alike.setdefault(key, []).append(group)
    changes: list[UnitChange] = []
    merged: dict[int, tuple[int, float]] = {}
    for (bent, *_), groups in alike.items():
        rows = np.stack([_weights(members[group]) for group in groups])
        own = np.stack([_factors(members[group]) for group in groups])
        for a, b, factor in _pairs(rows, own, bool(bent)):
            merged[groups[b]] = groups[a], factor
            reason = "equal weights" if abs(factor - 1) < TOLERANCE else "proportional weights"
            units = zip(channels.units(groups[b]), channels.units(groups[a]), strict=True)
            for (layer, unit), (_, into) in units:
                changes.append(UnitChange(layer, unit, "merged", reason, "weights", into))
    if merged:
        for node in network.linear():
            ids = channels.groups[node.inputs[0]]
            kernel = node.weights["kernel"].copy()
            for group in set(ids.tolist()) & set(merged):
                into, factor = merged[group]
                kernel[..., ids == into, :] += factor * kernel[..., ids == group, :]
            node.weights["kernel"] = kernel
        channels.remove(set(merged), known)
    return changes


def _weights(places: list[tuple[Node, int]]) -> Array:
    """What scales with a unit: its weights and biases, in all layers that make it."""
    parts = []
    for node, at in places:
        weights = node.weights
        if node.kind in LINEAR:
            parts += [weights["kernel"][..., at].ravel(), weights["bias"][at : at + 1]]
        else:
            parts.append(weights["shift" if "shift" in weights else "bias"][at : at + 1])
    return np.concatenate(parts)


def _factors(places: list[tuple[Node, int]]) -> Array:
    """What must be the same: the weights that multiply one channel on its way."""
    parts = [
        node.weights["scale" if "scale" in node.weights else "kernel"][..., at].ravel()
        for node, at in places
        if node.kind == AFFINE
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _pairs(rows: Array, own: Array, bent: bool) -> list[tuple[int, int, float]]:
    """Pairs (a, b, factor) with rows[b] = factor * rows[a]; each b once, no a as a b."""
    norms = np.sqrt((rows**2).sum(axis=1))
    unit = rows / np.where(norms > 0, norms, 1)[:, np.newaxis]
    found: list[tuple[int, int, float]] = []
    taken = np.zeros(len(rows), bool)
    candidates: NDArray[np.intp]
    for start in range(0, len(rows), BLOCK):
        near = unit[start : start + BLOCK] @ unit.T > 1 - 1e-9
        for a in range(start, min(start + BLOCK, len(rows))):
            if taken[a] or norms[a] == 0:
                continue
            candidates = np.flatnonzero(near[a - start] & ~taken)
            for b in candidates[candidates > a].tolist():
                factor = 1.0 if bent else float(norms[b] / norms[a])
                slack = TOLERANCE * abs(rows[b]).max()
                if (abs(rows[b] - factor * rows[a]) <= slack).all() and (own[a] == own[b]).all():
                    found.append((a, b, factor))
                    taken[b] = True
    return found
