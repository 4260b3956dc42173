"""Which channels of a network stand and fall together, and taking channels out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tfhash.surgery.bounds import Ranges
from tfhash.surgery.network import (
    AFFINE,
    CHANNELWISE,
    CONCATENATE,
    FLATTEN,
    INPUT,
    LINEAR,
    RELU,
    WHOLE,
    Network,
    Node,
)


class Channels:
    """The groups of channels that can only be taken out together.

    A channel keeps its group through activations, pooling and flattening; an addition puts the
    channels that it adds in one group.

    Attributes
    ----------
    groups : for each node, int64 [channels]
    pinned : set of int
        Groups that must stay: of inputs, outputs, and what layers left whole take and give.
    bent : set of int
        Groups with a function f for which f(cx) is not c f(x) for every c > 0.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._parent: list[int] = []
        found: dict[Node, NDArray[np.int64]] = {}
        pinned: list[NDArray[np.int64]] = []
        bent: list[NDArray[np.int64]] = []
        for node in network.nodes:
            given = [found[one] for one in node.inputs]
            if node.kind in (INPUT, WHOLE):
                found[node] = self._new(node.channels)
                pinned += [*given, found[node]]
            elif node.kind in LINEAR:
                found[node] = self._new(node.channels)
            elif node.kind == FLATTEN:
                found[node] = np.tile(given[0], node.channels // len(given[0]))
            elif node.kind == CONCATENATE:
                found[node] = np.concatenate(given)
            else:
                assert node.kind in (AFFINE, RELU, CHANNELWISE)
                found[node] = given[0]
                for other in given[1:]:
                    for a, b in zip(given[0].tolist(), other.tolist(), strict=True):
                        self._parent[self._root(a)] = self._root(b)
            if not node.is_homogeneous:
                bent.append(found[node])
        pinned += [found[node] for node in network.output_nodes()]
        roots = np.array([self._root(one) for one in range(len(self._parent))], np.int64)
        self.groups = {node: roots[ids] for node, ids in found.items()}
        self.pinned = {int(one) for ids in pinned for one in roots[ids]}
        self.bent = {int(one) for ids in bent for one in roots[ids]}

    def _new(self, n: int) -> NDArray[np.int64]:
        start = len(self._parent)
        self._parent += range(start, start + n)
        return np.arange(start, start + n)

    def _root(self, one: int) -> int:
        while self._parent[one] != one:
            self._parent[one] = self._parent[self._parent[one]]
            one = self._parent[one]
        return one

    def free(self) -> set[int]:
        """The groups of units that need not stay."""
        made = {int(one) for node in self.network.linear() for one in self.groups[node]}
        return made - self.pinned

    def units(self, group: int) -> Iterable[tuple[str, int]]:
        """The layers' units of a group: the layer's name and the unit's number."""
        for node in self.network.linear():
            for at in np.flatnonzero(self.groups[node] == group):
                yield node.name, int(node.origin[at])

    def spared(self, doomed: set[int]) -> set[int]:
        """Those of `doomed` that can go, so that each node is left with a channel."""
        doomed = set(doomed)
        for node in self.network.nodes:
            ids = self.groups[node]
            if len(ids) and all(int(one) in doomed for one in ids):
                doomed.discard(int(ids[0]))
        return doomed

    def remove(self, doomed: set[int], ranges: Iterable[Ranges]) -> None:
        """Take groups out of all nodes; what reads them must have been seen to."""
        gone = np.fromiter(doomed, np.int64)
        for node in self.network.nodes:
            if node.kind in LINEAR:
                keep = ~np.isin(self.groups[node.inputs[0]], gone)
                node.weights["kernel"] = node.weights["kernel"][..., keep, :]
            keep = ~np.isin(self.groups[node], gone)
            if keep.all():
                continue
            node.weights = {key: values[..., keep] for key, values in node.weights.items()}
            if node.kind in LINEAR:
                node.origin = node.origin[keep]
            node.resize(int(keep.sum()))
            for known in ranges:
                if node in known:
                    known[node] = known[node].take(keep)
