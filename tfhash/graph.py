"""Walking the graph of a Keras model, call by call.

The only place that leans on how Keras keeps its graphs (``Functional`` and its
``_run_through_graph``, the same from Keras 3.5 on); a test runs it on every kind of model.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras.src.models.functional import Functional

Record = Callable[[str, Any, Any], None]
Call = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]


def is_traceable(model: Any) -> bool:
    """Whether the calls inside are known: Sequential or Functional, with Keras's own ``call``."""
    if isinstance(model, keras.Sequential):
        return model.built and type(model).call is keras.Sequential.call
    return isinstance(model, Functional) and type(model).call is Functional.call


def run(model: keras.Model, inputs: Any, record: Record, prefix: str = "") -> Any:
    """Run a traceable model on plain tensors and report every call, nested models' too.

    Parameters
    ----------
    model : keras.Model for which :func:`is_traceable` holds
    inputs : tensors as the model takes them; not symbolic ones, which would leave nodes of a new
        graph in the model's layers
    record : function of (path, operation, output)
        Called after each call, in order. ``path`` is the operation's name, after those of the
        models it is nested in: ``"inner/relu"``. It is the same for each call of one layer.

    Returns
    -------
    The model's outputs.
    """

    def call(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        path = prefix + operation.name
        if is_traceable(operation):
            output = run(operation, args[0], record, f"{path}/")
        else:
            output = operation(*args, **kwargs)
        record(path, operation, output)
        return output

    if not isinstance(model, keras.Sequential):
        inputs = model._standardize_inputs(inputs)
    return walk(model, inputs, call)


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
