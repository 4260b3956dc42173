"""Bounds of what a representation tells of the input and of the label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash import _native, progress
from tfhash.codes import real_array
from tfhash.metrics._inputs import check_labels

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 1e150  # of activations in units of the noise: beyond, their squares have no room
BLOCK_NUMBERS = 1 << 20  # looked at at once before the kernel starts


class MutualInformation(NamedTuple):
    """Bounds in nats; those of the label are NaN where none was given.

    Attributes
    ----------
    x_lower, x_upper : float
        Of I(z + noise; x), never below 0 nor above ln n.
    y_lower, y_upper : float
        Of I(z + noise; y), never below 0 nor above the entropy of the labels.
    """

    x_lower: float
    x_upper: float
    y_lower: float
    y_upper: float


def mutual_information(
    z: ArrayLike, y: ArrayLike | None = None, noise_variance: float = 0.1
) -> MutualInformation:
    """What a noisy representation tells of the input and of the label.

    A network without noise tells everything: I(z; x) of n different points is ln n. So Gaussian
    noise is added, z + N(0, v I), which makes the distribution of the n points a mixture of n
    Gaussians; its entropy lies between the pairwise estimates of Kolchinsky and Tracey (2017,
    Entropy 19(7), eq. 10)::

        x_lower = -mean_i ln mean_j exp(-|z_i - z_j|^2 / 8v)     (Bhattacharyya distance)
        x_upper = -mean_i ln mean_j exp(-|z_i - z_j|^2 / 2v)     (Kullback-Leibler divergence)

    `y_lower` and `y_upper` are these minus the same of the points of each class, weighted by the
    class's share, as in the authors' own experiments. Each is a difference of two bounds on the
    same side: it estimates I(z + noise; y), and nears it where the classes lie apart, but is no
    bound in the strict sense.

    Parameters
    ----------
    z : float [n, n_units]
        Activations. float32 and float64 are read as they are, others as float64.
    y : [n], optional
        Classes; any numbers or strings that can be sorted, [n] or [n, 1].
    noise_variance : float
        v, in squared units of the activations. It sets the distance at which points can be told
        apart: where all pairs are much farther apart than sqrt(8v) both bounds are ln n, where all
        are much nearer than sqrt(2v) both are 0. `noise_sweep` shows where that is.

    Returns
    -------
    MutualInformation
        Nats, float64. Squared distances beyond 384 v count as infinite, which changes x_lower by
        less than n * 1.5e-21 and x_upper by less.

    Raises
    ------
    ValueError
        Where `z` is no matrix of real numbers of at least two rows, or holds NaN or infinity; where
        `y` has another length, or labels that are missing (NaN) or cannot be sorted; where the
        variance is not a positive number, or so small that the squared distances have no room in
        float64.

    Notes
    -----
    Each pair of points is looked at once, in blocks: memory beyond `z` is that of a copy of it in
    float64 and of 32 bytes a point. Results are the same bits for every number of threads.
    """
    array = real_array(z, "activations")
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] < 1:
        advice = ": z.reshape(len(z), -1) flattens those of images" if array.ndim > 2 else ""
        raise ValueError(
            "Expected activations of shape [n, n_units], n at least 2. Received shape: "
            f"{array.shape}{advice}."
        )
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    array = np.ascontiguousarray(array)
    try:
        variance = float(noise_variance)
    except (TypeError, ValueError):
        variance = math.nan
    if not (math.isfinite(variance) and variance > 0):
        raise ValueError(f"Expected noise_variance > 0. Received: {noise_variance!r}.")
    labels, entropy = _classes(y, len(array))
    n, scale = len(array), 1 / math.sqrt(8 * variance)
    units, largest = _varying_units(array)
    if not largest * scale < LARGEST:
        raise ValueError(
            f"Expected activations below {LARGEST:g} times the noise's deviation. Received: "
            f"{largest:g}, with noise_variance={variance:g}."
        )
    if not units.size:  # all points are one
        of_label = 0.0 if labels.size else math.nan
        return MutualInformation(0.0, 0.0, of_label, of_label)
    with progress.kernel_progress("mutual information") as report:
        sums = _native.affinity_sums(array, units, scale, labels, report)
    lower, upper = (
        _within(math.log(n) - float(np.log(each).mean()), math.log(n)) for each in sums[:2]
    )
    if not labels.size:
        return MutualInformation(lower, upper, math.nan, math.nan)
    share = np.log(np.bincount(labels)[labels])
    gaps = [
        math.log(n) - float((share + np.log(all_) - np.log(own)).mean())
        for all_, own in zip(sums[:2], sums[2:], strict=True)
    ]
    y_bounds = [_within(gap, entropy) for gap in gaps]
    return MutualInformation(lower, upper, y_bounds[0], y_bounds[1])


def noise_sweep(
    z: ArrayLike,
    y: ArrayLike | None = None,
    noise_variances: Sequence[float] | float = (1e-3, 1e-2, 0.1, 1.0, 10.0),
) -> pd.DataFrame:
    """The bounds at several variances of the noise: one row each, its index the variance.

    What the bounds say rests on the variance, which is a choice: quote one where they are neither
    0 nor ln n, and the same for all networks that are compared.

    Parameters
    ----------
    z, y
        As `mutual_information` takes them.
    noise_variances : sequence of float, or one of them

    Returns
    -------
    pandas.DataFrame
        Columns x_lower, x_upper, y_lower, y_upper, in nats.

    Raises
    ------
    ValueError
        As `mutual_information`, or where there is no variance.
    """
    from tfhash._extras import named_if_missing

    with named_if_missing("noise_sweep"):
        import pandas as pd
    variances = np.atleast_1d(np.asarray(noise_variances)).tolist()
    if not variances:
        raise ValueError("Expected at least one noise variance. Received: none.")
    rows = [mutual_information(z, y, variance) for variance in variances]
    index = pd.Index(variances, name="noise_variance")
    return pd.DataFrame(rows, index=index, columns=list(MutualInformation._fields))


def _classes(y: ArrayLike | None, n: int) -> tuple[NDArray[np.int64], float]:
    """Numbers of the classes, none without labels, and the entropy of these in nats."""
    if y is None:
        return np.empty(0, np.int64), math.nan
    given = check_labels(y, n)
    _, labels, counts = np.unique(given, return_inverse=True, return_counts=True)
    shares = counts / n
    return labels.astype(np.int64), float(-(shares * np.log(shares)).sum())


def _varying_units(z: NDArray[Any]) -> tuple[NDArray[np.int64], float]:
    """Units that are not constant, those that tell points apart first, and the largest number.

    With these first, pairs that are too far apart to count are soon known to be.
    """
    step = max(1, BLOCK_NUMBERS // z.shape[1])
    spread, largest = np.zeros(z.shape[1]), 0.0
    varies = np.zeros(z.shape[1], bool)
    for start in range(0, len(z), step):
        block = np.asarray(z[start : start + step], np.float64)
        finite = np.isfinite(block)
        if not finite.all():
            row, unit = np.argwhere(~finite)[0]
            raise ValueError(
                f"Expected finite activations. Received: {block[row, unit]} at row {start + row}, "
                f"unit {unit}."
            )
        largest = max(largest, float(np.abs(block).max()))
        apart = block - z[0].astype(np.float64)
        varies |= (apart != 0).any(axis=0)
        with np.errstate(over="ignore"):
            spread += np.square(apart).sum(axis=0)
    order = np.argsort(-spread, kind="stable")
    return order[varies[order]].astype(np.int64), largest


def _within(value: float, most: float) -> float:
    return min(max(value, 0.0), most)
