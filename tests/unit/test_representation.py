"""Characteristics and mutual information against the obvious NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

import reference
from processes import memory_grown
from tfhash.representation import (
    Statistics,
    mutual_information,
    noise_sweep,
    stable_rank,
    statistics,
)

NAMES = ("amplitude", "covariance", "correlation", "sparsity", "dead_units", "stable_rank")


def relu(n, d, seed=0, mean=0.0, dtype=np.float64):
    z = np.random.default_rng(seed).normal(mean, 1, (n, d))
    return np.maximum(z, 0).astype(dtype)


def summed(*batches):
    s = Statistics(batches[0].shape[1])
    for batch in batches:
        s.update(batch)
    return s


def check(result, z):
    for name, value in reference.characteristics(z).items():
        np.testing.assert_allclose(getattr(result, name), value, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
@pytest.mark.parametrize("mean", (-1.5, 0.0, 3.0))
def test_characteristics(dtype, mean):
    z = relu(60, 9, mean=mean, dtype=dtype)
    z[:, 3], z[:, 4] = 0, np.where(z[:, 5] > 0, 2, 0)  # dead, and constant where it is positive
    result = summed(z).result()
    check(result, z)
    assert result.constant_units.tolist() == [4]
    assert (result.n, result.n_units) == (60, 9)


def test_characteristics_of_linear_units():
    z = np.random.default_rng(1).normal(size=(80, 6))
    check(summed(z).result(), z)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(1, 6), st.randoms())
def test_batches_in_any_order_and_any_sizes(sizes, d, random):
    parts = [relu(n, d, seed) for seed, n in enumerate([*sizes, 3])]
    whole = summed(np.concatenate(parts)).result()
    random.shuffle(parts)
    cut = random.randint(0, len(parts))
    one, other = Statistics(d), Statistics(d)
    for i, part in enumerate(parts):
        (one if i < cut else other).update(part)
    one.merge(other)
    merged = one.result()
    assert merged.n == whole.n
    for name in NAMES:
        np.testing.assert_allclose(
            getattr(merged, name), getattr(whole, name), rtol=1e-9, atol=1e-12
        )


def test_large_batches_are_cut(monkeypatch):
    z = relu(500, 5)
    whole = summed(z).result()
    monkeypatch.setattr(statistics, "CHUNK", 5)
    monkeypatch.setattr(statistics, "LEAST_ROWS", 64)
    check(summed(z).result(), z)
    assert summed(z).result().sparsity == whole.sparsity


def test_blocks_of_units_are_all_pairs(monkeypatch):
    monkeypatch.setattr(statistics, "BLOCK", 5)
    z = relu(60, 23)
    check(summed(z[:40], z[40:]).result(), z)


@pytest.mark.full
def test_the_result_takes_two_matrices_beside_the_sums():
    """Of 3,000 units a matrix is 72 MB: five of sums, two for the result, and what is in blocks."""
    before = """
