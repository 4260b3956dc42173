"""Going through a model's calls and noting each as a step.

A layer is taken apart by calling it on a symbolic tensor, which leaves a graph of Keras's
elementary operations, the same for a ``Dense`` layer and for a layer a user wrote with
``keras.ops``; :mod:`tfhash.geometry.operations` says what each of them does to a line.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras

from tfhash import backend, graph
from tfhash.geometry import operations
from tfhash.geometry.constants import Constant, constant_of, filled, is_array
from tfhash.geometry.pieces import PiecewiseLinear
from tfhash.geometry.steps import Affine, Flat, Kink, Largest, Opaque, Step

# Gives the function that notes a layer of a kind that cannot be taken apart so, or None.
Special = Callable[["Tracer", Any, Any, str], Any]
FindSpecial = Callable[[Any], Special | None]


@dataclasses.dataclass(frozen=True)
class _Slot:
    """Stands for value ``number`` among the arguments of an operation."""

    number: int


class Tracer:
    """Goes through a model's calls and notes each as a step."""

    def __init__(self, dtype: str, special: FindSpecial) -> None:
        self.dtype = dtype
        self.special = special
        self.steps: list[Step] = []
        self.numbers: dict[int, int] = {}  # id of a symbolic tensor -> number of its value
        self.shapes: list[tuple[int, ...]] = []  # of the values, without the batch
        self.kept: list[Any] = []  # the symbolic tensors, whose ids must not be used again
        self.constants: list[Constant] = []
        # Whether the steps stay right when weights change: not where something was computed from
        # them in Python, or may have been.
        self.is_lasting = True

    def call(self, operation: Any, args: Sequence[Any], kwargs: dict[str, Any], path: str) -> Any:
        """Note one call of a layer, model or elementary operation; gives symbolic tensors."""
        if isinstance(operation, keras.layers.InputLayer):
            return args[0]
        if graph.is_traceable(operation):
            inner = f"{path}/" if path else ""
            return graph.walk(
                operation,
                args[0],
                lambda op, a, k: self.call(op, a, k, f"{inner}{op.name}"),
            )
        if isinstance(operation, keras.Layer):
            return self.layer(operation, args, kwargs, path)
        outputs = operation.compute_output_spec(*args, **kwargs)
        self.operation(operation, args, kwargs, keras.tree.flatten(outputs), path)
        return outputs

    def layer(self, layer: Any, args: Sequence[Any], kwargs: dict[str, Any], path: str) -> Any:
        name = path or layer.name
        activation = getattr(layer, "activation", None)
        own = (type(layer), *([] if activation is None else [activation]))
        if any(not part.__module__.startswith("keras.") for part in own) or isinstance(
            layer, keras.layers.Lambda
        ):
            self.is_lasting = False
        parameters = inspect.signature(layer.call).parameters
        kwargs = {key: value for key, value in kwargs.items() if key != "mask"}
        reason = None
        if kwargs.get("training") or getattr(layer, "quantization_mode", None):
            reason = "is called with training=True" if kwargs.get("training") else "is quantised"
        elif (special := self.special(layer)) is not None:
            return special(self, layer, args[0], name)
        elif isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional):
            reason = "is recurrent"
        else:
            if "training" in parameters:
                kwargs["training"] = False
            try:
                outputs = layer.call(*args, **kwargs)
                self.collect(keras.tree.flatten(outputs), name, layer)
                return outputs
            except NotTraced as error:
                raise ValueError(str(error)) from None
            except Exception as error:
                lines = str(error).strip().splitlines()
                reason = (
                    "cannot be taken apart, which takes a `call` written with layers and "
                    f"keras.ops ({type(error).__name__}: {lines[0] if lines else ''})"
                )
        outputs = layer.compute_output_spec(*args, **kwargs)
        self.opaque(args, kwargs, keras.tree.flatten(outputs), _described(layer, name), reason)
        return outputs

    def collect(self, tensors: Iterable[Any], path: str, layer: Any) -> None:
        """Note the graph that a layer's call left behind, up to tensors that are known."""
        for tensor in tensors:
            if not isinstance(tensor, keras.KerasTensor):
                raise NotTraced(
                    f"Expected layers that give tensors. Received: {_described(layer, path)}, "
                    f"which gives {type(tensor).__name__}."
                )
            if id(tensor) in self.numbers:
                continue
            operation, node_index, _ = tensor._keras_history
            node = operation._inbound_nodes[node_index]
            self.collect(node.input_tensors, path, layer)
            args, kwargs = node.arguments.args, node.arguments.kwargs
            if not isinstance(operation, keras.Layer):
                self.operation(operation, args, kwargs, node.outputs, path, layer)
                continue
            # A layer within the layer: taken apart in turn, and what its call left in it removed.
            outputs = self.call(operation, args, kwargs, f"{path}/{operation.name}")
            for made, known in zip(node.outputs, keras.tree.flatten(outputs), strict=True):
                self.alias(made, known)
            _forget(node)

    def operation(
        self,
        operation: Any,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        outputs: Sequence[Any],
        path: str,
        layer: Any = None,
    ) -> None:
        """Note an elementary operation."""
        name = path or operation.name
        described = _described(layer or operation, name)
        bound = inspect.signature(operation.call).bind(*args, **kwargs)
        args = self.slots(bound.args)
        varying = [i for i, arg in enumerate(args) if _slots(arg)]
        numbers = [slot.number for i in varying for slot in _slots(args[i])]
        made = [self.new(out) for out in outputs]
        kind = type(operation).__name__
        reason = f"{'' if kind in described else f'applies {kind}, which '}is not piecewise linear"
        try:
            if any(not out.shape or out.shape[0] is not None for out in outputs):
                raise ValueError("mixes the examples")
            function = operations.kinked(operation, args, varying)
            shapes = {self.shapes[number] for number in (*numbers, *made)}
            if function is not None and len(shapes) > 1:
                raise ValueError(f"applies {kind} to unequal shapes")
            chosen = operations.maximum(operation, [self.shapes[i] for i in numbers])
            if chosen is not None and len(numbers) > 1 and len(shapes) > 1:
                raise ValueError(f"applies {kind} to unequal shapes")
        except ValueError as error:
            self.note(Opaque(described, tuple(numbers), tuple(made), str(error)))
            return
        if function is not None:
            if any(map(is_array, args)):  # of whose numbers the function was made
                self.is_lasting = False
            self.kink(name, numbers[0], made[0], function)
        elif chosen is not None:
            self.note(Largest(name, tuple(numbers), (made[0],), *chosen, self.shapes[made[0]]))
        elif operations.is_linear(operation, args, varying) and not bound.kwargs:
            self.note(self.affine(operation, args, varying, numbers, made, name))
        else:
            is_head = kind in operations.HEADS
            self.note(Opaque(described, tuple(numbers), tuple(made), reason, is_head))

    def affine(
        self,
        operation: Any,
        args: Sequence[Any],
        varying: Sequence[int],
        numbers: Sequence[int],
        made: Sequence[int],
        name: str,
    ) -> Affine:
        kind = type(operation).__name__
        flat = self.flat(kind, args, varying, numbers)
        if kind in operations.IDENTITY:
            return Affine(name, tuple(numbers), tuple(made), tuple, tuple, flat)
        if kind == "Reshape":  # the traced one may hold None for the batch
            shape = (-1, *self.shapes[made[0]])

            def reshape(tensors: Sequence[Any]) -> tuple[Any, ...]:
                return (keras.ops.reshape(tensors[0], shape),)

            return Affine(name, tuple(numbers), tuple(made), reshape, reshape, flat)
        args = keras.tree.map_structure(self.constant, list(args))
        dropped = operations.CONSTANTS.get(kind, ())
        without = [
            keras.tree.map_structure(self.zero, arg) if i in dropped and i not in varying else arg
            for i, arg in enumerate(args)
        ]

        def carry_out(structure: Sequence[Any], tensors: Sequence[Any]) -> tuple[Any, ...]:
            values = dict(zip(numbers, tensors, strict=True))
            with_values = keras.tree.map_structure(
                lambda x: values[x.number] if isinstance(x, _Slot) else x, structure
            )
            return tuple(keras.tree.flatten(operations.carry_out(operation, filled(with_values))))

        return Affine(
            name,
            tuple(numbers),
            tuple(made),
            lambda tensors: carry_out(args, tensors),
            lambda tensors: carry_out(without, tensors),
            flat,
        )

    def flat(
        self, kind: str, args: Sequence[Any], varying: Sequence[int], numbers: Sequence[int]
    ) -> Flat | None:
        """What an operation does to flat rows, if it is a dense layer's product, bias or shape."""
        if kind == "Reshape" or kind in operations.IDENTITY:
            return Flat()
        if len(args) != 2 or len(varying) != 1 or len(self.shapes[numbers[0]]) != 1:
            return None
        other = args[1 - varying[0]]
        if not isinstance(other, keras.Variable):
            return None
        if kind == "Matmul" and varying == [0] and len(other.shape) == 2:
            return Flat(weights=lambda: backend.numbers(other))
        if kind == "Add" and tuple(other.shape) == self.shapes[numbers[0]]:
            return Flat(shift=lambda: backend.numbers(other))
        return None

    def kink(self, name: str, number: int, made: int, function: PiecewiseLinear) -> None:
        """Note units, their parameters in the plan's precision."""

        def parameters(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(v if isinstance(v, float) else self.fixed(v) for v in values)

        function = PiecewiseLinear(
            parameters(function.kinks), parameters(function.slopes), parameters(function.offsets)
        )
        self.note(Kink(name, (number,), (made,), function, self.shapes[number]))

    def fixed(self, value: Any) -> Any:
        """The tensor of an array, as it is now."""
        self.is_lasting = False
        return constant_of(value, self.dtype).value

    def opaque(
        self,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        outputs: Sequence[Any],
        described: str,
        reason: str,
    ) -> None:
        numbers = [slot.number for slot in _slots(self.slots((list(args), kwargs)))]
        made = tuple(self.new(out) for out in outputs)
        self.note(Opaque(described, tuple(numbers), made, reason))

    def note(self, step: Step) -> None:
        self.steps.append(step)

    def new(self, tensor: Any) -> int:
        """A new value, that of a symbolic tensor."""
        self.numbers[id(tensor)] = len(self.shapes)
        self.shapes.append(tuple(tensor.shape[1:]))
        self.kept.append(tensor)
        return len(self.shapes) - 1

    def alias(self, tensor: Any, known: Any) -> None:
        self.numbers[id(tensor)] = self.number(known)
        self.kept.append(tensor)

    def number(self, tensor: Any) -> int:
        return self.numbers[id(tensor)]

    def slots(self, structure: Any) -> Any:
        return keras.tree.map_structure(
            lambda x: _Slot(self.number(x)) if isinstance(x, keras.KerasTensor) else x, structure
        )

    def constant(self, value: Any) -> Any:
        """A weight or other array as a `Constant`, anything else as it is."""
        if not is_array(value):
            return value
        if not isinstance(value, keras.Variable):
            self.is_lasting = False
        return self.remembered(constant_of(value, self.dtype))

    def zero(self, value: Any) -> Any:
        """What stands for a constant in the derivative."""
        if value is None or isinstance(value, _Slot):
            return value
        return self.remembered(value.zeros()) if isinstance(value, Constant) else 0.0

    def remembered(self, constant: Constant) -> Constant:
        self.constants.append(constant)
        return constant


class NotTraced(Exception):
    """A layer's call gave something that cannot be followed."""


def _slots(structure: Any) -> list[_Slot]:
    return [x for x in keras.tree.flatten(structure) if isinstance(x, _Slot)]


def _described(layer: Any, name: str) -> str:
    return f"layer {name!r} ({type(layer).__name__})"


def _forget(node: Any) -> None:
    """Take a call that tracing left in a layer of the model out of it again."""
    node.operation._inbound_nodes.remove(node)
    for tensor in node.input_tensors:
        maker = tensor._keras_history.operation
        if maker is not None and node in maker._outbound_nodes:
            maker._outbound_nodes.remove(node)
