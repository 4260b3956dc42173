"""Linear regions between examples, and in a plane through three of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash.datasets import Dataset
from tfhash.errors import InputError
from tfhash.runs import AnySpec
from tfhash.runs.records import PLANE, PROPERTIES, Record
from tfhash.studies.measure import Measure

if TYPE_CHECKING:
    import keras

SEGMENTS = 500  # of each kind
# The plane's window: examples lie at (0, 0), (1, 0) and (0, 1).
WINDOW = (-0.5, 1.5, -0.5, 1.5)


def _density(model: keras.Model, data: Dataset, spec: AnySpec) -> Mapping[Record, dict[str, Any]]:
    """Mean number of regions per unit of length between two test examples."""
    from tfhash import geometry

    starts, stops = _pairs(data.y_test, SEGMENTS, [spec.seed, spec.repeat])
    found = geometry.line_regions(model, data.x_test[starts], data.x_test[stops])
    assert isinstance(found, list)
    density = np.array([line.density for line in found])
    return {
        PROPERTIES: {
            "same_region_density": float(density[:SEGMENTS].mean()),
            "different_region_density": float(density[SEGMENTS:].mean()),
        }
    }


def _pairs(labels: np.ndarray, n: int, seed: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `n` pairs of one class, then of `n` pairs of two, drawn at random.

    Raises InputError where there are no pairs of one of these kinds.
    """
    _, counts = np.unique(labels, return_counts=True)
    if len(counts) < 2 or counts.max() < 2:
        raise InputError(
            "Expected test examples of two classes or more, two of them or more of one class. "
            f"Received: {len(labels)} test examples of {len(counts)} classes."
        )
    rng = np.random.default_rng(seed)
    kinds: list[list[tuple[int, int]]] = [[], []]
    while min(map(len, kinds)) < n:
        a, b = rng.choice(len(labels), 2, replace=False).tolist()
        kinds[int(labels[a] != labels[b])].append((a, b))
    pairs = np.array(kinds[0][:n] + kinds[1][:n])
    return pairs[:, 0], pairs[:, 1]


def _plane(model: keras.Model, data: Dataset) -> Mapping[Record, dict[str, Any]]:
    """The polygons of the plane through the first test examples of the first three classes."""
    from tfhash import geometry

    _, first = np.unique(data.y_test, return_index=True)
    if len(first) < 3:
        raise InputError(
            "Expected test examples of three classes or more, whose first examples span the plane. "
            f"Received: {len(data.y_test)} test examples of {len(first)} classes."
        )
    a, b, c = data.x_test[first[:3]]
    found = geometry.plane_regions(model, a, b - a, c - a, WINDOW, classes=True)
    assert found.classes is not None
    return {
        PLANE: {
            "points": np.round(found.points, 5).tolist(),
            "offsets": found.offsets.tolist(),
            "corners": found.corners.tolist(),
            "regions": found.regions.tolist(),
            "classes": found.classes.tolist(),
            "boundary": np.round(found.decision_boundary(), 5).tolist(),
        }
    }


MEASURES = (
    Measure(
        name="region_density",
        columns={PROPERTIES: ("same_region_density", "different_region_density")},
        needs=("model", "data", "spec"),
        function=_density,
    ),
    Measure(
        name="plane",
        columns={PLANE: ("points",)},
        needs=("model", "data"),
        function=_plane,
    ),
)
