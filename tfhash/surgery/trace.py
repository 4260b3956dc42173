"""Taking a Keras model apart into a `Network`, or saying which layer prevents it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import keras
import numpy as np

from tfhash import backend, graph, rebuilding
from tfhash.encoder import activations
from tfhash.surgery.network import (
    AFFINE,
    CHANNELWISE,
    CONCATENATE,
    CONV,
    DENSE,
    FLATTEN,
    INPUT,
    RELU,
    WHOLE,
    Network,
    Node,
)

kl = keras.layers
CONVOLUTIONS = (kl.Conv1D, kl.Conv2D, kl.Conv3D)
DEPTHWISE = (kl.DepthwiseConv1D, kl.DepthwiseConv2D)
# At inference they do nothing.
IDENTITIES = (
    kl.Dropout,
    kl.SpatialDropout1D,
    kl.SpatialDropout2D,
    kl.SpatialDropout3D,
    kl.AlphaDropout,
    kl.GaussianDropout,
    kl.GaussianNoise,
    kl.ActivityRegularization,
    kl.Identity,
)
# Homogeneous and, but for some interpolations, never decreasing, each channel by itself.
SPATIAL = (
    *(getattr(kl, f"{kind}Pooling{n}D") for kind in ("Max", "Average") for n in (1, 2, 3)),
    *(getattr(kl, f"Global{kind}Pooling{n}D") for kind in ("Max", "Average") for n in (1, 2, 3)),
    *(getattr(kl, f"{kind}{n}D") for kind in ("ZeroPadding", "Cropping") for n in (1, 2, 3)),
    kl.UpSampling1D,
    kl.UpSampling2D,
    kl.UpSampling3D,
)
# Of SPATIAL and MERGES, those that add numbers up.
SUMS = (
    *(getattr(kl, f"{kind}AveragePooling{n}D") for kind in ("", "Global") for n in (1, 2, 3)),
    *(kl.Add, kl.Average, kl.UpSampling2D),
)
MERGES = (kl.Add, kl.Average, kl.Maximum, kl.Minimum)
MERGE_OPERATIONS = ("add", "maximum", "minimum")
MONOTONE = {"relu", "relu6", "leaky_relu", "elu", "selu", "celu", "softplus", "squareplus"}
MONOTONE |= {"sparse_plus", "sigmoid", "hard_sigmoid", "log_sigmoid", "tanh", "hard_tanh"}
MONOTONE |= {"softsign", "exponential", "hard_shrink", "soft_shrink", "sparse_sigmoid"}
ELEMENTWISE = MONOTONE | {"gelu", "silu", "hard_silu", "mish", "tanh_shrink"}
HOMOGENEOUS = {"relu", "leaky_relu"}
INTERPOLATIONS = ("nearest", "bilinear")  # the others have negative weights


def network_of(model: keras.Model) -> Network:
    """The network of a model, its weights in float64.

    Raises
    ------
    ValueError
        Where it cannot be taken apart: the layer and the reason are named.
    """
    graph.check_built(model)
    if not graph.is_traceable(model):
        raise refusal(model.name, model, "has a call of its own: build it as keras.Model(...)")
    return _Tracer(model).network()


def refusal(name: str, operation: Any, reason: str) -> ValueError:
    return ValueError(
        "Expected a Sequential or Functional model of Keras's own layers. Received: layer "
        f"{name!r} ({type(operation).__name__}), which {reason}. The model is left as it is."
    )


class _Tracer:
    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.nodes: list[Node] = []
        self.symbols: dict[Node, Any] = {}
        self.calls = _count_calls(model)

    def network(self) -> Network:
        model = self.model
        sequential = isinstance(model, keras.Sequential)
        struct = model.inputs[0] if sequential else model._inputs_struct
        inputs = keras.tree.map_structure(self.input, struct)
        outputs = self.walk(model, inputs, "")
        return Network(self.nodes, inputs, outputs)

    def input(self, symbol: Any) -> Node:
        about = {"dtype": symbol.dtype, "batch": symbol.shape[0]}
        node = Node(symbol.name, INPUT, [], tuple(symbol.shape[1:]), arguments=((), about))
        return self.keep(node, keras.KerasTensor(symbol.shape, symbol.dtype))

    def keep(self, node: Node, symbol: Any) -> Node:
        self.nodes.append(node)
        self.symbols[node] = symbol
        return node

    def walk(self, model: keras.Model, inputs: Any, prefix: str) -> Any:
        def call(operation: Any, args: Any, kwargs: Any) -> Any:
            kwargs = {k: v for k, v in kwargs.items() if k not in ("training", "mask")}
            return self.call(operation, tuple(args), kwargs, prefix)

        return graph.walk(model, inputs, call)

    def call(self, operation: Any, args: Any, kwargs: Any, prefix: str) -> Any:
        name = prefix + operation.name
        if isinstance(operation, kl.InputLayer):
            return args[0]
        if graph.is_traceable(operation):
            if self.calls[id(operation)] > 1:
                raise refusal(name, operation, "is a model that is called more than once")
            return self.walk(operation, args[0], f"{name}_")
        if graph.gives_inputs_back(operation):  # as penalties do, which training alone needs
            return args[0]
        self.check(name, operation)
        given = [one for one in keras.tree.flatten((args, kwargs)) if isinstance(one, Node)]
        symbols = keras.tree.map_structure(
            lambda one: self.symbols[one] if isinstance(one, Node) else one, (args, kwargs)
        )
        made = operation.compute_output_spec(*symbols[0], **symbols[1])
        if not isinstance(made, keras.KerasTensor):
            raise refusal(name, operation, "has several outputs")
        node = Node(name, WHOLE, given, tuple(made.shape[1:]), operation, (args, kwargs))
        activation = self.describe(node)
        if activation is None:
            return self.keep(node, made)
        self.keep(node, made)
        return self.keep(activation, made)

    def check(self, name: str, operation: Any) -> None:
        if graph.is_composite(operation) or graph.is_foreign(operation):
            raise refusal(name, operation, "has a call that is not Keras's, which may do anything")
        if reason := graph.changed_weights(operation):
            raise refusal(name, operation, reason)

    def describe(self, node: Node) -> Node | None:
        """Say what kind of node it is; gives the node of its activation, where it has one."""
        layer, (args, _) = node.operation, node.arguments
        node.reason = self.obstacle(node)
        if node.reason:
            return None
        if isinstance(layer, (kl.Dense, *CONVOLUTIONS)):
            node.kind = DENSE if isinstance(layer, kl.Dense) else CONV
            kernel = _values(layer._kernel if isinstance(layer, kl.Dense) else layer.kernel)
            bias = _values(layer.bias) if layer.use_bias else np.zeros(kernel.shape[-1])
            node.weights = {"kernel": kernel, "bias": bias}
            node.origin = np.arange(kernel.shape[-1])
            return _activation_node(node)
        if isinstance(layer, DEPTHWISE):
            node.kind = AFFINE
            kernel = _values(layer.kernel)[..., 0]
            bias = _values(layer.bias) if layer.use_bias else np.zeros(kernel.shape[-1])
            node.weights = {"kernel": kernel, "bias": bias}
            return _activation_node(node)
        if isinstance(layer, kl.BatchNormalization):
            node.kind = AFFINE
            node.weights = normalization_weights(layer)
        elif isinstance(layer, kl.Flatten):
            node.kind = FLATTEN
        elif isinstance(layer, (*IDENTITIES, *SPATIAL)):
            node.kind, node.function = CHANNELWISE, _inference(layer)
            node.sums = isinstance(layer, SUMS)
            node.is_monotone = getattr(layer, "interpolation", "nearest") in INTERPOLATIONS
        elif isinstance(layer, MERGES) or _merges(node):
            node.kind = CHANNELWISE
            node.function = _inference(layer)
            node.sums = isinstance(layer, SUMS) or graph.kind(layer) == "add"
        elif isinstance(layer, kl.Concatenate):
            node.kind = CONCATENATE
        elif isinstance(layer, kl.Rescaling):
            node.kind, node.is_homogeneous, node.function = CHANNELWISE, False, _inference(layer)
        else:
            # Other layers have weights of their own before the activation that they are named by.
            inner = activations.innermost(layer)
            is_one = isinstance(inner, graph.ACTIVATIONS) or not isinstance(layer, keras.Layer)
            _describe_activation(node, activations.of_call(layer, args) if is_one else None)
        return None

    def obstacle(self, node: Node) -> str:
        """Why a layer is left whole; empty where it need not be."""
        layer = node.operation
        if self.calls[id(layer)] > 1 and getattr(layer, "weights", None):
            return "is called more than once with the same weights"
        if getattr(layer, "data_format", None) == "channels_first":
            return "has its channels first"
        if any(len(one.shape) < 1 or not one.channels for one in node.inputs) or not node.channels:
            return "has an unknown number of channels"
        shapes = {one.shape for one in node.inputs}
        if (isinstance(layer, MERGES) or _merges(node)) and len(shapes | {node.shape}) > 1:
            return "merges tensors of unequal shapes"
        if isinstance(layer, kl.Concatenate):
            n_axes = len(node.shape)
            return "" if layer.axis in (-1, n_axes) else "does not join channels"
        if isinstance(layer, CONVOLUTIONS):
            if layer.groups > 1:
                return "convolves in groups"
            if layer.padding == "causal":
                return "is causal"
        if isinstance(layer, DEPTHWISE) and layer.depth_multiplier != 1:
            return "makes several channels of each"
        if isinstance(layer, kl.BatchNormalization):
            if getattr(layer, "renorm", False):
                return "renormalizes batches, with three statistics more"
            n_axes = len(node.shape)
            axis = layer.axis[0] if isinstance(layer.axis, list | tuple) else layer.axis
            return "" if axis in (-1, n_axes) else "normalizes another axis than the last"
        if isinstance(layer, kl.Flatten) and None in node.inputs[0].shape:
            return "has an open shape"
        if isinstance(layer, kl.Rescaling):
            plain = np.ndim(layer.scale) == 0 and np.ndim(layer.offset) == 0
            return "" if plain and layer.scale >= 0 else "scales channels differently"
        return ""


def normalization_weights(layer: Any) -> dict[str, np.ndarray]:
    """What a batch normalization multiplies with and adds, and the four arrays it is made of."""
    n = layer.moving_mean.shape[0]
    mean, variance = _values(layer.moving_mean), _values(layer.moving_variance)
    gamma = _values(layer.gamma) if layer.scale else np.ones(n)
    beta = _values(layer.beta) if layer.center else np.zeros(n)
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return {
        "scale": scale,
        "shift": beta - mean * scale,
        "gamma": gamma,
        "beta": beta,
        "mean": mean,
        "variance": variance,
    }


def _activation_node(node: Node) -> Node | None:
    activation = activations.of_function(node.operation.activation)
    if activation is None:
        return None
    made = Node(node.name, WHOLE, [node], node.shape)
    function = node.operation.activation
    made.operation = function
    made.arguments = ((node,), {})
    _describe_activation(made, activation)
    made.function = function
    return made


def _describe_activation(node: Node, activation: Any) -> None:
    """Make it a node of the activation; a whole one where it is not known to be elementwise."""
    node.function = _inference(node.operation)
    if isinstance(activation, str) and activation in ELEMENTWISE:
        node.kind = CHANNELWISE
        node.is_monotone = activation in MONOTONE
        node.is_homogeneous = activation in HOMOGENEOUS
        layer = node.operation
        if isinstance(layer, kl.PReLU):
            node.kind = WHOLE
        elif isinstance(layer, kl.ReLU):
            plain = not layer.threshold and layer.max_value is None
            node.is_homogeneous = plain
            node.is_monotone = layer.threshold >= 0 and layer.negative_slope >= 0
            if plain and not layer.negative_slope:
                node.kind = RELU
        elif isinstance(layer, kl.LeakyReLU):
            node.is_monotone = layer.negative_slope >= 0
        elif isinstance(layer, kl.ELU):
            node.is_monotone = layer.alpha >= 0
        elif isinstance(layer, keras.Operation) and not isinstance(layer, keras.Layer):
            # A bare operation's parameters are its own: a plain ReLU has none.
            if activation == "relu" and graph.kind(layer) == "relu":
                node.kind = RELU
            elif graph.kind(layer) not in ("relu6", "tanh", "sigmoid", "softplus"):
                node.kind = WHOLE
        elif activation == "relu" and _is_plain_relu(node.operation):
            node.kind = RELU
        elif activation == "relu":
            node.is_homogeneous = False
    if node.kind == WHOLE and not node.reason:
        node.reason = "is of no kind that surgery looks into"


def _is_plain_relu(operation: Any) -> bool:
    function = operation.activation if isinstance(operation, kl.Activation) else operation
    return function is keras.activations.relu


def _inference(operation: Any) -> Any:
    """The operation as a function of tensors of any precision, at inference."""

    def called(*tensors: Any) -> Any:
        if not isinstance(operation, keras.Layer):
            return operation(*tensors)
        if isinstance(operation, IDENTITIES):
            return tensors[0]
        twin = rebuilding.with_config(operation, dtype="float64")
        return twin(list(tensors) if isinstance(operation, MERGES) else tensors[0])

    return called


def _merges(node: Node) -> bool:
    """Whether it is a bare operation of two tensors, each channel with its like."""
    if isinstance(node.operation, keras.Layer) or len(node.inputs) != 2:
        return False
    return graph.kind(node.operation) in MERGE_OPERATIONS


def _count_calls(model: keras.Model) -> Counter[int]:
    calls: Counter[int] = Counter()

    def count(inner: Any) -> None:
        if isinstance(inner, keras.Sequential):
            operations = list(inner.layers)
        else:
            operations = [
                node.operation
                for nodes in inner._nodes_by_depth.values()
                for node in nodes
                if not node.is_input
            ]
        for operation in operations:
            calls[id(operation)] += 1
            if graph.is_traceable(operation):
                count(operation)

    count(model)
    return calls


def _values(variable: Any) -> np.ndarray:
    return np.asarray(backend.variable_values(variable), np.float64)
