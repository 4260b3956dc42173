"""Which axis of a layer's outputs has the channels, where other axes are positions."""

from __future__ import annotations

import re
from typing import Any

import keras

WEIGHTED = (
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Embedding,
    keras.layers.RNN,
    keras.layers.MultiHeadAttention,
)
IMAGES = (4, 5)  # axes of a batch of images, and of volumes


def channel_axis(output: Any) -> int:
    """The axis of the channels, 1 or -1, of a symbolic tensor [n, ...].

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
        if hasattr(operation, "data_format"):
            return _axis(operation.data_format)
        if isinstance(operation, keras.layers.BatchNormalization):
            return 1 if operation.axis == 1 else -1
        if isinstance(operation, WEIGHTED):
            return -1
        node = operation._inbound_nodes[history.node_index]
        before = [one for one in node.input_tensors if len(one.shape) == rank]
        if not before or isinstance(operation, keras.layers.Permute):
            break
        tensor = before[0]
    return _axis(None) if rank in IMAGES else -1


def axis_of_site(model: keras.Model, name: str, read: Any) -> int:
    """As `channel_axis`, of what is read under a name such as "relu", "relu#2" or "inner/relu".

    `read`, the symbolic tensor, may come out of a layer of an encoder's own: the graph of the model
    itself says more where it has a layer of that name.
    """
    layer: Any = model
    for part in name.split("/"):
        first = re.sub(r"#\d+$", "", part)  # of a second call of a layer, "#2"
        found = [one for one in getattr(layer, "layers", ()) if one.name in (part, first)]
        if not found:
            return channel_axis(read)
        layer = found[0]
    nodes = layer._inbound_nodes
    outputs = nodes[0].outputs if nodes else [read]
    same = [one for one in outputs if len(one.shape) == len(read.shape)]
    return channel_axis(same[0] if same else read)


def _axis(data_format: str | None) -> int:
    return 1 if (data_format or keras.config.image_data_format()) == "channels_first" else -1
