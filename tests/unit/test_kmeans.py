"""K-Means against the plain NumPy oracle and against scikit-learn."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

import reference
from estimator_checks import check_as_it_is, check_on_bits
from reference import BIT_SIZES, random_bits
from tfhash import Codes, metrics
from tfhash.metrics import CodeKMeans

DIGITS = (load_digits().data > 7).astype(np.uint8)


def clustered_bits(n, n_bits, k, seed=0, flips=0.2):
    """Bits around k random centers."""
    rng = np.random.default_rng(seed)
    centers = rng.integers(0, 2, (k, n_bits), dtype=np.uint8)
    return centers[rng.integers(0, k, n)] ^ (rng.random((n, n_bits)) < flips)


def check_one_start(bits, k, seed=0, max_iter=300, tol=1e-4):
    """One start is what the oracle makes of the same random numbers."""
    kmeans = CodeKMeans(k, 1, max_iter, seed, tol)
    kmeans.fit(bits)
    draws = np.random.RandomState(seed).random_sample(1 + (k - 1) * (2 + int(np.log(k))))
    seeds = reference.kmeans_seeds(bits, k, draws)
    assert kmeans._seeds.tolist() == seeds
    labels, centers, inertia, n_iter = reference.lloyd(
        bits, bits[seeds].astype(float), max_iter, tol
    )
    assert kmeans.labels_.tolist() == labels.tolist()
    np.testing.assert_array_equal(kmeans.cluster_centers_, centers)
    assert kmeans.n_iter_ == n_iter
    np.testing.assert_allclose(kmeans.inertia_, inertia, rtol=1e-12, atol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_bits", BIT_SIZES)
def test_one_start_at_all_widths(n_bits):
    check_one_start(clustered_bits(70, n_bits, 4, seed=n_bits), 4)


@pytest.mark.parametrize("n", (1, 2, 7, 8, 9, 63, 64, 65, 2047, 2048, 2049, 4100))
def test_one_start_at_all_lengths(n):
    bits = clustered_bits(n, 20, 5, seed=n, flips=0.1)
    check_one_start(bits, len(np.unique(bits[:6], axis=0)) if n < 10 else 5)


@pytest.mark.parametrize("k", (1, 2, 15, 16, 17, 33))
def test_one_start_with_many_clusters(k):
    check_one_start(clustered_bits(700, 70, 20, seed=k), k)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_ties_duplicates_and_empty_clusters(data):
    n, n_bits = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 6))
    rows = st.lists(st.integers(0, 2**n_bits - 1), min_size=n, max_size=n)
    bits = (np.array(data.draw(rows))[:, np.newaxis] >> np.arange(n_bits) & 1).astype(np.uint8)
    k, seed = data.draw(st.integers(1, n)), data.draw(st.integers(0, 100))
    max_iter, tol = data.draw(st.sampled_from((1, 2, 300))), data.draw(st.sampled_from((0, 0.01)))
    check_one_start(bits, k, seed, max_iter, tol)


@pytest.mark.parametrize("seed", range(4))
def test_starts_are_those_of_scikit_learn(seed):
    _, expected = kmeans_plusplus(DIGITS.astype(float), 10, random_state=seed)
    kmeans = CodeKMeans(10, n_init=1, random_state=seed).fit(DIGITS)
    assert kmeans._seeds.tolist() == expected.tolist()


def test_ends_where_scikit_learn_does():
    for seed in range(4):
        ours = CodeKMeans(10, n_init=4, random_state=seed).fit(DIGITS)
        theirs = KMeans(10, n_init=4, random_state=seed).fit(DIGITS.astype(float))
        assert abs(ours.inertia_ / theirs.inertia_ - 1) < 0.005
        assert (ours.labels_ == theirs.labels_).mean() > 0.9 or ours.inertia_ <= theirs.inertia_


def test_lloyd_step_by_step_as_scikit_learn():
    # The first centers are an odd number of bits apart, so no code is as near to one as to the
    # other, and there is nothing for scikit-learn's rounding to decide.
    bits = clustered_bits(500, 101, 6, seed=3)
    starts = [CodeKMeans(2, 1, 1, random_state=seed).fit(bits)._seeds for seed in range(20)]
    odd = [seed for seed, (a, b) in enumerate(starts) if (bits[a] != bits[b]).sum() % 2][:3]
    assert len(odd) == 3
    for seed in odd:
        for max_iter in (1, 2, 3, 300):
            ours = CodeKMeans(2, 1, max_iter, random_state=seed).fit(bits)
            theirs = KMeans(2, init=bits[starts[seed]].astype(float), n_init=1, max_iter=max_iter)
            theirs.fit(bits.astype(float))
            assert ours.labels_.tolist() == theirs.labels_.tolist()
            assert ours.n_iter_ == theirs.n_iter_
            np.testing.assert_allclose(ours.inertia_, theirs.inertia_, rtol=1e-12)
            np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, atol=1e-12)


def test_more_starts_keep_the_best():
    one_by_one = np.random.RandomState(5)
    inertias = [
        CodeKMeans(8, n_init=1, random_state=one_by_one).fit(DIGITS).inertia_ for _ in range(20)
    ]
    together = CodeKMeans(8, n_init=20, random_state=5).fit(DIGITS)
    np.testing.assert_allclose(together.inertia_, min(inertias), rtol=1e-12)


def test_constant_bits_change_nothing():
    bits = clustered_bits(300, 40, 4)
    padded = np.insert(bits, (0, 7, 40, 40), (1, 0, 1, 0), axis=1)
    plain = CodeKMeans(4, random_state=0, tol=0).fit(bits)
    wide = CodeKMeans(4, random_state=0, tol=0).fit(padded)
    assert plain.labels_.tolist() == wide.labels_.tolist()
    assert plain.inertia_ == wide.inertia_
    assert (wide.cluster_centers_[:, [0, 8, 42, 43]] == (1, 0, 1, 0)).all()


def test_codes_that_are_all_equal():
    with pytest.warns(ConvergenceWarning, match="Expected 3 clusters. Found: 1"):
        kmeans = CodeKMeans(3, random_state=0).fit(np.ones((5, 70), np.uint8))
    assert kmeans.inertia_ == 0
    assert (kmeans.cluster_centers_ == 1).all()


def test_as_many_clusters_as_codes():
    bits = np.unique(random_bits(12, 9), axis=0)
    kmeans = CodeKMeans(len(bits), random_state=0).fit(bits)
    assert sorted(kmeans.labels_) == list(range(len(bits)))
    assert kmeans.inertia_ == 0


def test_predict_and_score():
    kmeans = CodeKMeans(10, n_init=2, random_state=0).fit(DIGITS[:1000])
    assert (kmeans.predict(DIGITS[:1000]) == kmeans.labels_).all()
    assert kmeans.predict(Codes.from_bits(DIGITS)).dtype == np.int32
    distances = reference.squared_distances(DIGITS, kmeans.cluster_centers_)
    assert (kmeans.predict(DIGITS) == distances.argmin(axis=1)).all()
    np.testing.assert_allclose(kmeans.score(DIGITS), -distances.min(axis=1).sum(), rtol=1e-12)
    again = pickle.loads(pickle.dumps(kmeans))
    assert (again.fit_predict(DIGITS[:1000]) == kmeans.labels_).all()


def test_centers_that_are_none_are_refused():
    kmeans = CodeKMeans(2, random_state=0).fit(DIGITS)
    for value in (np.nan, 1.5, -0.1):
        kmeans.cluster_centers_[1, 3] = value
        with pytest.raises(ValueError, match=r"in \[0, 1\]. Received: .* in center 1, bit 3"):
            kmeans.predict(DIGITS)


@pytest.mark.parametrize(
    ("parameters", "message"),
    (
        ({"n_clusters": 0}, "n_clusters to be a whole number from 1. Received: 0"),
        ({"n_clusters": 2.5}, "n_clusters to be a whole number"),
        ({"n_clusters": 6}, "at most the number of codes, n_samples=5. Received: n_clusters=6"),
        ({"n_init": 0}, "n_init to be a whole number"),
        ({"max_iter": 0}, "max_iter to be a whole number"),
        ({"tol": -1}, "tol to be a finite number from 0"),
        ({"tol": np.nan}, "tol to be a finite number from 0"),
    ),
)
def test_parameters_that_make_no_sense(parameters, message):
    with pytest.raises(ValueError, match=message):
        CodeKMeans(**{"n_clusters": 2, **parameters}).fit(DIGITS[:5])


def test_input_that_makes_no_sense():
    with pytest.raises(ValueError, match="at least one code"):
        CodeKMeans(1).fit(Codes.from_bits(np.zeros((0, 3))))
    with pytest.raises(ValueError, match="Received: 2"):
        CodeKMeans(1).fit([[0, 2]])
    with pytest.raises(ValueError, match="Expected codes of 64 bits, as fitted"):
        CodeKMeans(1).fit(DIGITS).predict(Codes.from_bits(DIGITS[:, :9]))


@pytest.mark.filterwarnings("ignore")  # of what the checks do on purpose
def test_scikit_learns_checks(monkeypatch):
    estimator = CodeKMeans(n_clusters=2, n_init=2)
    check_as_it_is(estimator)
    check_on_bits(estimator, monkeypatch)


def test_clustering_accuracy():
    labels = ["cat", "cat", "dog", "dog", "dog", "eel"]
    assert metrics.clustering_accuracy(labels, [7, 7, 3, 3, 7, 3]) == 4 / 6
    assert metrics.clustering_accuracy(labels, [0] * 6) == 3 / 6
    assert metrics.clustering_accuracy(labels, range(6)) == 1
    rng = np.random.default_rng(0)
    y, clusters = rng.integers(0, 10, 1000), rng.integers(-3, 9, 1000)
    best = sum(np.bincount(y[clusters == c]).max() for c in set(clusters))
    assert metrics.clustering_accuracy(y, clusters) == best / 1000


@pytest.mark.parametrize("y, clusters", (([], []), ([1, 2], [1]), (1, 1), ([[1, 2]], [[1, 2]])))
def test_clustering_accuracy_of_what_does_not_match(y, clusters):
    with pytest.raises(ValueError, match="Expected"):
        metrics.clustering_accuracy(y, clusters)
