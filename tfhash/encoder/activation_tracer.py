"""What a model computes, call by call, and which of it is encoded."""

import math
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

import keras

from tfhash import graph
from tfhash.encoder import activations as functions
from tfhash.encoder import inference, pre_activations

Choice: TypeAlias = str | type | int | keras.Layer


@dataclass
class ActivationSite:
    """The outputs of one call of a layer or operation with an activation.

    Attributes
    ----------
    name : str
        `"layer"`, `"model/layer"` in a nested model, `"layer#2"` at the second call.
    operation : keras layer or operation
    activation : str or function
        Its name where it is Keras's.
    shape : of the outputs, without the batch
    is_output : bool
        Whether it is an output of the model.
    threshold : float or None
        The activation's value at 0, or what the user gives; None where there is none.
    reads_output : bool
        Whether the bit is "output > threshold", and not "pre-activation > 0".
    reason : str
        Why it is left out; empty where it is encoded.
    """

    name: str
    operation: Any
    activation: Any
    shape: tuple[int | None, ...]
    is_output: bool
    threshold: float | None
    reads_output: bool
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


class Trace:
    """What a tracer saw.

    Attributes
    ----------
    sites : list of ActivationSite
        All calls with an activation, in order.
    left_out : list of (name, class, reason)
        Layers that were not, or not wholly, looked into.
    opaque : list of str
        Names of those whose calls cannot be traced.
    hidden : list of str
        Names of those that may hold units of the kinds encoded by default.
    moved : set of int
        Ids of the variables that a call would assign to.
    keeps_rows_apart : bool
        Whether each row of the outputs is known to depend on that row alone.
    plain : Counter
        Classes of the layers and operations without activation.
    graphs : dict
        Of layers taken apart, for later calls: see `tfhash.graph.Runner`.
    untraced : str
        Why the model could not be traced; empty where it could.
    """

    def __init__(self) -> None:
        self.sites: list[ActivationSite] = []
        self.left_out: list[tuple[str, str, str]] = []
        self.opaque: list[str] = []
        self.hidden: list[str] = []
        self.moved: set[int] = set()
        self.keeps_rows_apart = False
        self.plain: Counter[str] = Counter()
        self.graphs: dict[Any, Any] = {}
        self.untraced = ""
        self.closed = False

    def close(self, outputs: Sequence[Any]) -> None:
        """Take the shapes of the symbolic outputs, which alone say which sizes are open."""
        for site, output in zip(self.sites, outputs, strict=True):
            site.shape = tuple(output.shape[1:])
        self.closed = True


class ActivationTracer(keras.layers.Layer):
    """Runs a model and returns the outputs of all its activations and what each is applied to.

    A call records what it sees in `trace`, until that is closed; later calls are assumed to be
    like the first.
    """

    def __init__(self, model: keras.Model) -> None:
        # Of no precision of its own: the global dtype policy is not the model's.
        super().__init__(name="units", autocast=False, dtype="float32")
        self.model = model
        self.trace = Trace()

    def call(self, inputs: Any) -> tuple[list[Any], list[Any]]:
        seen = _Seen()
        try:
            with inference.unchanged() as moved:
                runner = graph.Runner(seen.visit, seen.opaque, self.trace.graphs)
                outputs = runner.run(self.model, inputs)
        except graph.NotTraced as error:
            self.trace.untraced = str(error)  # Keras will say more in the error's own message
            raise
        if not self.trace.closed:
            seen.report(self.trace, outputs)
            self.trace.moved = moved
        return list(seen.tensors.values()), list(seen.before.values())


