"""The penalties on one batch of representations (Choi et al., Tables 4 and 5, eq. 9).

Functions of backend tensors, differentiable on every backend. Representations with positions are
flattened: `z` is [n, d]. They are computed in float32 at least. What differs between classes is
computed from which rows are of one class, so that the number of classes is not asked for and a
class that is missing from the batch contributes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tfhash import backend

Penalty = Callable[[Any], Any]
ClassWisePenalty = Callable[[Any, Any], Any]

# Up to so many units their covariances are formed, [d, d], where the size of the batch is not known
# when a step is compiled; of more, and of more than twice the batch, products of examples, [n, n].
WIDEST = 512


def covariance(z: Any) -> Any:
    """CR, DeCov: half the sum of squared covariances of different units.

    The covariances are divided by n. Table 5 omits the factor 1/2, which the authors' code has and
    Cogswell et al. (2015) have too.
    """
    ops, d = keras.ops, z.shape[1]
    centered = z - _mean(z)
    n = z.shape[0] or ops.shape(z)[0]
    if d is None or d > (2 * z.shape[0] if z.shape[0] else WIDEST):
        return _off_diagonal(centered, ops.ones((n, n), dtype=centered.dtype))
    others = 1 - ops.eye(d, dtype=centered.dtype)
    products = backend.matmul(ops.transpose(centered), centered) * others
    return 0.5 * ops.sum(ops.square(products / ops.cast(n, centered.dtype)))


def class_covariance(z: Any, together: Any) -> Any:
    """cw-CR: the sum over classes of half the squared covariances within the class."""
    return _off_diagonal(_centered(z, together), together)


def variance(z: Any) -> Any:
    """VR: the sum of the units' variances, divided by n."""
    centered = z - _mean(z)
    return keras.ops.sum(_mean(centered * centered))


def class_variance(z: Any, together: Any) -> Any:
    """cw-VR: the sum over classes of the units' variances within the class."""
    centered = _centered(z, together)
    return keras.ops.sum(centered * centered / _count(together))


def amplitude(z: Any) -> Any:
    """L1R: the sum over the batch of absolute activations."""
    return keras.ops.sum(keras.ops.abs(z))


def stable_rank(z: Any) -> Any:
    """RR: `||Z||_F^2 / (||Z||_1 ||Z||_inf)`, eq. (9), which is not above the stable rank of Z."""
    size = keras.ops.abs(z)
    columns = keras.ops.max(keras.ops.sum(size, axis=0))
    rows = keras.ops.max(keras.ops.sum(size, axis=1))
    return keras.ops.sum(z * z) / _nonzero(columns * rows)


def class_stable_rank(z: Any, together: Any) -> Any:
    """cw-RR: the sum over classes of RR of the class's rows."""
    ops, size = keras.ops, keras.ops.abs(z)
    square = backend.matmul(together, ops.sum(z * z, axis=1, keepdims=True))[:, 0]
    columns = ops.max(backend.matmul(together, size), axis=1)
    rows = ops.max(together * ops.sum(size, axis=1)[None, :], axis=1)
    each = square / _nonzero(columns * rows)
    return ops.sum(each / _count(together)[:, 0])


ALL_CLASSES: dict[str, Penalty] = {
    "cr": covariance,
    "vr": variance,
    "l1r": amplitude,
    "rr": stable_rank,
}
CLASS_WISE: dict[str, ClassWisePenalty] = {
    "cw_cr": class_covariance,
    "cw_vr": class_variance,
    "cw_rr": class_stable_rank,
}


