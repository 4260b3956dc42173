"""Going through a model's calls and noting each as a step.

A layer is taken apart by calling it on a symbolic tensor, which leaves a graph of Keras's
elementary operations, the same for a `Dense` layer and for a layer a user wrote with `keras.ops`;
`tfhash.geometry.operations` says what each of them does to a line. What leaves no such graph
is tried on numbers: if it is linear, it is one step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from tfhash import graph
from tfhash.geometry import foreign, linear_maps, pools
from tfhash.geometry.notes import Notes, described

# Gives the function that notes a layer of a kind that cannot be taken apart so, or None.
LayerHandler = Callable[["Tracer", Any, Any, str], Any]
FindHandler = Callable[[Any], LayerHandler | None]


class Tracer(Notes):
    """Goes through a model's calls and notes each as a step."""

    def __init__(self, dtype: str, find_handler: FindHandler) -> None:
        super().__init__(dtype)
        self.find_handler = find_handler

    def call(self, operation: Any, args: Sequence[Any], kwargs: dict[str, Any], path: str) -> Any:
        """Note one call of a layer, model or elementary operation; gives symbolic tensors."""
        if isinstance(operation, keras.layers.InputLayer):
            return args[0]
        if graph.is_traceable(operation):
            inner = f"{path}/" if path else ""
            return graph.walk(
                operation,
                args[0],
                lambda op, a, k: self.call(op, a, _at_inference(k), f"{inner}{op.name}"),
            )
        if isinstance(operation, keras.Layer):
            return self.layer(operation, args, kwargs, path)
        outputs = pools.output_spec(operation, args, kwargs)
        self.operation(operation, args, kwargs, keras.tree.flatten(outputs), path)
        return outputs

    def layer(self, layer: Any, args: Sequence[Any], kwargs: dict[str, Any], path: str) -> Any:
        """Note what is in a layer, or what it is as a whole."""
        name = path or layer.name
        activation = getattr(layer, "activation", None)
        own = (type(layer), *([] if activation is None else [activation]))
        if any(not _is_kerases(part) for part in own) or isinstance(layer, keras.layers.Lambda):
            self.is_lasting = False
        kwargs = {key: value for key, value in kwargs.items() if key != "mask"}
        if kwargs.get("training"):
            reason = "is called with training=True"
        elif getattr(layer, "quantization_mode", None):
            reason = "is quantized"
        elif isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional):
            reason = "is recurrent"
        elif (handler := self.find_handler(layer)) is not None:
            return handler(self, layer, args[0], name)
        else:
            if layer._call_has_training_arg:
                kwargs["training"] = False
            for view in (layer, _with_traceable_activation(layer)):
                found = None if view is None else _graph_of(view, args, kwargs)
                if found is not None:
                    return self.inside(layer, *found, path)
            outputs, reason = self.whole(layer, args, kwargs, name)
            if not reason:
                return outputs
        outputs = layer.compute_output_spec(*args, **kwargs)
        self.opaque((args, kwargs), keras.tree.flatten(outputs), described(layer, name), reason)
        return outputs

    def inside(self, layer: Any, function: keras.Function, inputs: Sequence[Any], path: str) -> Any:
        """Note the graph of a layer's call; gives what stands for its outputs."""
        prefix = f"{path}/" if path else ""
        is_composite = graph.is_composite(layer)

        def called(operation: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
            if isinstance(operation, keras.Layer):
                # What is in a layer of Keras's goes by the layer's name, as in codes.
                name = f"{prefix}{operation.name}" if is_composite else path
                return self.call(operation, args, kwargs, name)
            outputs = pools.output_spec(operation, args, kwargs)
            name = f"{prefix}{graph.kind(operation)}" if is_composite else path
            self.operation(operation, args, kwargs, keras.tree.flatten(outputs), name, layer)
            return outputs

        return graph.walk(function, inputs, called)

    def whole(
        self, layer: Any, args: Sequence[Any], kwargs: dict[str, Any], name: str
    ) -> tuple[Any, str]:
        """Note a layer as one linear step; gives its outputs, or why it is none."""
        # In float64, though the layer itself computes in float32.
        view = foreign.view(layer, _dtype_policy=keras.DTypePolicy("float64"))

        def function(*given: Any, **options: Any) -> Any:
            with keras.StatelessScope():
                return view.call(*given, **options)

        outputs = None
        try:
            outputs = layer.compute_output_spec(*args, **kwargs)
            made = [self.new(out) for out in keras.tree.flatten(outputs)]
            self.note(self.linear(function, args, kwargs, made, name))
        except linear_maps.NotLinear as error:
            return outputs, _reason(layer, str(error))
        except Exception as error:  # of any kind: the layer may be anybody's
            return outputs, _reason(layer, f"fails when tried on numbers ({type(error).__name__})")
        return outputs, ""


def _reason(layer: Any, found: str) -> str:
    """Why a layer that leaves no graph is not followed."""
    name = foreign.known_name(getattr(layer, "activation", None))
    if name not in (None, "linear"):
        return f"applies {name}, which is not piecewise linear"
    if found != linear_maps.NOT_LINEAR:
        return found
    return (
        "is not linear, and whose `call` is not written with layers and keras.ops, which alone "
        "show where it bends"
    )


def _is_kerases(part: Any) -> bool:
    return (getattr(part, "__module__", None) or "").startswith("keras.")


def _at_inference(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Of a call in a functional model, where Keras overrides a `training` that was given."""
    return {key: value for key, value in kwargs.items() if key != "training"}


def _with_traceable_activation(layer: Any) -> Any:
    """The layer with its activation function as one operation; None where it has none."""
    activation = getattr(layer, "activation", None)
    if not callable(activation) or isinstance(activation, keras.Operation):
        return None
    if graph.is_composite(layer):
        return None
    return foreign.view(layer, activation=foreign.Applied(activation))


def _graph_of(
    layer: Any, args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[keras.Function, list[Any]] | None:
    """The graph that a symbolic call leaves, and the known tensors for its inputs, or None."""
    known = [x for x in keras.tree.flatten((args, kwargs)) if isinstance(x, keras.KerasTensor)]
    symbols = [keras.KerasTensor(x.shape, x.dtype) for x in known]
    following = iter(symbols)
    args, kwargs = keras.tree.map_structure(
        lambda x: next(following) if isinstance(x, keras.KerasTensor) else x,
        (tuple(args), kwargs),
    )
    with graph.nodes_restored(layer):
        try:
            return keras.Function(symbols, layer.call(*args, **kwargs)), known
        except Exception:  # of any kind, whatever a layer does with symbolic tensors
            return None
