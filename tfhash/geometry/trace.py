"""From a Keras model to its plan: the steps a line goes through on its way to the units.

A layer is taken apart by calling it on a symbolic tensor, which leaves a graph of Keras's
elementary operations, the same for a ``Dense`` layer and for a layer a user wrote with
``keras.ops``; :mod:`tfhash.geometry.operations` says what each of them does to a line.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

import keras
import numpy as np

from tfhash import backend, graph
from tfhash.geometry import operations
from tfhash.geometry.pieces import PiecewiseLinear, relu
from tfhash.geometry.steps import Affine, Kink, Largest, Layer, Opaque, Plan, Step, size


def trace(model: keras.Model, dtype: str = "float64") -> Plan:
    """Take a model apart into steps, with its weights as they are now in ``dtype``.

    Raises
    ------
    ValueError
        Where it is no built Keras model with one input of a fixed shape, has no activation
        function with a kink, or has a layer, named, that is not piecewise linear.
    """
    shape = _input_shape(model)
    tracer = _Tracer(dtype)
    start = keras.KerasTensor((None, *shape), dtype=keras.backend.floatx())
    tracer.numbers[id(start)] = 0
    tracer.shapes.append(shape)
    tracer.kept.append(start)
    outputs = tracer.call(model, (start,), {}, path="")
    ends = [tracer.number(out) for out in keras.tree.flatten(outputs)]
    return _plan(model.name, tracer, ends)


def _input_shape(model: Any) -> tuple[int, ...]:
    if not isinstance(model, keras.Model):
        raise ValueError(f"Expected a keras.Model. Received: {type(model).__name__}.")
    if not model.built:
        raise ValueError(
            f"Expected a built model. Received: {model.name!r}, whose input shape is not known: "
            "give it a keras.Input or call it once."
        )
    if graph.is_traceable(model):
        shapes = [tuple(x.shape) for x in model.inputs]
    else:  # subclassed: the shapes it was built with
        shapes = _shapes(model.get_build_config())
    if len(shapes) != 1:
        raise ValueError(
            f"Expected a model with one input. Received: {model.name!r} with {len(shapes)}."
        )
    if None in shapes[0][1:]:
        raise ValueError(
            f"Expected a model with a fixed input shape. Received: {model.name!r} with {shapes[0]}."
        )
    return shapes[0][1:]


def _shapes(config: Any) -> list[tuple[int | None, ...]]:
    """The shapes, tuples of sizes, somewhere in what Keras says a model was built with."""
    if isinstance(config, dict):
        config = config.get("shapes_dict") or list(config.values())
    if isinstance(config, dict):
        return [shape for part in config.values() for shape in _shapes(part)]
    if not isinstance(config, list | tuple):
        return []
    if config and all(size is None or isinstance(size, int) for size in config):
        return [tuple(config)]
    return [shape for part in config for shape in _shapes(part)]


@dataclasses.dataclass(frozen=True)
class _Slot:
    """Stands for value ``number`` among the arguments of an operation."""

    number: int


class _Tracer:
    """Goes through a model's calls and notes each as a step."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.steps: list[Step] = []
        self.numbers: dict[int, int] = {}  # id of a symbolic tensor -> number of its value
        self.shapes: list[tuple[int, ...]] = []  # of the values, without the batch
        self.kept: list[Any] = []  # the symbolic tensors, whose ids must not be used again

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
        parameters = inspect.signature(layer.call).parameters
        kwargs = {key: value for key, value in kwargs.items() if key != "mask"}
        reason = None
        if kwargs.get("training") or getattr(layer, "quantization_mode", None):
            reason = "is called with training=True" if kwargs.get("training") else "is quantised"
        elif (special := _special(layer)) is not None:
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
            except _NotTraced as error:
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
                raise _NotTraced(
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
        if type(operation).__name__ in operations.IDENTITY:
            return Affine(name, tuple(numbers), tuple(made), tuple, tuple)
        if type(operation).__name__ == "Reshape":  # the traced one may hold None for the batch
            shape = (-1, *self.shapes[made[0]])

            def reshape(tensors: Sequence[Any]) -> tuple[Any, ...]:
                return (keras.ops.reshape(tensors[0], shape),)

            return Affine(name, tuple(numbers), tuple(made), reshape, reshape)
        args = keras.tree.map_structure(self.constant, list(args))
        dropped = operations.CONSTANTS.get(type(operation).__name__, ())
        without = [
            keras.tree.map_structure(_zero, arg) if i in dropped and i not in varying else arg
            for i, arg in enumerate(args)
        ]

        def carry_out(structure: Sequence[Any], tensors: Sequence[Any]) -> tuple[Any, ...]:
            values = dict(zip(numbers, tensors, strict=True))
            filled = keras.tree.map_structure(
                lambda x: values[x.number] if isinstance(x, _Slot) else x, structure
            )
            return tuple(keras.tree.flatten(operations.carry_out(operation, filled)))

        return Affine(
            name,
            tuple(numbers),
            tuple(made),
            lambda tensors: carry_out(args, tensors),
            lambda tensors: carry_out(without, tensors),
        )

    def kink(self, name: str, number: int, made: int, function: PiecewiseLinear) -> None:
        """Note units, their parameters in the plan's precision."""

        def parameters(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(v if isinstance(v, float) else self.constant(v) for v in values)

        function = PiecewiseLinear(
            parameters(function.kinks), parameters(function.slopes), parameters(function.offsets)
        )
        self.note(Kink(name, (number,), (made,), function, self.shapes[number]))

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
        """A weight or other tensor of floats in the plan's precision; anything else as it is."""
        if isinstance(value, keras.Variable | np.ndarray) or keras.ops.is_tensor(value):
            if keras.backend.is_float_dtype(keras.backend.standardize_dtype(value.dtype)):
                return backend.tensor(value, self.dtype)
            return value.value if isinstance(value, keras.Variable) else value
        return value


class _NotTraced(Exception):
    """A layer's call gave something that cannot be followed."""


def _slots(structure: Any) -> list[_Slot]:
    return [x for x in keras.tree.flatten(structure) if isinstance(x, _Slot)]


def _zero(value: Any) -> Any:
    if value is None or isinstance(value, _Slot):
        return value
    return keras.ops.zeros_like(value) if keras.ops.is_tensor(value) else 0.0


def _described(layer: Any, name: str) -> str:
    return f"layer {name!r} ({type(layer).__name__})"


def _forget(node: Any) -> None:
    """Take a call that tracing left in a layer of the model out of it again."""
    node.operation._inbound_nodes.remove(node)
    for tensor in node.input_tensors:
        maker = tensor._keras_history.operation
        if maker is not None and node in maker._outbound_nodes:
            maker._outbound_nodes.remove(node)


def _float64(weight: Any) -> Any:
    return np.asarray(keras.ops.convert_to_numpy(weight), np.float64)


def _scale_and_shift(tracer: _Tracer, x: Any, scale: Any, shift: Any, name: str) -> Any:
    """``x * scale + shift`` as one step."""
    output = keras.KerasTensor(x.shape, x.dtype)
    scale, shift = (backend.tensor(part, tracer.dtype) for part in (scale, shift))
    tracer.note(
        Affine(
            name,
            (tracer.number(x),),
            (tracer.new(output),),
            lambda tensors: (tensors[0] * scale + shift,),
            lambda tensors: (tensors[0] * scale,),
        )
    )
    return output


def _batch_normalization(tracer: _Tracer, layer: Any, x: Any, name: str) -> Any:
    scale = 1 / np.sqrt(_float64(layer.moving_variance) + layer.epsilon)
    if layer.scale:
        scale = scale * _float64(layer.gamma)
    shift = -_float64(layer.moving_mean) * scale
    if layer.center:
        shift = shift + _float64(layer.beta)
    shape = [1] * len(x.shape)
    shape[layer.axis] = x.shape[layer.axis]
    return _scale_and_shift(tracer, x, scale.reshape(shape), shift.reshape(shape), name)


def _rescaling(tracer: _Tracer, layer: Any, x: Any, name: str) -> Any:
    scale, shift = (np.asarray(part, np.float64) for part in (layer.scale, layer.offset))
    return _scale_and_shift(tracer, x, scale, shift, name)


def _normalization(tracer: _Tracer, layer: Any, x: Any, name: str) -> Any:
    deviation = np.maximum(np.sqrt(_float64(layer.variance)), keras.backend.epsilon())
    mean = _float64(layer.mean)
    if layer.invert:
        return _scale_and_shift(tracer, x, deviation, mean, name)
    return _scale_and_shift(tracer, x, 1 / deviation, -mean / deviation, name)


def _prelu(tracer: _Tracer, layer: Any, x: Any, name: str) -> Any:
    output = keras.KerasTensor(x.shape, x.dtype)
    alpha = np.broadcast_to(_float64(layer.alpha), x.shape[1:])
    tracer.kink(name, tracer.number(x), tracer.new(output), relu(negative_slope=alpha))
    return output


def _grouped_convolution(tracer: _Tracer, layer: Any, x: Any, name: str) -> Any:
    """A convolution in groups, group by group.

    Keras cannot trace one, and its TensorFlow backend compiles it anew at every call.
    """
    convolved = keras.KerasTensor(layer.compute_output_shape(x.shape), x.dtype)
    axis = 1 if layer.data_format == "channels_first" else -1
    kernels = keras.ops.split(backend.tensor(layer.kernel, tracer.dtype), layer.groups, axis=-1)
    shape = [1] * len(convolved.shape)
    shape[axis] = layer.filters
    bias = np.zeros(1) if layer.bias is None else _float64(layer.bias).reshape(shape)
    bias = backend.tensor(bias, tracer.dtype)
    pads = [(0, 0)] * len(convolved.shape)
    if causal := layer.padding == "causal":
        pads[1 if axis == -1 else 2] = (layer.dilation_rate[0] * (layer.kernel_size[0] - 1), 0)

    def convolve(tensors: Sequence[Any]) -> tuple[Any, ...]:
        values = keras.ops.pad(tensors[0], pads) if causal else tensors[0]
        made = [
            keras.ops.conv(
                part,
                kernel,
                strides=layer.strides,
                padding="valid" if causal else layer.padding,
                data_format=layer.data_format,
                dilation_rate=layer.dilation_rate,
            )
            for part, kernel in zip(
                keras.ops.split(values, layer.groups, axis=axis), kernels, strict=True
            )
        ]
        return (keras.ops.concatenate(made, axis=axis),)

    tracer.note(
        Affine(
            name,
            (tracer.number(x),),
            (tracer.new(convolved),),
            lambda tensors: (convolve(tensors)[0] + bias,),
            convolve,
        )
    )
    if layer.activation is None:
        return convolved
    outputs = layer.activation(convolved)
    tracer.collect([outputs], name, layer)
    return outputs


_Special = Callable[[_Tracer, Any, Any, str], Any]
_SPECIAL: dict[type, _Special] = {
    keras.layers.BatchNormalization: _batch_normalization,
    keras.layers.Normalization: _normalization,
    keras.layers.PReLU: _prelu,
    keras.layers.Rescaling: _rescaling,
}


def _special(layer: Any) -> _Special | None:
    """The function that notes a layer of a kind that Keras cannot trace, or traces badly."""
    if getattr(layer, "groups", 1) > 1 and type(layer).__name__ in ("Conv1D", "Conv2D", "Conv3D"):
        return _grouped_convolution
    return _SPECIAL.get(type(layer))


def _plan(name: str, tracer: _Tracer, ends: list[int]) -> Plan:
    """The steps that the units and the class depend on, checked and numbered."""
    steps = tracer.steps
    made_by = {number: step for step in steps for number in step.outputs}
    logits = ends[0] if len(ends) == 1 else None
    head = made_by.get(logits) if logits is not None else None
    if isinstance(head, Opaque):
        logits = head.inputs[0] if head.is_head else None
    units = [step for step in steps if isinstance(step, Kink | Largest)]
    needed = _upstream([out for step in units for out in step.outputs], made_by)
    for step in steps:
        if isinstance(step, Opaque) and (id(step) in needed or step.outputs[0] not in ends):
            raise ValueError(
                f"Expected layers that are piecewise linear. Received: {step.name}, which "
                f"{step.reason}."
            )
    if not any(isinstance(step, Kink) for step in steps):
        raise ValueError(
            "Expected a model with activation functions that have a kink, such as ReLU. "
            f"Received: {name!r}, which has none."
        )
    if logits is not None:
        needed |= _upstream([logits], made_by)
    kept: list[Affine | Kink | Largest] = []
    layers: list[Layer] = []
    taken: set[str] = set()
    for step in steps:
        if id(step) not in needed or isinstance(step, Opaque):
            continue
        if isinstance(step, Kink | Largest):
            step = dataclasses.replace(step, layer=len(layers))
            layers += _layers(step, taken)
        kept.append(step)
    last_use = {number: i for i, step in enumerate(kept) for number in step.inputs}
    return Plan(tuple(kept), tuple(layers), tuple(tracer.shapes), last_use, logits)


def _upstream(numbers: Iterable[int], made_by: dict[int, Step]) -> set[int]:
    """The ids of the steps that values depend on."""
    found: set[int] = set()
    pending = list(numbers)
    while pending:
        step = made_by.get(pending.pop())
        if step is not None and id(step) not in found:
            found.add(id(step))
            pending += step.inputs
    return found


def _layers(step: Kink | Largest, taken: set[str]) -> list[Layer]:
    name = step.name
    if name in taken:
        name = next(f"{name}#{i}" for i in count(2) if f"{name}#{i}" not in taken)
    taken.add(name)
    n_units = size(step.shape)
    if isinstance(step, Largest):
        return [Layer(name, n_units, False)]
    others = [
        f"{name}>{kink:g}" if isinstance(kink, float) else f"{name}>{i}"
        for i, kink in enumerate(step.function.kinks[1:], 1)
    ]
    return [Layer(each, n_units, True) for each in (name, *others)]
