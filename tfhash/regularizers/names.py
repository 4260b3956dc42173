"""The twelve regularizers by name, as Keras objects."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from tfhash.codes import real_array
from tfhash.errors import unknown_name
from tfhash.metrics._inputs import as_labels
from tfhash.regularizers.penalties import ALL_CLASSES, CLASS_WISE, penalty_of, wrong_shape

NAMES = (
    *("none", "l1w", "l2w", "dropout", "bn"),
    *("cr", "cw_cr", "vr", "cw_vr", "l1r", "rr", "cw_rr"),
)
OF_REPRESENTATIONS = (*ALL_CLASSES, *CLASS_WISE)
ROUNDED = 0.01  # how far the sum of probabilities in half precision may be from 1


@keras.saving.register_keras_serializable(package="tfhash")
class RepresentationRegularizer(keras.regularizers.Regularizer):
    """A penalty on the representations of a batch, times its weight.

    Called with representations [n, ...] and, for class-wise ones, labels [n]. Keras's own
    `activity_regularizer` takes those that need no labels, and divides by the batch size from Keras
    3.14 on; `apply` hands over labels and divides by nothing.

    Parameters
    ----------
    name : "cr", "cw_cr", "vr", "cw_vr", "l1r", "rr" or "cw_rr"
    weight : float
    normalized : bool
        Divide by the number of pairs of units (CR) or of units (the others), class-wise ones also
        by the number of classes in the batch.
    """

    def __init__(self, name: str, weight: float = 0.1, normalized: bool = False) -> None:
        if name not in OF_REPRESENTATIONS:
            raise unknown_name("a penalty on representations", name, OF_REPRESENTATIONS)
        self.name, self.weight, self.normalized = name, _weight(weight), bool(normalized)

    def __call__(self, z: Any, y: Any = None) -> Any:
        return self.weight * penalty_of(self.name, z, y, self.normalized)

    @property
    def needs_labels(self) -> bool:
        """Whether it is a sum over classes."""
        return self.name in CLASS_WISE

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "weight": self.weight, "normalized": self.normalized}


def get(name: str, weight: float | None = None, normalized: bool = False) -> Any:
    """One of the twelve regularizers, as a Keras object.

    Parameters
    ----------
    name : str
        "none", "l1w", "l2w", "dropout", "bn", "cr", "cw_cr", "vr", "cw_vr", "l1r", "rr", "cw_rr".
    weight : float, optional
        The loss weight, 0.1 where none is given; of "dropout" the rate, by default 0.5; of "none"
        and "bn", which have none, not looked at.
    normalized : bool
        See `RepresentationRegularizer`; of the penalties on representations alone.

    Returns
    -------
    None, keras.regularizers.L1 or L2 (of a layer's weights), keras.layers.Dropout or
    BatchNormalization, or RepresentationRegularizer

    Raises
    ------
    ValueError
        For other names (near ones are named), a weight that is negative, NaN or infinite, or a rate
        that is not in [0, 1).
    """
    if name not in NAMES:
        raise unknown_name("a regularizer", name, NAMES)
    if name == "none":
        return None
    if name == "bn":
        return keras.layers.BatchNormalization()
    if name == "dropout":
        rate = 0.5 if weight is None else _number(weight)
        if not 0 <= rate < 1:
            raise ValueError(f"Expected a dropout rate in [0, 1). Received: {weight!r}.")
        return keras.layers.Dropout(rate)
    weight = _weight(0.1 if weight is None else weight)
    if name == "l1w":
        return keras.regularizers.L1(weight)
    if name == "l2w":
        return keras.regularizers.L2(weight)
    return RepresentationRegularizer(name, weight, normalized)


def penalty(name: str, z: Any, y: Any = None, normalized: bool = False) -> Any:
    """The bare penalty of one batch, without a weight.

    Parameters
    ----------
    name : "cr", "cw_cr", "vr", "cw_vr", "l1r", "rr" or "cw_rr"
    z : tensor or array [n, ...]
        Representations; with positions they are flattened. The penalty is computed in their
        precision, in float32 at least; on JAX in float64 only where that is enabled.
    y : [n] or [n, 1], or one-hot [n, k], optional
        Needed by the class-wise ones: numbers, in arrays words too. One-hot rows may be
        probabilities: their class is the most probable one.
    normalized : bool
        See `RepresentationRegularizer`.

    Returns
    -------
    scalar tensor of the backend, differentiable

    Raises
    ------
    ValueError
        For other names, shapes that do not fit, or labels that are missing. Of arrays, where they
        hold no real numbers, or labels NaN, or rows that are no probabilities; of tensors this is
        not looked at.
    """
    if name not in OF_REPRESENTATIONS:
        raise unknown_name("a penalty on representations", name, OF_REPRESENTATIONS)
    if not keras.ops.is_tensor(z):
        z = real_array(z, "representations")
    if y is not None and name in CLASS_WISE and not keras.ops.is_tensor(y):
        y = class_numbers(y)
    return penalty_of(name, z, y, normalized)


def class_numbers(y: Any) -> Any:
    """Labels as whole numbers, int64 [n].

    Parameters
    ----------
    y : array [n] or [n, 1] of whatever can be sorted, or rows of probabilities [n, k]

    Raises
    ------
    ValueError
        Where the shape is another, a label is missing, or rows of several are no probabilities.
    """
    try:
        shape = np.shape(y)
    except ValueError:  # of lists of different lengths, which `as_labels` names
        shape = ()
    if len(shape) < 2 or (len(shape) == 2 and shape[1] == 1):
        return np.unique(as_labels(y), return_inverse=True)[1].reshape(-1)
    if len(shape) > 2:
        raise ValueError(wrong_shape(shape))
    labels = real_array(y, "labels")
    sums = labels.sum(axis=1, dtype=np.float64)
    wrong = np.flatnonzero(~((labels >= 0).all(axis=1) & (np.abs(sums - 1) < ROUNDED)))
    if wrong.size:
        raise ValueError(
            "Expected labels of shape [n] or [n, 1], or one-hot rows [n, k], as the penalty is a "
            f"sum over classes. Received: {labels[wrong[0], :5].tolist()} in row {wrong[0]}"
            f"{', ...' if shape[1] > 5 else ''}. For the targets of a regression take a penalty "
            "over all classes."
        )
    return labels.argmax(axis=1)


def _weight(weight: float) -> float:
    value = _number(weight)
    if not 0 <= value < float("inf"):
        raise ValueError(f"Expected a finite weight of at least 0. Received: {weight!r}.")
    return value


def _number(value: Any) -> float:
    """NaN where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
