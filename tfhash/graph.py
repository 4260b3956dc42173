"""Walking the graph of a Keras model, call by call.

The only place that leans on how Keras keeps its graphs (`Functional`, `Function` and their
`_run_through_graph`, the same from Keras 3.5 on); a test runs it on every kind of model.
"""

import contextlib
import functools
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras.src.backend import AutocastScope
from keras.src.models.functional import Functional

from tfhash.foreign import not_a_model

try:
    from keras.src.backend.common.masking import get_keras_mask, set_keras_mask
except ImportError:  # Keras 3.5

    def get_keras_mask(x: Any) -> Any:
        return getattr(x, "_keras_mask", None)

    def set_keras_mask(x: Any, mask: Any) -> None:
        with contextlib.suppress(AttributeError):  # of JAX's arrays
            x._keras_mask = mask


Kwargs = dict[str, Any]
Visit = Callable[[str, Any, tuple[Any, ...], Kwargs], Any]
Call = Callable[[Any, tuple[Any, ...], Kwargs], Any]
LIBRARIES = ("keras", "tensorflow", "jax", "torch")
FOREIGN = tuple(
    getattr(keras.layers, name)
    for name in ("TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
    if hasattr(keras.layers, name)
)


# Layers that are an activation, and nothing before it.
ACTIVATIONS = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
    keras.layers.Softmax,
)


class NotTraced(ValueError):
    """A call is not written with layers and `keras.ops` alone: what is in it is not known."""


def check_built(model: Any) -> None:
    """Raises ValueError where it is no Keras model, or one whose input shape is not known."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"Expected a keras.Model. Received: {not_a_model(model)}.")
    if not model.built:
        raise ValueError(
            f"Expected a built model. Received: {model.name!r}, whose input shape is not known: "
            "give it a keras.Input or call it once."
        )


def is_traceable(model: Any) -> bool:
    """Whether the calls inside are known: Sequential or Functional, with Keras's own `call`."""
    if isinstance(model, keras.Sequential):
        return model.built and type(model).call is keras.Sequential.call
    return isinstance(model, Functional) and type(model).call is Functional.call


def is_composite(operation: Any) -> bool:
    """Whether it is a layer or model with a `call` of a user's, which may hold anything."""
    if not isinstance(operation, keras.Layer) or is_traceable(operation):
        return False
    return isinstance(operation, keras.layers.Lambda) or not _is_kerases(type(operation).call)


def changed_weights(layer: Any) -> str:
    """Why a layer does not multiply by the kernel that it holds; empty where it does."""
    if getattr(layer, "quantization_mode", None):
        return "is quantized"
    if getattr(layer, "lora_enabled", False):
        return "has low-rank adapters"
    for name in ("convolution_op", "kernel"):  # what a subclass may change and leave `call` be
        found = inspect.getattr_static(type(layer), name, None)
        if found is not None and not _is_kerases(getattr(found, "fget", found)):
            return f"has a {name} of its own, which may do anything"
    return ""


def _is_kerases(function: Any) -> bool:
    return getattr(function, "__module__", "").startswith("keras.src.")


