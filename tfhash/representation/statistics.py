"""What the activations of one layer are like, summed up batch by batch."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash.codes import real_array, whole_number
from tfhash.representation.ranks import stable_rank

MOST_UNITS = 20_000  # of which all pairs are summed up: 2.4 GB for each 10,000 units squared
SAMPLED_UNITS = 4096  # of wider layers, whose pairs are
# Numbers that are worked on at once, which stay in the cache; but so many rows at least, as each
# product of a chunk goes through matrices of all pairs.
CHUNK, LEAST_ROWS = 1 << 16, 512
# Up to so many units one thread multiplies: products of a chunk are so small that threads would
# spend their time waiting for one another, the more so beside a backend's that compute a layer.
NARROW = 128
BLOCK = 1024  # units whose pairs with all others are worked on at once
LARGEST = 1e150  # of activations: beyond, their squares have no room
CONSTANT = 1e-12  # a variance below this share of the mean square is rounding: a constant


@dataclass(frozen=True)
class Characteristics:
    """Choi et al., Table 1, of one layer.

    Where nothing is left to take a mean of, the value is NaN.

    Attributes
    ----------
    n : int
        Samples.
    n_units : int
    amplitude : float
        Mean over units of the mean of their positive values; units without any are left out.
    covariance, correlation : float
        Means over pairs of different units, each of the samples in which both are positive:
        of the covariance, divided by their number, and of Pearson's correlation. Pairs that have
        fewer than two such samples are left out, of the correlation also those with a unit that is
        constant in them.
    absolute_covariance, absolute_correlation : float
        Means of the absolute values of the same. Table 1 does not say so, but the numbers of the
        paper's Tables 2, 3 and 6 are these (docs/reproduction.md).
    sparsity : float
        Share of activations that are 0.
    dead_units : float
        Share of units that are 0 for every sample.
    stable_rank : float
        `||C||_F^2 / ||C||_2^2` of the covariance C of all values; NaN where all are constant.
    constant_units : NDArray[np.int64]
        Which units are not dead, but have one value alone where they are positive, to a millionth
        of it: no correlation with them is defined.
    """

    n: int
    n_units: int
    amplitude: float
    covariance: float
    correlation: float
    absolute_covariance: float
    absolute_correlation: float
    sparsity: float
    dead_units: float
    stable_rank: float
    constant_units: NDArray[np.int64]


class Statistics:
    """Sums over activations, from which their characteristics follow.

    Batches may come in any order and any sizes: results differ by float64 rounding alone, which
    grows with the square of a unit's mean over its deviation (1e-6 of the variance where that is
    1e5). The memory is that of five matrices of `n_units` times `n_units` numbers, and of two more
    for the result: 0.9 GB for 4,000 units, 14 GB for 16,000. Of layers with more than 20,000 units
    the pairs of 4,096 of them are summed up, drawn once with a fixed seed: covariance and
    correlation are then unbiased estimates of the means over all pairs, whose standard error is
    about that of a mean over 4,096 units, and the stable rank is that of these units.

    Parameters
    ----------
    n_units : int

    Raises
    ------
    ValueError
        Where `n_units` is no whole number from 1 on.

    Examples
    --------
    >>> s = Statistics(100)
    >>> s.update(z)  # [n, 100], as often as there are batches
    >>> s.result().correlation
    """

    def __init__(self, n_units: int) -> None:
        n_units = whole_number(n_units, "n_units", 1)
        self.n_units, self.n = n_units, 0
        self._sampled: NDArray[np.int64] | None = None
        if n_units > MOST_UNITS:
            rng = np.random.default_rng(0)
            self._sampled = np.sort(rng.choice(n_units, SAMPLED_UNITS, replace=False))
        width = n_units if self._sampled is None else SAMPLED_UNITS
        self._negatives = np.zeros(n_units, np.int64)
        self._positives = np.zeros(n_units, np.int64)
        self._positive_sum = np.zeros(n_units)
        self._positive_square = np.zeros(n_units)
        self._sum = np.zeros(width)
        self._products = np.zeros((width, width))  # over all values
        # Over the samples in which both are positive: how many, z_i, z_i^2 and z_i z_j.
        self._both = np.zeros((width, width), np.int64)
        self._both_sum = np.zeros((width, width))
        self._both_square = np.zeros((width, width))
        self._both_product = np.zeros((width, width))

    def __repr__(self) -> str:
        return f"Statistics({self.n_units}) of {self.n:,} samples"

    def update(self, z: ArrayLike) -> None:
        """Take in a batch of activations.

        Parameters
        ----------
        z : float [n, n_units]
            Other numbers are read as float64.

        Raises
        ------
        ValueError
            Where they are no real numbers, the shape is another, or a number is NaN, infinite or
            beyond 1e150, whose square has no room; nothing of the batch is taken in then.
        """
        array = real_array(z, "activations")
        if array.ndim != 2 or array.shape[1] != self.n_units:
            raise ValueError(
                f"Expected activations of shape [n, {self.n_units}]. Received shape: {array.shape}."
            )
        step = max(LEAST_ROWS, CHUNK // self.n_units)
        chunks = [array[start : start + step] for start in range(0, len(array), step)]
        for number, chunk in enumerate(chunks):
            # NaN is the smallest and the largest of what it is among.
            ends = np.array([chunk.min(), chunk.max()], np.float64)
            if not (np.abs(ends) <= LARGEST).all():
                row, unit = np.argwhere(~(np.abs(chunk.astype(np.float64)) <= LARGEST))[0]
                raise ValueError(
                    f"Expected finite activations of at most {LARGEST:g}. Received: "
                    f"{chunk[row, unit]} at row {number * step + row} of the batch, unit {unit}."
                )
        single = nullcontext() if self.n_units > NARROW else _blas().limit(limits=1)
        with single:
            for chunk in chunks:
                self._add(np.asarray(chunk, np.float64))

    def merge(self, other: Statistics) -> None:
        """Take in what another object has seen of the same units.

        Raises
        ------
        ValueError
            Where it is none, or of another number of units.
        """
        if not isinstance(other, Statistics):
            raise ValueError(f"Expected Statistics. Received: {type(other).__name__}.")
        if other.n_units != self.n_units:
            raise ValueError(
                f"Expected statistics of {self.n_units} units. Received: of {other.n_units}."
            )
        self.n += other.n
        for name in (
            *("_negatives", "_positives", "_positive_sum", "_positive_square", "_sum", "_products"),
            *("_both", "_both_sum", "_both_square", "_both_product"),
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def result(self) -> Characteristics:
        """The characteristics of what was seen so far.

        Raises
        ------
        ValueError
            Where fewer than two samples were seen: one has no covariance.
        """
        self._check_several()
        alive = self._positives > 0
        zeros = self.n - self._positives - self._negatives
        mean, square = (
            each / np.maximum(self._positives, 1)
            for each in (self._positive_sum, self._positive_square)
        )
        constant = alive & (square - mean**2 <= CONSTANT * square)
        covariance, correlation = self._pairs()
        return Characteristics(
            n=self.n,
            n_units=self.n_units,
            amplitude=_mean(self._positive_sum[alive] / self._positives[alive]),
            covariance=covariance.plain,
            correlation=correlation.plain,
            absolute_covariance=covariance.absolute,
            absolute_correlation=correlation.absolute,
            sparsity=float(zeros.sum() / (self.n * self.n_units)),
            dead_units=float(np.mean(zeros == self.n)),
            stable_rank=stable_rank(self.covariance),
            constant_units=np.flatnonzero(constant),
        )

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Of all values, divided by their number: float64 [n_units, n_units].

        Raises ValueError as `result` does.
        """
        self._check_several()
        mean = self._sum / self.n
        covariance = self._products / self.n
        for start in range(0, len(mean), BLOCK):
            rows = slice(start, start + BLOCK)
            covariance[rows] -= np.outer(mean[rows], mean)
        # What is left of a constant unit is rounding.
        rounding = np.diag(covariance) <= CONSTANT * np.diag(self._products) / self.n
        covariance[rounding] = 0
        covariance[:, rounding] = 0
        return covariance

    def _check_several(self) -> None:
        if self.n < 2:
            raise ValueError(
                f"Expected at least 2 samples, as one has no covariance. Received: {self.n}."
            )

    def _add(self, z: NDArray[np.float64]) -> None:
        has_negative = bool(z.min(initial=0) < 0)
        kept = np.maximum(z, 0) if has_negative else z
        self.n += len(z)
        if has_negative:
            self._negatives += np.count_nonzero(z < 0, axis=0)
        paired = (z, kept)
        if self._sampled is not None:
            paired = (z[:, self._sampled], kept[:, self._sampled])
        self._sum += paired[0].sum(axis=0)
        width = len(self._sum)
        positive = paired[0] > 0
        masks = positive.astype(np.float64), positive.astype(np.float32)
        parts = [
            self._add_pairs(*paired, *masks, slice(start, start + BLOCK), has_negative)
            for start in range(0, width, BLOCK)
        ]
        if self._sampled is None:
            # A unit and itself are both positive where it is.
            of_units = [np.concatenate(part) for part in zip(*parts, strict=True)]
        else:
            of_units = [
                np.count_nonzero(z > 0, axis=0),
                kept.sum(axis=0),
                np.square(kept).sum(axis=0),
            ]
        self._positives += of_units[0]
        self._positive_sum += of_units[1]
        self._positive_square += of_units[2]

    def _add_pairs(
        self,
        z: NDArray[np.float64],
        kept: NDArray[np.float64],
        mask: NDArray[np.float64],
        single: NDArray[np.float32],
        rows: slice,
        has_negative: bool,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Add to the sums over pairs of the units `rows` with all.

        `mask` and `single` are 1 where z is positive. Returns how many values of each of these
        units are positive, their sum and that of their squares.
        """
        own = kept[:, rows]
        # Exact in float32: a chunk has fewer than 2^24 rows.
        both = (single[:, rows].T @ single).astype(np.int64)
        both_sum, product = own.T @ mask, own.T @ kept
        self._both[rows] += both
        self._both_sum[rows] += both_sum
        self._both_square[rows] += np.square(own).T @ mask
        self._both_product[rows] += product
        self._products[rows] += z[:, rows].T @ z if has_negative else product
        at = np.arange(len(both)), np.arange(len(both)) + rows.start
        return both[at], both_sum[at], product[at]

    def _pairs(self) -> tuple[_Means, _Means]:
        """Means over pairs of units: of the covariances, and of the correlations that there are."""
        covariances, correlations = _Means(), _Means()
        for start in range(0, len(self._both), BLOCK):
            rows = slice(start, start + BLOCK)
            both = self._both[rows]
            counted = both >= 2
            here = np.arange(len(both))
            counted[here, here + start] = False
            n = np.where(counted, both, 1)
            mean, mean_of_other = self._both_sum[rows] / n, self._both_sum[:, rows].T / n
            square, square_of_other = self._both_square[rows] / n, self._both_square[:, rows].T / n
            variance, variance_of_other = square - mean**2, square_of_other - mean_of_other**2
            covariance = self._both_product[rows] / n - mean * mean_of_other
            varies = (
                counted
                & (variance > CONSTANT * square)
                & (variance_of_other > CONSTANT * square_of_other)
            )
            deviation = np.sqrt(variance[varies]) * np.sqrt(variance_of_other[varies])
            covariances.add(covariance[counted])
            correlations.add(covariance[varies] / deviation)
        return covariances, correlations


class _Means:
    """Means of numbers and of their absolute values, NaN of none."""

    def __init__(self) -> None:
        self._n, self._sum, self._absolute = 0, 0.0, 0.0

    def add(self, values: NDArray[np.float64]) -> None:
        self._n += len(values)
        self._sum += float(values.sum())
        self._absolute += float(np.abs(values).sum())

    @property
    def plain(self) -> float:
        return self._sum / self._n if self._n else float("nan")

    @property
    def absolute(self) -> float:
        return self._absolute / self._n if self._n else float("nan")


@cache
def _blas() -> Any:
    """What sets the number of threads of NumPy's matrix products."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else float("nan")
