"""What Keras's elementary operations do to lines: pass them on, bend them, choose among them."""

import string
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import backend, graph
from tfhash.geometry import foreign
from tfhash.geometry.pieces import PiecewiseLinear, clip, relu

# fmt: off
# Operations by class name: those whose kind is known without trying them on numbers, as
# `linear_maps` does with all others. These are linear in what varies ...
LINEAR = {
    "AdaptiveAveragePool", "AveragePool", "Concatenate", "DepthToSpace", "Diagonal",
    "Diff", "ExpandDims", "Flip", "GetItem", "Mean", "Moveaxis", "Negative", "Ravel", "Repeat",
    "Reshape", "Roll", "Slice", "SpaceToDepth", "Split", "Squeeze", "Stack", "Sum", "Swapaxes",
    "Take", "Tile", "Trace", "Transpose", "Unstack",
}
# ... these where only one of their arguments varies ...
PRODUCTS = {
    "Conv", "ConvTranspose", "DepthwiseConv", "Dot", "Einsum", "Inner", "Matmul", "Multiply",
    "SeparableConv", "Tensordot",
}
# ... these where only the first does ...
OF_FIRST = {"BatchNorm", "Divide", "TrueDivide"}
# ... and these do nothing to the numbers, which are kept in the precision of the plan.
IDENTITY = {"Cast", "ConvertToTensor", "Copy", "Identity", "SaturateCast", "StopGradient"}
# Linear but for their constants: the positions of those that drop out of the derivative.
CONSTANTS: dict[str, tuple[int, ...]] = {
    "Add": (0, 1),
    "Subtract": (0, 1),
    "BatchNorm": (1, 3),  # mean and offset of (x, mean, variance, offset, scale)
    "Pad": (1,),
}
# Not piecewise linear, but each is greatest where its input is: the class can be read off that.
HEADS = {
    "exp", "exponential", "log_sigmoid", "log_softmax", "sigmoid", "softmax", "softsign",
    "sparsemax", "tanh",
}
# Nor are these, but no unit of a code is one of theirs: they may come last, as heads may.
SMOOTH = HEADS | {
    "divide", "layer_norm", "log", "multiply", "normalize", "rms_norm", "true_divide",
}
# fmt: on


def kind(operation: Any) -> str:
    """An operation as a reader knows it: `"leaky_relu"`."""
    if isinstance(operation, foreign.Applied):
        return operation.function_name
    return graph.kind(operation)


def is_linear(operation: Any, args: Sequence[Any], varying: Sequence[int]) -> bool:
    """Whether an operation is affine in its arguments that vary.

    Parameters
    ----------
    operation : keras.Operation
    args : its positional arguments
    varying : positions among `args` of those that vary
    """
    name = type(operation).__name__
    if name in ("Cast", "SaturateCast"):
        return keras.backend.is_float_dtype(operation.dtype)
    if name in PRODUCTS:
        return len(varying) == 1
    if name in OF_FIRST:
        return list(varying) == [0]
    return name in LINEAR or name in IDENTITY or name in CONSTANTS


def carry_out(operation: Any, args: Sequence[Any]) -> Any:
    """An operation's outputs for plain tensors, in their precision.

    Keras itself computes some of them in float32 on JAX and PyTorch, whatever it is given.
    """
    name = type(operation).__name__
    if name == "Matmul":
        return backend.matmul(*args)
    if name == "Mean":
        total = keras.ops.sum(args[0], axis=operation.axis, keepdims=operation.keepdims)
        return total / float(np.prod(args[0].shape) / np.prod(total.shape))
    if name in ("Dot", "Inner", "Tensordot"):
        x, y = args
        return _contracted(x, y, _contracted_axes(operation, [len(x.shape), len(y.shape)]))
    if name == "ConvTranspose":  # its call mixes up two arguments (Keras 3.15)
        return keras.ops.conv_transpose(
            *args,
            strides=operation.strides,
            padding=operation.padding,
            output_padding=operation.output_padding,
            data_format=operation.data_format,
            dilation_rate=operation.dilation_rate,
        )
    return operation.call(*args)


