"""Noting elementary operations as steps, with the values and constants they take."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np

from tfhash import backend
from tfhash.geometry import linear_maps, operations, pixels
from tfhash.geometry.constants import Constant, constant_of, filled, is_array
from tfhash.geometry.pieces import PiecewiseLinear
from tfhash.geometry.steps import Activation, Affine, Flat, Max, Opaque, Step


@dataclasses.dataclass(frozen=True)
class _Slot:
    """Stands for value `number` among the arguments of an operation."""

    number: int


class Notes:
    """The steps found so far, and the values between them.

    Parameters
    ----------
    dtype : of the tensors that the steps will be carried out on
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.steps: list[Step] = []
        self.numbers: dict[int, int] = {}  # id of a symbolic tensor -> number of its value
        self.shapes: list[tuple[int, ...]] = []  # of the values, without the batch
        self.kept: list[Any] = []  # the symbolic tensors, whose ids must not be used again
        self.constants: list[Constant] = []
        # Whether the steps stay right when weights change: not where something was computed from
        # them in Python, or may have been.
        self.is_lasting = True

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
        who = described(layer or operation, name)
        bound = inspect.signature(operation.call).bind(*args, **kwargs)
        given = self.slots(bound.args)
        varying = [i for i, arg in enumerate(given) if _slots(arg)]
        numbers = [slot.number for slot in _slots((given, self.slots(bound.kwargs)))]
        made = [self.new(out) for out in outputs]
        kind, rounded = operations.kind(operation), _rounding(layer, outputs)
        try:
            if any(not out.shape or out.shape[0] is not None for out in outputs):
                raise ValueError("mixes the examples")
            function = operations.kinked(operation, given, varying, rounded)
            shapes = {self.shapes[number] for number in (*numbers, *made)}
            chosen = operations.maximum(operation, [self.shapes[i] for i in numbers])
            bends = function is not None or (chosen is not None and len(numbers) > 1)
            if bends and (len(shapes) if function is not None else len({*map(len, shapes)})) > 1:
                raise ValueError(f"applies {kind} to unequal shapes")
            if function is not None:
                if any(map(is_array, given)):  # of whose numbers the function was made
                    self.is_lasting = False
                self.activation(name, numbers[0], made[0], function)
            elif chosen is not None:
                local = pixels.choice_of(operation, [self.shapes[i] for i in numbers])
                shape = self.shapes[made[0]]
                taken = (name, tuple(numbers), (made[0],), chosen[0])
                if len(chosen[1]) == 1:  # of one candidate: nothing is chosen
                    places = None if local is None else (pixels.Windows(local.table),)
                    self.note(Affine(*taken, chosen[0], local=places))
                else:
                    self.note(Max(*taken, *chosen[1:], shape, local=local))
            elif operations.is_linear(operation, given, varying) and not bound.kwargs:
                self.note(self.affine(operation, given, varying, made, name, rounded))
            else:
                self.note(self.linear(operation.call, bound.args, bound.kwargs, made, name))
        except ValueError as error:
            reason = str(error)
            if isinstance(error, linear_maps.NotLinear):
                told = kind.replace("_", "") in who.lower().replace("_", "")
                reason = reason.replace(linear_maps.NOT_LINEAR, operations.why_not(operation))
                reason = reason if told else f"applies {kind}, which {reason}"
            is_head, is_smooth = kind in operations.HEADS, kind in operations.SMOOTH
            self.note(Opaque(who, tuple(numbers), tuple(made), reason, is_head, is_smooth))

    def parts(
        self, joined: Any, names: Sequence[str], shapes: Sequence[tuple[int, ...]]
    ) -> list[Any]:
        """Note how inputs are taken from one value in which they are joined, [n, 1].

        Gives a symbolic tensor for each.
        """
        found, start = [], 0
        for name, shape in zip(names, shapes, strict=True):
            part = keras.KerasTensor((None, *shape), joined.dtype)
            stop = start + math.prod(shape)
            take = _taken(start, stop, shape)
            table = np.arange(start, stop, dtype=np.int32).reshape(pixels.structure(shape))
            local = (pixels.Windows(partial(np.asarray, table)),)
            made = (self.new(part),)
            self.note(Affine(name, (self.number(joined),), made, take, take, local=local))
            found.append(part)
            start = stop
        return found

    def affine(
        self,
        operation: Any,
        args: Sequence[Any],
        varying: Sequence[int],
        made: Sequence[int],
        name: str,
        rounded: Callable[[float], float],
    ) -> Affine:
        """An operation that is known to be linear."""
        kind = type(operation).__name__
        numbers = tuple(slot.number for slot in _slots(args))
        flat = self.flat(kind, args, varying, numbers)
        if kind in operations.IDENTITY:
            return Affine(name, numbers, tuple(made), tuple, tuple, flat)
        if kind == "Reshape":  # the traced one may hold None for the batch
            shape = (-1, *self.shapes[made[0]])

            def reshape(tensors: Sequence[Any]) -> tuple[Any, ...]:
                return (keras.ops.reshape(tensors[0], shape),)

            return Affine(name, numbers, tuple(made), reshape, reshape, flat)
        given = args
        args = keras.tree.map_structure(lambda x: self.constant(x, rounded), list(args))
        dropped = operations.CONSTANTS.get(kind, ())
        without = [
            keras.tree.map_structure(self.zero, arg) if i in dropped and i not in varying else arg
            for i, arg in enumerate(args)
        ]

        def carry_out(structure: Sequence[Any], tensors: Sequence[Any]) -> tuple[Any, ...]:
            values = _with(structure, numbers, tensors)
            return tuple(keras.tree.flatten(operations.carry_out(operation, values)))

        def linear(tensors: Sequence[Any]) -> tuple[Any, ...]:
            return carry_out(without, tensors)

        shapes = [self.shapes[number] for number in numbers]
        local = None
        if len(made) == 1:
            local = pixels.local_of(operation, given, varying, shapes, self.shapes[made[0]], linear)
        return Affine(
            name,
            numbers,
            tuple(made),
            lambda tensors: carry_out(args, tensors),
            linear,
            flat,
            local,
        )

    def linear(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        made: Sequence[int],
        name: str,
    ) -> Affine:
        """Any function as a linear step.

        Raises
        ------
        NotLinear
            Where it is none.
        """
        args, kwargs = self.slots((list(args), dict(kwargs)))
        numbers = tuple(slot.number for slot in _slots((args, kwargs)))
        if any(number in self.unknown for number in numbers):
            raise linear_maps.NotLinear(linear_maps.NOT_LINEAR)
        args = keras.tree.map_structure(self.constant, args)

        def called(tensors: Sequence[Any]) -> tuple[Any, ...]:
            given, options = _with([args, kwargs], numbers, tensors)
            return tuple(keras.tree.flatten(function(*given, **options)))

        shapes = [self.shapes[number] for number in numbers]
        apply, linear = linear_maps.affine(called, shapes, self.dtype)
        flat = Flat() if apply is linear_maps.identity else None
        return Affine(name, numbers, tuple(made), apply, linear, flat)

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
            return Flat(weights=lambda: backend.variable_values(other))
        if kind == "Add" and tuple(other.shape) == self.shapes[numbers[0]]:
            return Flat(shift=lambda: backend.variable_values(other))
        return None

    def activation(self, name: str, number: int, made: int, function: PiecewiseLinear) -> None:
        """Note units, their parameters in the plan's precision."""

        def parameters(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(v if isinstance(v, float) else self.fixed(v) for v in values)

        function = PiecewiseLinear(
            parameters(function.kinks), parameters(function.slopes), parameters(function.offsets)
        )
        self.note(Activation(name, (number,), (made,), function, self.shapes[number]))

    def fixed(self, value: Any) -> Any:
        """The tensor of an array, as it is now."""
        self.is_lasting = False
        return constant_of(value, self.dtype).value

    def opaque(self, given: Any, outputs: Sequence[Any], who: str, reason: str) -> None:
        """Note a layer that is not followed."""
        numbers = tuple(slot.number for slot in _slots(self.slots(given)))
        self.note(Opaque(who, numbers, tuple(self.new(out) for out in outputs), reason))

    def note(self, step: Step) -> None:
        self.steps.append(step)

    @property
    def unknown(self) -> set[int]:
        """The values that steps make which are not followed."""
        return {out for step in self.steps if isinstance(step, Opaque) for out in step.outputs}

    def new(self, tensor: Any) -> int:
        """A new value, that of a symbolic tensor."""
        self.numbers[id(tensor)] = len(self.shapes)
        self.shapes.append(tuple(tensor.shape[1:]))
        self.kept.append(tensor)
        return len(self.shapes) - 1

    def number(self, tensor: Any) -> int:
        return self.numbers[id(tensor)]

    def slots(self, structure: Any) -> Any:
        return keras.tree.map_structure(
            lambda x: _Slot(self.number(x)) if isinstance(x, keras.KerasTensor) else x, structure
        )

    def constant(self, value: Any, rounded: Callable[[float], float] = float) -> Any:
        """A weight, array or float as a `Constant`, anything else as it is."""
        if type(value) is float:  # PyTorch's operations would take it as float32
            number = np.asarray(rounded(value))
            return self.remembered(Constant(lambda: backend.to_tensor(number, self.dtype)))
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


def described(layer: Any, name: str) -> str:
    """A layer or operation as errors name it."""
    return f"layer {name!r} ({type(layer).__name__})"


def rounding_of(dtype: str) -> Callable[[float], float]:
    """How a model of a dtype rounds the numbers of Python that it computes with."""
    return float if dtype == "float64" else lambda value: float(np.float32(value))


def _taken(start: int, stop: int, shape: tuple[int, ...]) -> Callable[[Sequence[Any]], Any]:
    """Takes rows from `start` to `stop` of a value [n, 1], in another shape."""
    return lambda tensors: (keras.ops.reshape(tensors[0][:, start:stop], (-1, *shape)),)


def _rounding(layer: Any, outputs: Sequence[Any]) -> Callable[[float], float]:
    is_layer = isinstance(layer, keras.Layer)
    return rounding_of(layer.compute_dtype if is_layer else outputs[0].dtype)


def _slots(structure: Any) -> list[_Slot]:
    return [x for x in keras.tree.flatten(structure) if isinstance(x, _Slot)]


def _with(structure: Any, numbers: Sequence[int], tensors: Sequence[Any]) -> Any:
    """`structure` with its slots replaced by tensors, those of `numbers`, and by constants."""
    values = dict(zip(numbers, tensors, strict=True))
    return filled(
        keras.tree.map_structure(
            lambda x: values[x.number] if isinstance(x, _Slot) else x, structure
        )
    )
