"""What comes through the boundary of the kernels: numbers, arrays and words that make no sense.

No input may make a kernel read or write out of bounds. The build of `.ci/sanitize` sees it where
it does; here it would be a crash, or a result that depends on bits that are none.
"""

import contextlib
import threading
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest

from tfhash import Codes, _native

HUGE = 2**63 - 1
HUGE32 = 2**31 - 1
N, N_BITS = 300, 70
RNG = np.random.default_rng(0)
BITS = RNG.integers(0, 2, (N, N_BITS), np.uint8)
WORDS = Codes.from_bits(BITS).words
LABELS = (np.arange(N) % 3).astype(np.int32)
CENTERS = RNG.random((5, N_BITS))
WEIGHTS, INTERCEPTS = RNG.normal(size=(3, N_BITS)), RNG.normal(size=3)
X = np.ones((N, 50), np.float32)
SQUARE = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
OFFSETS, CORNERS, WITHIN = np.array([0, 4]), np.arange(4), np.full(2, 1e-12)


def out(n=N, n_words=2):
    return np.zeros((n, n_words), np.uint64)


def kmeans(words=WORDS, n_bits=N_BITS, k=3, draws=None, max_iter=9, tol=1e-4, resident=1 << 20):
    draws = np.linspace(0, 0.99, 7)[np.newaxis] if draws is None else draws
    return _native.kmeans(words, n_bits, k, draws, max_iter, tol, resident)


def fit(words=WORDS, n_bits=N_BITS, labels=LABELS, n_classes=3, c=1.0, tol=1e-4, n=50, wide=False):
    return _native.fit_one_vs_one(words, n_bits, labels, n_classes, c, tol, n, wide)


def dense(weights, shift=None, scale=None, ends=None, most=100):
    shift = np.zeros(weights.shape[1]) if shift is None else shift
    ends = np.zeros((2, weights.shape[0])) if ends is None else ends
    return _native.dense_lines([(weights, scale, shift, 0.0)], ends, most)


def local(kind="windows", table=((0, 1),), n_values=2, ends=None, n_states=0, **changes):
    step = {"kind": kind, "inputs": [0], "output": 1, "n_pixels": 1, "n_channels": 2}
    step |= {"table": np.array(table, np.int32), "n_inputs": 1, "weights": None}
    step |= {"channel_weights": None, "scale": None, "shift": None, "layer": 0, "first_state": 0}
    step |= {"signs": [1.0], "sign": 1.0, "kinks": [np.zeros(1)]}
    step |= {"slopes": [np.zeros(1), np.ones(1)], "offsets": [np.zeros(1)] * 2}
    ends = np.zeros((2, 2)) if ends is None else ends
    return _native.local_lines([step | changes], n_values, 2, ends, 100, n_states)


def chords(layer, first_unit):
    z = np.ones((2, 3))
    return _native.reduce_chords(
        z, z, layer, first_unit, *np.ones((2, 2)), *np.zeros((2, 2, 2), np.int64)
    )


def cut_cells(values=None, columns=(0,), tolerances=(0.0,), edges=(0, 1, 1, 2, 2, 3, 3, 0), **rest):
    """Of a square with its edges."""
    return _native.cut_cells(
        SQUARE if values is None else values,
        np.array(columns, np.int64),
        np.array(tolerances),
        [
            (np.arange(0, len(edges) + 1, 2), np.array(edges, np.int64)),
            (np.array(rest.get("offsets", [0, 4]), np.int64), np.arange(4)),
        ],
        100,
    )


