"""How densely regions lie between examples, and a plane through three of them, over training.

Neither is in the paper: it samples points, and regions along lines and in planes take exact ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash import results
from tfhash.datasets import Dataset
from tfhash.experiments import diameters, measuring, stages
from tfhash.experiments.options import Options
from tfhash.training import RunSpec

if TYPE_CHECKING:
    import keras

WIDTHS = {"digits": (10, 20, 40), "mnist": (50, 60, 70), "cifar10": (10, 20, 40)}
SEGMENTS = 500  # of each kind
# The plane's window: examples lie at (0, 0), (1, 0) and (0, 1).
WINDOW = (-0.5, 1.5, -0.5, 1.5)


def specs(options: Options) -> list[RunSpec]:
    """The runs of the diameters, of a few widths."""
    widths = options.widths or WIDTHS[options.dataset]
    return [spec for spec in diameters.specs(options) if spec.width in widths]


def run(options: Options) -> None:
    """Train the networks that are missing, and measure all at every epoch that was kept."""
    wanted = specs(options)
    stages.train(wanted, options)
    files = {results.PROPERTIES_FILE: ["same_region_density", "different_region_density"]}
    measuring.measure(wanted, options, "region density", files, _measure_density)
    last = max(wanted[0].checkpoint_epochs)
    widest = [spec for spec in wanted if spec.width == max(s.width for s in wanted)][:1]
    plane = {results.PLANE_FILE: ["points"]}
    measuring.measure(widest, options, "a plane", plane, _measure_plane, epochs=(0, last))


def _measure_density(
    model: keras.Model, data: Dataset, spec: RunSpec, epoch: int
) -> dict[str, dict[str, float]]:
    """Mean number of regions per unit of length between two test examples."""
    from tfhash import geometry

    starts, stops = _pairs(data.y_test, SEGMENTS, [spec.seed, spec.repeat])
    found = geometry.line_regions(model, data.x_test[starts], data.x_test[stops])
    assert isinstance(found, list)
    density = np.array([line.density for line in found])
    return {
        results.PROPERTIES_FILE: {
            "same_region_density": float(density[:SEGMENTS].mean()),
            "different_region_density": float(density[SEGMENTS:].mean()),
        }
    }


def _pairs(labels: np.ndarray, n: int, seed: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of ``n`` pairs of one class, then of ``n`` pairs of two, drawn at random."""
    rng = np.random.default_rng(seed)
    kinds: list[list[tuple[int, int]]] = [[], []]
    while min(map(len, kinds)) < n:
        a, b = rng.choice(len(labels), 2, replace=False).tolist()
        kinds[int(labels[a] != labels[b])].append((a, b))
    pairs = np.array(kinds[0][:n] + kinds[1][:n])
    return pairs[:, 0], pairs[:, 1]


def _measure_plane(
    model: keras.Model, data: Dataset, spec: RunSpec, epoch: int
) -> dict[str, dict[str, Any]]:
    """The polygons of the plane through the first test examples of the first three classes."""
    from tfhash import geometry

    rows = [int(np.argmax(data.y_test == label)) for label in range(3)]
    a, b, c = data.x_test[rows]
    found = geometry.plane_regions(model, a, b - a, c - a, WINDOW, classes=True)
    assert found.classes is not None
    return {
        results.PLANE_FILE: {
            "points": np.round(found.points, 5).tolist(),
            "offsets": found.offsets.tolist(),
            "corners": found.corners.tolist(),
            "regions": found.regions.tolist(),
            "classes": found.classes.tolist(),
            "boundary": np.round(found.decision_boundary(), 5).tolist(),
        }
    }
