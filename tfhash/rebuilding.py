"""Copies of Sequential and Functional models in which some layers or calls are others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from tfhash import graph
from tfhash.errors import near_layers

Clone = Callable[[keras.Layer], keras.Layer]
Call = Callable[..., Any]


def copied(model: keras.Model, clone: Clone | None = None, call: Call | None = None) -> Any:
    """A Functional model of new layers with the same names, configuration and weights.

    Parameters
    ----------
    model : keras.Model
        Built, Sequential or Functional. It is left as it is.
    clone : function from a layer to the one in its place, optional
        By default a layer of the same configuration. It is given the weights of the old one where
        they are of the same number and shapes.
    call : function (layer, *args, **kwargs) of a new layer, optional
        What stands in the place of its call.

    Raises
    ------
    ValueError
        Where the model is not built, or is no Sequential or Functional one.
    """
    graph.check_built(model)
    if not graph.is_traceable(model):
        raise ValueError(
            f"Expected a Sequential or Functional model. Received: {model.name!r} of class "
            f"{type(model).__name__}: build it as keras.Model(inputs, outputs)."
        )
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    new = keras.models.clone_model(model, clone_function=clone or with_config, call_function=call)
    there = {layer.name: layer for layer in new.layers}
    for layer in model.layers:
        fresh = there.get(layer.name)
        if fresh is None:
            continue
        old, place = layer.get_weights(), fresh.weights
        if [a.shape for a in old] == [tuple(w.shape) for w in place]:
            fresh.set_weights(old)
    return new


def layer_of(model: keras.Model, layer: Any) -> keras.Layer:
    """The layer of the model that is meant by a layer, its name or its index in `model.layers`.

    Raises
    ------
    ValueError
        Where there is none; near matches are named.
    """
    layers = model.layers
    if (
        isinstance(layer, int)
        and not isinstance(layer, bool)
        and -len(layers) <= layer < len(layers)
    ):
        return layers[layer]
    for own in layers:
        if own is layer or own.name == layer:
            return own
    name = getattr(layer, "name", layer)
    raise ValueError(
        f"Expected a layer of {model.name!r}, its name or its index from {-len(layers)} to "
        f"{len(layers) - 1}, such as {near_layers(name, [own.name for own in layers])}. Received: "
        f"{name!r}."
    )


def with_config(layer: keras.Layer, **changes: Any) -> keras.Layer:
    """A new layer of the same configuration but for these entries."""
    return type(layer).from_config({**layer.get_config(), **changes})