def kind(operation: Any) -> str:
    """The class of an operation, or a class, as a name: `"leaky_relu"` for `LeakyRelu`."""
    cls = operation if isinstance(operation, type) else type(operation)
    name = cls.__name__.replace("ReLU", "Relu")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def unwrapped(function: Any) -> Any:
    """A function without the parameters that `functools.partial` gives it."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def library_name(function: Any) -> str | None:
    """What a function of Keras, TensorFlow, JAX or PyTorch is called there; None for others.

    Without TensorFlow's versions: `"softmax"` for `softmax_v2`.
    """
    function = unwrapped(function)
    if (getattr(function, "__module__", None) or "").split(".")[0] not in LIBRARIES:
        return None
    return re.sub(r"_v\d$", "", getattr(function, "__name__", ""))


def is_foreign(operation: Any) -> bool:
    """Whether it is a layer that wraps a network of another library."""
    return isinstance(operation, FOREIGN)


def holds_calls(layer: Any) -> bool:
    """Whether the calls inside a layer are looked into, and not the layer as a whole."""
    if isinstance(layer, keras.layers.TimeDistributed) and not is_composite(layer):
        return holds_calls(layer.layer)
    return is_traceable(layer) or is_composite(layer)


class Runner:
    """Runs a model on plain tensors, at inference, and leaves every call in it to `visit`.

    The calls in nested models, and in models within `TimeDistributed`, are visited too, in the
    latter at each step. A layer or subclassed model whose `call` is a user's is taken apart by
    calling it once on symbolic tensors, which leaves a graph of the layers and operations in it.
    Where that fails, it is one call, and `opaque` is told.

    What `predict` computes is computed: layers in the graph of a model are called with
    `training=False` whatever the call in the graph says, as Keras does it, and only the code of
    a layer's own `call` can say otherwise.

    Parameters
    ----------
    visit : function of (path, operation, args, kwargs) that gives the operation's outputs
        Called in order. `path` is the operation's name, after those of the models and layers it
        is nested in: `"inner/relu"`. It is the same for each call of a layer.
    opaque : function of (path, operation, reason)
        Called for each layer that cannot be taken apart, before it is visited as a whole.
    known : dict
        Calls taken apart before: their graphs, or why there is none. Give the same one each time
        a model is run.
    """

    def __init__(
        self, visit: Visit, opaque: Callable[[str, Any, str], None], known: dict[Any, Any]
    ) -> None:
        self._visit, self._opaque, self._known = visit, opaque, known

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
        return self._inside(model, (inputs,), {}, "", False)

    def _inside(
        self, layer: Any, args: tuple[Any, ...], kwargs: Kwargs, prefix: str, training: bool
    ) -> Any:
        """The outputs of a layer that `holds_calls`, called as Keras calls it: masks go with it."""
        kwargs = {**kwargs, **_masks(layer, args, kwargs)}
        first = args[0] if args else next(iter(kwargs.values()), None)
        previous = kwargs.get("mask")
        if previous is None:
            previous = keras.tree.map_structure(get_keras_mask, first)
        if is_traceable(layer):
            outputs = self._walk(layer, args[0], kwargs.get("mask"), prefix, training)
        elif is_composite(layer):
            outputs = self._take_apart(layer, args, kwargs, prefix, training)
        else:
            outputs = self._each_step(layer, args[0], kwargs.get("mask"), prefix, training)
        if layer.supports_masking:
            layer._set_mask_metadata(first, outputs, previous)
        return outputs

    def _walk(self, model: keras.Model, inputs: Any, mask: Any, prefix: str, training: bool) -> Any:
        own = model._functional if isinstance(model, keras.Sequential) else model
        if own is not None:  # of a Sequential that was not built on symbols there is none
            standard = own._standardize_inputs(inputs)
            for one, its in zip(standard, keras.tree.flatten(mask), strict=False):
                if its is not None:
                    set_keras_mask(one, its)
            inputs = standard[0] if isinstance(model, keras.Sequential) else standard

        def call(operation: Any, args: tuple[Any, ...], kwargs: Kwargs) -> Any:
            if _takes_training(operation):
                kwargs = {**kwargs, "training": training}
            return self._call(prefix + operation.name, operation, args, kwargs, training)

        return walk(model, inputs, call)

    def _call(
        self, path: str, operation: Any, args: tuple[Any, ...], kwargs: Kwargs, training: bool
    ) -> Any:
        """`training` is what the layers inside are called with that are told nothing else."""
        training = kwargs.get("training", training)
        if holds_calls(operation):
            try:
                return self._inside(operation, args, kwargs, f"{path}/", training)
            except NotTraced as error:
                self._opaque(path, operation, str(error))
        return self._visit(path, operation, args, kwargs)

    def _each_step(self, layer: Any, inputs: Any, mask: Any, prefix: str, training: bool) -> Any:
        """`TimeDistributed` as Keras runs it where the number of steps is known."""
        if inputs.shape[1] is None:
            raise NotTraced(
                "its number of steps is open: give the encoder one, with inputs=keras.Input(...)"
            )
        inputs = layer.dtype_policy.convert_input(inputs, layer.autocast, layer.input_dtype)
        kwargs = {"training": training} if _takes_training(layer.layer) else {}
        outputs = []
        for step in range(inputs.shape[1]):
            tensor = inputs[:, step]
            if mask is not None:
                set_keras_mask(tensor, mask[:, step])
            outputs.append(self._inside(layer.layer, (tensor,), kwargs, prefix, training))
        return keras.ops.stack(outputs, axis=1)

    def _take_apart(
        self, layer: Any, args: tuple[Any, ...], kwargs: Kwargs, prefix: str, training: bool
    ) -> Any:
        if _takes_training(layer):
            kwargs = {**kwargs, "training": training}
        if layer._convert_input_args:
            args, kwargs = keras.tree.map_structure(
                lambda leaf: _converted(layer, leaf) if keras.ops.is_tensor(leaf) else leaf,
                (args, kwargs),
            )
        leaves = keras.tree.flatten((args, kwargs))
        tensors = [leaf for leaf in leaves if keras.ops.is_tensor(leaf)]
        symbols = [
            keras.KerasTensor((None, *tensor.shape[1:]), dtype=_dtype(tensor)) for tensor in tensors
        ]
        rest = [None if keras.ops.is_tensor(leaf) else repr(leaf) for leaf in leaves]
        key = (id(layer), training, tuple((s.shape, s.dtype) for s in symbols), tuple(rest))

        def called(operation: Any) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                if _takes_training(operation) and kwargs.get("training") is None:
                    kwargs["training"] = training
                # Keras numbers the names of bare operations anew at each call.
                name = operation.name if isinstance(operation, keras.Layer) else kind(operation)
                return self._call(prefix + name, operation, args, kwargs, training)

            return call

        floats = layer.autocast and keras.backend.is_float_dtype(layer.compute_dtype)
        with AutocastScope(layer.compute_dtype if floats else None):
            graph = self._known.get(key)
            if graph is None:
                following = iter(symbols)
                call = keras.tree.map_structure(
                    lambda leaf: next(following) if keras.ops.is_tensor(leaf) else leaf,
                    (args, kwargs),
                )
                try:
                    graph = _graph_of(layer, symbols, *call)
                except NotTraced as error:
                    graph = error
                if isinstance(graph, NotTraced) or not _holds_tensors(graph):
                    self._known[key] = graph
            if isinstance(graph, NotTraced):
                raise graph
            return graph._run_through_graph(tensors, operation_fn=called)


def _masks(layer: Any, args: tuple[Any, ...], kwargs: Kwargs) -> Kwargs:
    """The masks that a layer's call is given as Keras gives them: those that its tensors carry."""
    if all(get_keras_mask(one) is None for one in keras.tree.flatten((args, kwargs))):
        return {}
    try:
        signature = inspect.signature(layer.call)
        given = signature.bind_partial(*args, **kwargs).arguments
    except (TypeError, ValueError):  # the call itself will say what is wrong
        return {}
    tensors = [
        name
        for name, value in given.items()
        if any(map(keras.ops.is_tensor, keras.tree.flatten(value)))
    ]
    found = {}
    for name in tensors:
        of_it = "mask" if len(tensors) == 1 else f"{name}_mask"
        if of_it in signature.parameters and given.get(of_it) is None:
            mask = keras.tree.map_structure(get_keras_mask, given[name])
            if any(one is not None for one in keras.tree.flatten(mask)):
                found[of_it] = mask
    return found


