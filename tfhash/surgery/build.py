"""A Keras model of a `Network`: layers with the configuration of the old ones and fewer units."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import keras
import numpy as np

from tfhash import rebuilding
from tfhash.surgery.network import AFFINE, CHANNELWISE, INPUT, LINEAR, RELU, Network, Node
from tfhash.surgery.trace import refusal

kl = keras.layers


def build(network: Network, name: str, sequential: bool, every: bool = False) -> keras.Model:
    """The model; with `every`, one that gives the output of each node but the inputs.

    Parameters
    ----------
    network : Network
    name : str
        The model's.
    sequential : bool
        Whether to give a `keras.Sequential` where the network is a chain.
    """
    return _Builder(network, every).model(name, sequential)


class _Builder:
    def __init__(self, network: Network, every: bool) -> None:
        self.network, self.every = network, every
        self.tensors: dict[Node, Any] = {}
        self.layers: list[keras.Layer] = []
        self.whole: dict[int, Any] = {}
        self.names: set[str] = set()
        self.consumers = network.consumers()
        self.ends = network.output_nodes()

    def model(self, name: str, sequential: bool) -> keras.Model:
        network = self.network
        symbols = self.inputs()
        for node in network.nodes:
            if node.kind != INPUT:
                self.tensors[node] = self.output(node)
        inputs = keras.tree.map_structure(lambda node: self.tensors[node], network.inputs)
        if self.every:
            outputs = [self.tensors[node] for node in network.nodes if node.kind != INPUT]
            return keras.Model(inputs, outputs, name=f"{name}_nodes")
        if sequential and self.is_chain():
            return keras.Sequential([symbols[0], *self.layers], name=name)
        outputs = keras.tree.map_structure(lambda node: self.tensors[node], network.outputs)
        return keras.Model(inputs, outputs, name=name)

    def inputs(self) -> list[Any]:
        made = []
        for node in keras.tree.flatten(self.network.inputs):
            dtype = node.arguments[1].get("dtype", "float32")
            batch = node.arguments[1].get("batch")
            symbol = keras.Input(batch_shape=(batch, *node.shape), dtype=dtype, name=node.name)
            self.tensors[node] = symbol
            made.append(symbol)
        return made

    def is_chain(self) -> bool:
        nodes = self.network.nodes
        follows = all(b.inputs == [a] for a, b in pairwise(nodes))
        layers = all(isinstance(n.operation, keras.Layer) or n in self.merged for n in nodes[1:])
        return follows and layers and isinstance(self.network.outputs, Node)

    @property
    def merged(self) -> set[Node]:
        """Activations that the layer before them applies."""
        return {node for node in self.network.nodes if self.activation_of(node.inputs, node)}

    def activation_of(self, inputs: list[Node], node: Node) -> Any:
        """The function of a node that its layer applies, or None."""
        if isinstance(node.operation, keras.Layer) or len(inputs) != 1 or self.every:
            return None
        (given,) = inputs
        alone = self.consumers[given] == [node] and given not in self.ends
        own = getattr(given.operation, "activation", None)
        return own if alone and own is not None and own is node.operation else None

    def output(self, node: Node) -> Any:
        given = [self.tensors[one] for one in node.inputs]
        if node.kind in LINEAR or node.kind == AFFINE:
            layer = self.weighted(node)
            return self.applied(layer, given[0])
        if self.activation_of(node.inputs, node) is not None:
            return given[0]
        operation = node.operation
        if not isinstance(operation, keras.Operation):
            layer = kl.Activation(operation, name=self.name(f"{node.name}_activation"))
            return self.applied(layer, given[0])
        args, kwargs = keras.tree.map_structure(
            lambda one: self.tensors[one] if isinstance(one, Node) else one, node.arguments
        )
        if not isinstance(operation, keras.Layer):
            return _twin(operation)(*args, **kwargs)
        if id(operation) not in self.whole or node.kind in (CHANNELWISE, RELU):
            self.whole[id(operation)] = self.copied(node)
        layer = self.whole[id(operation)]
        self.layers.append(layer)
        return layer(*args, **kwargs)

    def applied(self, layer: keras.Layer, tensor: Any) -> Any:
        self.layers.append(layer)
        return layer(tensor)

    def copied(self, node: Node) -> Any:
        layer = node.operation
        try:
            copy = rebuilding.with_config(layer, name=self.name(node.name))
            if layer.built and not copy.built and layer.weights:
                copy.build_from_config(layer.get_build_config())
            rebuilding.take_weights(copy, layer)
        except Exception as error:  # of any kind: the layer may be anybody's
            reason = f"cannot be made again from its configuration ({type(error).__name__})"
            raise refusal(node.name, layer, reason) from error
        return copy

    def weighted(self, node: Node) -> Any:
        """The layer of a node with weights of its own."""
        config = {**node.operation.get_config(), "name": self.name(node.name)}
        weights = node.weights
        following = self.consumers[node]
        merged = following and self.activation_of(following[0].inputs, following[0]) is not None
        if "activation" in config and not merged:
            config["activation"] = "linear"
        shape = self.tensors[node.inputs[0]].shape
        if "scale" in weights:
            layer = kl.BatchNormalization.from_config(config)
            layer.build(shape)
            values = [weights["gamma"]] if layer.scale else []
            values += [weights["beta"]] if layer.center else []
            layer.set_weights([*values, weights["mean"], weights["variance"]])
            return layer
        for key in ("kernel_initializer", "bias_initializer"):  # of arrays, they have one size
            config.pop(key, None)
        config["use_bias"] = bool(config["use_bias"] or weights["bias"].any())
        kernel = weights["kernel"]
        if "units" in config:
            config["units"] = kernel.shape[-1]
        elif "filters" in config:
            config["filters"] = kernel.shape[-1]
        else:
            kernel = kernel[..., np.newaxis]
        layer = type(node.operation).from_config(config)
        layer.build(shape)
        layer.set_weights([kernel, weights["bias"]] if layer.use_bias else [kernel])
        return layer

    def name(self, wanted: str) -> str:
        wanted = wanted.replace("/", "_")
        name, i = wanted, 2
        while name in self.names:
            name, i = f"{wanted}_{i}", i + 1
        self.names.add(name)
        return name


def _twin(operation: keras.Operation) -> Any:
    """A bare operation that stands in no graph yet: calls leave nodes in the one called."""
    twin = object.__new__(type(operation))
    twin.__dict__.update(operation.__dict__)
    twin._inbound_nodes, twin._outbound_nodes = [], []
    return twin