def _contracted_axes(operation: Any, ranks: Sequence[int]) -> tuple[list[int], list[int]]:
    """The axes of two tensors over which their products are summed."""
    kind, (first, second) = type(operation).__name__, ranks
    if min(ranks) == 0:
        return [], []
    if kind != "Tensordot":
        return [first - 1], [second - 1 if kind == "Inner" else max(0, second - 2)]
    axes = operation.axes
    if isinstance(axes, int):
        return list(range(first - axes, first)), list(range(axes))
    pair = [[part] if isinstance(part, int) else list(part) for part in axes]
    return [a % first for a in pair[0]], [a % second for a in pair[1]]


def _contracted(x: Any, y: Any, axes: tuple[list[int], list[int]]) -> Any:
    ours = list(range(len(x.shape)))
    theirs = list(range(len(ours), len(ours) + len(y.shape)))
    for i, j in zip(*axes, strict=True):
        theirs[j] = ours[i]
    kept = [i for i in ours + theirs if (i in ours) != (i in theirs)]
    first, second, made = (
        "".join(string.ascii_letters[i] for i in g) for g in (ours, theirs, kept)
    )
    return keras.ops.einsum(f"{first},{second}->{made}", x, y)


def kinked(
    operation: Any,
    args: Sequence[Any],
    varying: Sequence[int],
    rounded: Callable[[float], float],
) -> PiecewiseLinear | None:
    """The activation function an operation applies, or None.

    Parameters
    ----------
    rounded : function
        Gives a number of Python's as the model computes with it.

    Raises
    ------
    ValueError
        Where it is an activation function that jumps.
    """
    name = type(operation).__name__
    if name in ("Maximum", "Minimum", "Fmax", "Fmin") and len(varying) == 1:
        fixed = np.asarray(keras.ops.convert_to_numpy(args[1 - varying[0]]), np.float64)
        bound = rounded(float(fixed)) if fixed.ndim == 0 else fixed
        if name in ("Maximum", "Fmax"):
            return PiecewiseLinear((bound,), (0.0, 1.0), (bound, 0.0))
        return PiecewiseLinear((bound,), (1.0, 0.0), (0.0, bound))
    if isinstance(operation, foreign.Applied):
        return foreign.pieces_of(operation)
    make = _KINKED.get(name)
    return make(operation, rounded) if make else None


Rounded = Callable[[float], float]


def _leaky(slope: float, rounded: Rounded) -> float:
    # TensorFlow's kernel keeps the slope in float32, whatever it multiplies.
    in_float32 = keras.backend.backend() == "tensorflow"
    return float(np.float32(slope)) if in_float32 else rounded(slope)


def _keras_relu(operation: Any, rounded: Rounded) -> PiecewiseLinear:
    if operation.threshold != 0:
        raise ValueError(f"jumps at its threshold {operation.threshold}")
    slope, cap = float(operation.negative_slope), operation.max_value
    if cap is None:
        return relu(_leaky(slope, rounded))
    return relu(rounded(slope), rounded(float(cap)))


def _soft_shrink(operation: Any, rounded: Rounded) -> PiecewiseLinear:
    edge = rounded(float(operation.threshold))
    return PiecewiseLinear((-edge, edge), (1.0, 0.0, 1.0), (edge, 0.0, -edge))


def _absolute(*_: Any) -> PiecewiseLinear:
    return PiecewiseLinear((0.0,), (-1.0, 1.0), (0.0, 0.0))


_KINKED: dict[str, Callable[[Any, Rounded], PiecewiseLinear]] = {
    "Abs": _absolute,
    "Absolute": _absolute,
    "Clip": lambda op, r: clip(r(float(op.x_min)), r(float(op.x_max))),
    "Fabs": _absolute,
    "HardSigmoid": lambda op, r: clip(-3.0, 3.0, 1 / 6, 0.5),
    "HardTanh": lambda op, r: clip(-1.0, 1.0),
    "LeakyRelu": lambda op, r: relu(_leaky(float(op.negative_slope), r)),
    "ReLU": _keras_relu,
    "Relu": lambda op, r: relu(),
    "Relu6": lambda op, r: relu(max_value=6.0),
    "SoftShrink": _soft_shrink,
    "SparseSigmoid": lambda op, r: clip(-1.0, 1.0, 0.5, 0.5),
}