def _converted(layer: Any, tensor: Any) -> Any:
    """A tensor in the precision that a layer takes, with its mask."""
    mask = get_keras_mask(tensor)
    tensor = layer.dtype_policy.convert_input(tensor, layer.autocast, layer.input_dtype)
    if mask is not None:
        set_keras_mask(tensor, mask)
    return tensor


def _takes_training(operation: Any) -> bool:
    return bool(getattr(operation, "_call_has_training_arg", False))


def _graph_of(
    layer: Any, inputs: list[Any], args: tuple[Any, ...], kwargs: Kwargs
) -> keras.Function:
    """The graph that one symbolic call of a layer leaves, which is removed from the layer."""
    kwargs = {name: value for name, value in kwargs.items() if value is not None}
    with nodes_restored(layer):
        try:
            # A mask may be given that is not looked at: each input is to be part of a graph.
            for one in inputs:
                keras.ops.cast(one, one.dtype)
            # An input that is given back as it came has no operation behind it: a cast to what it
            # is stands for one.
            given = {id(one) for one in inputs}
            outputs = keras.tree.map_structure(
                lambda one: keras.ops.cast(one, one.dtype) if id(one) in given else one,
                layer.call(*args, **kwargs),
            )
            return keras.Function(inputs, outputs)
        except Exception as error:
            raise NotTraced(_briefly(error)) from error


def _holds_tensors(graph: keras.Function) -> bool:
    """Whether values that were computed while it was made, of weights maybe, are part of it.

    They belong to that one run: such a graph is made anew for the next.
    """
    return any(
        keras.ops.is_tensor(leaf)
        for nodes in graph._nodes_by_depth.values()
        for node in nodes
        if not node.is_input
        for leaf in keras.tree.flatten(
            (node.arguments.args, node.arguments.kwargs, _own_values(node.operation))
        )
    )


def _own_values(operation: Any) -> list[Any]:
    """What an operation that is no layer keeps, as the bounds of a clip."""
    return [] if isinstance(operation, keras.Layer) else list(vars(operation).values())


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
    """Go through a traceable model, leaving to `call` what its operations do.

    Parameters
    ----------
    model : keras.Model for which `is_traceable` holds
    inputs : anything; values go from call to call untouched
    call : function of (operation, args, kwargs) that gives the operation's outputs
        `args` and `kwargs` are those of the call in the model, with values in the place of
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


def calls_of(model: keras.Model, operation: Any) -> list[Any]:
    """Keras's nodes of an operation's calls in a traceable model, in the order of the calls.

    `operation.input` and `operation.output` are those of its first call, in whatever model that
    was: layers that several models share were called in others before.
    """
    own = model._functional if isinstance(model, keras.Sequential) else model
    depths = getattr(own, "_nodes_by_depth", {})  # none where a Sequential has no graph
    inside = {id(node) for at_depth in depths.values() for node in at_depth}
    return [node for node in operation._inbound_nodes if id(node) in inside]


def gives_inputs_back(layer: Any) -> bool:
    """Whether a built layer with a `call` of a user's is the identity at inference."""
    if not is_composite(layer) or not layer._inbound_nodes:
        return False
    tensors = layer._inbound_nodes[0].input_tensors
    options = {"training": False} if _takes_training(layer) else {}
    if len(tensors) != 1:
        return False
    with nodes_restored(layer):
        try:
            return layer.call(tensors[0], **options) is tensors[0]
        except Exception:  # of any kind: the code is anybody's
            return False
