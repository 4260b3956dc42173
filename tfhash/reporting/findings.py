"""What a report says: everything is measured here, and only written down in the page."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module, metadata
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import audit, metrics
from tfhash.audit.duplicates import usual_radius
from tfhash.audit.labels import errors_of_votes
from tfhash.codes import Codes
from tfhash.diagnosis import diagnose_codes
from tfhash.encoder import Encoder, encoder_of
from tfhash.metrics._inputs import as_codes, check_classes, check_labels
from tfhash.metrics.properties import measurable_properties
from tfhash.metrics.units import SLAB, times_on
from tfhash.phases.chart import REGIME_TITLES

NEIGHBORS = 10
MAPPED = 2000  # examples on the map
PAIRS, SUSPECTS = 12, 24
PERPLEXITY = 30.0


@dataclass
class Findings:
    """All that a page shows; what could not be measured is None or empty, and `notes` says why."""

    model: str = ""
    n_train: int = 0
    n_test: int = 0
    n_bits: int = 0
    n_regions: int = 0
    layers: list[dict[str, Any]] = field(default_factory=list)
    properties: dict[str, float] = field(default_factory=dict)
    regime: list[tuple[str, str]] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    mixed_regions: int | None = None
    confusion: NDArray[np.float64] | None = None
    places: NDArray[np.float32] | None = None
    place_classes: NDArray[np.int64] | None = None
    radius: int = 0
    n_duplicates: int = 0
    pairs: list[tuple[int, int, int]] = field(default_factory=list)
    n_leaks: int | None = None
    leaks: list[tuple[int, int, int]] = field(default_factory=list)
    suspects: list[dict[str, Any]] = field(default_factory=list)
    coverage: dict[str, float] = field(default_factory=dict)
    earlier: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.timings[what] = time.perf_counter() - started


def gather(
    model: keras.Model | Encoder,
    train: tuple[Any, Any],
    test: tuple[Any, Any] | None,
    against: keras.Model | Encoder | None,
    radius: int | None,
) -> Findings:
    """Measure a model on inputs and labels (None where there are none)."""
    encoder = encoder_of(model)
    found = Findings(model=encoder.model.name, versions=_versions())
    x, y = train
    with found.timed("encoding"):
        codes = as_codes(encoder.encode(x), "train")
        test_codes = None if test is None else as_codes(encoder.encode(test[0]), "test")
    found.n_train, found.n_bits = len(codes), codes.n_bits
    found.n_test = 0 if test_codes is None else len(test_codes)
    found.n_regions = metrics.count_regions(codes)
    found.radius = usual_radius(codes) if radius is None else radius
    with found.timed("units"):
        found.layers = _units(codes)
    labels = None if y is None else check_labels(y, len(codes), "labels of train")
    if labels is not None:
        check_classes(labels, "labels of train")
    test_labels = (
        None
        if test is None or test_codes is None or test[1] is None
        else check_labels(test[1], len(test_codes), "labels of test")
    )
    with found.timed("encoding properties"):
        found.properties, notes = measurable_properties(codes, labels, test_codes, test_labels)
        found.notes += notes
    with found.timed("neighbors"):
        _neighbors(found, codes, labels)
    with found.timed("leakage and coverage"):
        _coverage(found, codes, test_codes)
    with found.timed("map"):
        _map(found, codes, labels)
    with found.timed("diagnosis"):
        regime = diagnose_codes(codes, found.properties, x=x, labels=labels).regime
    if regime is not None:
        found.regime = [("Regime", REGIME_TITLES[regime])]
    if against is not None:
        with found.timed("earlier checkpoint"):
            _compare(found, codes, labels, test_labels, against, x, test)
    return found


def _units(codes: Codes) -> list[dict[str, Any]]:
    on = times_on(codes)
    return [
        {
            "name": name,
            "units": stop - start,
            "dead": int((on[start:stop] == 0).sum()),
            "always_on": int((on[start:stop] == len(codes)).sum()),
            "active": float(on[start:stop].mean() / len(codes)) if stop > start else 0.0,
        }
        for name, start, stop in codes.layers
    ]


def _neighbors(found: Findings, codes: Codes, labels: Any) -> None:
    n = len(codes)
    k = min(NEIGHBORS, n - 1)
    if k < 1:
        found.notes.append("One example has no neighbors: nothing is said of duplicates or labels.")
        return
    graph = metrics.knn_graph(codes, k)
    distances, neighbors = graph.data.reshape(n, k), graph.indices.reshape(n, k)
    near = np.flatnonzero(distances[:, 0] <= found.radius)
    found.n_duplicates = len(near)
    pairs = {tuple(sorted((int(i), int(neighbors[i, 0])))): int(distances[i, 0]) for i in near}
    ordered = sorted(pairs.items(), key=lambda pair: (pair[1], pair[0]))[:PAIRS]
    found.pairs = [(i, j, distance) for (i, j), distance in ordered]
    if labels is None:
        found.notes.append(
            "No labels were given beside the inputs (those in batches are not read): nothing is "
            "said of classes or wrong labels."
        )
        return
    names, at = np.unique(labels, return_inverse=True)
    found.classes = [str(name) for name in names]
    regions, _ = metrics.region_ids(codes)
    pairs_seen = np.unique(np.stack([regions, at]), axis=1)
    found.mixed_regions = int((np.bincount(pairs_seen[0]) > 1).sum())
    if len(names) <= 30:
        table = np.zeros((len(names), len(names)))
        np.add.at(table, (np.repeat(at, k), at[neighbors.reshape(-1)]), 1)
        found.confusion = table / table.sum(axis=1, keepdims=True)
    given = check_labels(labels, n)
    errors = errors_of_votes(distances, given[neighbors], given)
    found.suspects = [
        {
            "row": int(row),
            "label": str(labels[row]),
            "suggested": str(errors.suggested[row]),
            "score": float(errors.score[row]),
        }
        for row in errors.ranks[:SUSPECTS]
        if errors.score[row] < 0
    ]


def _coverage(found: Findings, codes: Codes, test_codes: Codes | None) -> None:
    result = audit.coverage(codes).result()
    found.coverage["Units that were on, training"] = result.neurons
    found.coverage["Units that were both on and off, training"] = result.both
    if test_codes is None:
        return
    result = audit.coverage(test_codes).result()
    found.coverage["Units that were on, test"] = result.neurons
    distances, nearest = metrics.hamming_knn(codes, test_codes, 1)
    rows = np.flatnonzero(distances[:, 0] <= found.radius)
    share = float((distances[:, 0] == 0).mean())
    found.coverage["Test examples in a region with a training example"] = share
    found.n_leaks = len(rows)
    order = rows[np.argsort(distances[rows, 0], kind="stable")][:PAIRS]
    found.leaks = [(int(i), int(nearest[i, 0]), int(distances[i, 0])) for i in order]


def _map(found: Findings, codes: Codes, labels: Any) -> None:
    rows = np.sort(np.random.default_rng(0).permutation(len(codes))[:MAPPED])
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 4)
    if perplexity <= 1:
        found.notes.append("There are too few examples for a map.")
        return
    found.places = metrics.hamming_tsne(codes[rows], perplexity=perplexity)
    if labels is not None:
        found.place_classes = np.unique(labels, return_inverse=True)[1][rows]


def _compare(
    found: Findings,
    codes: Codes,
    labels: Any,
    test_labels: Any,
    against: keras.Model | Encoder,
    x: Any,
    test: Any,
) -> None:
    encoder = encoder_of(against)
    earlier = encoder.encode(x)
    earlier_test = None if test is None else encoder.encode(test[0])
    found.earlier = {
        "model": encoder.model.name,
        "properties": measurable_properties(earlier, labels, earlier_test, test_labels).properties,
        "layers": {layer["name"]: layer for layer in _units(earlier)},
        "flipped": None,
    }
    if [layer[1:] for layer in earlier.layers] == [layer[1:] for layer in codes.layers]:
        flipped = sum(
            int((codes[i : i + SLAB].to_bits() != earlier[i : i + SLAB].to_bits()).sum())
            for i in range(0, len(codes), SLAB)
        )
        found.earlier["flipped"] = flipped / (len(codes) * codes.n_bits)
    else:
        found.notes.append(
            "The earlier checkpoint has layers of other numbers of units: which units changed "
            "cannot be told."
        )


def _versions() -> dict[str, str]:
    found = {"tfhash": import_module("tfhash").__version__, "keras": keras.__version__}
    for name in (keras.backend.backend(), "numpy", "scikit-learn"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # a build of another name, such as tensorflow-cpu
            found[name] = "installed"
    return found
