"""Path regions: every linear region along polylines, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash.codes import Codes
from tfhash.geometry.inputs import Points, input_space
from tfhash.geometry.lines import LineRegions, lines_between
from tfhash.metrics import count_regions


@dataclass(frozen=True, eq=False)
class PathRegions:
    """The regions along a polyline, in order.

    Attributes
    ----------
    segments : tuple of LineRegions
        Between neighboring points, in order; none between equal points.
    joined : bool [n_segments - 1]
        Whether a segment begins in the region in which the one before ends, as it does unless
        their common point is exactly on a boundary.
    """

    segments: tuple[LineRegions, ...]

    def __len__(self) -> int:
        return self.n_regions

    @cached_property
    def joined(self) -> NDArray[np.bool_]:
        ends = [segment.end_codes() for segment in self.segments]
        pairs = pairwise(ends)
        return np.array([bool((one[1] == other[0]).all()) for one, other in pairs], bool)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """int64 [n_segments]: regions along each segment."""
        return np.array([segment.n_regions for segment in self.segments], np.int64)

    @property
    def n_regions(self) -> int:
        """Regions met one after another; one that the path comes back to counts again."""
        return int(self.counts.sum() - self.joined.sum())

    @cached_property
    def n_distinct(self) -> int:
        """Distinct activation patterns among them."""
        return int(count_regions(self.codes()))

    @property
    def length(self) -> float:
        """L2 length of the path."""
        return float(sum(segment.length for segment in self.segments))

    @property
    def density(self) -> float:
        """Regions per unit of length of the input space."""
        return self.n_regions / self.length

    def codes(self) -> Codes:
        """The activation patterns of the regions in order: `n_regions` codes."""
        parts = [self.segments[0].codes()]
        for segment, is_same in zip(self.segments[1:], self.joined, strict=True):
            codes = segment.codes()
            parts.append(codes[1:] if is_same else codes)
        return Codes.concatenate(parts)


def path_regions(
    model: keras.Model, points: Points, *, region: str = "activation"
) -> PathRegions | list[PathRegions]:
    """Every region along the polyline through points, such as a trajectory or a batch of images.

    All segments of all paths are followed in one call, as by `line_regions`, and side by side where
    that has a kernel. Counts along trajectories: Raghu et al., "On the expressive power of deep
    neural networks", ICML 2017.

    Parameters
    ----------
    model : keras.Model
        As `tfhash.geometry.chords` takes it.
    points : float [n_points, ...input shape], or [n_paths, n_points, ...input shape]
        At least two, not all the same; points that repeat the one before are passed over. Of a
        model with several inputs, a list or dict with an array for each.
    region : "activation" or "linear"
        As `line_regions` takes it.

    Returns
    -------
    PathRegions, or a list of them for n paths

    Raises
    ------
    ValueError
        As `line_regions`; where a path has no two different points.

    Examples
    --------
    >>> path = geometry.path_regions(model, x_test[:10])     # from each image to the next
    >>> path.n_regions, path.counts, path.n_distinct
    >>> t = np.linspace(0, 2 * np.pi, 200)[:, None]
    >>> circle = geometry.path_regions(model, center + np.cos(t) * u + np.sin(t) * v)
    """
    space = input_space(model, points, "points")
    given = space.points(points, "points", (1, 2))
    one = given.ndim == len(space.shape) + 1
    paths = given[None] if one else given
    if len(paths) == 0:
        raise ValueError("Expected at least one path. Received: none.")
    starts, stops, counts = [], [], []
    for i, path in enumerate(paths):
        moves = (path[1:] != path[:-1]).any(axis=tuple(range(1, path.ndim)))
        if not moves.any():
            raise ValueError(
                "Expected paths of at least two different points. Received: one that does not "
                f"move, path {i}."
            )
        starts.append(path[:-1][moves])
        stops.append(path[1:][moves])
        counts.append(int(moves.sum()))
    found = lines_between(model, space, np.concatenate(starts), np.concatenate(stops), region)
    ends = np.cumsum([0, *counts])
    made = [PathRegions(tuple(found[a:b])) for a, b in pairwise(ends)]
    return made[0] if one else made
