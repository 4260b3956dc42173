"""The symbolic inputs of a model."""

from typing import Any

import keras

from tfhash import graph


def symbols_of(model: keras.Model, inputs: Any) -> Any:
    """New symbolic inputs in the structure in which the model takes them."""
    if inputs is None and graph.is_traceable(model):
        inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
        if isinstance(inputs, list | tuple) and len(inputs) == 1:
            inputs = inputs[0]
    elif inputs is None:
        inputs = _built_with(model)
    return keras.tree.map_structure(
        lambda symbol: keras.Input(
            batch_shape=symbol.shape, dtype=symbol.dtype, name=getattr(symbol, "name", None)
        ),
        inputs,
    )


def _built_with(model: keras.Model) -> Any:
    """What a subclassed model was built with, as symbolic tensors."""
    shapes = (model.get_build_config() or {}).get("input_shape")
    if shapes is None:
        raise ValueError(
            f"Expected a model that knows its input shape. Received: {model.name!r} of class "
            f"{type(model).__name__}: call it once on inputs, or give the encoder their shape "
            "with inputs=keras.Input(...)."
        )
    return _tensors_of(shapes)


def _tensors_of(shapes: Any) -> Any:
    if isinstance(shapes, dict):
        return {
            name: keras.KerasTensor((None, *shape[1:]), name=name) for name, shape in shapes.items()
        }
    if all(size is None or isinstance(size, int) for size in shapes):
        return keras.KerasTensor((None, *shapes[1:]), dtype=keras.backend.floatx())
    return [_tensors_of(shape) for shape in shapes]
