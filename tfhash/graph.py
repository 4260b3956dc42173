"""Walking the graph of a Keras model, call by call.

The only place that leans on how Keras keeps its graphs (``Functional``, ``Function`` and their
``_run_through_graph``, the same from Keras 3.5 on); a test runs it on every kind of model.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras.src.models.functional import Functional

Record = Callable[[str, Any, tuple[Any, ...], Any], None]
Call = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]


class NotTraced(ValueError):
    """A call is not written with layers and ``keras.ops`` alone: what is in it is not known."""


def check_built(model: Any) -> None:
    """Raises ValueError where it is no Keras model, or one whose input shape is not known."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"Expected a keras.Model. Received: {type(model).__name__}.")
    if not model.built:
        raise ValueError(
            f"Expected a built model. Received: {model.name!r}, whose input shape is not known: "
            "give it a keras.Input or call it once."
        )


def is_traceable(model: Any) -> bool:
    """Whether the calls inside are known: Sequential or Functional, with Keras's own ``call``."""
    if isinstance(model, keras.Sequential):
        return model.built and type(model).call is keras.Sequential.call
    return isinstance(model, Functional) and type(model).call is Functional.call


def is_composite(operation: Any) -> bool:
    """Whether it is a layer or model with a ``call`` of a user's, which may hold anything."""
    if not isinstance(operation, keras.Layer) or is_traceable(operation):
        return False
    return isinstance(operation, keras.layers.Lambda) or not _is_kerases(type(operation).call)


def _is_kerases(function: Any) -> bool:
    return getattr(function, "__module__", "").startswith("keras.src.")


def kind(operation: Any) -> str:
    """The class of an operation as a name: ``"leaky_relu"`` for ``LeakyRelu``."""
    name = type(operation).__name__.replace("ReLU", "Relu")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class Runner:
    """Runs a model on plain tensors and reports every call in it, also those in nested models.

    A layer or subclassed model whose ``call`` is a user's is taken apart by calling it once on
    symbolic tensors, which leaves a graph of the layers and operations in it. Where that fails,
    it is one call, and ``opaque`` is told.

    Parameters
    ----------
    record : function of (path, operation, args, output)
        Called after each call, in order. ``path`` is the operation's name, after those of the
        models and layers it is nested in: ``"inner/relu"``. It is the same for each call of a
        layer. ``args`` are the call's positional arguments.
    opaque : function of (path, operation, reason)
        Called for each layer that cannot be taken apart.
    known : dict
        Calls taken apart before: their graphs, or why there is none. Give the same one each time
        a model is run.
    """

    def __init__(
        self, record: Record, opaque: Callable[[str, Any, str], None], known: dict[Any, Any]
    ) -> None:
        self._record, self._opaque, self._known = record, opaque, known

    def run(self, model: keras.Model, inputs: Any) -> Any:
        """The model's outputs.

        Parameters
        ----------
        model : keras.Model
        inputs : tensors as the model takes them; not symbolic ones, which would leave nodes of a
            new graph in the model's layers

        Raises
        ------
        NotTraced
            Where the model itself is subclassed and cannot be taken apart.
        """
        if is_traceable(model):
            return self._walk(model, inputs, "")
        return self._take_apart(model, (inputs,), {}, "")

    def _walk(self, model: keras.Model, inputs: Any, prefix: str) -> Any:
        if not isinstance(model, keras.Sequential):
            inputs = model._standardize_inputs(inputs)
        return walk(model, inputs, lambda op, args, kw: self._call(op, args, kw, prefix))

    def _call(
        self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], prefix: str
    ) -> Any:
        path = prefix + operation.name
        if is_traceable(operation):
            output = self._walk(operation, args[0], f"{path}/")
        elif is_composite(operation):
            try:
                output = self._take_apart(operation, args, kwargs, f"{path}/")
            except NotTraced as error:
                self._opaque(path, operation, str(error))
                return operation(*args, **kwargs)
        else:
            output = operation(*args, **kwargs)
        self._record(path, operation, args, output)
        return output

    def _take_apart(
        self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], prefix: str
    ) -> Any:
        leaves = keras.tree.flatten((args, kwargs))
        tensors = [leaf for leaf in leaves if keras.ops.is_tensor(leaf)]
        symbols = [
            keras.KerasTensor((None, *tensor.shape[1:]), dtype=_dtype(tensor)) for tensor in tensors
        ]
        rest = [None if keras.ops.is_tensor(leaf) else repr(leaf) for leaf in leaves]
        key = (id(layer), tuple((s.shape, s.dtype) for s in symbols), tuple(rest))
        if key not in self._known:
            following = iter(symbols)
            call = keras.tree.map_structure(
                lambda leaf: next(following) if keras.ops.is_tensor(leaf) else leaf, (args, kwargs)
            )
            try:
                self._known[key] = _graph_of(layer, symbols, *call)
            except NotTraced as error:
                self._known[key] = error
        graph = self._known[key]
        if isinstance(graph, NotTraced):
            raise graph

        def called(operation: Any) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                if isinstance(operation, keras.Layer):
                    return self._call(operation, args, kwargs, prefix)
                output = operation(*args, **kwargs)
                # Keras numbers the names of such operations anew at each call.
                self._record(prefix + kind(operation), operation, args, output)
                return output

            return call

        return graph._run_through_graph(tensors, operation_fn=called)


def _graph_of(
    layer: Any, inputs: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> keras.Function:
    """The graph that one symbolic call of a layer leaves, which is removed from the layer."""
    kwargs = {name: value for name, value in kwargs.items() if value is not None}
    if layer._call_has_training_arg:
        kwargs["training"] = False
    with nodes_restored(layer):
        try:
            outputs = layer.call(*args, **kwargs)
            return keras.Function(inputs, outputs)
        except Exception as error:
            raise NotTraced(_briefly(error)) from error


def _briefly(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Keras says first in which call it happened.
    said = [line for line in lines if not line.startswith("Exception encountered")] or lines
    text = re.sub(r"\x1b\[[0-9;]*m", "", said[0]) if said else ""
    return f"{type(error).__name__}: {text[:140]}{'...' if len(text) > 140 else ''}"


@contextlib.contextmanager
def nodes_restored(layer: Any) -> Iterator[None]:
    """Symbolic calls inside leave no node in the layers."""
    lists = [
        nodes
        for part in layer._flatten_layers(include_self=True, recursive=True)
        for nodes in (part._inbound_nodes, part._outbound_nodes)
    ]
    sizes = [len(nodes) for nodes in lists]
    try:
        yield
    finally:
        for nodes, size in zip(lists, sizes, strict=True):
            del nodes[size:]


def _dtype(tensor: Any) -> str:
    return keras.backend.standardize_dtype(tensor.dtype)


def walk(model: keras.Model, inputs: Any, call: Call) -> Any:
    """Go through a traceable model, leaving to ``call`` what its operations do.

    Parameters
    ----------
    model : keras.Model for which :func:`is_traceable` holds
    inputs : anything; values go from call to call untouched
    call : function of (operation, args, kwargs) that gives the operation's outputs
        ``args`` and ``kwargs`` are those of the call in the model, with values in the place of
        tensors. A nested model is one operation.

    Returns
    -------
    The model's outputs, in its own structure.
    """

    def called(operation: Any) -> Callable[..., Any]:
        return lambda *args, **kwargs: call(operation, args, kwargs)

    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            inputs = call(layer, (inputs,), {})
        return inputs
    return model._run_through_graph(inputs, operation_fn=called)