# What is changed of a call of local_lines that is right.
LOCAL: tuple[dict[str, Any], ...] = (
    {"table": ((0, 2),)},
    {"table": ((0, HUGE32),)},
    {"table": ((0,),)},
    {"table": ((0, 1), (0, 1))},
    {"inputs": []},
    {"inputs": [1]},
    {"inputs": [-1]},
    {"inputs": [HUGE]},
    {"output": 0},
    {"output": 2},
    {"output": -1},
    {"n_values": 0},
    {"n_values": HUGE},
    {"n_inputs": 0},
    {"n_inputs": 3},
    {"n_channels": 3},
    {"n_channels": 0},
    {"n_pixels": HUGE},
    {"scale": np.ones(3)},
    {"weights": np.ones((2, 3))},
    {"weights": np.ones((3, 2), np.float32)},
    {"channel_weights": np.ones((1, 2))},
    {"kind": "join"},
    {"kind": "sum"},
    {"kind": "sum", "signs": []},
    {"kind": "activation"},
    {"kind": "activation", "n_pixels": 2, "n_channels": 1, "n_states": 1},
    {"kind": "activation", "n_pixels": 2, "n_channels": 1, "n_states": 2, "kinks": []},
    {
        "kind": "activation",
        "n_pixels": 2,
        "n_channels": 1,
        "n_states": 2,
        "first_state": -1,
    },
    {"kind": "maximum"},
    {"kind": "maximum", "n_channels": 1, "table": ((-1, -1),)},
    {"kind": "nothing"},
    {"ends": np.zeros((3, 2))},
    {"ends": np.zeros((2, 3))},
)
REFUSED: dict[str, Callable[[], object]] = {
    **{
        f"pack start={start}": partial(_native.pack, X, out(), start, 0)
        for start in (-1, 79, HUGE, -HUGE)
    },
    **{f"pack row_base={base}": partial(_native.pack, X, out(), 0, base) for base in (-1, HUGE)},
    **{
        f"copy_bits {span}": partial(
            _native.copy_bits, WORDS, N_BITS, span[0], span[1], out(), span[2]
        )
        for span in (
            (HUGE, 1, 0),
            (0, HUGE, 0),
            (0, 70, HUGE - 9),
            (0, 70, 59),
            (1, 70, 0),
            (-1, 1, 0),
            (0, -1, 0),
            (0, 1, -1),
            (0, -HUGE, HUGE),
        )
    },
    **{
        f"{kernel.__name__} n_bits={n_bits}": partial(kernel, WORDS, n_bits)
        for kernel in (_native.region_ids, kmeans, fit)
        for n_bits in (-1, -HUGE - 1, 0, 64, 129, HUGE, HUGE - 63)
    },
    **{
        f"knn k={k}": partial(_native.hamming_knn, WORDS, WORDS, N_BITS, k)
        for k in (0, -1, 301, HUGE)
    },
    "varying_bits of none": partial(_native.varying_bits, [], N_BITS),
    "varying_bits of two widths": partial(_native.varying_bits, [WORDS, out(3, 1)], N_BITS),
    **{
        f"keep_bits {bits}": partial(_native.keep_bits, WORDS, N_BITS, np.array(bits), out(N, 1))
        for bits in ([-1], [70], [HUGE], [3, 3], [4, 3], [[3]])
    },
    **{
        f"kmeans draws of {draw}": partial(kmeans, draws=np.full((1, 7), draw))
        for draw in (np.nan, np.inf, -1e9, -1e-9, 1.0, 1e300)
    },
    **{f"kmeans k={k}": partial(kmeans, k=k) for k in (0, -1, 301, HUGE, -HUGE)},
    **{f"kmeans tol={tol}": partial(kmeans, tol=tol) for tol in (np.nan, -1.0, np.inf)},
    **{f"kmeans max_iter={n}": partial(kmeans, max_iter=n) for n in (0, -HUGE)},
    "kmeans resident=-1": partial(kmeans, resident=-1),
    **{f"fit n_classes={n}": partial(fit, n_classes=n) for n in (0, 1, 2, 4, 301, 2**33, HUGE)},
    **{f"fit c={c}": partial(fit, c=c) for c in (0.0, -1.0, np.nan, np.inf)},
    **{f"fit tol={tol}": partial(fit, tol=tol) for tol in (-1.0, np.nan)},
    "fit max_iter=0": partial(fit, n=0),
    "fit labels of -1": partial(fit, labels=LABELS - 1),
    "fit too few labels": partial(fit, labels=LABELS[1:]),
    "class_votes of more classes": partial(
        _native.class_votes, WORDS, N_BITS, WEIGHTS, INTERCEPTS, 4
    ),
    "class_votes n_classes=HUGE": partial(
        _native.class_votes, WORDS, N_BITS, WEIGHTS, INTERCEPTS, HUGE
    ),
    **{
        f"chords {where}": partial(chords, *where)
        for where in ((-1, 0), (0, -1), (0, HUGE - 2), (-HUGE, 0))
    },
    **{
        f"blend_rows {piece}": partial(
            _native.blend_rows, np.zeros((6, 10)), np.array(piece), np.full(len(piece), 0.5)
        )
        for piece in ([HUGE], [-HUGE], [5], [-1], [3, 2], [0, HUGE])
    },
    "blend_rows of one row": partial(
        _native.blend_rows, np.zeros((1, 10)), np.array([0]), np.array([0.5])
    ),
    "dense_lines without inputs": partial(dense, np.zeros((0, 16))),
    "dense_lines without units": partial(dense, np.zeros((3, 0))),
    "dense_lines most_points=-1": partial(dense, np.zeros((3, 2)), most=-1),
    **{f"local_lines {changes}": partial(local, **changes) for changes in LOCAL},
    "dense_lines layers that are none": partial(
        _native.dense_lines,
        [None],  # type: ignore[list-item]
        np.zeros((2, 3)),
        100,
    ),
    "line_events of infinities": partial(_native.line_events, np.array([[-np.inf], [np.inf]])),
    **{
        f"cut_cells {changes}": partial(cut_cells, **changes)
        for changes in (
            *({"columns": [column]} for column in (-1, 2, HUGE)),
            *({"edges": [*edges, 2, 3, 3, 0]} for edges in ([0, 1, 1, n] for n in (4, -1, HUGE))),
            {"edges": [0, 1, 1, 2, 2, 3]},
            *({"offsets": offsets} for offsets in ([], [4], [0, 3], [0, HUGE], [1, 4], [0, -1, 4])),
            {"tolerances": [0.0, 0.0]},
            {"values": np.zeros(4)},
            {"values": np.zeros((0, 2))},
        )
    },
    "cut_polygons of infinities": partial(
        _native.cut_polygons, np.inf * SQUARE, WITHIN, OFFSETS, CORNERS
    ),
    **{
        f"{kernel.__name__} {offsets} {corners}": partial(
            kernel, SQUARE, WITHIN, np.array(offsets, np.int64), np.array(corners)
        )
        for kernel in (_native.cut_polygons, _native.polygon_codes)
        for offsets, corners in (
            ([0, 4], [0, 1, 2, 4]),
            ([0, 4], [0, 1, 2, -1]),
            ([0, 4], [0, 1, 2, HUGE]),
            ([0, HUGE, 4], [0, 1, 2, 3]),
            ([0, -HUGE - 1, HUGE, 4], [0, 1, 2, 3]),
            ([0, 2, 4], [0, 1, 2, 3]),
            ([1, 4], [0, 1, 2, 3]),
            ([], [0, 1, 2, 3]),
        )
    },
    **{
        f"blend_points {ends}": partial(
            _native.blend_points,
            SQUARE,
            np.array([ends[0]]),
            np.array([ends[1]]),
            np.array([0.5]),
            np.array([4]),
            np.array([0]),
        )
        for ends in ((0, 4), (4, 0), (-1, 0), (0, HUGE), (-HUGE, 0))
    },
}


