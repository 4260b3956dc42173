"""Which activation functions there are, and what the bit of a unit is.

The bit is 1 where the unit's pre-activation is > 0 (He et al., Section 3): the number that its
activation function is applied to. That is the rule for every function, whatever its slopes, signs
and parameters, also where it bends elsewhere than at 0 (`ReLU(threshold=1)`, `hard_shrink`),
and in every precision. The pre-activation itself is read
(`tfhash.encoder.pre_activations`). Two things are read off the output instead:

- A plain ReLU (`relu`, `relu6`), which is > 0 exactly where its pre-activation is
  (`is_exact`).
- A unit for which the user gives a threshold: its bit is "output > threshold".
- A unit of a recurrent layer, which applies its activation at every step, inside. Its bit is the
  sign of its hidden state, which is the layer's output: "output > 0", for each step that the layer
  returns. It counts as one of its cell's activation: `LSTM` and `GRU` as `tanh`
  (`of_hidden_state`).
"""

import difflib
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfhash import graph

Activations = Sequence[str | Callable[..., Any]] | Mapping[str | Callable[..., Any], float]

# Each with its value at 0: increasing functions are greater where their pre-activation is > 0.
# Linear, or nearly, on one side of 0 and flat, or flatter, on the other: encoded unless told else.
RECTIFIERS = {
    "relu": 0.0,
    "relu6": 0.0,
    "leaky_relu": 0.0,
    "prelu": 0.0,
    "elu": 0.0,
    "selu": 0.0,
    "celu": 0.0,
    "gelu": 0.0,
    "silu": 0.0,
    "hard_silu": 0.0,
    "mish": 0.0,
    "softplus": math.log(2),
    "squareplus": 1.0,
    "sparse_plus": 0.25,
}
# Encoded where asked for.
OTHERS = {
    "sigmoid": 0.5,
    "hard_sigmoid": 0.5,
    "sparse_sigmoid": 0.5,
    "log_sigmoid": -math.log(2),
    "tanh": 0.0,
    "hard_tanh": 0.0,
    "softsign": 0.0,
    "tanh_shrink": 0.0,
    "soft_shrink": 0.0,
    "hard_shrink": 0.0,
    "exponential": 1.0,
}
THRESHOLDS = RECTIFIERS | OTHERS
# Functions of several units at once, or whose value at 0 is not between two pieces.
WITHOUT_SIGN = ("softmax", "log_softmax", "sparsemax", "glu", "threshold")
# Elementwise operations that bend, which a user may have meant as an activation.
BENDS = ("maximum", "minimum", "absolute", "where", "clip", "greater", "less", "sign")
# Operations that run functions they are given, whose layers are not seen.
RUNS = (
    *("cond", "switch", "scan", "associative_scan", "fori_loop", "while_loop", "map"),
    "vectorized_map",
)
# How a Bidirectional makes one number of two hidden states: its sign is that of neither.
MIXES = ("sum", "mul", "ave")
ALIASES = {
    "swish": "silu",
    "hard_swish": "hard_silu",
    "re_lu": "relu",
    "p_relu": "prelu",
}


def of_call(operation: Any, args: tuple[Any, ...]) -> str | Callable[..., Any] | None:
    """The activation whose values an operation's output is: its name, or a function of a user's.

    None where there is none: the operation is linear, or its activation is applied within.
    """
    if isinstance(operation, keras.layers.RNN | keras.layers.Bidirectional):
        return None  # applied at every step, inside: see of_hidden_state
    if isinstance(operation, keras.layers.Wrapper) and not graph.is_composite(operation):
        return of_call(operation.layer, args)
    if isinstance(operation, keras.layers.Lambda):
        function = of_function(operation.function)
        return function if isinstance(function, str) else None
    if isinstance(operation, keras.Layer):
        if graph.is_composite(operation):
            return None
        return _known(graph.kind(_kerases(operation))) or of_function(_activation_of(operation))
    name = _known(graph.kind(operation))
    if name is None and graph.kind(operation) == "maximum" and _has_zero(args):
        return "relu"
    return name


def cells(layer: Any) -> list[Any]:
    """The cells of a recurrent layer, one after another; none of other layers."""
    if isinstance(layer, keras.layers.Bidirectional):
        return cells(layer.forward_layer)
    if not isinstance(layer, keras.layers.RNN):
        return []
    stacked = isinstance(layer.cell, keras.layers.StackedRNNCells)
    return list(layer.cell.cells) if stacked else [layer.cell]


