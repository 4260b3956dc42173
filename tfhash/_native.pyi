"""The kernels. Arrays are C-contiguous and of exactly the dtypes stated here."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint64]

def set_num_threads(n: int) -> None: ...
def get_num_threads() -> int: ...
def isa() -> str: ...
def available_isas() -> list[str]: ...
def pack(x: NDArray[Any], out: Words, start: int, row_base: int) -> None: ...
def copy_bits(words: Words, n_bits: int, start: int, count: int, out: Words, to: int) -> None: ...
def region_ids(words: Words, n_bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
def hamming_knn(
    database: Words, queries: Words, n_bits: int, k: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]: ...
def kmeans(
    words: Words,
    n_bits: int,
    k: int,
    draws: NDArray[np.float64],
    max_iter: int,
    tol: float,
) -> tuple[NDArray[np.int32], NDArray[np.float64], float, int, NDArray[np.int64]]: ...
def kmeans_assign(
    words: Words, n_bits: int, centers: NDArray[np.float64], labels: NDArray[np.int32]
) -> float: ...
def fit_one_vs_one(
    words: Words,
    n_bits: int,
    labels: NDArray[np.int32],
    n_classes: int,
    c: float,
    tol: float,
    max_iter: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]: ...
def linear_scores(
    words: Words,
    n_bits: int,
    weights: NDArray[np.float64],
    intercepts: NDArray[np.float64],
) -> NDArray[np.float64]: ...