@pytest.mark.parametrize("case", REFUSED)
def test_numbers_that_make_no_sense_are_refused(case):
    with pytest.raises(ValueError, match="Expected"):
        REFUSED[case]()


def test_zeros_at_hostile_places_change_nothing():
    values = np.zeros((6, 10))
    unit = _native.blend_points(
        values, np.array([0]), np.array([1]), np.array([0.5]), np.array([6]), np.array([HUGE])
    )
    assert unit.shape == (7, 10)
    words = out(3)
    _native.pack(np.ones((3, 0)), words, 128, 0)
    assert not words.any()


# ---- bits past n_bits ------------------------------------------------------------------------


def dirty(words, n_bits, seed=0):
    """The same codes, with random bits past the last."""
    noise = np.random.default_rng(seed).integers(0, 2**63, len(words), np.uint64)
    copy = words.copy()
    copy[:, -1] |= noise << np.uint64(n_bits % 64)
    assert (copy != words).any()
    return copy


def results(words, n_bits, labels, k):
    n = len(words)
    draws = np.random.default_rng(0).random((2, 1 + (k - 1) * 3))
    yield from _native.region_ids(words, n_bits)
    yield _native.varying_bits([words, words[: n // 2]], n_bits)
    kept = np.arange(0, n_bits, 2)
    packed = out(n, -(-len(kept) // 64))
    _native.keep_bits(words, n_bits, kept, packed)
    yield packed
    copied = out(n, words.shape[1] + 1)
    _native.copy_bits(words, n_bits, 0, n_bits, copied, 3)
    yield copied
    yield from _native.hamming_knn(words, words[: n // 3], n_bits, 3)
    yield from _native.knn_graph(words, n_bits, 3)
    yield from map(
        np.asarray,
        _native.radius_pairs(words, words[: n // 3], n_bits, n_bits // 3, False, 0, 1000),
    )
    for resident in (0, 1 << 28):
        *found, seeds = _native.kmeans(words, n_bits, k, draws, 20, 1e-4, resident)
        yield from (*map(np.asarray, found), seeds)
    rng = np.random.default_rng(1)
    assigned = np.empty(n, np.int32)
    yield np.array(_native.kmeans_assign(words, n_bits, rng.random((k, n_bits)), assigned))
    yield assigned
    for wide in (False, True):
        yield from _native.fit_one_vs_one(words, n_bits, labels, 3, 1.0, 1e-4, 50, wide)
    weights, intercepts = rng.normal(size=(3, n_bits)), rng.normal(size=3)
    yield _native.linear_scores(words, n_bits, weights, intercepts)
    yield _native.class_votes(words, n_bits, weights, intercepts, 3)


@pytest.mark.parametrize("n, n_bits", ((600, 1), (300, 63), (600, 65), (90, 500), (40, 4133)))
def test_bits_past_the_last_change_nothing(n, n_bits):
    rng = np.random.default_rng(n_bits)
    words = Codes.from_bits(rng.integers(0, 2, (n, n_bits), np.uint8)).words
    words = words[rng.integers(0, n // 2, n)]  # repeats
    labels = (np.arange(n) % 3).astype(np.int32)
    clean = results(words, n_bits, labels, 4)
    for expected, got in zip(clean, results(dirty(words, n_bits), n_bits, labels, 4), strict=True):
        np.testing.assert_array_equal(got, expected)


# ---- alignment -------------------------------------------------------------------------------


def misaligned(a):
    """The same array one byte past where its numbers should begin."""
    room = np.empty(a.nbytes + 1, np.uint8)
    shifted = room[1:].view(a.dtype).reshape(a.shape)
    shifted[...] = a
    assert not shifted.flags.aligned and shifted.flags.c_contiguous
    return shifted


def test_inputs_that_are_not_aligned_are_read_all_the_same():
    words = misaligned(WORDS)
    for got, expected in zip(
        results(words, N_BITS, misaligned(LABELS), 4),
        results(WORDS, N_BITS, LABELS, 4),
        strict=True,
    ):
        np.testing.assert_array_equal(got, expected)
    z = RNG.normal(size=(9, 30))
    for got, expected in zip(
        _native.line_events(misaligned(z)), _native.line_events(z), strict=True
    ):
        np.testing.assert_array_equal(got, expected)
    packed = out(9, 1), out(9, 1)
    _native.pack(misaligned(z), packed[0], 0, 0)
    _native.pack(z, packed[1], 0, 0)
    np.testing.assert_array_equal(*packed)
    weights, shift, ends = RNG.normal(size=(3, 20)), RNG.normal(size=20), RNG.normal(size=(4, 3))
    for dtype in (np.float32, np.float64):
        typed = weights.astype(dtype)
        for got, expected in zip(
            dense(misaligned(typed), misaligned(shift), misaligned(shift), misaligned(ends)),
            dense(typed, shift, shift, ends),
            strict=True,
        ):
            np.testing.assert_array_equal(got, expected)


def test_outputs_that_are_not_aligned_or_read_only_are_refused():
    frozen = out()
    frozen.flags.writeable = False
    for bad, message in ((misaligned(out()), "aligned"), (frozen, "writeable")):
        with pytest.raises(ValueError, match=message):
            _native.pack(X, bad, 0, 0)
        with pytest.raises(ValueError, match=message):
            _native.copy_bits(WORDS, N_BITS, 0, 9, bad, 0)
        with pytest.raises(ValueError, match=message):
            _native.keep_bits(WORDS, N_BITS, np.arange(70), bad)
    with pytest.raises(ValueError, match="aligned"):
        _native.kmeans_assign(WORDS, N_BITS, CENTERS, misaligned(LABELS))
    z, units = np.ones((2, 3)), np.zeros((2, 2), np.int64)
    with pytest.raises(ValueError, match="aligned"):
        _native.reduce_chords(z, z, 0, 0, misaligned(np.ones(2)), np.ones(2), units, units.copy())


@pytest.mark.parametrize("dtype", (">u8", "<i8", "<f8", "<u4"))
def test_words_of_another_type_are_refused(dtype):
    words = WORDS.astype(dtype)
    for call in (
        lambda: _native.region_ids(words, N_BITS),
        lambda: _native.varying_bits([words], N_BITS),
        lambda: _native.hamming_knn(WORDS, words, N_BITS, 1),
        lambda: fit(words),
    ):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            call()


# ---- arrays that change meanwhile ------------------------------------------------------------


@contextmanager
def writing(write):
    """Calls write(i) from another thread, over and over."""
    stop = threading.Event()

    def run():
        i = 0
        while not stop.is_set():
            write(i)
            i += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.full
@pytest.mark.parametrize("n, n_bits", ((4096, 1), (3000, 70), (500, 1000)))
def test_words_that_change_meanwhile_lead_nowhere(n, n_bits):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 2**63, (3, n, -(-n_bits // 64)), np.uint64)
    words = noise[0].copy()
    labels = (np.arange(n) % 3).astype(np.int32)

    def write(i):
        words[:] = noise[i % 3]

    with writing(write):
        for _ in range(3):
            for array in results(words, n_bits, labels, 20):
                if array.dtype == np.int32 and array.size:
                    assert array.min() >= 0 and array.max() <= max(64 * words.shape[1], n)


def test_indices_that_change_meanwhile_are_those_of_the_call():
    labels = np.tile(LABELS, 10)
    words = np.tile(WORDS, (10, 1))
    polygons = np.tile(CORNERS, 3000)
    offsets = np.arange(0, len(polygons) + 1, 4)
    pieces = np.zeros(20_000, np.int64)

    def write(i):
        for array in (labels, polygons, pieces):
            array[-1] = 1 << 30 if i % 2 else 0

    calls = (
        lambda: fit(words, labels=labels),
        lambda: _native.cut_polygons(SQUARE, WITHIN, offsets, polygons),
        lambda: _native.blend_rows(SQUARE, pieces, np.full(len(pieces), 0.5)),
    )
    with writing(write):
        for _ in range(30):
            for call in calls:
                # An index is checked and then used: an array that changes between must not matter.
                with contextlib.suppress(ValueError):
                    call()


@pytest.mark.parametrize("dtype", (np.float32, np.float64, np.uint8))
def test_a_bad_value_that_is_put_right_meanwhile_is_not_looked_for_elsewhere(dtype):
    # A copy of many bytes may take some from before a write and some from after it. Of 0 and
    # infinity no mixture, byte by byte, is another value that is not finite; of 1 and NaN one is.
    x = np.zeros((4, 300_000), dtype)
    bad = 2 if dtype is np.uint8 else np.inf

    def write(i):
        x[3, 5] = bad if i % 2 else 0

    with writing(write):
        for _ in range(60):
            packed = out(4, -(-x.shape[1] // 64))
            try:
                _native.pack(x, packed, 0, 0)
            except ValueError as error:
                assert str(error).endswith(f"Received: {bad} at row 3, column 5.")
            else:
                assert packed[3, 0] in (0, 2**5)
