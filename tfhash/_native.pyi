"""The kernels. Arrays are C-contiguous and of exactly the dtypes stated here."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint64]
Progress: TypeAlias = Callable[[float, str], None] | None

def set_num_threads(n: int) -> None: ...
def get_num_threads() -> int: ...
def isa() -> str: ...
def available_isas() -> list[str]: ...
def pack(x: NDArray[Any], out: Words, start: int, row_base: int) -> None: ...
def copy_bits(words: Words, n_bits: int, start: int, count: int, out: Words, to: int) -> None: ...
def region_ids(
    words: Words, n_bits: int, progress: Progress = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
def group_by_hash(
    words: Words, n_bits: int, salt: int, bits: int, out: Words
) -> NDArray[np.int64]: ...
def keep_distinct(rows: Words, n: int, salt: int, scratch: Words) -> int: ...
def varying_bits(parts: Sequence[Words], n_bits: int) -> NDArray[np.int64]: ...
def keep_bits(words: Words, n_bits: int, kept: NDArray[np.int64], out: Words) -> None: ...
def reduce_chords(
    z: NDArray[Any],
    u: NDArray[Any],
    layer: int,
    first_unit: int,
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    lower_unit: NDArray[np.int64],
    upper_unit: NDArray[np.int64],
) -> int: ...
def hamming_knn(
    database: Words, queries: Words, n_bits: int, k: int, progress: Progress = None
) -> tuple[NDArray[np.int32], NDArray[np.int64]]: ...
def knn_graph(
    words: Words, n_bits: int, k: int, progress: Progress = None
) -> tuple[NDArray[np.int32], NDArray[np.int64]]: ...
def radius_pairs(
    database: Words,
    queries: Words,
    n_bits: int,
    radius: int,
    later: bool,
    first_query: int,
    max_pairs: int,
    progress: Progress = None,
) -> tuple[int, NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]: ...
def line_events(
    z: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]: ...
def blend_rows(
    values: NDArray[np.float64], piece: NDArray[np.int64], weight: NDArray[np.float64]
) -> NDArray[np.float64]: ...
def dense_lines(
    layers: list[tuple[NDArray[Any], NDArray[np.float64] | None, NDArray[np.float64], float]],
    ends: NDArray[np.float64],
    most_points: int,
) -> tuple[
    NDArray[np.uint8],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.int64],
    NDArray[np.bool_],
]: ...
def nonnegative_fit(
    columns: NDArray[np.float64], wanted: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def nearest_point(
    normals: NDArray[np.float64], distances: NDArray[np.float64], equal: int = -1
) -> NDArray[np.float64] | None: ...
def largest_ball(
    normals: NDArray[np.float64], distances: NDArray[np.float64], cap: float
) -> tuple[NDArray[np.float64], float] | None: ...
def settle_facets(
    normals: NDArray[np.float64],
    distances: NDArray[np.float64],
    known: NDArray[np.bool_],
    open: NDArray[np.bool_],
    clear: float,
) -> NDArray[np.bool_]: ...
def unit_sides(
    layer: int,
    slopes: NDArray[np.float64],
    values: NDArray[np.float64],
    above: NDArray[np.bool_] | None,
    counts: NDArray[np.bool_] | None,
    x: NDArray[np.float64],
    rounding: float,
) -> (
    tuple[
        NDArray[np.float64],
        NDArray[np.float64],
        NDArray[np.int64],
        NDArray[np.int64],
        NDArray[np.int64],
    ]
    | None
): ...
def distinct_half_spaces(
    rows: NDArray[np.float64], offsets: NDArray[np.float64], x: NDArray[np.float64], same: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]: ...
def holding_in_box(
    normals: NDArray[np.float64],
    offsets: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> NDArray[np.bool_]: ...
def sides_met(
    products: NDArray[np.float64],
    distances: NDArray[np.float64],
    rays: NDArray[np.float64],
    below: NDArray[np.float64],
    above: NDArray[np.float64],
    clear: float,
) -> NDArray[np.bool_]: ...
def face_bounds(
    cosines: NDArray[np.float64],
    faces: NDArray[np.float64],
    places: NDArray[np.int64],
    slack: NDArray[np.float64],
    highs: NDArray[np.int64],
    lows: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]: ...
def local_lines(
    steps: list[dict[str, Any]],
    n_values: int,
    input_pixels: int,
    ends: NDArray[np.float64],
    most_bytes: int,
    n_states: int,
) -> tuple[
    list[tuple[int, NDArray[np.float64], NDArray[np.int64]]],
    NDArray[np.bool_],
]: ...
def dense_plane(
    layers: list[tuple[NDArray[Any], NDArray[np.float64] | None, NDArray[np.float64], float]],
    window: NDArray[np.float64],
    inputs: NDArray[np.float64],
    patch_bytes: int,
) -> (
    tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], list[NDArray[np.uint64]]]
    | None
): ...
def cut_cells(
    values: NDArray[np.float64],
    columns: NDArray[np.int64],
    tolerances: NDArray[np.float64],
    bounds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    most_cells: int,
) -> (
    tuple[
        NDArray[np.float64],
        list[tuple[NDArray[np.int64], NDArray[np.int64]]],
        NDArray[np.int64],
        NDArray[np.bool_],
    ]
    | None
): ...
def cut_polygons(
    z: NDArray[np.float64],
    tolerance: NDArray[np.float64],
    offsets: NDArray[np.int64],
    corners: NDArray[np.int64],
) -> tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
]: ...
def blend_points(
    values: NDArray[np.float64],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    weight: NDArray[np.float64],
    zero_point: NDArray[np.int64],
    zero_unit: NDArray[np.int64],
) -> NDArray[np.float64]: ...
def polygon_codes(
    z: NDArray[np.float64],
    tolerance: NDArray[np.float64],
    offsets: NDArray[np.int64],
    corners: NDArray[np.int64],
) -> Words: ...
def kmeans(
    words: Words,
    n_bits: int,
    k: int,
    draws: NDArray[np.float64],
    max_iter: int,
    tol: float,
    resident_bytes: int,
    progress: Progress = None,
) -> tuple[NDArray[np.int32], NDArray[np.float64], float, int, NDArray[np.int64]]: ...
def kmeans_assign(
    words: Words,
    n_bits: int,
    centers: NDArray[np.float64],
    labels: NDArray[np.int32],
    progress: Progress = None,
) -> float: ...
def fit_one_vs_one(
    words: Words,
    n_bits: int,
    labels: NDArray[np.int32],
    n_classes: int,
    c: float,
    tol: float,
    max_iter: int,
    wide: bool,
    progress: Progress = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]: ...
def class_votes(
    words: Words,
    n_bits: int,
    weights: NDArray[np.float64],
    intercepts: NDArray[np.float64],
    n_classes: int,
    progress: Progress = None,
) -> NDArray[np.float64]: ...
def linear_scores(
    words: Words,
    n_bits: int,
    weights: NDArray[np.float64],
    intercepts: NDArray[np.float64],
    progress: Progress = None,
) -> NDArray[np.float64]: ...
def affinity_sums(
    z: NDArray[Any],
    units: NDArray[np.int64],
    scale: float,
    labels: NDArray[np.int64],
    progress: Progress = None,
) -> NDArray[np.float64]: ...
