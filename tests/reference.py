"""Plain NumPy oracles: the obvious way to compute what the kernels compute."""

import numpy as np
from numpy.typing import NDArray

# Sizes that hit the tails of words (64), vectors (8, 16, 32, 64 elements) and blocks.
BIT_SIZES = (1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 511, 512, 513, 1000)
ROW_SIZES = (0, 1, 2, 7, 8, 9, 63, 64, 65)


def random_bits(n: int, n_bits: int, seed: int = 0, repeats: float = 0.0) -> NDArray[np.uint8]:
    """uint8 [n, n_bits] of fair bits; a share ``repeats`` of the rows are copies of others."""
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
