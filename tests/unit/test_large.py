"""Codes too large to have twice: read by blocks, from disk, to the same results."""

import mmap
import signal
import sys
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processes import seconds_to_stop
from reference import BIT_SIZES, logistic_gradient, random_bits
from tfhash import Codes, _native, metrics, progress
from tfhash.metrics import CodeKMeans, CodeLogisticRegression, kmeans

ROWS = (1, 2, 7, 8, 9, 63, 64, 65, 511, 512, 513)


def labeled_bits(n, n_bits, n_classes, seed=0, constant=0.0):
    """Bits of various frequency, a share of them constant, and classes that depend on them."""
    rng = np.random.default_rng(seed)
    frequency = rng.random(n_bits)
    frequency[rng.random(n_bits) < constant / 2] = 0
    frequency[rng.random(n_bits) < constant / 2] = 1
    bits = (rng.random((n, n_bits)) < frequency).astype(np.uint8)
    scores = bits @ rng.normal(size=(n_bits, n_classes))
    labels = (scores - scores.mean(axis=0)).argmax(axis=1)
    labels[:n_classes] = range(n_classes)
    return bits, labels


# ---- constant bits -------------------------------------------------------------------------------


@pytest.mark.parametrize("n_bits", (*BIT_SIZES, 4096, 33_000))
@pytest.mark.parametrize("n", (1, 2, 3, 4, 5, 513))
def test_bits_that_vary_and_what_is_left_of_codes(n, n_bits):
    bits, _ = labeled_bits(n, n_bits, 1, seed=n, constant=0.5)
    varying = metrics.varying_bits(bits)
    assert varying.dtype == np.int64
    assert varying.tolist() == np.flatnonzero(bits.min(axis=0) != bits.max(axis=0)).tolist()
    kept = metrics.keep_bits(bits, varying)
    np.testing.assert_array_equal(kept.to_bits(), bits[:, varying])
    assert Codes(kept.words, kept.n_bits) == kept  # no padding bit is set


@given(st.integers(1, 40), st.integers(1, 300), st.integers(0, 2**32 - 1), st.data())
@settings(max_examples=60, deadline=None)
def test_any_bits_can_be_kept(n, n_bits, seed, data):
    bits = random_bits(n, n_bits, seed)
    kept = sorted(data.draw(st.sets(st.integers(0, n_bits - 1))))
    np.testing.assert_array_equal(metrics.keep_bits(bits, kept).to_bits(), bits[:, kept])


def test_sets_of_codes_are_taken_together():
    train, test = np.array([[0, 1, 0, 1]] * 3), np.array([[0, 1, 1, 0]])
    assert metrics.varying_bits(train).tolist() == []
    assert metrics.varying_bits(train, test).tolist() == [2, 3]
    with pytest.raises(ValueError, match=r"same width\. Received: 4 and 3 bits"):
        metrics.varying_bits(train, test[:, :3])
    with pytest.raises(ValueError, match="at least one set of codes"):
        metrics.varying_bits()
    with pytest.raises(ValueError, match="at least one code"):
        metrics.varying_bits(np.zeros((0, 3), bool))


def test_layers_keep_what_is_left_of_them():
    layers = [("a", 0, 3), ("b", 3, 4), ("c", 4, 9)]
    codes = metrics.keep_bits(Codes.from_bits(random_bits(5, 9), layers), [0, 2, 4, 8])
    assert [tuple(layer) for layer in codes.layers] == [("a", 0, 2), ("b", 2, 2), ("c", 2, 4)]


@pytest.mark.parametrize("bits", ([-1], [9], [3, 3], [4, 2], [0.5], [[1]]))
def test_bits_that_are_none_are_refused(bits):
    with pytest.raises(ValueError, match="Expected"):
        metrics.keep_bits(random_bits(5, 9), bits)


@pytest.mark.parametrize("resident_bytes", (0, 1 << 28))
def test_constant_bits_change_nothing(monkeypatch, resident_bytes):
    monkeypatch.setattr(kmeans, "RESIDENT_BYTES", resident_bytes)
    bits, labels = labeled_bits(300, 900, 3)
    bits = metrics.keep_bits(bits, metrics.varying_bits(bits)).to_bits()
    for share in (0.05, 0.7):
        rng = np.random.default_rng(1)
        at = np.sort(rng.integers(0, bits.shape[1], int(share * bits.shape[1])))
        padded = np.insert(bits, at, rng.integers(0, 2, len(at)), axis=1)
        dropped = metrics.keep_bits(padded, metrics.varying_bits(padded))
        np.testing.assert_array_equal(dropped.to_bits(), bits)
        near, wide_near = (metrics.hamming_knn(x, x[:50], 9) for x in (bits, padded))
        assert all(np.array_equal(a, b) for a, b in zip(near, wide_near, strict=True))
        assert metrics.count_regions(bits) == metrics.count_regions(padded)
        plain, wide = (
            CodeKMeans(4, n_init=2, random_state=0, tol=0).fit(x) for x in (bits, padded)
        )
        assert plain.labels_.tolist() == wide.labels_.tolist()
        assert plain.inertia_ == wide.inertia_
        plain, wide = (CodeLogisticRegression().fit(x, labels) for x in (bits, padded))
        varying = metrics.varying_bits(padded)
        np.testing.assert_allclose(wide.coef_[:, varying], plain.coef_, atol=1e-9)
        assert not np.delete(wide.coef_, varying, axis=1).any()