from tfhash.representation import Statistics
z = np.maximum(np.random.default_rng(0).normal(size=(512, 3000)), 0)
"""
    grown = memory_grown(before, "s = Statistics(3000); s.update(z); s.result()")
    assert grown < 9.5 * 3000**2 * 8  # twice as much where all pairs are worked on at once


def test_narrow_layers_are_multiplied_by_one_thread(monkeypatch):
    """Threads would wait for one another; what they are outside of it is as before."""
    seen = []
    add = Statistics._add

    def threads():
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    def spied(self, z):
        seen.append(threads())
        add(self, z)

    monkeypatch.setattr(Statistics, "_add", spied)
    before = threads()
    for d in (statistics.NARROW, statistics.NARROW + 1):
        Statistics(d).update(np.ones((3, d)))
    assert seen == [[1] * len(before), before] and threads() == before


def test_wide_layers_are_sampled(monkeypatch):
    monkeypatch.setattr(statistics, "MOST_UNITS", 30)
    monkeypatch.setattr(statistics, "SAMPLED_UNITS", 20)
    z = relu(400, 60) + np.maximum(np.random.default_rng(5).normal(size=(400, 1)), 0)
    result, exact = summed(z).result(), reference.characteristics(z)
    for name in ("amplitude", "sparsity", "dead_units"):
        np.testing.assert_allclose(getattr(result, name), exact[name])
    np.testing.assert_allclose(result.correlation, exact["correlation"], atol=0.05)


def test_stable_rank_by_power_iteration_and_by_eigenvalues():
    z = np.random.default_rng(0).normal(size=(50, 1200))
    covariance = z.T @ z / 50
    values = np.linalg.eigvalsh(z @ z.T / 50)
    np.testing.assert_allclose(
        stable_rank(covariance), np.square(values).sum() / values[-1] ** 2, rtol=1e-8
    )
    assert np.isnan(stable_rank(np.zeros((3, 3))))
    for scale in (1e-200, 1e200):
        assert stable_rank(scale * np.diag([3.0, 4.0])) == pytest.approx(25 / 16)


def test_what_has_no_value_is_nan():
    result = summed(np.zeros((4, 3))).result()
    assert result.dead_units == result.sparsity == 1
    assert all(
        np.isnan(getattr(result, name))
        for name in NAMES
        if "d" not in name[:1] and name not in ("sparsity",)
    )
    constant = summed(np.full((5, 2), 7.3)).result()
    assert np.isnan(constant.correlation) and np.isnan(constant.stable_rank)
    assert constant.constant_units.tolist() == [0, 1]


@pytest.mark.parametrize("units", [(0.1, 0.3), (0.2, 0.9)])
@pytest.mark.parametrize("n", [10, 1_000, 1_003])
def test_constant_units_do_not_correlate_by_rounding(units, n):
    """Sums of 0.1 are rounded: NumPy's `corrcoef` of such units is 1 or -1 for these."""
    x = np.repeat([units], n, axis=0)
    for layout in (x, np.asfortranarray(x)):
        result = summed(layout).result()
        assert np.isnan(result.correlation) and np.isnan(result.absolute_correlation)
        assert result.constant_units.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    (
        (lambda: Statistics(0), "n_units to be a whole number from 1"),
        (lambda: Statistics(2.5), "n_units to be a whole number from 1"),
        (lambda: Statistics(3).update(np.ones((2, 4))), r"shape \[n, 3\]"),
        (lambda: Statistics(2).update([[1, np.nan]]), "row 0 of the batch, unit 1"),
        (lambda: Statistics(2).update([[1, 1e200]]), "at most 1e.150.*row 0 of the batch, unit 1"),
        (lambda: stable_rank(np.ones((2, 3))), r"shape \[d, d\]"),
        (lambda: stable_rank(np.full((2, 2), np.nan)), "finite covariance"),
        (lambda: stable_rank([[1, 2], [0, 1]]), r"symmetric. Received: 2 at .0, 1., 0 at .1, 0."),
        (lambda: stable_rank(np.tri(1200)), r"symmetric. Received: 0 at .0, 1., 1 at .1, 0."),
        (lambda: Statistics(2).merge(Statistics(3)), "of 2 units"),
        (lambda: Statistics(2).merge(np.eye(2)), "Expected Statistics. Received: ndarray"),
        (lambda: Statistics(2).covariance, "at least 2 samples"),
        (lambda: Statistics(2).update(np.eye(2) * 1j), "real numbers. Received: .* complex128"),
        (lambda: Statistics(2).update([["1", "2"]]), "real numbers. Received: words"),
        (lambda: Statistics(2).update([[1, 2], [1]]), "real numbers. Received: lists of different"),
        (lambda: Statistics(2).update(np.ma.masked_equal(np.eye(2), 0)), "masked"),
        (lambda: Statistics(1).update(np.array([["a"]], object)), "Received: words"),
        (lambda: stable_rank(np.eye(2) * 1j), "a covariance of real numbers"),
        (lambda: mutual_information(np.eye(2) * 1j), "activations of real numbers"),
        (lambda: mutual_information(None), "activations of real numbers"),
        (lambda: mutual_information(np.eye(3), noise_variance="low"), "Received: 'low'"),
        (lambda: mutual_information(np.ones((2, 2, 2))), "flattens those of images"),
        (lambda: summed(np.ones((1, 2))).result(), "at least 2 samples"),
        (lambda: mutual_information(np.ones((1, 2))), "at least 2"),
        (lambda: mutual_information(np.ones(3)), "at least 2"),
        (lambda: mutual_information([[1.0], [np.inf]]), "row 1, unit 0"),
        (lambda: mutual_information(np.eye(3), [0, 1]), "y: Expected 3 labels"),
        (lambda: mutual_information(np.eye(3), np.eye(3)), "argmax"),
        (lambda: mutual_information(np.eye(3), [0, 1, np.nan]), "y: .*finite"),
        (lambda: mutual_information(np.eye(3), noise_variance=0), "noise_variance > 0"),
        (lambda: mutual_information(1e150 * np.eye(3), noise_variance=1e-9), "deviation"),
        (lambda: noise_sweep(np.eye(3), noise_variances=[]), "at least one noise variance"),
        (
            lambda: noise_sweep(np.eye(3), noise_variances=[0.1, 0]),
            "noise_variance > 0. Received: 0",
        ),
    ),
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
@pytest.mark.parametrize(
    ("n", "d"), ((2, 1), (7, 3), (8, 16), (9, 17), (255, 40), (257, 5), (600, 2))
)
def test_mutual_information(n, d, dtype):
    rng = np.random.default_rng(n)
    y = rng.integers(0, 3, n)
    for scale in (0.01, 0.2, 1.0):
        z = (scale * rng.normal(size=(n, d))).astype(dtype)
        np.testing.assert_allclose(
            mutual_information(z, y), reference.information_bounds(z, y), rtol=1e-9, atol=1e-12
        )


