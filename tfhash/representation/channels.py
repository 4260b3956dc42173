"""Which axis of a layer's outputs has the channels, where other axes are positions."""

from __future__ import annotations

import re
from typing import Any

import keras

from tfhash import graph

WEIGHTED = (
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Embedding,
    keras.layers.RNN,
    keras.layers.MultiHeadAttention,
)
IMAGES = (4, 5)  # axes of a batch of images, and of volumes


def channel_axis(output: Any) -> int:
    """The axis of the channels, 1, 2 or -1, of a symbolic tensor [n, ...].

    It is that of the layer the tensor comes from, or of the last one before it that says: a
    convolution or pooling by its `data_format`, a batch normalization by its axis; of a dense,
    recurrent or attention layer it is the last. Where none says, images have it as Keras's
    `image_data_format` does, and everything else has it last.
    """
    rank = len(output.shape)
    if rank < 3:
        return -1
    tensor = output
    while (history := getattr(tensor, "_keras_history", None)) is not None:
        operation = history.operation
        if isinstance(operation, keras.Model):
            inner = keras.tree.flatten(operation.outputs)[history.tensor_index]
            return channel_axis(inner) if len(inner.shape) == rank else -1
        said = _said_by(operation)
        if said is not None:
            return said
        node = operation._inbound_nodes[history.node_index]
        before = [one for one in node.input_tensors if len(one.shape) == rank]
        if not before or isinstance(operation, keras.layers.Permute):
            break
        tensor = before[0]
    return _axis(None) if rank in IMAGES else -1


def axis_of_site(model: keras.Model, name: str, read: Any) -> int:
    """As `channel_axis`, of what is read under a name such as "relu", "relu#2" or "inner/relu".

    `read`, the symbolic tensor, may come out of a layer of an encoder's own: the graph of the model
    itself says more where it has an operation of that name, and inside code of a user's own the
    convolutions and poolings there.

    Raises
    ------
    ValueError
        Inside code of a user's own, where convolutions and poolings have channels first and last.
    """
    layer: Any = model
    for part in name.split("/"):
        first = re.sub(r"#\d+$", "", part)  # of a second call of a layer, "#2"
        found = [one for one in _parts(layer) if one.name in (part, first)]
        if not found:
            return _axis_inside(layer, name, read)
        inside, layer = layer, found[0]
    rank = len(read.shape)
    said = _said_by(layer)
    if said is not None:
        return said if rank > 2 else -1
    outputs = [one for node in layer._inbound_nodes[:1] for one in node.outputs]
    same = [one for one in outputs if len(one.shape) == rank]
    # A layer with code of its own is a graph's node, but what it holds is not in the graph.
    if not same or graph.is_composite(layer):
        return _axis_inside(layer if _formats(layer) else inside, name, read)
    return channel_axis(same[0])


def _parts(layer: Any) -> list[Any]:
    """The operations of a graph, or the layers that a layer holds."""
    if isinstance(operations := getattr(layer, "operations", None), list):
        return operations
    return list(layer._flatten_layers(include_self=False, recursive=False))


def _axis_inside(layer: Any, name: str, read: Any) -> int:
    formats = _formats(layer)
    if graph.is_traceable(layer) or len(read.shape) < 3 or not formats:
        return channel_axis(read)
    if len(formats) > 1:
        raise ValueError(
            f"layer {name!r}: Expected convolutions and poolings of one data_format inside "
            f"{layer.name!r}, to know where the channels are. Received: {', '.join(formats)}. Give "
            "flatten=True, or choose other layers."
        )
    return _axis(formats[0])


def _formats(layer: Any) -> list[str]:
    """Where the convolutions and poolings that a layer holds have their channels."""
    inner = layer._flatten_layers() if isinstance(layer, keras.Layer) else ()
    spatial = [one for one in inner if hasattr(one, "kernel_size") or hasattr(one, "pool_size")]
    found = {getattr(one, "data_format", None) for one in spatial}
    return [one for one in ("channels_first", "channels_last") if one in found]


def _said_by(operation: Any) -> int | None:
    """The axis of the channels that an operation itself says."""
    if isinstance(operation, keras.layers.TimeDistributed):
        inner = _said_by(operation.layer)
        return inner if inner in (None, -1) else inner + 1
    if hasattr(operation, "data_format"):
        return _axis(operation.data_format)
    if isinstance(operation, keras.layers.BatchNormalization):
        return 1 if operation.axis == 1 else -1
    return -1 if isinstance(operation, WEIGHTED) else None


def _axis(data_format: str | None) -> int:
    return 1 if (data_format or keras.config.image_data_format()) == "channels_first" else -1