Candidates = Callable[[Sequence[Any]], list[Any]]


def maximum(
    operation: Any, shapes: Sequence[tuple[int, ...]]
) -> tuple[Candidates, tuple[NDArray[Any] | None, ...], int] | None:
    """How an operation chooses the largest or smallest of candidates, or None.

    Parameters
    ----------
    operation : keras.Operation
    shapes : of the values that vary, without the batch

    Returns
    -------
    (candidates, valid, sign) : as in `tfhash.geometry.steps.Max`
    """
    name = type(operation).__name__
    sign = -1 if name in ("Amin", "Fmin", "Min", "Minimum") else 1
    if name in ("Fmax", "Fmin", "Maximum", "Minimum") and len(shapes) == 2:
        return list, (None, None), sign
    if name in ("Amax", "Amin", "Max", "Min") and getattr(operation, "initial", None) is None:
        return _over_axes(operation, shapes[0]), (None,) * _n_reduced(operation, shapes[0]), sign
    if name == "MaxPool":
        candidates, valid = _windows(operation, shapes[0])
        return candidates, valid, sign
    return None


def _reduced_axes(operation: Any, shape: tuple[int, ...]) -> list[int]:
    rank = len(shape) + 1
    axis = operation.axis
    axes = range(rank) if axis is None else [axis] if isinstance(axis, int) else axis
    return sorted(a % rank for a in axes)


def _n_reduced(operation: Any, shape: tuple[int, ...]) -> int:
    return int(np.prod([shape[a - 1] for a in _reduced_axes(operation, shape)]))


def _over_axes(operation: Any, shape: tuple[int, ...]) -> Candidates:
    """The slices of a reduction over some axes; the batch is not among them (it is checked)."""
    axes = _reduced_axes(operation, shape)
    kept = [axis for axis in range(1, len(shape) + 1) if axis not in axes]
    kept_shape = tuple(
        shape[axis - 1] if axis in kept else 1
        for axis in range(1, len(shape) + 1)
        if axis in kept or operation.keepdims
    )
    n_reduced = _n_reduced(operation, shape)

    def candidates(values: Sequence[Any]) -> list[Any]:
        x = keras.ops.transpose(values[0], (0, *axes, *kept))
        x = keras.ops.reshape(x, (-1, n_reduced, *kept_shape))
        return [x[:, i] for i in range(n_reduced)]

    return candidates


def _windows(
    operation: Any, shape: tuple[int, ...]
) -> tuple[Candidates, tuple[NDArray[Any] | None, ...]]:
    """One candidate for each position in the pooling window: a strided slice of the input."""
    rank = len(shape) - 1
    data_format = operation.data_format or keras.backend.image_data_format()
    first = data_format == "channels_first"
    spatial = shape[1:] if first else shape[:-1]
    window = _each(operation.pool_size, rank)
    strides = _each(operation.strides or operation.pool_size, rank)
    before, after, counts = [], [], []
    for n, width, stride in zip(spatial, window, strides, strict=True):
        if operation.padding == "same":
            count = -(-n // stride)
            total = max((count - 1) * stride + width - n, 0)
        else:
            count, total = (n - width) // stride + 1, 0
        before.append(total // 2)
        after.append(total - total // 2)
        counts.append(count)

    def slices(start: Sequence[int]) -> tuple[slice, ...]:
        spans = tuple(
            slice(s, s + (count - 1) * stride + 1, stride)
            for s, count, stride in zip(start, counts, strides, strict=True)
        )
        return (slice(None), slice(None), *spans) if first else (slice(None), *spans)

    pads = [(b, a) for b, a in zip(before, after, strict=True)]
    padding = [(0, 0), (0, 0), *pads] if first else [(0, 0), *pads, (0, 0)]
    starts = list(np.ndindex(*window))

    def candidates(values: Sequence[Any]) -> list[Any]:
        x = values[0]
        if any(sum(pad) for pad in pads):
            x = keras.ops.pad(x, padding)
        return [x[slices(start)] for start in starts]

    inside = np.pad(np.ones((1, *shape), bool), padding)
    valid = [inside[slices(start)][0] for start in starts]
    return candidates, tuple(None if each.all() else each for each in valid)


def _each(value: Any, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)
