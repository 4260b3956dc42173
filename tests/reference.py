"""Plain NumPy oracles: the obvious way to compute what the kernels compute."""

from fractions import Fraction
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

# Sizes that hit the tails of words (64), vectors (8, 16, 32, 64 elements) and blocks.
BIT_SIZES = (1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 511, 512, 513)
ROW_SIZES = (0, 1, 2, 7, 8, 9, 63, 64, 65)


def random_bits(n: int, n_bits: int, seed: int = 0, repeats: float = 0.0) -> NDArray[np.uint8]:
    """uint8 [n, n_bits] of fair bits; a share `repeats` of the rows are copies of others."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (n, n_bits), dtype=np.uint8)
    copies = rng.random(n) < repeats
    bits[copies] = bits[rng.integers(0, max(n, 1), copies.sum())]
    return bits


def pack(bits: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """uint64 [n, ceil(n_bits / 64)], bit j of row i at words[i, j // 64] >> (j % 64)."""
    n, n_bits = bits.shape
    words = np.zeros((n, -(-n_bits // 64)), np.uint64)
    for j in range(n_bits):
        words[:, j // 64] |= bits[:, j].astype(np.uint64) << np.uint64(j % 64)
    return words


def region_ids(bits: NDArray[np.uint8]) -> tuple[list[int], list[int]]:
    """Regions numbered by first appearance, and how many rows each holds."""
    numbers: dict[bytes, int] = {}
    ids = [numbers.setdefault(row.tobytes(), len(numbers)) for row in bits]
    return ids, np.bincount(ids, minlength=len(numbers)).tolist()


def hamming_distances(database: NDArray[np.uint8], queries: NDArray[np.uint8]) -> NDArray[np.int64]:
    """int64 [q, n]: in how many bits each query differs from each code."""
    shape = (len(queries), len(database))
    return np.array([(database != query).sum(axis=1) for query in queries], int).reshape(shape)


def hamming_knn(
    database: NDArray[np.uint8], queries: NDArray[np.uint8], k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distances and rows of the k nearest, of equal ones the lower row first."""
    distances = hamming_distances(database, queries)
    rows = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, rows, axis=1), rows


def kmeans_seeds(bits: NDArray[np.uint8], k: int, draws: NDArray[np.float64]) -> list[int]:
    """Rows that greedy k-means++ starts from, given the uniform numbers that it uses."""
    n = len(bits)
    first, *rest = draws.tolist()
    seeds = [min(n - 1, int(first * n))]
    n_trials = len(rest) // max(1, k - 1)
    closest = (bits != bits[seeds[0]]).sum(axis=1)
    for c in range(k - 1):
        targets = np.array(rest[c * n_trials : (c + 1) * n_trials]) * closest.sum()
        rows = np.minimum(np.searchsorted(np.cumsum(closest), targets), n - 1)
        trials = [np.minimum(closest, (bits != bits[row]).sum(axis=1)) for row in rows]
        best = int(np.argmin([trial.sum() for trial in trials]))
        seeds.append(int(rows[best]))
        closest = trials[best]
    return seeds


def squared_distances(bits: NDArray[np.uint8], centers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Float64 [n, k], added up bit by bit, from the first to the last."""
    apart = (bits[:, np.newaxis].astype(float) - centers) ** 2
    return np.cumsum(apart, axis=2)[:, :, -1]


def lloyd(
    bits: NDArray[np.uint8], centers: NDArray[np.float64], max_iter: int, tol: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], float, int]:
    """Labels, centers, inertia and iterations of K-Means from given centers."""
    limit = tol * bits.var(axis=0).mean()
    labels = np.full(len(bits), -1)
    for n_iter in range(1, max_iter + 1):  # noqa: B007
        before, labels = labels, squared_distances(bits, centers).argmin(axis=1)
        moved = means(bits, labels, centers)
        shift = ((moved - centers) ** 2).sum()
        centers = moved
        settled = np.array_equal(before, labels)
        if settled or shift <= limit:
            break
    if not settled:
        labels = squared_distances(bits, centers).argmin(axis=1)
    inertia = ((bits - centers[labels]) ** 2).sum()
    return labels, centers, float(inertia), n_iter


def means(
    bits: NDArray[np.uint8], labels: NDArray[np.int64], centers: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Means of the clusters; an empty one gets one of the rows farthest from their centers."""
    k = len(centers)
    sums = np.array([bits[labels == j].sum(axis=0) for j in range(k)], float)
    sizes = np.bincount(labels, minlength=k)
    empty = np.flatnonzero(sizes == 0)
    distances = np.cumsum((bits - centers[labels]) ** 2, axis=1)[:, -1]
    if len(empty) and distances.max() > 0:
        for j, row in zip(empty, np.argsort(-distances, kind="stable"), strict=False):
            sums[labels[row]] -= bits[row]
            sizes[labels[row]] -= 1
            sums[j], sizes[j] = bits[row], 1
    source = np.where(sizes > 0, np.arange(k), sizes.argmax())
    return sums[source] / sizes[source, np.newaxis]


def logistic_gradient(
    bits: NDArray[np.uint8],
    second: NDArray[np.bool_],
    weights: NDArray[np.float64],
    intercept: float,
    c: float,
) -> NDArray[np.float64]:
    """Gradient, by weights and intercept, of the mean log loss and the penalty of one model."""
    residuals = 1 / (1 + np.exp(-(bits @ weights + intercept))) - second
    penalty = weights / (c * len(bits))
    return np.append(bits.T @ residuals / len(bits) + penalty, residuals.mean())


def chord_ends(
    z: NDArray[np.floating], u: NDArray[np.floating], limit: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Distances to the first switch behind and ahead, each with its unit (-1 at the limit)."""
    result = []
    with np.errstate(all="ignore"):
        t = np.abs(z).astype(float) / np.abs(u).astype(float)
    behind = (z > 0) == (u > 0)
    for side in (behind, ~behind):
        distance = np.where(side & (u != 0), t, np.inf)
        distance = np.concatenate([distance, np.full((len(z), 1), limit)], axis=1)
        nearest = distance.argmin(axis=1)
        blocked = distance[np.arange(len(z)), nearest] < limit
        result.append(distance.min(axis=1, initial=limit))
        result.append(np.where(blocked, nearest, -1))
    return tuple(result)


def cube(d: int) -> tuple[NDArray[np.float64], list[tuple[NDArray[np.int64], NDArray[np.int64]]]]:
    """The corners of [-1, 1]^d, and what bounds its edges, squares and so on up to itself.

    For each dimension, offsets and numbers of faces of one dimension less.
    """
    faces = [[f for f in product((-1, 1, 0), repeat=d) if f.count(0) == k] for k in range(d + 1)]
    bounds = []
    for wholes, parts in pairwise(faces[::-1]):
        place = {face: i for i, face in enumerate(parts)}
        found = [
            place[(*face[:j], end, *face[j + 1 :])]
            for face in wholes
            for j in range(d)
            if face[j] == 0
            for end in (-1, 1)
        ]
        n = len(found) // len(wholes)
        bounds.append((np.arange(0, len(found) + 1, n), np.array(found)))
    return np.array(faces[0], float), bounds[::-1]


def line_events(z: NDArray[np.float64]) -> list[tuple[int, float, int, bool]]:
    """(piece, weight, unit, inside) of each switch along the rows of z, sorted."""
    events = []
    for unit, values in enumerate(z.T):
        before = None  # whether it was on at the end of the piece before
        for piece, (a, b) in enumerate(pairwise(values)):
            crosses = (a > 0 > b) or (a < 0 < b)
            on = a > 0 or (a == 0 and b > 0)
            if before is not None and before != on:
                events.append((piece, 0.0, unit, False))
            if crosses:
                events.append((piece, abs(a) / (abs(a) + abs(b)), unit, True))
            before = on != crosses
    return sorted(events)


def dense_line(
    layers: list[
        tuple[NDArray[np.floating], NDArray[np.float64] | None, NDArray[np.float64], float]
    ],
    start: NDArray[np.float64],
    stop: NDArray[np.float64],
) -> tuple[list[tuple[float, int, int]], NDArray[np.bool_]]:
    """(t, layer, unit) of each switch of a dense network along a segment, and its first code.

    Layers are (weights, scale, shift, slope below 0); products are added up input by input.
    """
    t, h = np.array([0.0, 1.0]), np.stack([start, stop])
    found, codes = [], []
    for layer, (weights, scale, shift, slope) in enumerate(layers):
        z = np.cumsum(h[:, :, None] * weights.astype(float), axis=1)[:, -1]
        z = z * (1 if scale is None else scale) + shift
        codes.append((z[0] > 0) | ((z[0] == 0) & (z[1] > 0)))
        points = [[t[p], z[p].copy()] for p in range(len(t))]
        at, last = 0, None  # rows of points before, the new point before
        for piece, weight, unit, inside in line_events(z):
            if inside and (piece, weight) != last:
                last = (piece, weight)
                at += 1
                new_t = min(t[piece] + weight * (t[piece + 1] - t[piece]), t[piece + 1])
                points.insert(piece + at, [new_t, z[piece] + weight * (z[piece + 1] - z[piece])])
            row = points[piece + at]
            found.append((float(row[0]), layer, unit))
            if inside:
                row[1][unit] = 0
        t, z = np.array([a for a, _ in points]), np.stack([b for _, b in points])
        h = np.where(z > 0, z, slope * z)
    return sorted(found), np.concatenate(codes)


def exact_line_regions(
    layers: list[tuple[NDArray[np.floating], NDArray[np.floating]]],
    start: NDArray[np.floating],
    stop: NDArray[np.floating],
) -> list[tuple[Fraction, int, int]]:
    """(t, layer, unit) of each switch of a ReLU network along a segment, in rational arithmetic."""

    def affine_at(t: Fraction) -> list[list[tuple[Fraction, Fraction]]]:
        """Of each layer's pre-activations, near t, which is no breakpoint: constant and slope."""
        h = [
            (Fraction(float(a)), Fraction(float(b)) - Fraction(float(a)))
            for a, b in zip(start, stop, strict=True)
        ]
        result = []
        for kernel, bias in layers:
            z: list[tuple[Fraction, Fraction]] = []
            for j, offset in enumerate(bias):
                weights = [Fraction(float(w)) for w in kernel[:, j]]
                constant = sum(w * c for w, (c, _) in zip(weights, h, strict=True))
                slope = sum((w * s for w, (_, s) in zip(weights, h, strict=True)), Fraction(0))
                z.append((constant + Fraction(float(offset)), slope))
            result.append(z)
            h = [(c, s) if c + s * t > 0 else (Fraction(0), Fraction(0)) for c, s in z]
        return result

    edges = [Fraction(0), Fraction(1)]
    for layer in range(len(layers)):  # those of a layer are known once the layers before are
        found = set(edges)
        for a, b in pairwise(edges):
            for constant, slope in affine_at((a + b) / 2)[layer]:
                if slope != 0 and a < -constant / slope < b:
                    found.add(-constant / slope)
        edges = sorted(found)
    codes = []
    for a, b in pairwise(edges):
        middle = (a + b) / 2
        codes.append([[c + s * middle > 0 for c, s in z] for z in affine_at(middle)])
    return [
        (t, layer, unit)
        for t, before, after in zip(edges[1:-1], codes[:-1], codes[1:], strict=True)
        for layer in range(len(layers))
        for unit in range(len(before[layer]))
        if before[layer][unit] != after[layer][unit]
    ]


def cut_polygon(
    polygon: NDArray[np.float64], slopes: NDArray[np.float64], constants: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """The parts of a convex polygon between the lines `point @ slopes + constants = 0`."""
    parts = [polygon]
    for slope, constant in zip(slopes.T, constants, strict=True):
        halves = []
        for part in parts:
            values = part @ slope + constant
            values[np.abs(values) < 1e-9] = 0
            if not (values.min(initial=0) < 0 < values.max(initial=0)):
                halves.append(part)
                continue
            for side in (values, -values):
                half = []
                for i, (p, a) in enumerate(zip(part, side, strict=True)):
                    q, b = part[(i + 1) % len(part)], side[(i + 1) % len(part)]
                    if a >= 0:
                        half.append(p)
                    if a * b < 0:
                        half.append(p + a / (a - b) * (q - p))
                halves.append(np.array(half))
        parts = halves
    return parts


def area(polygon: NDArray[np.float64]) -> float:
    """The area of a polygon, by the shoelace formula."""
    x, y = (polygon - polygon[0]).T
    return abs(float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))) / 2


def information_bounds(
    z: NDArray, y: NDArray | None = None, noise_variance: float = 0.1
) -> tuple[float, float, float, float]:
    """x_lower, x_upper, y_lower, y_upper in nats, from the matrix of all distances."""
    z = np.asarray(z, np.float64)
    distance = np.square(z[:, None] - z[None]).sum(axis=2)
    x_bounds, y_bounds = [], []
    for factor in (8, 2):
        near = np.exp(-distance / (factor * noise_variance))
        x_bounds.append(-np.log(near.mean(axis=1)).mean())
        within = 0.0
        for label in [] if y is None else np.unique(y):
            own = near[np.ix_(y == label, y == label)]
            within += np.mean(y == label) * -np.log(own.mean(axis=1)).mean()
        y_bounds.append(np.nan if y is None else max(0.0, x_bounds[-1] - within))
    return (*x_bounds, *y_bounds)


def characteristics(z: NDArray) -> dict[str, float]:
    """Choi et al., Table 1, pair by pair."""
    z = np.asarray(z, np.float64)
    d = z.shape[1]
    covariances, correlations = [], []
    for i in range(d):
        for j in range(d):
            both = (z[:, i] > 0) & (z[:, j] > 0)
            if i == j or both.sum() < 2:
                continue
            a, b = z[both, i], z[both, j]
            covariances.append(np.mean((a - a.mean()) * (b - b.mean())))
            if np.ptp(a) > 0 and np.ptp(b) > 0:
                correlations.append(np.corrcoef(a, b)[0, 1])
    c = np.atleast_2d(np.cov(z.T, bias=True))
    values = np.linalg.eigvalsh(c)
    return {
        "amplitude": np.mean([u[u > 0].mean() for u in z.T if (u > 0).any()]),
        "covariance": np.mean(covariances) if covariances else np.nan,
        "correlation": np.mean(correlations) if correlations else np.nan,
        "absolute_covariance": np.mean(np.abs(covariances)) if covariances else np.nan,
        "absolute_correlation": np.mean(np.abs(correlations)) if correlations else np.nan,
        "sparsity": np.mean(z == 0),
        "dead_units": np.mean((z == 0).all(axis=0)),
        "stable_rank": np.square(values).sum() / values.max() ** 2,
    }
