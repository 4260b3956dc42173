"""Walking the graph of a Keras model, call by call.

The only place that leans on how Keras keeps its graphs (``Functional`` and its
``_run_through_graph``, the same from Keras 3.5 on); a test runs it on every kind of model.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras.src.models.functional import Functional

Record = Callable[[str, Any, Any], None]


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

    def called(operation: Any) -> Callable[..., Any]:
        return partial(_call, operation, record, prefix)

    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            inputs = called(layer)(inputs)
        return inputs
    return model._run_through_graph(model._standardize_inputs(inputs), operation_fn=called)


def _call(operation: Any, record: Record, prefix: str, *args: Any, **kwargs: Any) -> Any:
    path = prefix + operation.name
    if is_traceable(operation):
        output = run(operation, args[0], record, f"{path}/")
    else:
        output = operation(*args, **kwargs)
    record(path, operation, output)
    return output