class _Seen:
    """What is seen in one run of a model."""

    def __init__(self) -> None:
        self.tensors: dict[str, Any] = {}
        self.before: dict[str, Any] = {}
        self._calls: dict[str, tuple[Any, Any, bool]] = {}
        self._left_out: list[tuple[str, str, str]] = []
        self._opaque: dict[int, str] = {}
        self._hidden: list[str] = []
        self._plain: Counter[str] = Counter()
        self._apart = True

    def visit(self, path: str, operation: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        """Call the operation, and keep what is to be known of it."""
        self._apart = self._apart and inference.keeps_rows_apart(operation, kwargs)
        activation = functions.of_call(operation, args)
        if (hidden := functions.of_hidden_state(operation)) is not None:
            output = operation(*args, **kwargs)
            states = keras.tree.flatten(output)
            if isinstance(operation, keras.layers.Bidirectional) and operation.merge_mode is None:
                for layer, state in zip(
                    (operation.forward_layer, operation.backward_layer), states[:2], strict=True
                ):
                    self._keep(f"{path}/{layer.name}", operation, hidden, state, None)
            else:
                self._keep(path, operation, hidden, states[0], None)
            if len(functions.cells(operation)) > 1:
                reason = "only the last of its cells gives its hidden state out"
                self._leave_out(path, operation, reason, _rectifies(operation))
            return output
        if activation is None:
            output = operation(*args, **kwargs)
            self._without_activation(path, operation)
            return output
        output, before = pre_activations.call(operation, args, kwargs)
        if keras.ops.is_tensor(output):
            self._keep(path, operation, activation, output, before)
        return output

    def _keep(self, path: str, operation: Any, activation: Any, output: Any, before: Any) -> None:
        name = _numbered(path, self.tensors)
        exact = before is None or functions.is_exact(activation, operation)
        self._calls[name] = (operation, activation, exact)
        self.tensors[name], self.before[name] = output, output if before is None else before

    def opaque(self, path: str, operation: Any, reason: str) -> None:
        """Note a layer that cannot be taken apart."""
        if functions.of_call(operation, ()) is None:
            self._leave_out(path, operation, f"its call cannot be traced ({reason})", hides=True)
            self._opaque[id(operation)] = path

    def report(self, trace: Trace, outputs: Any) -> None:
        """Hand over what is known after the run that gave these outputs."""
        last = {id(tensor) for tensor in keras.tree.flatten(outputs)}
        trace.sites = [
            ActivationSite(
                name,
                operation,
                activation,
                tuple(self.tensors[name].shape[1:]),
                id(self.tensors[name]) in last,
                functions.threshold_of(activation, operation),
                exact,
            )
            for name, (operation, activation, exact) in self._calls.items()
        ]
        trace.left_out, trace.plain, trace.hidden = self._left_out, self._plain, self._hidden
        trace.opaque, trace.keeps_rows_apart = list(self._opaque.values()), self._apart

    def _without_activation(self, path: str, operation: Any) -> None:
        if id(operation) in self._opaque:
            return
        if graph.is_foreign(operation):
            self._opaque[id(operation)] = path
        reason, hides = _blind_spot(operation)
        if reason:
            self._leave_out(path, operation, reason, hides)
        elif not isinstance(operation, keras.layers.InputLayer):
            self._plain[type(operation).__name__] += 1

    def _leave_out(self, path: str, operation: Any, reason: str, hides: bool) -> None:
        entry = (path, type(operation).__name__, reason)
        if entry not in self._left_out:
            self._left_out.append(entry)
            if hides:
                self._hidden.append(path)


def _blind_spot(operation: Any) -> tuple[str, bool]:
    """Why a call without an activation of its own may still hide some; empty where it does not.

    And whether those may be of the kinds that are encoded by default.
    """
    if graph.is_foreign(operation):
        return "wraps a network of another library, which cannot be looked into", True
    if not isinstance(operation, keras.Layer):
        if graph.kind(operation) in functions.RUNS:
            return "runs functions that it is given, which cannot be looked into", True
        bends = graph.kind(operation) in functions.BENDS
        return ("elementwise, but no activation that is known", True) if bends else ("", False)
    if isinstance(operation, keras.layers.RNN | keras.layers.Bidirectional):
        reason = "recurrent: its activations are applied at every step, inside"
        if getattr(operation, "merge_mode", None) in functions.MIXES:
            reason += ", and the hidden states of both directions are mixed"
        return reason, _rectifies(operation)
    inner = _inner_activations(operation)
    reason = f"holds {', '.join(sorted(inner))} inside" if inner else ""
    return reason, not inner.isdisjoint(functions.RECTIFIERS)


def _inner_activations(layer: keras.Layer) -> set[str]:
    return {
        name
        for one in layer._flatten_layers()
        if isinstance(name := functions.of_function(getattr(one, "activation", None)), str)
        or isinstance(name := functions.of_call(one, ()), str)
    }


def _rectifies(layer: keras.Layer) -> bool:
    """Whether there may be units inside of the kinds that are encoded by default."""
    own = any(graph.is_composite(cell) for cell in functions.cells(layer))
    return own or not _inner_activations(layer).isdisjoint(functions.RECTIFIERS)


def _numbered(path: str, taken: Container[str]) -> str:
    """The path, or `path#2`, `path#3`, ... for later calls of the same layer."""
    if path not in taken:
        return path
    return next(f"{path}#{call}" for call in count(2) if f"{path}#{call}" not in taken)
