"""What a model computes, call by call, and which of it is encoded."""

import fnmatch
import math
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import keras

from tfhash import graph
from tfhash.encoder import activations as functions
from tfhash.errors import near_layers

Choice = str | type


@dataclass
class Unit:
    """The outputs of one call of a layer or operation with an activation.

    Attributes
    ----------
    name : str
        ``"layer"``, ``"model/layer"`` in a nested model, ``"layer#2"`` at the second call.
    operation : keras layer or operation
    activation : str or function
        Its name where it is Keras's.
    shape : of the outputs, without the batch
    is_output : bool
        Whether it is an output of the model.
    threshold : float or None
        The bit is 1 where the output is greater; None where no threshold is known.
    reason : str
        Why it is left out; empty where it is encoded.
    """

    name: str
    operation: Any
    activation: Any
    shape: tuple[int | None, ...]
    is_output: bool
    threshold: float | None
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the number of units depends on the shape of the inputs."""
        return None in self.shape

    @property
    def n_units(self) -> int:
        """Raises ValueError where the shape is open."""
        sizes = [size for size in self.shape if size is not None]
        if len(sizes) != len(self.shape):
            raise ValueError(
                f"Expected layers of a known size. Received: {self.name!r} of shape "
                f"{(None, *self.shape)}: give the model a fixed input shape, or the encoder one: "
                "Encoder(model, inputs=keras.Input((224, 224, 3)))."
            )
        return math.prod(sizes)


class Findings:
    """What a survey saw.

    Attributes
    ----------
    units : list of Unit
        All calls with an activation, in order.
    left_out : list of (name, class, reason)
        Layers that were not, or not wholly, looked into.
    plain : Counter
        Classes of the layers and operations without activation.
    graphs : dict
        Of layers taken apart, for later calls: see :class:`tfhash.graph.Runner`.
    untraced : str
        Why the model could not be traced; empty where it could.
    """

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self.left_out: list[tuple[str, str, str]] = []
        self.plain: Counter[str] = Counter()
        self.graphs: dict[Any, Any] = {}
        self.untraced = ""
        self.closed = False

    def close(self, outputs: Sequence[Any]) -> None:
        """Take the shapes of the symbolic outputs, which alone say which sizes are open."""
        for unit, output in zip(self.units, outputs, strict=True):
            unit.shape = tuple(output.shape[1:])
        self.closed = True


class Survey(keras.layers.Layer):
    """Runs a model and returns the outputs of all its activations, as a list.

    ``found`` is what was seen, until it is closed: later calls are like the first.
    """

    def __init__(self, model: keras.Model) -> None:
        super().__init__(name="units")
        self.model = model
        self.found = Findings()

    def call(self, inputs: Any) -> list[Any]:
        tensors: dict[str, Any] = {}
        calls: dict[str, tuple[Any, Any]] = {}
        left_out: list[tuple[str, str, str]] = []
        plain: Counter[str] = Counter()
        opaque: set[int] = set()

        def record(path: str, operation: Any, args: tuple[Any, ...], output: Any) -> None:
            activation = functions.of_call(operation, args)
            if activation is not None and len(keras.tree.flatten(output)) == 1:
                name = _numbered(path, tensors)
                tensors[name] = keras.tree.flatten(output)[0]
                calls[name] = (operation, activation)
            elif (reason := _blind_spot(operation)) and id(operation) not in opaque:
                left_out.append((path, type(operation).__name__, reason))
            elif not isinstance(
                operation, keras.Model | keras.layers.InputLayer
            ) and not graph.is_composite(operation):
                plain[type(operation).__name__] += 1

        def is_opaque(path: str, operation: Any, reason: str) -> None:
            opaque.add(id(operation))
            left_out.append(
                (path, type(operation).__name__, f"its call cannot be traced ({reason})")
            )

        try:
            outputs = graph.Runner(record, is_opaque, self.found.graphs).run(self.model, inputs)
        except graph.NotTraced as error:
            self.found.untraced = str(error)  # Keras will say more in the error's own message
            raise
        if self.found.closed:
            return list(tensors.values())
        last = {id(tensor) for tensor in keras.tree.flatten(outputs)}
        units = [
            Unit(
                name,
                operation,
                activation,
                tuple(tensors[name].shape[1:]),
                id(tensors[name]) in last,
                functions.threshold_of(activation, operation),
            )
            for name, (operation, activation) in calls.items()
        ]
        self.found.units, self.found.left_out, self.found.plain = units, left_out, plain
        return list(tensors.values())


def choose(
    units: Sequence[Unit],
    layers: Sequence[Choice] | None,
    activations: functions.Activations | None,
) -> list[Unit]:
    """The units to encode, in order; the others are given the reason why they are not.

    Raises
    ------
    ValueError
        Where a choice is not there; near matches are named.
    """
    accepted = functions.wanted(activations)
    for unit in units:
        unit.reason = _reason(unit, accepted)
    if layers is not None:
        named = _matched(units, layers)
        for unit in units:
            if unit.name in named and named[unit.name] and unit.threshold is not None:
                unit.reason = ""  # asked for by its very name
            elif unit.name not in named and not unit.reason:
                unit.reason = "not among the layers chosen"
    return [unit for unit in units if not unit.reason]


def _reason(unit: Unit, accepted: dict[Any, float | None]) -> str:
    key = unit.activation
    if key not in accepted and not isinstance(key, str):
        key = functions.name_of(key)  # functions may be given by name too
    if key in accepted and accepted[key] is not None:
        unit.threshold = accepted[key]
    if unit.is_output and key in functions.OTHERS:
        return "output of the model: name it in layers= to encode it"
    if key in accepted:
        return ""
    name = functions.name_of(unit.activation)
    if not isinstance(unit.activation, str):
        return f"activation of your own: encode it with activations={{{name!r}: threshold}}"
    if unit.threshold is None:
        return "has no sign of its own for each unit"
    return f"encode it with activations=[{name!r}]"


def _matched(units: Sequence[Unit], layers: Sequence[Choice]) -> dict[str, bool]:
    """Names of the units chosen, each with whether it was by its very name."""
    if isinstance(layers, str | type) or not layers or len(set(layers)) != len(layers):
        raise ValueError(
            f"Expected a list of different layer names, patterns or classes. Received: {layers!r}."
        )
    encoded = [unit.name for unit in units if not unit.reason]
    by_name = {unit.name: unit for unit in units}
    named: dict[str, bool] = {}
    for choice in layers:
        if isinstance(choice, type):
            found = [u.name for u in units if not u.reason and isinstance(u.operation, choice)]
            received = f"the class {choice.__name__}, of which none is"
        elif choice in by_name and by_name[choice].threshold is not None:
            named[choice] = True
            continue
        else:
            found = fnmatch.filter(encoded, choice)
            received = repr(choice)
            if choice in by_name:
                received += f", which is left out: {by_name[choice].reason}"
        if not found:
            known = [unit.name for unit in units if unit.threshold is not None]
            raise ValueError(
                "Expected names, patterns or classes of layers with units to encode, such as "
                f"{near_layers(choice, known)}. Received: {received}."
            )
        named.update({name: named.get(name, False) for name in found})
    return named


def _blind_spot(operation: Any) -> str:
    """Why a call without an activation of its own may still hide one; else empty."""
    if isinstance(operation, keras.layers.RNN | keras.layers.Bidirectional):
        return "recurrent: its activations are applied at every step, inside"
    if not isinstance(operation, keras.Layer):
        kind = graph.kind(operation)
        return "elementwise, but no activation that is known" if kind in functions.BENDS else ""
    if isinstance(operation, keras.Model) or graph.is_composite(operation):
        return ""
    inner = {
        activation
        for layer in operation._flatten_layers(include_self=False)
        if isinstance(activation := functions.of_call(layer, ()), str)
    }
    return f"holds {', '.join(sorted(inner))} inside" if inner else ""


def _numbered(path: str, taken: Container[str]) -> str:
    """The path, or ``path#2``, ``path#3``, ... for later calls of the same layer."""
    if path not in taken:
        return path
    return next(f"{path}#{call}" for call in count(2) if f"{path}#{call}" not in taken)