# ---- blocks instead of a copy --------------------------------------------------------------------


def both_ways(monkeypatch, bits, k, **parameters):
    """K-Means with and without a copy of the codes by columns must be the same bit for bit."""
    results = []
    for resident_bytes in (1 << 28, 0):
        monkeypatch.setattr(kmeans, "RESIDENT_BYTES", resident_bytes)
        model = CodeKMeans(k, random_state=0, **parameters).fit(bits)
        results.append((model.labels_, model.cluster_centers_, model.inertia_, model.n_iter_))
    for copied, read in zip(*results, strict=True):
        np.testing.assert_array_equal(copied, read)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("constant", (0.0, 0.1, 0.6))
@pytest.mark.parametrize("n_bits", (1, 63, 64, 65, 129, 1024, 1025, 4096, 4097, 33_000))
def test_kmeans_by_blocks_at_all_widths(monkeypatch, n_bits, constant):
    bits, _ = labeled_bits(70, n_bits, 1, seed=n_bits, constant=constant)
    both_ways(monkeypatch, bits, 4, n_init=2)


@pytest.mark.parametrize("n", (*ROWS, 2047, 2049, 4100))
@pytest.mark.parametrize("constant", (0.0, 0.5))
def test_kmeans_by_blocks_at_all_lengths(monkeypatch, n, constant):
    bits, _ = labeled_bits(n, 150, 1, seed=n, constant=constant)
    both_ways(monkeypatch, bits, min(n, 5), n_init=1)


@pytest.mark.parametrize("k", (15, 16, 17, 33))
def test_kmeans_by_blocks_with_many_clusters(monkeypatch, k):
    both_ways(monkeypatch, random_bits(1100, 5000, seed=k), k, n_init=1)


@pytest.mark.parametrize("n_bits", (4095, 4097, 20_000, 40_000))
def test_kmeans_on_wide_codes_assigns_to_the_nearest(n_bits):
    bits, _ = labeled_bits(130, n_bits, 1)
    model = CodeKMeans(5, n_init=1, random_state=0).fit(bits)
    centers = np.array([bits[model.labels_ == j].mean(axis=0) for j in range(5)])
    distances = (bits[:, np.newaxis, :].astype(np.float32) - centers.astype(np.float32)) ** 2
    distances = distances.sum(axis=2, dtype=float)
    assert (model.labels_ == distances.argmin(axis=1)).all()
    np.testing.assert_allclose(model.inertia_, distances.min(axis=1).sum(), rtol=1e-5)
    assert (model.predict(bits) == model.labels_).all()


@pytest.mark.parametrize("n_bits", (1, 64, 65, 1000, 9000))
def test_transform_gives_distances_to_centers(n_bits):
    bits = random_bits(530, n_bits, repeats=0.2)
    model = CodeKMeans(min(3, metrics.count_regions(bits)), n_init=1, random_state=0).fit(bits)
    distances = model.transform(bits)
    expected = ((bits[:, np.newaxis].astype(float) - model.cluster_centers_) ** 2).sum(axis=2)
    np.testing.assert_allclose(distances**2, expected, atol=1e-12 * n_bits, rtol=1e-12)
    assert (distances.argmin(axis=1) == model.predict(bits)).mean() > 0.99
    assert model.get_feature_names_out()[0] == "codekmeans0"


# ---- regression with more bits than examples -----------------------------------------------------


def fit(bits, labels, wide, c=1.0, tol=1e-6, max_iter=1000):
    """Weights, intercepts, iterations and largest gradients, by either solver."""
    codes = Codes.from_bits(bits)
    return _native.fit_one_vs_one(
        codes.words,
        codes.n_bits,
        np.asarray(labels, np.int32),
        max(labels) + 1,
        c,
        tol,
        max_iter,
        wide,
    )


