"""What Keras's elementary operations do to lines: pass them on, bend them, choose among them."""

import string
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import backend, graph
from tfhash.geometry import foreign, pools
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
# Why others are not followed: they jump, or they bend where no step says.
JUMPS = {
    "argmax", "argmin", "argsort", "ceil", "equal", "floor", "floor_divide", "greater",
    "greater_equal", "hard_shrink", "less", "less_equal", "not_equal", "one_hot", "rint", "round",
    "sign", "threshold", "trunc",
}
UNKNOWN_BENDS = {"median", "ptp", "quantile", "sort", "sparsemax", "top_k"}
# fmt: on


def kind(operation: Any) -> str:
    """An operation as a reader knows it: `"leaky_relu"`."""
    if isinstance(operation, foreign.Applied):
        return operation.function_name
    return graph.kind(operation)


def why_not(operation: Any) -> str:
    """What is in the way of following an operation that is not linear."""
    if kind(operation) in JUMPS:
        return "jumps"
    bends = kind(operation) in UNKNOWN_BENDS
    return "bends where it is not followed" if bends else "is not piecewise linear"


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
    if name == "AdaptiveAveragePool" or (name == "AveragePool" and len(args[0].shape) == 5):
        return pools.averaged(operation, args[0])
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


def maximum(
    operation: Any, shapes: Sequence[tuple[int, ...]]
) -> tuple[pools.Candidates, tuple[NDArray[Any] | None, ...], int] | None:
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
        return _of_branches(shapes), (None, None), sign
    if name in ("Amax", "Amin", "Max", "Min") and getattr(operation, "initial", None) is None:
        return _over_axes(operation, shapes[0]), (None,) * _n_reduced(operation, shapes[0]), sign
    if name in ("AdaptiveMaxPool", "MaxPool"):
        return *pools.candidates_of(operation, shapes[0]), sign
    return None


def _reduced_axes(operation: Any, shape: tuple[int, ...]) -> list[int]:
    rank = len(shape) + 1
    axis = operation.axis
    axes = range(rank) if axis is None else [axis] if isinstance(axis, int) else axis
    return sorted(a % rank for a in axes)


def _n_reduced(operation: Any, shape: tuple[int, ...]) -> int:
    return int(np.prod([shape[a - 1] for a in _reduced_axes(operation, shape)]))


def _of_branches(shapes: Sequence[tuple[int, ...]]) -> pools.Candidates:
    """Both of two values; of one that is spread over the other, its copies."""
    if shapes[0] == shapes[1] or len(shapes[0]) != len(shapes[1]):
        return list
    made = np.broadcast_shapes(*shapes)

    def candidates(values: Sequence[Any]) -> list[Any]:
        return [keras.ops.broadcast_to(x, (x.shape[0], *made)) for x in values]

    return candidates


def _over_axes(operation: Any, shape: tuple[int, ...]) -> pools.Candidates:
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
