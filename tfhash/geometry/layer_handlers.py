"""Layers that Keras cannot take apart on symbolic tensors, or takes apart badly."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from tfhash import backend, graph
from tfhash.geometry.constants import Constant
from tfhash.geometry.pieces import relu
from tfhash.geometry.pixels import Windows, each
from tfhash.geometry.repeated import repeated
from tfhash.geometry.steps import Affine, Flat
from tfhash.geometry.tracer import LayerHandler, Tracer


def _float64(weight: Any) -> Any:
    return np.asarray(keras.ops.convert_to_numpy(weight), np.float64)


def _scale_and_shift(
    tracer: Tracer, x: Any, numbers: Callable[[], tuple[Any, Any]], name: str
) -> Any:
    """`x * scale + shift` as one step; `numbers` gives both, in float64."""
    output = keras.KerasTensor(x.shape, x.dtype)
    scale = tracer.remembered(Constant(lambda: backend.to_tensor(numbers()[0], tracer.dtype)))
    shift = tracer.remembered(Constant(lambda: backend.to_tensor(numbers()[1], tracer.dtype)))
    size = math.prod(x.shape[1:])
    is_flat = len(x.shape) == 2 or all(np.size(part) == 1 for part in numbers())

    def rows(i: int) -> Any:
        return np.broadcast_to(np.ravel(numbers()[i]), (size,))

    tracer.note(
        Affine(
            name,
            (tracer.number(x),),
            (tracer.new(output),),
            lambda tensors: (tensors[0] * scale.value + shift.value,),
            lambda tensors: (tensors[0] * scale.value,),
            Flat(scale=lambda: rows(0), shift=lambda: rows(1)) if is_flat else None,
            (
                Windows(
                    scale=lambda: each(numbers()[0], x.shape[1:]),
                    shift=lambda: each(numbers()[1], x.shape[1:]),
                ),
            ),
        )
    )
    return output


def _batch_normalization(tracer: Tracer, layer: Any, x: Any, name: str) -> Any:
    shape = [1] * len(x.shape)
    shape[layer.axis] = x.shape[layer.axis]

    def numbers() -> tuple[Any, Any]:
        scale = 1 / np.sqrt(_float64(layer.moving_variance) + layer.epsilon)
        if layer.scale:
            scale = scale * _float64(layer.gamma)
        shift = -_float64(layer.moving_mean) * scale
        if layer.center:
            shift = shift + _float64(layer.beta)
        return scale.reshape(shape), shift.reshape(shape)

    return _scale_and_shift(tracer, x, numbers, name)


def _rescaling(tracer: Tracer, layer: Any, x: Any, name: str) -> Any:
    def numbers() -> tuple[Any, Any]:
        rounded = np.float64 if layer.compute_dtype == "float64" else np.float32
        scale, offset = (np.asarray(x, rounded).astype(float) for x in (layer.scale, layer.offset))
        return scale, offset

    return _scale_and_shift(tracer, x, numbers, name)


def _normalization(tracer: Tracer, layer: Any, x: Any, name: str) -> Any:
    def numbers() -> tuple[Any, Any]:
        deviation = np.maximum(np.sqrt(_float64(layer.variance)), keras.backend.epsilon())
        mean = _float64(layer.mean)
        return (deviation, mean) if layer.invert else (1 / deviation, -mean / deviation)

    return _scale_and_shift(tracer, x, numbers, name)


def _prelu(tracer: Tracer, layer: Any, x: Any, name: str) -> Any:
    output = keras.KerasTensor(x.shape, x.dtype)
    alpha = np.broadcast_to(_float64(layer.alpha), x.shape[1:])
    tracer.activation(name, tracer.number(x), tracer.new(output), relu(negative_slope=alpha))
    return output


def _grouped_convolution(tracer: Tracer, layer: Any, x: Any, name: str) -> Any:
    """A convolution in groups, group by group.

    Keras cannot trace one, and its TensorFlow backend compiles it anew at every call.
    """
    convolved = keras.KerasTensor(layer.compute_output_shape(x.shape), x.dtype)
    axis = 1 if layer.data_format == "channels_first" else -1
    kernel = tracer.constant(layer.kernel)
    shape = [1] * len(convolved.shape)
    shape[axis] = layer.filters
    bias = None if layer.bias is None else tracer.constant(layer.bias)
    pads = [(0, 0)] * len(convolved.shape)
    if causal := layer.padding == "causal":
        pads[1 if axis == -1 else 2] = (layer.dilation_rate[0] * (layer.kernel_size[0] - 1), 0)

    def convolve(tensors: Sequence[Any]) -> tuple[Any, ...]:
        kernels = keras.ops.split(kernel.value, layer.groups, axis=-1)
        values = keras.ops.pad(tensors[0], pads) if causal else tensors[0]
        made = [
            keras.ops.conv(
                part,
                weights,
                strides=layer.strides,
                padding="valid" if causal else layer.padding,
                data_format=layer.data_format,
                dilation_rate=layer.dilation_rate,
            )
            for part, weights in zip(
                keras.ops.split(values, layer.groups, axis=axis), kernels, strict=True
            )
        ]
        return (keras.ops.concatenate(made, axis=axis),)

    def shifted(tensors: Sequence[Any]) -> tuple[Any, ...]:
        (made,) = convolve(tensors)
        return (made if bias is None else made + keras.ops.reshape(bias.value, shape),)

    tracer.note(
        Affine(
            name,
            (tracer.number(x),),
            (tracer.new(convolved),),
            shifted,
            convolve,
        )
    )
    if layer.activation is None:
        return convolved
    return tracer.call(keras.layers.Activation(layer.activation), (convolved,), {}, name)


def _time_distributed(tracer: Tracer, layer: Any, x: Any, name: str) -> Any:
    """A layer applied to each time step, as codes have it.

    What is in a model is noted once for each time step; a single layer once, on all of them.
    """
    if graph.holds_calls(layer.layer):
        return _each_time(tracer, layer, x, name)
    inner = Tracer(tracer.dtype, tracer.find_handler)
    start = keras.KerasTensor((None, *x.shape[2:]), x.dtype)
    inner.new(start)
    outputs = inner.call(layer.layer, (start,), {}, name)
    n_times = x.shape[1]
    numbers = [tracer.number(x)]
    for shape in inner.shapes[1:]:
        numbers.append(len(tracer.shapes))
        tracer.shapes.append((n_times, *shape))
    for step in inner.steps:
        tracer.note(repeated(step, n_times, numbers))
    tracer.constants += inner.constants
    tracer.is_lasting &= inner.is_lasting

    def all_times(tensor: Any) -> Any:
        output = keras.KerasTensor((None, n_times, *tensor.shape[1:]), tensor.dtype)
        tracer.numbers[id(output)] = numbers[inner.number(tensor)]
        tracer.kept.append(output)
        return output

    return keras.tree.map_structure(all_times, outputs)


def _each_time(tracer: Tracer, layer: Any, x: Any, name: str) -> Any:
    outputs = []
    for time in range(x.shape[1]):
        part = keras.KerasTensor((None, *x.shape[2:]), x.dtype)

        def taken(tensors: Sequence[Any], time: int = time) -> tuple[Any, ...]:
            return (tensors[0][:, time],)

        tracer.note(Affine(name, (tracer.number(x),), (tracer.new(part),), taken, taken))
        outputs.append(tracer.call(layer.layer, (part,), {}, name))
    joined = keras.KerasTensor((None, len(outputs), *outputs[0].shape[1:]), outputs[0].dtype)
    numbers = tuple(tracer.number(output) for output in outputs)

    def stacked(tensors: Sequence[Any]) -> tuple[Any, ...]:
        return (keras.ops.stack(tensors, axis=1),)

    tracer.note(Affine(name, numbers, (tracer.new(joined),), stacked, stacked))
    return joined


_HANDLERS: dict[type, LayerHandler] = {
    keras.layers.BatchNormalization: _batch_normalization,
    keras.layers.Normalization: _normalization,
    keras.layers.PReLU: _prelu,
    keras.layers.Rescaling: _rescaling,
    keras.layers.TimeDistributed: _time_distributed,
}


def handler_of(layer: Any) -> LayerHandler | None:
    """The function that notes a layer of a kind that Keras cannot trace, or traces badly."""
    if getattr(layer, "groups", 1) > 1 and type(layer).__name__ in ("Conv1D", "Conv2D", "Conv3D"):
        return _grouped_convolution
    return _HANDLERS.get(type(layer))
