"""Line regions: every linear region that a segment crosses, exactly."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import backend, progress
from tfhash.codes import Codes
from tfhash.geometry.inputs import InputSpace, Points, input_space
from tfhash.geometry.line_sweep import Sweep
from tfhash.geometry.local_network import local_network
from tfhash.geometry.stack import dense_stack
from tfhash.geometry.steps import Layer, Plan, check_region
from tfhash.geometry.trace import plan_for

BATCH = 256  # segments that are gone along side by side, at most
_BATCH_BYTES = 1 << 26  # of their ends, and of the states of all units there
_RESOLUTION = 1e-12  # of a segment


@dataclass(frozen=True)
class LineRegions:
    """The regions along `start + t * (stop - start)`, `t` from 0 to 1.

    Attributes
    ----------
    breakpoints : float64 [m]
        Where a unit switches, ascending, one for each unit: several that switch together are
        several equal numbers.
    units : int64 [m, 2]
        Which one: its layer, as an index into `layers`, and its index in the layer's output,
        flattened.
    layers : tuple of Layer
        The layers of units: name, number of units, and whether their switches change the code.
    length : float
        L2 length of the segment.
    """

    breakpoints: NDArray[np.float64]
    units: NDArray[np.int64]
    layers: tuple[Layer, ...]
    length: float
    _first_code: NDArray[np.bool_] = field(repr=False)

    @property
    def edges(self) -> NDArray[np.float64]:
        """float64 [n_regions + 1]: where the regions end, from 0 to 1.

        Breakpoints less than 1e-12 apart (or from an end) count as one: in float64, units that
        switch together come out a few roundings apart.
        """
        starts = np.flatnonzero(np.diff(self._places(), prepend=0))
        return np.concatenate([[0.0], self.breakpoints[starts], [1.0]])

    def _places(self) -> NDArray[np.int64]:
        """int64 [m]: the region that each breakpoint begins; those at 1 count to the last."""
        t = self.breakpoints
        apart = np.diff(t, prepend=0.0) > _RESOLUTION
        apart &= t < 1 - _RESOLUTION
        return np.cumsum(apart)

    def __len__(self) -> int:
        return self.n_regions

    @property
    def n_regions(self) -> int:
        """Regions along the segment: one more than the places where something switches.

        Regions are convex, so that none is met twice, except the activation regions of a model
        with max pooling.
        """
        return len(self.edges) - 1

    @property
    def density(self) -> float:
        """Regions per unit of length of the input space."""
        return self.n_regions / self.length

    def codes(self) -> Codes:
        """The neural codes of the regions in order: `n_regions` codes.

        One bit for each unit that is in a layer whose switches change the code, `layers` in
        order: 1 where its pre-activation lies above the kink. For ReLU-like units these are the
        bits that `tfhash.Encoder` gives, in its order.
        """
        places = self._places()
        counts, word, mask = self._flips()
        flips = np.zeros((int(places.max(initial=0)) + 1, len(self._first_words)), np.uint64)
        np.bitwise_xor.at(flips, (places[counts], word), mask)
        flips[0] ^= self._first_words
        pattern = [layer for layer in self.layers if layer.is_pattern]
        ends = np.cumsum([0, *(layer.n_units for layer in pattern)]).tolist()
        spans = [(layer.name, *pair) for layer, pair in zip(pattern, pairwise(ends), strict=True)]
        return Codes(np.bitwise_xor.accumulate(flips, axis=0), len(self._first_code), spans)

    def end_codes(self) -> NDArray[np.uint64]:
        """uint64 [2, words]: the packed codes of the first region and of the last."""
        _, word, mask = self._flips()
        last = self._first_words.copy()
        np.bitwise_xor.at(last, word, mask)
        return np.stack([self._first_words, last])

    @cached_property
    def _first_words(self) -> NDArray[np.uint64]:
        words: NDArray[np.uint64] = Codes.from_bits(self._first_code[None]).words[0]
        return words

    def _flips(self) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.uint64]]:
        """bool [m], which breakpoints change the code; of each of these, the word and the bit."""
        counted = [layer.n_units if layer.is_pattern else 0 for layer in self.layers]
        starts = np.cumsum([0, *counted])
        counts = np.array([layer.is_pattern for layer in self.layers], bool)[self.units[:, 0]]
        counts &= self.breakpoints < 1 - _RESOLUTION
        bits = (starts[self.units[:, 0]] + self.units[:, 1])[counts]
        return counts, bits // 64, np.uint64(1) << (bits % 64).astype(np.uint64)


def line_regions(
    model: keras.Model, start: Points, stop: Points, *, region: str = "activation"
) -> LineRegions | list[LineRegions]:
    """Every region that the segment from one input to another crosses, exactly.

    Layer by layer: where all units before are settled, a pre-activation is affine between
    neighboring breakpoints, so that its zero follows from its values at the two; the zeros of
    all units of the layer are the layer's breakpoints. Each layer is carried out once, on the
    points known by then, in float64. Networks of dense layers and (leaky) ReLU alone, and those of
    layers that act on pixels (convolutions, pooling, normalization, sums and joins, dense layers),
    go through kernels, many segments at a time: give them in one call. Where layers act on pixels,
    a region costs the part of the network that its breakpoint can bend; in other networks, a
    forward pass.

    Counts along segments between data points give the density of regions (Raghu et al. 2017;
    Hanin and Rolnick 2019).

    Parameters
    ----------
    model : keras.Model
        As `tfhash.geometry.chords` takes it.
    start, stop : float [...input shape], or [n, ...input shape] for n segments
        Of a model with several inputs, lists or dicts with an array for each.
    region : "activation" or "linear"
        Whether a region ends where a unit passes a kink of its activation function, or also where
        a maximum, such as max pooling, takes another value.

    Returns
    -------
    LineRegions, or a list of them for n segments
        A unit that is 0 throughout a piece is off there; one that touches 0 does not switch.

    Raises
    ------
    ValueError
        As `tfhash.geometry.chords`; where `start` and `stop` are equal.

    Examples
    --------
    >>> regions = geometry.line_regions(model, x_test[0], x_test[1])
    >>> regions.n_regions, regions.breakpoints, regions.codes()
    """
    space = input_space(model, start, "start")
    starts = space.points(start, "start", (0, 1))
    one = starts.ndim == len(space.shape)
    stops = space.points(stop, "stop", (0,) if one else (1,))
    if one:
        starts, stops = starts[None], stops[None]
    found = lines_between(model, space, starts, stops, region)
    return found[0] if one else found


def lines_between(
    model: keras.Model,
    space: InputSpace,
    starts: NDArray[Any],
    stops: NDArray[Any],
    region: str,
) -> list[LineRegions]:
    """As `line_regions`, of ends [n, ...] that are points of the space.

    Raises
    ------
    ValueError
        As `line_regions`.
    """
    check_region(region)
    if starts.shape != stops.shape:
        raise ValueError(
            "Expected as many ends of segments as beginnings. "
            f"Received: {len(starts)} and {len(stops)}."
        )
    with backend.float64(), plan_for(model, space) as plan:
        return list(_lines(plan, starts, stops, region))


def _lines(
    plan: Plan, starts: NDArray[Any], stops: NDArray[Any], region: str
) -> Iterator[LineRegions]:
    kernel = dense_stack(plan) or local_network(plan, region)
    n_inputs = math.prod(plan.input_shape)
    of_one = 16 * n_inputs + 8 * sum(layer.n_units for layer in plan.layers)
    size = min(BATCH, max(1, _BATCH_BYTES // of_one)) if kernel else 1
    is_long = len(starts) > size
    with progress.bar(None, "segments", "segment", is_long, total=len(starts)) as bar:
        for first in range(0, len(starts), size):
            rows = slice(first, first + size)
            ends = np.empty((len(starts[rows]), 2, n_inputs))
            ends[:, 0] = starts[rows].reshape(-1, n_inputs)
            ends[:, 1] = stops[rows].reshape(-1, n_inputs)
            along = ends[:, 1] - ends[:, 0]
            lengths = np.sqrt(np.einsum("ij,ij->i", along, along))
            if not lengths.all():
                row = first + int(np.argmin(lengths))
                raise ValueError(
                    f"Expected start and stop to differ. Received: two equal points, row {row}."
                )
            found = kernel.lines(ends) if kernel else [None]
            for pair, length, line in zip(ends, lengths, found, strict=True):
                if line is None:  # no kernel takes it, or more points than are held at once
                    sweep = Sweep(plan, region)
                    sweep.run(pair)
                    line = sweep.finish()
                yield LineRegions(*line[:2], plan.layers, float(length), line[2])
                bar.update()
