"""The regularizers of representations, of many networks side by side.

The numbers are those of `tfhash.regularizers`, which has them for one network and activations
[batch, units]. Here they are [networks, units, batch], examples that only fill up a batch count for
nothing, and what is class-wise is computed from the classes, of which there are few: "all classes
together" is one class.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np


class Penalty(NamedTuple):
    """What regularizes a network: as the fields `regularizer...` of `RunSpec` say."""

    name: str = "none"
    weight: float = 0.0
    normalized: bool = False


NOTHING = Penalty()


def dropped(hidden: Any, regularizers: Sequence[Penalty], steps: Any) -> Any:
    """Activations [networks, units, batch] with dropout for those networks that have it.

    All of them, whatever their rates, drop by the same draws, which the repeat and the step decide.
    """
    from keras import ops

    from tfhash import backend

    rates = [one.weight if one.name == "dropout" else 0.0 for one in regularizers]
    if not any(rates):
        return hidden
    draws = backend.uniform(hidden.shape[1:], steps["seed"], steps["steps"])
    rate = np.array(rates, np.float32)[:, None, None]
    return hidden * (ops.cast(draws >= rate, "float32") / (1 - rate))


def penalties(
    regularizers: Sequence[Penalty],
    kernel: Any = None,
    z: Any = None,
    y: Any = None,
    valid: Any = None,
    n: int = 0,
    widths: Sequence[int] = (),
) -> Any:
    """What regularizers add to each network's loss, float32 [networks].

    Parameters
    ----------
    regularizers
        Of each network. Those of kernels are looked at where `kernel` is given, and those of
        representations where `z` is.
    kernel : float32 [networks, units, inputs]
    z : float32 [networks, units, batch]
    y : int32 [batch]
    valid : float32 [batch]
        1 for examples, 0 for what fills up the batch.
    n : int
        Number of classes.
    widths : sequence of int
        Units of each network, of which there may be fewer than in `z`; needed with `z`.
    """
    from keras import ops

    known = _OF_KERNELS if z is None else _OF_REPRESENTATIONS
    parts, start = [], 0
    for (name, normalized), alike in groupby(regularizers, lambda one: (one.name, one.normalized)):
        weights = np.array([one.weight for one in alike], np.float32)
        rows = slice(start, start + len(weights))
        start = rows.stop
        if name not in known:
            parts.append(np.zeros(len(weights), np.float32))
            continue
        if z is None:
            parts.append(weights * known[name](kernel[rows]))
            continue
        if name.startswith("cw_"):
            members = ops.transpose(ops.one_hot(y, n, dtype="float32")) * valid
        else:
            members = valid[None, :]
        value = known[name](z[rows], members)
        if normalized:
            units = np.array(widths[rows], np.float32)
            pairs = units * (units - 1) / 2
            value = value / np.maximum(1, pairs if name.endswith("cr") else units)
            if name.startswith("cw_"):
                there = ops.max(members, axis=1)
                value = value / ops.sum(there)
        parts.append(weights * value)
    return ops.concatenate([ops.convert_to_tensor(part) for part in parts])


def _covariance(z: Any, members: Any) -> Any:
    """Half the squared covariances of different units.

    Of one class from the covariances where units are few, else from the products of examples.
    """
    from keras import ops

    centered = _centered(z, members)
    if members.shape[0] == 1 and z.shape[1] <= 2 * z.shape[2]:
        others = 1 - ops.eye(z.shape[1], dtype="float32")
        products = ops.matmul(centered, ops.transpose(centered, (0, 2, 1))) * others
        return 0.5 * ops.sum(ops.square(products / _counts(members)), axis=(1, 2))
    shares = members / _counts(members)
    together = ops.matmul(ops.transpose(shares), shares)
    products = _of_examples(centered)
    # Pair by pair, as in `tfhash.regularizers`.
    different = ops.square(products) - _of_examples(ops.square(centered))
    return 0.5 * ops.sum(different * together, axis=(1, 2))


def _of_examples(z: Any) -> Any:
    """Products of each two examples, [networks, batch, batch]."""
    from keras import ops

    return ops.matmul(ops.transpose(z, (0, 2, 1)), z)


def _variance(z: Any, members: Any) -> Any:
    from keras import ops

    of_example = ops.sum(members / _counts(members), axis=0)
    return ops.sum(ops.square(_centered(z, members)) * of_example, axis=(1, 2))


def _amplitude(z: Any, members: Any) -> Any:
    from keras import ops

    return ops.sum(ops.abs(z) * members, axis=(1, 2))


def _stable_rank(z: Any, members: Any) -> Any:
    from keras import ops

    size, examples = ops.abs(z), ops.transpose(members)
    squares = ops.matmul(ops.sum(ops.square(z), axis=1), examples)
    columns = ops.max(ops.matmul(size, examples), axis=1)
    rows = ops.max(ops.sum(size, axis=1)[:, None, :] * members, axis=2)
    bound = columns * rows
    return ops.sum(squares / (bound + ops.cast(bound == 0, "float32")), axis=1)


def _absolute(kernel: Any) -> Any:
    from keras import ops

    return ops.sum(ops.abs(kernel), axis=(1, 2))


def _squared(kernel: Any) -> Any:
    from keras import ops

    return ops.sum(ops.square(kernel), axis=(1, 2))


def _centered(z: Any, members: Any) -> Any:
    """`z` less the means of each example's class; 0 for what fills up the batch."""
    from keras import ops

    means = ops.matmul(z, ops.transpose(members / _counts(members)))
    return z * ops.sum(members, axis=0) - ops.matmul(means, members)


def _counts(members: Any) -> Any:
    """Examples of each class, [classes, 1]; 1 for a class that is missing."""
    from keras import ops

    return ops.maximum(ops.sum(members, axis=1, keepdims=True), 1.0)


_OF_KERNELS: dict[str, Any] = {"l1w": _absolute, "l2w": _squared}
_OF_REPRESENTATIONS: dict[str, Any] = {
    "cr": _covariance,
    "cw_cr": _covariance,
    "vr": _variance,
    "cw_vr": _variance,
    "l1r": _amplitude,
    "rr": _stable_rank,
    "cw_rr": _stable_rank,
}
