"""Regions outward from an input, in the order of their distance, and which of them touch."""

from __future__ import annotations

import heapq
import warnings
from typing import NamedTuple

import keras
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from tfhash import progress
from tfhash.codes import Codes, whole_number
from tfhash.geometry.inputs import Points
from tfhash.geometry.region_inputs import Bounds
from tfhash.geometry.regions import Region, codes_of
from tfhash.geometry.regions_at import region


class _Way(NamedTuple):
    """A facet through which another region may be reached, in the order in which to look.

    Attributes
    ----------
    distance : from the input to the facet, or a lower bound
    number : the order in which ways were found, which decides between equal distances
    """

    distance: float
    number: int
    is_exact: bool
    source: int
    facet: int
    key: bytes
    there: Region | None


class Exploration:
    """Regions about an input, nearest first, and their adjacency; it goes on where it stopped.

    Attributes
    ----------
    regions : list of Region
        In the order of their distance to the input: the first is its own.
    is_complete : bool
        Whether they are all that there are, within the bounds.
    n_thin : int
        Neighbors of these regions that are thinner than float64 resolves. They are left out, and
        with them what can be reached through them alone.
    """

    def __init__(self, start: Region) -> None:
        self.regions: list[Region] = []
        self.is_complete = False
        self._numbers: dict[bytes, int] = {}
        self._thin: set[bytes] = set()
        self._distances: list[float] = []
        self._pairs: list[tuple[int, int]] = []
        self._ways: list[_Way] = []
        self._n_ways = 0
        self._start = start

    @property
    def n_thin(self) -> int:
        return len(self._thin)

    def __len__(self) -> int:
        return len(self.regions)

    def __repr__(self) -> str:
        extent = "all" if self.is_complete else "the nearest; more(n) goes on"
        return f"<Exploration of {len(self)} regions, {extent}>"

    @property
    def distances(self) -> NDArray[np.float64]:
        """float64 [n_regions]: L2 distance from the input to each region, ascending."""
        return np.array(self._distances)

    @property
    def adjacency(self) -> scipy.sparse.csr_array:
        """bool [n_regions, n_regions], symmetric: which of the regions share a facet."""
        n = len(self)
        pairs = np.array(self._pairs, np.int64).reshape(-1, 2)
        pairs = np.concatenate([pairs, pairs[:, ::-1]])
        ones = np.ones(len(pairs), bool)
        return scipy.sparse.coo_array((ones, pairs.T), shape=(n, n)).tocsr()

    def codes(self) -> Codes:
        """The activation pattern of each region: `len(self)` codes."""
        return codes_of(self.regions)

    def more(self, n: int) -> Exploration:
        """Find up to `n` more regions; gives the exploration itself.

        Ctrl-C ends it, with a warning; what was found is kept, and another call goes on.
        """
        n = whole_number(n, "n (regions)", 1)
        with progress.bar(None, "regions", "region", n > 1, total=n) as bar:
            try:
                for _ in range(n):
                    if not self._find_next():
                        break
                    bar.update()
            except KeyboardInterrupt:
                warnings.warn(
                    f"Stopped by Ctrl-C after {len(self)} regions; more(n) goes on.", stacklevel=2
                )
        return self

    def _find_next(self) -> bool:
        """Find one more region; False where there is none."""
        if not self.regions:
            self._add(self._start, 0.0)
            return True
        while self._ways:
            way = self._ways[0]
            source = self.regions[way.source]
            if way.key in self._numbers or way.key in self._thin:  # by another facet since
                heapq.heappop(self._ways)
            elif not way.is_exact:
                exact = max(way.distance, source.face_distance(way.facet))
                heapq.heapreplace(self._ways, _Way(exact, way.number, True, *way[3:]))
            else:
                there = way.there or source.neighbor(way.facet)
                if there.has_interior:
                    self._add(there, way.distance)
                    heapq.heappop(self._ways)
                    return True
                self._thin.add(way.key)
        self.is_complete = not self._thin
        return False

    def _add(self, found: Region, distance: float) -> None:
        number, facets = len(self.regions), found.facets
        least, exact = found.face_bounds()
        bounds = np.maximum(least, distance)
        touching: list[tuple[int, int]] = []
        ways: list[_Way] = []
        for bound, is_exact, facet, key in zip(
            bounds.tolist(), exact.tolist(), facets.tolist(), found.keys_across(), strict=True
        ):
            there = None
            if key is None:
                there = found.neighbor(facet)
                key = there.key
            known = self._numbers.get(key)
            if known is None:
                way = _Way(bound, self._n_ways + len(ways), is_exact, number, facet, key, there)
                ways.append(way)
            else:
                touching.append((known, number))
        # Everything is known by now: Ctrl-C leaves all of a region or nothing.
        self.regions.append(found)
        self._distances.append(distance)
        self._numbers[found.key] = number
        self._pairs += touching
        self._n_ways += len(ways)
        for way in ways:
            heapq.heappush(self._ways, way)


def explore(
    model: keras.Model, x: Points, max_regions: int = 1000, *, bounds: Bounds | None = None
) -> Exploration:
    """The regions nearest to an input, in the order of their L2 distance, exactly.

    From each region found, its facets lead on; the nearest of all facets known, at its exact
    distance, is crossed next. A segment from the input to the nearest point of a region passes
    only through regions nearer than it, so that none is found late.

    Parameters
    ----------
    model, x, bounds : as `region` takes them
    max_regions : int
        Stop after as many.

    Returns
    -------
    Exploration
        Regions, distances, the graph of which touch. Its `more` finds further ones; it is complete
        where all regions within the bounds, or of the whole input space, were found.

    Raises
    ------
    ValueError
        As `region`.

    Examples
    --------
    >>> found = geometry.explore(model, x, 500, bounds=(0, 1))
    >>> found.distances[-1], found.adjacency.sum(axis=1)      # how far; facets between them
    >>> found.more(500)                                       # the next 500
    """
    n = whole_number(max_regions, "max_regions", 1)
    return Exploration(region(model, x, bounds=bounds)).more(n)
