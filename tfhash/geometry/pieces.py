"""Continuous piecewise-linear functions of one number: what activation functions are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

Number = Any  # a float, or an array that holds one for each unit


@dataclass(frozen=True)
class PiecewiseLinear:
    """`f(z) = slopes[k] * z + offsets[k]` where `z` lies above exactly `k` of the kinks.

    A number equal to a kink counts as below it (a ReLU is off at 0); `f` is continuous, so that
    its value is the same either way.

    Attributes
    ----------
    kinks : tuple of float or array [*unit shape]
        Where the slope changes, ascending.
    slopes, offsets : tuples of float or array [*unit shape], one more than kinks
    """

    kinks: tuple[Number, ...]
    slopes: tuple[Number, ...]
    offsets: tuple[Number, ...]

    def above(self, z: Any) -> list[Any]:
        """For each kink, which units' `z` lies above it."""
        return [z > kink for kink in self.kinks]

    def value(
        self, above: Sequence[Any], z: Any, where: Callable[..., Any] = keras.ops.where
    ) -> Any:
        """The values at `z` of the pieces that `above` tells, continued past their kinks."""
        return _chosen(above, z, self.slopes, self.offsets, where)

    def derivative(self, above: Sequence[Any], u: Any) -> Any:
        """The derivatives along a line on which those of `z` are `u`, on the same pieces."""
        return _chosen(above, u, self.slopes, (0.0,) * len(self.slopes), keras.ops.where)


def relu(negative_slope: Number = 0.0, max_value: float | None = None) -> PiecewiseLinear:
    """ReLU, leaky ReLU, PReLU (an array of slopes) and their capped forms."""
    if max_value is None:
        return PiecewiseLinear((0.0,), (negative_slope, 1.0), (0.0, 0.0))
    return PiecewiseLinear((0.0, max_value), (negative_slope, 1.0, 0.0), (0.0, 0.0, max_value))


def clip(low: float, high: float, slope: float = 1.0, offset: float = 0.0) -> PiecewiseLinear:
    """`slope * z + offset` between the kinks `low` and `high`, constant past them."""
    ends = slope * low + offset, slope * high + offset
    return PiecewiseLinear((low, high), (0.0, slope, 0.0), (ends[0], offset, ends[1]))


def _chosen(
    above: Sequence[Any],
    z: Any,
    slopes: Sequence[Number],
    offsets: Sequence[Number],
    where: Callable[..., Any],
) -> Any:
    result = _affine(z, slopes[0], offsets[0])
    for is_above, slope, offset in zip(above, slopes[1:], offsets[1:], strict=True):
        result = where(is_above, _affine(z, slope, offset), result)
    return result


def _affine(z: Any, slope: Number, offset: Number) -> Any:
    """`slope * z + offset`; no work for what is 0 or 1, and a plain number for a constant."""
    if isinstance(slope, float):
        if slope == 0:
            return offset
        scaled = z if slope == 1 else z * slope
    else:
        scaled = z * slope
    return scaled if isinstance(offset, float) and offset == 0 else scaled + offset
