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
        By default a layer of the same configuration. It is given the weights of the old one; one
        that the old layer has not, such as a bias, stays as it is initialized.
    call : function (layer, *args, **kwargs) of a new layer, optional
        What stands in the place of its call.

    Raises
    ------
    ValueError
        Where the model is not built, or is no Sequential or Functional one, or has weights that its
        configuration leaves no place for.
    """
    graph.check_built(model)
    _check_traceable(model)
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    new = keras.models.clone_model(model, clone_function=clone or with_config, call_function=call)
    there = {layer.name: layer for layer in new.layers}
    for layer in model.layers:
        if layer.name in there:
            take_weights(there[layer.name], layer)
    return new


def take_weights(new: keras.Layer, old: keras.Layer) -> None:
    """Give a layer the weights of another of the same configuration.

    They are found by name, layer in layer: the order of `weights` is not that of the old layer
    where it was quantized after it was built (float8, Keras 3.15.1).

    Raises
    ------
    ValueError
        Where the new layer has no place for one of them.
    """
    parts = list(zip(old._flatten_layers(), new._flatten_layers(), strict=False))
    placed = 0
    for theirs, ours in parts:
        variables, places = _own_weights(theirs), _own_weights(ours)
        named = {variable.name: variable for variable in places}
        if len(named) == len(places) and all(one.name in named for one in variables):
            found = [(one, named[one.name]) for one in variables]
        else:  # of a user's layer, whose weights have one name or those that Keras counts up
            found = list(zip(variables, places, strict=False))
        for variable, place in found:
            if variable.shape != place.shape:
                break
            # Of an array: on JAX two variables would share what the next `predict` frees.
            place.assign(keras.ops.convert_to_numpy(variable))
            placed += 1
        if isinstance(ours, keras.layers.Normalization):
            # What it computes with is made of its weights when they are loaded from a file or it
            # is adapted, but not by `assign` or `set_weights` (Keras 3.15.1).
            ours.finalize_state()
    if placed < len(old.weights):
        raise ValueError(
            f"layer {old.name!r}: Expected a layer that is made again from its configuration with "
            f"all its {len(old.weights)} weights. Received: one with a place for {placed} of them."
        )


def _own_weights(layer: keras.Layer) -> list[keras.Variable]:
    """Those of the layer itself, without those of the layers in it."""
    inner = {id(w) for one in layer._flatten_layers(include_self=False) for w in one.weights}
    return [weight for weight in layer.weights if id(weight) not in inner]


def layer_of(model: keras.Model, layer: Any) -> keras.Layer:
    """The layer of the model that is meant by a layer, its name or its index in `model.layers`.

    Raises
    ------
    ValueError
        Where there is none; near matches are named. Where the model is not built, or is no
        Sequential or Functional one.
    """
    if not isinstance(model, keras.Model) or (
        isinstance(model, keras.Sequential) and not model.built
    ):
        graph.check_built(model)  # says what it is
    _check_traceable(model)
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


def _check_traceable(model: keras.Model) -> None:
    if not graph.is_traceable(model):
        raise ValueError(
            f"Expected a Sequential or Functional model. Received: {model.name!r} of class "
            f"{type(model).__name__}: build it as keras.Model(inputs, outputs)."
        )


def with_config(layer: keras.Layer, **changes: Any) -> keras.Layer:
    """A new layer of the same configuration but for these entries."""
    return type(layer).from_config({**layer.get_config(), **changes})
