"""A model as a list of nodes, each with one output whose last axis is its channels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Kinds of nodes.
INPUT = "input"
DENSE, CONV = "dense", "convolution"  # new channels, each a weighted sum of all the old ones
AFFINE = "affine"  # batch normalization and depthwise convolution: weights of each channel's own
RELU = "relu"
CHANNELWISE = "channelwise"  # the same function for each channel: activations, pooling, additions
FLATTEN, CONCATENATE = "flatten", "concatenate"
WHOLE = "whole"  # any other layer: left as it is, and so is what it is given

LINEAR = (DENSE, CONV)


@dataclass(eq=False)
class Node:
    """One operation of a model.

    Attributes
    ----------
    name : str
        Of the layer it stands for.
    kind : str
    inputs : list of Node
        In the order in which the operation takes them.
    shape : tuple of int or None
        Of the output, without the batch.
    operation : keras layer or operation; None for inputs and for `relu` within another layer
    arguments : (args, kwargs) of the operation's call, with nodes in the place of tensors
    weights : dict from str to float64 array
        Their last axis is the output's channels; `kernel` of a `LINEAR` node has the input's
        channels on the axis before it.
    is_monotone, is_homogeneous : bool
        Of a channelwise function f: that it never decreases, and that f(cx) = c f(x) for c > 0.
    sums : bool
        Of a channelwise function, that it adds numbers up: an addition, an average.
    reason : str
        Why a node is left whole.
    origin : int64 [channels]
        Of a `LINEAR` node: which unit of the model's layer each is; -1 for new ones.
    """

    name: str
    kind: str
    inputs: list[Node]
    shape: tuple[int | None, ...]
    operation: Any = None
    arguments: tuple[Any, Any] = ((), {})
    weights: dict[str, Array] = field(default_factory=dict)
    is_monotone: bool = True
    is_homogeneous: bool = True
    sums: bool = False
    function: Callable[[Any], Any] | None = None
    reason: str = ""
    origin: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def channels(self) -> int:
        """The size of the last axis; 0 where it has none."""
        return int(self.shape[-1] or 0) if self.shape else 0

    def resize(self, channels: int) -> None:
        self.shape = (*self.shape[:-1], channels)


class Network:
    """The nodes of a model, in an order in which they can be computed.

    Attributes
    ----------
    nodes : list of Node
    inputs : the model's, nodes in its structure
    outputs : the model's, nodes in its structure
    """

    def __init__(self, nodes: list[Node], inputs: Any, outputs: Any) -> None:
        self.nodes, self.inputs, self.outputs = nodes, inputs, outputs

    def output_nodes(self) -> list[Node]:
        import keras

        return keras.tree.flatten(self.outputs)

    def consumers(self) -> dict[Node, list[Node]]:
        """For each node those that take its output, once for each time."""
        found: dict[Node, list[Node]] = {node: [] for node in self.nodes}
        for node in self.nodes:
            for given in node.inputs:
                found[given].append(node)
        return found

    def drop(self, node: Node) -> None:
        """Take out a node with one input: its input takes its place."""
        (given,) = node.inputs
        self.replace(node, given)

    def replace(self, node: Node, other: Node) -> None:
        """Let `other` be taken wherever `node` is, and take `node` out."""
        import keras

        def swap(one: Any) -> Any:
            return other if one is node else one

        for taker in self.nodes:
            taker.inputs = [swap(one) for one in taker.inputs]
            taker.arguments = keras.tree.map_structure(swap, taker.arguments)
        self.outputs = keras.tree.map_structure(swap, self.outputs)
        self.nodes.remove(node)

    def linear(self) -> Iterator[Node]:
        return (node for node in self.nodes if node.kind in LINEAR)


def size(shape: tuple[int | None, ...]) -> int:
    """The number of elements; 0 where it is open."""
    return 0 if None in shape else math.prod(one for one in shape if one is not None)
