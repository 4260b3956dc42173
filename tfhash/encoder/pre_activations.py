"""What an activation function is applied to, heard while its layer is called."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator
from typing import Any

import keras

from tfhash.encoder.activations import innermost

_LISTENING = threading.RLock()  # two threads may look at one layer


def call(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """Call an operation with an activation once.

    Returns
    -------
    output : what the operation gives
    pre_activation : tensor of the shape of the output, or None
        The argument of the activation. None where it is not to be had: the layer does not apply
        its `activation` to all units at once.
    """
    layer = innermost(operation)
    if isinstance(layer, keras.Layer) and callable(getattr(layer, "activation", None)):
        with _heard(layer) as heard, _shadowed(operation, "_remat_mode", None):
            output = operation(*args, **kwargs)
    else:  # an activation itself
        output = operation(*args, **kwargs)
        heard = [arg for arg in args if keras.ops.is_tensor(arg)][:1]
    return output, _joined(heard, output)


@contextlib.contextmanager
def _heard(layer: Any) -> Iterator[list[Any]]:
    """Collects what the layer's activation is given meanwhile; its values stay the same.

    Attributes are shadowed in the instance's own dictionary, so that neither Keras nor PyTorch
    tracks anything new, and nothing is left behind. Rematerialization is off meanwhile: it runs
    the call of a layer, or its activation, as a function of its own, out of which JAX lets no
    tensor be carried (`keras.RematScope`, Keras 3.15.1).
    """
    heard: list[Any] = []
    with _LISTENING:
        function = layer.activation

        def listening(x: Any, *args: Any, **kwargs: Any) -> Any:
            heard.append(x)
            return function(x, *args, **kwargs)

        with _shadowed(layer, "activation", listening), _shadowed(layer, "_remat_mode", None):
            yield heard


@contextlib.contextmanager
def _shadowed(layer: Any, name: str, value: Any) -> Iterator[None]:
    own = vars(layer)
    before = own.get(name, layer)
    own[name] = value
    try:
        yield
    finally:
        if before is layer:  # held elsewhere: PyTorch keeps modules apart
            del own[name]
        else:
            own[name] = before


def _joined(heard: list[Any], output: Any) -> Any:
    """The pre-activations of all units; several were heard within `TimeDistributed`."""
    shape = tuple(output.shape[1:]) if keras.ops.is_tensor(output) else None
    if not heard or shape is None:
        return None
    if len(heard) == 1:
        return heard[0] if tuple(heard[0].shape[1:]) == shape else None
    inner = tuple(heard[0].shape[1:])
    if None in shape or None in inner or math.prod(shape) != len(heard) * math.prod(inner):
        return None
    return keras.ops.reshape(keras.ops.stack(heard, axis=1), (-1, *shape))