def largest_gradient(weights, intercepts, bits, labels, c=1.0):
    """Over all pairs, of the objective at these weights, in float64."""
    gradients = []
    for p, (i, j) in enumerate(combinations(range(max(labels) + 1), 2)):
        rows = (labels == i) | (labels == j)
        gradients.append(
            logistic_gradient(bits[rows], labels[rows] == j, weights[p], intercepts[p], c)
        )
    return np.abs(gradients).max()


@pytest.mark.parametrize("constant", (0.0, 0.1, 0.6))
@pytest.mark.parametrize("n_bits", (1, 63, 64, 65, 129, 511, 513, 2048, 2049, 33_000))
def test_wide_optimum_at_all_widths(n_bits, constant):
    bits, labels = labeled_bits(150, n_bits, 3, seed=n_bits, constant=constant)
    weights, intercepts, _, gradients = fit(bits, labels, wide=True)
    found = largest_gradient(weights, intercepts, bits, labels)
    assert found < 1.01e-6
    np.testing.assert_allclose(gradients.max(), found, rtol=1e-2, atol=5e-7)
    assert (weights[:, bits.min(axis=0) == bits.max(axis=0)] == 0).all()


@pytest.mark.parametrize("n", (2, 3, *ROWS[2:], 1100))
def test_wide_optimum_at_all_lengths(n):
    bits, labels = labeled_bits(n, 1500, 2, seed=n)
    weights, intercepts, *_ = fit(bits, labels, wide=True)
    assert largest_gradient(weights, intercepts, bits, labels) < 1.01e-6


@pytest.mark.parametrize("n_classes", (2, 10, 17, 18, 34))
def test_wide_optimum_with_many_classes(n_classes):
    bits, labels = labeled_bits(400, 600, n_classes)
    weights, intercepts, *_ = fit(bits, labels, wide=True)
    assert largest_gradient(weights, intercepts, bits, labels) < 1.01e-6


@pytest.mark.parametrize("c", (0.001, 1, 100))
@pytest.mark.parametrize("size", ((300, 40), (300, 300), (200, 2000)))
def test_both_solvers_find_the_same_weights(size, c):
    bits, labels = labeled_bits(*size, 3)
    wide, narrow = (fit(bits, labels, w, c, tol=1e-7) for w in (True, False))
    scale = np.abs(narrow[0]).max()
    np.testing.assert_allclose(wide[0], narrow[0], atol=3e-3 * scale)
    scores = [bits @ weights.T + intercepts for weights, intercepts, *_ in (wide, narrow)]
    np.testing.assert_allclose(*scores, rtol=3e-3, atol=0.01)


def test_wide_needs_more_rounds_than_directions_are_kept():
    # Nearly separable, little penalty: many rounds, so that the oldest directions must go.
    rng = np.random.default_rng(0)
    frequency = rng.random(450) ** 3
    bits = (rng.random((400, 450)) < frequency).astype(np.uint8)
    labels = (rng.random(400) < 0.5).astype(int)
    weights, intercepts, n_iter, gradients = fit(bits, labels, True, c=1e4, tol=1e-6)
    assert n_iter[0] > 30
    assert gradients[0] <= 1e-6
    assert largest_gradient(weights, intercepts, bits, labels, 1e4) < 1.01e-6


def test_wide_stops_where_it_is_told_to():
    bits, labels = labeled_bits(300, 500, 3)
    weights, intercepts, n_iter, gradients = fit(bits, labels, True, max_iter=2)
    assert n_iter.tolist() == [2, 2, 2]
    np.testing.assert_allclose(
        gradients.max(), largest_gradient(weights, intercepts, bits, labels), rtol=1e-4
    )
    _, _, n_iter, gradients = fit(bits, labels, True, tol=1e-300)  # rounding ends it
    assert (n_iter < 1000).all()
    assert gradients.max() < 1e-9


def test_wide_bits_that_tell_nothing():
    labels = np.array([0] * 10 + [1] * 30 + [2] * 5)
    weights, intercepts, n_iter, _ = fit(np.ones((45, 300), np.uint8), labels, wide=True)
    assert not weights.any()
    assert not n_iter.any()
    np.testing.assert_allclose(intercepts, np.log((30 / 10, 5 / 10, 5 / 30)), atol=1e-9)


def test_the_estimator_takes_the_solver_that_suits():
    for n_bits in (50, 1000):
        bits, labels = labeled_bits(200, n_bits, 2)
        model = CodeLogisticRegression(tol=1e-6).fit(bits, labels)
        expected = fit(bits, labels, wide=n_bits > 200)
        np.testing.assert_array_equal(model.coef_, expected[0])


# ---- from disk -----------------------------------------------------------------------------------


