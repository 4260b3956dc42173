"""The symbolic inputs of a model."""

from typing import Any

import keras

from tfhash.model_inputs import struct_of


def symbols_of(model: keras.Model, inputs: Any) -> Any:
    """New symbolic inputs in the structure in which the model takes them."""
    if inputs is None:
        inputs = struct_of(model)
    if inputs is None:
        raise ValueError(
            f"Expected a model that knows its input shape. Received: {model.name!r} of class "
            f"{type(model).__name__}: call it once on inputs, or give the encoder their shape "
            "with inputs=keras.Input(...)."
        )
    return keras.tree.map_structure(
        lambda symbol: keras.Input(
            batch_shape=symbol.shape, dtype=symbol.dtype, name=getattr(symbol, "name", None)
        ),
        inputs,
    )