@settings(max_examples=50)
@given(
    st.lists(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2), min_size=2, max_size=20),
    st.floats(1e-6, 1e6),
)
def test_bounds_are_in_their_ranges(points, variance):
    y = np.arange(len(points)) % 3
    found = mutual_information(np.array(points), y, variance)
    shares = np.bincount(y) / len(y)
    shares = shares[shares > 0]
    assert 0 <= found.x_lower <= found.x_upper + 1e-12 <= np.log(len(points)) + 2e-12
    entropy = -(shares * np.log(shares)).sum()
    assert found.y_lower >= 0
    assert 0 <= found.y_upper <= entropy + 1e-12


def test_bounds_at_the_ends():
    z = np.random.default_rng(0).normal(size=(50, 4))
    np.testing.assert_allclose(mutual_information(z, noise_variance=1e-9)[:2], np.log(50))
    assert mutual_information(np.ones((5, 3)), [0, 1, 0, 1, 1]) == (0, 0, 0, 0)
    assert np.isnan(mutual_information(z)[2:]).all()
    labels = np.array(["a", "b"])[np.arange(50) % 2]
    apart = z + 100 * (labels == "a")[:, None]
    np.testing.assert_allclose(mutual_information(apart, labels, 10.0)[2:], np.log(2), rtol=1e-6)


def test_noise_sweep():
    pytest.importorskip("pandas")
    z = np.random.default_rng(0).normal(size=(40, 3))
    table = noise_sweep(z, noise_variances=(0.01, 1.0))
    assert table.loc[[1.0]].equals(noise_sweep(z, noise_variances=1.0))
    assert table.index.tolist() == [0.01, 1.0]
    np.testing.assert_array_equal(table.loc[1.0], mutual_information(z, noise_variance=1.0))
    assert table["x_upper"].is_monotonic_decreasing
