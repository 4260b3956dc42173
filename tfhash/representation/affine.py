"""An affine map of the channels, carried through a network to where weights absorb it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import graph

Array = NDArray[np.float64]

# Layers that take each channel, or each number, by itself and keep sums of channels as they are.
LINEAR = (
    keras.layers.Identity,
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.GaussianNoise,
    keras.layers.GaussianDropout,
    keras.layers.ActivityRegularization,
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.AveragePooling3D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalAveragePooling3D,
    keras.layers.UpSampling1D,
    keras.layers.UpSampling2D,
    keras.layers.UpSampling3D,
    keras.layers.Cropping1D,
    keras.layers.Cropping2D,
    keras.layers.Cropping3D,
)
PADDING = (
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
    keras.layers.ZeroPadding3D,
)
LARGEST = (
    keras.layers.MaxPooling1D,
    keras.layers.MaxPooling2D,
    keras.layers.MaxPooling3D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.GlobalMaxPooling3D,
)
CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


# By precision, the relative error of the variance in which a batch normalization without a scale
# may hold one.
HELD = {"float32": 1e-5, "float64": 1e-12}


ROOM = 2.0**24  # of the range of numbers, what weights and activations take beside a factor


class NotPossible(ValueError):
    """A layer between the representation and the weights that would absorb the map."""


@dataclass(frozen=True)
class Affine:
    """What the old network has at a place, from what the new one has there: `old = M new + t`.

    Attributes
    ----------
    matrix : float64 [d, d]
    shift : float64 [d]
    """

    matrix: Array
    shift: Array

    @property
    def keeps_signs(self) -> bool:
        """Whether a ReLU may come before it as well as after it."""
        return not self.shift.any() and is_permuted_positive(self.matrix)

    @property
    def keeps_order(self) -> bool:
        """Whether the largest of several stays the largest in each channel."""
        return is_permuted_positive(self.matrix)


def is_permuted_positive(matrix: Array) -> bool:
    """Whether it is a positive diagonal matrix with its rows permuted, as Theorem 2 asks for."""
    there = matrix != 0
    return bool(
        (there.sum(axis=0) == 1).all() and (there.sum(axis=1) == 1).all() and (matrix >= 0).all()
    )


def not_permuted_positive(matrix: Array) -> str:
    """What keeps a square matrix from being as `is_permuted_positive` wants it."""
    for axis, line in ((1, "row"), (0, "column")):
        counts = (matrix != 0).sum(axis=axis)
        if (counts != 1).any():
            first = int(np.flatnonzero(counts != 1)[0])
            return f"{counts[first]} entries that are not 0 in {line} {first}"
    row, column = np.argwhere(matrix < 0)[0]
    return f"{matrix[row, column]:g}, a negative entry, at [{row}, {column}]"


def through(layer: Any, affine: Affine) -> Affine:
    """The map behind a layer; batch normalization is changed where that is needed.

    Raises
    ------
    NotPossible
        With the reason.
    """
    if isinstance(layer, keras.layers.BatchNormalization):
        return _through_normalization(layer, affine)
    check_channels_last(layer)
    if isinstance(layer, LINEAR):
        return affine
    if isinstance(layer, PADDING):
        if affine.shift.any():
            raise NotPossible("it pads with zeros, which the shift would have to change")
        return affine
    if isinstance(layer, LARGEST):
        if not affine.keeps_order:
            raise NotPossible(
                "the largest of several is found again only where each unit is scaled by a "
                "positive number, and units permuted"
            )
        return affine
    if isinstance(layer, keras.layers.Activation | keras.layers.ReLU):
        return _through_activation(layer, affine)
    raise NotPossible(f"a {type(layer).__name__} cannot be carried through")


def _through_activation(layer: Any, affine: Affine) -> Affine:
    if is_linear(layer):
        return affine
    if is_relu(layer):
        if not affine.keeps_signs:
            raise NotPossible(
                "behind it is a ReLU, which only a permuted positive diagonal matrix without shift "
                "passes; comparable_network takes any invertible one"
            )
        return affine
    if affine.shift.any() or not (
        is_permuted_positive(affine.matrix) and (affine.matrix.max(axis=0) == 1).all()
    ):
        raise NotPossible("an activation other than ReLU is passed by permutations alone")
    return affine


def _through_normalization(layer: Any, affine: Affine) -> Affine:
    scale, offset = normalization(layer)
    if is_permuted_positive(affine.matrix) and not affine.shift.any():
        # The same normalization of scaled and permuted units: it gives the old output, permuted.
        old = affine.matrix.argmax(axis=0)  # the old unit behind each new one
        factor = affine.matrix.max(axis=0)
        mean = _value(layer.moving_mean)[old] / factor
        gamma = scale[old] * factor * np.sqrt(_value(layer.moving_variance)[old] + layer.epsilon)
        beta = _value(layer.beta)[old] if layer.center else np.zeros(len(old))
        _assign(layer, gamma, beta, mean, _value(layer.moving_variance)[old])
        return Affine((affine.matrix > 0).astype(np.float64), np.zeros(len(old)))
    make_identity(layer)
    return Affine(scale[:, None] * affine.matrix, scale * affine.shift + offset)


def normalization(layer: Any) -> tuple[Array, Array]:
    """Scale and offset of a batch normalization at inference, float64 [d] each.

    Raises
    ------
    NotPossible
        Where it normalizes along another axis than that of the channels, the last.
    """
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    if axis not in (-1, len(layer.input.shape) - 1):
        raise NotPossible("it normalizes along another axis than the last")
    mean, variance = _value(layer.moving_mean), _value(layer.moving_variance)
    scale = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        scale = scale * _value(layer.gamma)
    return scale, (_value(layer.beta) if layer.center else 0) - scale * mean


def fold(normalized: Any, layer: Any) -> None:
    """Let a Dense layer or convolution with a bias give what its batch normalization gave.

    The batch normalization gives what it is given from then on, at inference.

    Raises
    ------
    NotPossible
        As `normalization` raises it.
    """
    scale, offset = normalization(normalized)
    _check_plain(layer)
    assign(layer.kernel, _value(layer.kernel) * scale)
    assign(layer.bias, _value(layer.bias) * scale + offset)
    make_identity(normalized)


def make_identity(layer: Any) -> None:
    """Let a batch normalization give what it is given, at inference."""
    d = layer.moving_mean.shape[0]
    _assign(
        layer,
        np.full(d, np.sqrt(1 + layer.epsilon)),
        np.zeros(d),
        np.zeros(d),
        np.ones(d),
    )


def absorb(layer: Any, affine: Affine, flattened: int = 1) -> None:
    """Let a layer with weights take the new representation and give what it gave before.

    Parameters
    ----------
    layer : Dense or convolution
    flattened : int
        How many positions, each of all channels, its input has in a row.

    Raises
    ------
    NotPossible
        With the reason.
    """
    matrix, shift = affine.matrix, affine.shift
    _check_plain(layer)
    kernel = _value(layer.kernel)
    d = len(matrix)
    if isinstance(layer, CONVOLUTIONS):
        _check_channels(layer)
        if shift.any() and _pads(layer):
            raise NotPossible("it pads with zeros, which the shift would have to change")
    elif not isinstance(layer, keras.layers.Dense):
        raise NotPossible(f"a {type(layer).__name__} cannot absorb the transform")
    rows = kernel.reshape(-1, flattened, d, kernel.shape[-1]) if flattened > 1 else kernel
    new = np.einsum("ji,...jo->...io", matrix, rows)
    added = np.einsum("j,njo->o", shift, rows.reshape(-1, d, kernel.shape[-1]))
    assign(layer.kernel, new.reshape(kernel.shape))
    if layer.use_bias:
        assign(layer.bias, _value(layer.bias) + added)
    elif added.any():
        raise NotPossible("it has no bias, which the shift needs")


def transformed(layer: Any, matrix: Array, shift: Array) -> None:
    """Let a Dense layer or convolution give `matrix (z - shift)` for `z`, before its activation.

    Raises
    ------
    NotPossible
        With the reason.
    """
    _check_plain(layer)
    if isinstance(layer, CONVOLUTIONS):
        _check_channels(layer)
    assign(layer.kernel, _value(layer.kernel) @ matrix.T)
    bias = _value(layer.bias) if layer.use_bias else np.zeros(len(matrix))
    if layer.use_bias:
        assign(layer.bias, matrix @ (bias - shift))
    elif shift.any():
        raise NotPossible("it has no bias, which the shift needs")


def _check_plain(layer: Any) -> None:
    """Raise NotPossible where the kernel is not the variable that the layer multiplies by."""
    if reason := graph.changed_weights(layer):
        raise NotPossible(f"it {reason}")


def _pads(layer: Any) -> bool:
    """Whether a convolution adds zeros at the borders: not where its kernel has one place."""
    return layer.padding != "valid" and max(layer.kernel_size) > 1


def _check_channels(layer: Any) -> None:
    """Raise NotPossible where a convolution does not mix all channels, or has them first."""
    if layer.groups != 1:
        raise NotPossible("it is a convolution in groups")
    check_channels_last(layer)


def check_channels_last(layer: Any) -> None:
    """Raise NotPossible where another axis than the last is that of a layer's channels."""
    if getattr(layer, "data_format", None) == "channels_first":
        raise NotPossible("its channels come first")