def penalty_of(name: str, z: Any, y: Any = None, normalized: bool = False) -> Any:
    """The penalty `name` of a batch, a scalar tensor.

    Raises
    ------
    ValueError
        Where labels are missing for a class-wise penalty, or of another length.
    """
    z = _matrix(z)
    if name in ALL_CLASSES:
        value, n_classes = ALL_CLASSES[name](z), 1.0
    else:
        if y is None:
            raise ValueError(
                f"Expected labels for {name!r}, which is a sum over classes. Received: none. Give "
                "y to fit(x, y), or take the penalty over all classes: "
                f"{name.removeprefix('cw_')!r}."
            )
        together = _together(y, z)
        value = CLASS_WISE[name](z, together)
        n_classes = keras.ops.sum(1 / _count(together)) if normalized else 1.0
    if not normalized:
        return value
    if z.shape[1] is not None:
        d = float(z.shape[1])
        width = max(1.0, d * (d - 1) / 2) if name.endswith("cr") else d
    else:  # of positions whose number differs from batch to batch
        d = keras.ops.cast(keras.ops.shape(z)[1], z.dtype)
        width = keras.ops.maximum(d * (d - 1) / 2, 1) if name.endswith("cr") else d
    return value / width / n_classes


def _off_diagonal(centered: Any, together: Any) -> Any:
    """Half the squared covariances within each class, of different units, summed.

    `||C_k||_F^2` is the sum of squared products of the class's rows, divided by its size squared:
    n x n numbers and not d x d for each class. The squared variances, which are to be left out of
    it, are taken off pair by pair of rows: where one unit varies far more than all others, the
    rounding of the two sums would be larger than their difference.
    """
    ops, count = keras.ops, _count(together)
    products = backend.matmul(centered, ops.transpose(centered))
    squared = ops.square(centered)
    of_same_unit = backend.matmul(squared, ops.transpose(squared))
    different = (ops.square(products) - of_same_unit) / (count * count)
    return 0.5 * ops.sum(together * different)


def _centered(z: Any, together: Any) -> Any:
    return z - backend.matmul(together, z) / _count(together)


def _count(together: Any) -> Any:
    """[n, 1]: how many rows are of each row's class, itself among them."""
    return keras.ops.sum(together, axis=1, keepdims=True)


def _nonzero(denominator: Any) -> Any:
    """1 in place of a denominator of 0, whose numerator is 0 too.

    A sum, as `keras.ops.maximum` of float64 is float32 on PyTorch (Keras 3.15).
    """
    return denominator + keras.ops.cast(denominator == 0, denominator.dtype)


def _mean(z: Any) -> Any:
    """[1, d], in the precision of `z`, which `keras.ops.mean` does not keep on every backend."""
    n = keras.ops.cast(z.shape[0] or keras.ops.shape(z)[0], z.dtype)
    return keras.ops.sum(z, axis=0, keepdims=True) / n


def _matrix(z: Any) -> Any:
    z = keras.ops.convert_to_tensor(z)
    if keras.backend.standardize_dtype(z.dtype) not in ("float32", "float64"):
        z = keras.ops.cast(z, "float32")
    if len(z.shape) < 2:
        raise ValueError(f"Expected representations of shape [n, ...]. Received shape: {z.shape}.")
    if len(z.shape) == 2:
        return z
    if None in z.shape[1:]:
        return keras.ops.reshape(z, (keras.ops.shape(z)[0], -1))
    return keras.ops.reshape(z, (-1, int(np.prod(z.shape[1:]))))


def wrong_shape(shape: Any) -> str:
    """What is said of labels of another shape."""
    return (
        "Expected labels of shape [n] or [n, 1], or one-hot rows [n, k], as the penalty is a sum "
        f"over classes. Received shape: {tuple(shape)}."
    )


def _together(y: Any, z: Any) -> Any:
    """[n, n]: 1 where two rows are of one class. `y` is [n], [n, 1], or one-hot rows.

    Of rows that are not one-hot the class is the column of the largest number: what tensors hold is
    not known where the step of a training is compiled.
    """
    ops = keras.ops
    y = ops.convert_to_tensor(y)
    if len(y.shape) not in (1, 2):
        raise ValueError(wrong_shape(y.shape))
    if len(y.shape) == 2 and y.shape[1] != 1:
        y = ops.argmax(y, axis=1)
    y = ops.reshape(y, (-1,))
    if y.shape[0] is not None and z.shape[0] is not None and y.shape[0] != z.shape[0]:
        raise ValueError(
            f"Expected one label for each of {z.shape[0]} rows. Received: {y.shape[0]}."
        )
    return ops.cast(ops.equal(y[:, None], y[None, :]), z.dtype)