def test_from_disk_as_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(kmeans, "RESIDENT_BYTES", 0)
    bits, labels = labeled_bits(500, 3000, 3)
    bits[400:450] = bits[:50]
    whole = Codes.from_bits(bits)
    whole.save(tmp_path / "codes")
    lies = Codes.load(tmp_path / "codes", mmap=True)
    base: Any = lies.words
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base.obj, mmap.mmap)
    results = []
    for codes in (whole, lies):
        train, test = codes[:400], codes[400:]
        clusters = CodeKMeans(3, n_init=2, random_state=0).fit(train)
        regression = CodeLogisticRegression().fit(train, labels[:400])
        properties = metrics.encoding_properties(train, labels[:400], test, labels[400:])
        results.append(
            (
                *metrics.hamming_knn(train, test, 5),
                *metrics.region_ids(codes),
                metrics.varying_bits(train, test),
                clusters.labels_,
                clusters.cluster_centers_,
                clusters.predict(test),
                clusters.transform(test),
                regression.coef_,
                regression.intercept_,
                regression.decision_function(test),
                np.array(list(vars(properties).values())),
            )
        )
    for in_memory, from_disk in zip(*results, strict=True):
        np.testing.assert_array_equal(in_memory, from_disk)


# ---- progress and Ctrl-C -------------------------------------------------------------------------


@pytest.fixture
def told(monkeypatch):
    """What kernels report, at once, as on a terminal."""
    reports = []

    class Recorder:
        def __init__(self, description):
            self.description = description

        def __call__(self, share, note):
            reports.append((self.description, share, note))

        def close(self):
            reports.append((self.description, "closed"))

    monkeypatch.setattr(progress, "_KernelBar", Recorder)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    return reports


def test_progress_is_told_and_ends(told):
    words = np.random.default_rng(0).integers(0, 2**64, (2000, 500), dtype=np.uint64)
    codes = Codes(words, 32_000)
    metrics.hamming_knn(codes, codes, 3)
    shares = [report[1] for report in told[:-1]]
    assert shares == sorted(shares)
    assert all(0 < share <= 1 for share in shares)
    assert told[-1] == ("Nearest neighbors", "closed")
    told.clear()
    CodeKMeans(20, n_init=5, random_state=0).fit(codes)
    assert any("iteration" in report[2] for report in told[:-1])
    assert told[-1] == ("K-Means", "closed")


def test_no_terminal_no_progress(capfd):
    with progress.kernel_progress("Work") as report:
        assert report is None
    assert capfd.readouterr() == ("", "")


def test_the_bar_waits_two_seconds(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress.kernel_progress("Work") as report:
        assert report is not None
        report(0.25, "half of the half")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "DELAY", 0)
    with progress.kernel_progress("Work") as report:
        assert report is not None
        report(0.25, "half of the half")
    text = capsys.readouterr().err
    assert "Work" in text
    assert "25%" in text
    assert "half of the half" in text


def test_a_notebook_shows_progress(monkeypatch, capsys):
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(progress, "find_spec", lambda name: None)  # no widgets
    monkeypatch.setattr(progress, "DELAY", 0)
    assert list(progress.bar(range(3), "counting", "piece")) == [0, 1, 2]
    assert "counting: 100%" in capsys.readouterr().err
    shell.kernel = None  # IPython on a terminal that is none
    assert list(progress.bar(range(3), "counting", "piece")) == [0, 1, 2]
    with progress.bar(None, "counting", "piece", total=3) as bar:
        bar.update(3)
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals of POSIX systems")
@pytest.mark.parametrize("work", ("kmeans", "logistic", "transform"))
def test_ctrl_c_stops_the_work(work):
    rng = np.random.default_rng(0)
    codes = Codes(rng.integers(0, 2**64, (4000, 320), dtype=np.uint64), 20_480)
    labels = rng.integers(0, 2, len(codes))
    model = CodeKMeans(10, n_init=1, max_iter=1, tol=9, random_state=0).fit(codes[:100])
    works = {
        "kmeans": lambda: CodeKMeans(50, n_init=50, random_state=0).fit(codes),
        "logistic": lambda: [
            CodeLogisticRegression(tol=1e-12, C=1e3).fit(codes, labels) for _ in range(100)
        ],
        "transform": lambda: [model.transform(codes) for _ in range(100)],
    }
    seconds_to_stop(works[work])


# ---- bad input -----------------------------------------------------------------------------------


def test_labels_of_another_length_are_refused_before_any_work():
    codes, labels = Codes.from_bits(random_bits(30, 500)), np.arange(29) % 3
    for estimator in (CodeLogisticRegression(), metrics.HammingKNeighborsClassifier(3)):
        with pytest.raises(ValueError, match="Expected 30 labels, one for each example"):
            estimator.fit(codes, labels)
    with pytest.raises(ValueError, match="y_test: Expected 30 labels"):
        metrics.encoding_properties(codes, np.arange(30) % 3, codes, labels)