def is_linear(layer: Any) -> bool:
    """Whether a layer applies no activation to its output."""
    if isinstance(layer, keras.layers.ReLU):
        return False
    return getattr(layer, "activation", None) in (None, keras.activations.linear)


def is_relu(layer: Any) -> bool:
    """Whether a layer is, or ends in, a plain ReLU."""
    if isinstance(layer, keras.layers.ReLU):
        return not layer.negative_slope and not layer.threshold and layer.max_value is None
    return getattr(layer, "activation", None) is keras.activations.relu


def assign(variable: keras.Variable, value: Array) -> None:
    """Set a variable, rounded to its precision."""
    variable.assign(value.astype(_dtype_of(variable)))


def largest_factor(variable: keras.Variable) -> float:
    """By how much a variable may be multiplied or divided and stay within its precision."""
    return float(1 / np.finfo(_dtype_of(variable)).tiny / ROOM)


def _dtype_of(variable: keras.Variable) -> str:
    return "float64" if variable.dtype == "float64" else "float32"


def _assign(layer: Any, gamma: Array, beta: Array, mean: Array, variance: Array) -> None:
    if not layer.scale:
        factor = gamma
        # The variance holds the scale: 1 / sqrt(v' + eps) = gamma / sqrt(v + eps).
        variance = (variance + layer.epsilon) / factor**2 - layer.epsilon
        dtype = _dtype_of(layer.moving_variance)
        held = variance.astype(dtype) + np.asarray(layer.epsilon, dtype)  # as the layer adds them
        wanted = variance + layer.epsilon
        if not (np.abs(held - wanted) <= HELD[dtype] * wanted).all():
            raise NotPossible(
                "without a scale of its own, it cannot hold so small a part of its variance "
                f"(factors from {factor.min():g} to {factor.max():g})"
            )
    if not layer.center:
        if beta.any():
            raise NotPossible("a batch normalization without center cannot hold the transform")
    else:
        assign(layer.beta, beta)
    if layer.scale:
        assign(layer.gamma, gamma)
    assign(layer.moving_mean, mean)
    assign(layer.moving_variance, variance)


def _value(variable: keras.Variable) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float64)