def of_hidden_state(operation: Any) -> str | None:
    """The activation of a recurrent layer's cell, where it keeps the sign of what it is given.

    The hidden state then has a sign for each unit. None for other layers and activations, and where
    two hidden states are mixed.
    """
    if isinstance(operation, keras.layers.Bidirectional):
        mixed = operation.merge_mode in MIXES
        return None if mixed else of_hidden_state(operation.forward_layer)
    if not isinstance(operation, keras.layers.RNN):
        return None
    name = of_function(_activation_of(cells(operation)[-1]))
    return name if isinstance(name, str) and THRESHOLDS.get(name) == 0 else None


def of_function(function: Any) -> str | Callable[..., Any] | None:
    """The name of an activation function, or the function itself where it is not Keras's."""
    function = graph.unwrapped(function)
    if function is None or function is keras.activations.linear:
        return None
    if isinstance(function, keras.Layer):
        return of_call(function, ()) or function
    return _known(graph.library_name(function) or "") or function


def name_of(activation: str | Callable[..., Any]) -> str:
    """An activation as a reader knows it."""
    if isinstance(activation, str):
        return activation
    own = getattr(activation, "__name__", None) or getattr(activation, "name", None)
    return str(own or type(activation).__name__)


def threshold_of(activation: str | Callable[..., Any], operation: Any) -> float | None:
    """The activation's value at 0; None where it has no sign for each unit, or is not known."""
    if activation == "squareplus":
        function = _activation_of(innermost(operation))
        b = getattr(function, "keywords", {}).get("b", getattr(operation, "b", 4))
        return math.sqrt(b) / 2
    return THRESHOLDS.get(activation) if isinstance(activation, str) else None


def is_exact(activation: str | Callable[..., Any], operation: Any) -> bool:
    """Whether the output is > 0 exactly where the pre-activation is, in every precision."""
    if activation not in ("relu", "relu6"):
        return False
    layer = innermost(operation)
    function = _activation_of(layer) if isinstance(layer, keras.Layer) else None
    if function is not None:
        if isinstance(function, keras.Layer):
            return is_exact(activation, function)
        return not isinstance(function, functools.partial)
    cap = getattr(layer, "max_value", None)
    return (
        not getattr(layer, "negative_slope", 0)
        and not getattr(layer, "threshold", 0)
        and (cap is None or cap > 0)
    )


def innermost(operation: Any) -> Any:
    """The layer in wrappers, whose activation is theirs."""
    while isinstance(operation, keras.layers.Wrapper):
        operation = operation.layer
    return operation


def wanted(activations: Activations | None) -> dict[Any, float | None]:
    """The activations to encode, each with the threshold given for it, None for its own.

    Raises
    ------
    ValueError
        Where a name is not known and no threshold is given for it.
    """
    if activations is None:
        return dict.fromkeys(RECTIFIERS)
    if isinstance(activations, str) or not activations:
        raise ValueError(
            "Expected a list of activations, or a dict from them to thresholds. "
            f"Received: {activations!r}."
        )
    result: dict[Any, float | None] = {}
    for given in activations:
        name = ALIASES.get(given, given) if isinstance(given, str) else of_function(given)
        if isinstance(activations, Mapping):
            threshold = float(activations[given])
            if not np.isfinite(threshold):
                raise ValueError(
                    f"Expected finite thresholds. Received: {threshold} for {given!r}."
                )
            result[name] = threshold
        elif name in THRESHOLDS:
            result[name] = None
        else:
            near = difflib.get_close_matches(str(name), THRESHOLDS, n=3) or sorted(THRESHOLDS)
            raise ValueError(
                f"Expected activations with a known threshold, such as {', '.join(near)}. "
                f"Received: {name_of(given)!r}. Give others as a dict, to the threshold that their "
                f"outputs are compared with: activations={{{name_of(given)!r}: 0.0}}."
            )
    return result


def _known(name: str) -> str | None:
    name = ALIASES.get(name, name)
    return name if name in THRESHOLDS or name in WITHOUT_SIGN else None


def _kerases(layer: keras.Layer) -> type:
    """The class of Keras's own whose `call` the layer has: for a user's subclass its base."""
    return next(cls for cls in type(layer).__mro__ if "call" in vars(cls))


def _activation_of(layer: Any) -> Any:
    activation = getattr(layer, "activation", None)
    return activation if callable(activation) else None


def _has_zero(args: tuple[Any, ...]) -> bool:
    """Whether one of the two arguments is the constant 0."""
    constants = [
        arg for arg in args if isinstance(arg, bool | int | float | np.ndarray | np.number)
    ]
    return len(constants) == 1 and not np.any(constants[0])
