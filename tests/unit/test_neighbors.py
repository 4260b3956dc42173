"""Exact Hamming neighbors and their vote: against NumPy, FAISS and scikit-learn."""

import pickle
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

import reference
from estimator_checks import check_as_it_is, check_on_bits
from processes import memory_grown, seconds_to_stop
from reference import BIT_SIZES, ROW_SIZES, random_bits
from tfhash import Codes, _native, metrics
from tfhash.metrics import HammingKNeighborsClassifier


@pytest.fixture
def threads():
    before = metrics.get_num_threads()
    yield metrics.set_num_threads
    metrics.set_num_threads(before)


def assert_nearest(database, queries, k):
    distances, indices = metrics.hamming_knn(database, queries, k)
    expected_distances, expected_indices = reference.hamming_knn(database, queries, k)
    assert distances.dtype == np.int32 and indices.dtype == np.int64
    np.testing.assert_array_equal(distances, expected_distances)
    np.testing.assert_array_equal(indices, expected_indices)


@pytest.mark.parametrize("n_bits", (*BIT_SIZES, 2047, 2048, 4096, 4097, 9001))
def test_every_tail(n_bits):
    for n in ROW_SIZES[1:]:
        bits = random_bits(n + 10, n_bits, seed=n, repeats=0.2)
        for k in {1, min(n, 9), n}:
            assert_nearest(bits[:n], bits[n:], k)


# Up to 4 queries are met word by word, more by turning blocks of codes.
@pytest.mark.parametrize("q", (1, 4, 5))
@pytest.mark.parametrize("n_bits", (1, 63, 64, 65, 300, 4097))
def test_a_few_queries_are_met_as_many_are(q, n_bits):
    bits = random_bits(1100, n_bits, seed=q, repeats=0.3)
    for k in (1, 9, 1100):
        assert_nearest(bits, bits[:q], k)


def test_bits_past_the_last_do_not_count_for_a_few_queries():
    words = np.random.default_rng(0).integers(0, 2**63, (700, 2), dtype=np.uint64)
    clean = words & np.array([2**64 - 1, 2**6 - 1], np.uint64)
    for q in (1, 4):
        for got, expected in zip(
            _native.hamming_knn(words, words[50 : 50 + q], 70, 9),
            _native.hamming_knn(clean, clean[50 : 50 + q], 70, 9),
            strict=True,
        ):
            np.testing.assert_array_equal(got, expected)
        bits = Codes(clean, 70).to_bits()
        assert_nearest(bits, bits[50 : 50 + q], 9)


# A block is 512 codes, a range of queries that share one turning of it 512 queries.
@pytest.mark.parametrize("n", (511, 512, 513, 1024, 1025, 2600))
@pytest.mark.parametrize("q", (0, 1, 513))
def test_blocks_and_ranges(n, q):
    bits = random_bits(n + q, 70, repeats=0.1)
    for k in (1, 9, n):
        assert_nearest(bits[:n], bits[n:], k)


@given(
    st.integers(1, 1200),
    st.integers(1, 12),
    st.integers(1, 700),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=80, deadline=None)
def test_any_size_density_and_number_of_threads(n, q, n_bits, density, repeats, n_threads, seed):
    rng = np.random.default_rng(seed)
    bits = (rng.random((n + q, n_bits)) < density).astype(np.uint8)
    copies = rng.random(n + q) < repeats
    bits[copies] = bits[rng.integers(0, n + q, copies.sum())]
    before = metrics.get_num_threads()
    metrics.set_num_threads(n_threads)
    try:
        assert_nearest(bits[:n], bits[n:], int(rng.integers(1, n + 1)))
    finally:
        metrics.set_num_threads(before)


@pytest.mark.parametrize("n_bits", (5, 64, 1000, 5000))
def test_all_equal_and_all_opposite(n_bits):
    ones = np.ones((1300, n_bits), bool)
    for queries, distance in ((ones[:3], 0), (~ones[:3], n_bits)):
        distances, indices = metrics.hamming_knn(ones, queries, 1300)
        assert (distances == distance).all()
        assert (indices == np.arange(1300)).all()


@pytest.mark.parametrize("order", (1, -1))
def test_ever_nearer_and_ever_farther(order):
    # Each code is nearer to the query than the one before: the threshold never helps.
    database = np.tri(1200, 1200, dtype=np.uint8)[::order]
    assert_nearest(database, np.ones((2, 1200), np.uint8), 9)


def packed_distances(database, queries):
    ones = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1)
    parts = [database.packed_bytes ^ query for query in queries.packed_bytes]
    return np.stack([ones[part].sum(axis=1) for part in parts])


@pytest.mark.full
@pytest.mark.parametrize(
    ("n", "q", "n_words"),
    (
        (6700, 2, 320),  # so wide that a pass over the database is cut into rounds
        (3, 200, 31_250),  # so wide that the queries are taken in two batches
    ),
)
def test_wide_codes(n, q, n_words, threads):
    rng = np.random.default_rng(0)
    words = rng.integers(0, 2**64, (n + q, n_words), dtype=np.uint64)
    database, queries = (Codes(part, 64 * n_words) for part in (words[:n], words[n:]))
    expected = packed_distances(database, queries)
    for n_threads in (1, 3):
        threads(n_threads)
        distances, indices = metrics.hamming_knn(database, queries, 3)
        np.testing.assert_array_equal(indices, np.argsort(expected, axis=1, kind="stable")[:, :3])
        np.testing.assert_array_equal(distances, np.sort(expected, axis=1)[:, :3])


def test_faiss_finds_the_same_distances():
    faiss = pytest.importorskip("faiss")
    codes = Codes.from_bits(random_bits(5000, 256, repeats=0.2))
    index = faiss.IndexBinaryFlat(256)
    index.add(codes.packed_bytes)
    distances, _ = index.search(codes[:50].packed_bytes, 20)
    np.testing.assert_array_equal(metrics.hamming_knn(codes, codes[:50], 20)[0], distances)


def test_codes_from_disk(tmp_path):
    codes = Codes.from_bits(random_bits(700, 300))
    codes.save(tmp_path / "codes.bin")
    on_disk = Codes.load(tmp_path / "codes.bin", mmap=True)
    for ours, expected in zip(
        metrics.hamming_knn(on_disk, on_disk[5:9], 9),
        metrics.hamming_knn(codes, codes[5:9], 9),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_memory_does_not_grow_with_pairs():
    # 40,000 x 30,000 distances of 4 bytes would be 4.8 GB.
    codes = "codes = Codes(np.random.default_rng(0).integers(0, 2**64, (70_000, 1), 'u8'), 64)"
    assert memory_grown(codes, "metrics.hamming_knn(codes[:40_000], codes[40_000:], 9)") < 100e6


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to a process")
def test_ctrl_c_stops_a_long_search():
    words = np.random.default_rng(0).integers(0, 2**64, (3_000_000, 4), dtype=np.uint64)
    codes = Codes(words, 256)
    assert seconds_to_stop(lambda: metrics.hamming_knn(codes, codes, 9)) < 10  # would take minutes


@pytest.mark.parametrize("k", (0, -1, 6, 2.0, None, 10**15))
def test_k_that_is_none_is_refused(k):
    bits = random_bits(5, 20)
    with pytest.raises(ValueError, match=r"Expected k to be a whole number from 1 .* = 5\."):
        metrics.hamming_knn(bits, bits, k)


def test_bad_codes_are_refused():
    bits = random_bits(5, 20)
    with pytest.raises(ValueError, match=r"database and queries of the same width.* 20 and 19"):
        metrics.hamming_knn(bits, bits[:, 1:], 1)
    with pytest.raises(ValueError, match=r"database: .*at least one code"):
        metrics.hamming_knn(bits[:0], bits, 1)
    with pytest.raises(ValueError, match=r"queries: Expected bits that are 0 or 1.* 2 at row 0"):
        metrics.hamming_knn(bits, bits + 2, 1)


# ---- the classifier --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labeled():
    rng = np.random.default_rng(3)
    centers = rng.integers(0, 2, (4, 90), dtype=np.uint8)
    labels = rng.integers(0, 4, 500)
    bits = centers[labels] ^ (rng.random((500, 90)) < 0.35)
    return bits, np.array(["b", "a", "d", "c"])[labels]


def test_predicts_as_scikit_learn_does(labeled):
    bits, labels = labeled
    train, test = bits[:400], bits[400:]
    ours = HammingKNeighborsClassifier().fit(train, labels[:400])
    theirs = KNeighborsClassifier(9, metric="hamming").fit(train.astype(float), labels[:400])
    assert ours.classes_.tolist() == ["a", "b", "c", "d"]
    assert ours.n_features_in_ == 90
    distances, _ = ours.kneighbors(test, n_neighbors=10)
    # Which of several equally near codes is the ninth, scikit-learn leaves open.
    clear = distances[:, 8] < distances[:, 9]
    assert clear.sum() > 20
    np.testing.assert_allclose(
        ours.predict_proba(test[clear]), theirs.predict_proba(test[clear].astype(float))
    )
    np.testing.assert_array_equal(
        ours.predict(test[clear]), theirs.predict(test[clear].astype(float))
    )
    their_distances, _ = theirs.kneighbors(test.astype(float))
    np.testing.assert_allclose(distances[:, :9], 90 * their_distances)
    assert ours.score(test, labels[400:]) > 0.8


def test_ties_of_votes_go_to_the_smallest_class():
    bits = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.uint8)
    estimator = HammingKNeighborsClassifier(2).fit(bits, [7, 3, 3, 5])
    # Neighbors of 00 are itself (7) and, of the two at distance 1, the lower row (3).
    assert estimator.predict(bits[:1]).tolist() == [3]
    assert estimator.predict_proba(bits[:1]).tolist() == [[0.5, 0.0, 0.5]]


def test_codes_and_matrices_are_the_same(labeled):
    bits, labels = labeled
    codes = Codes.from_bits(bits)
    from_codes = HammingKNeighborsClassifier(5).fit(codes, labels)
    from_bits = HammingKNeighborsClassifier(5).fit(bits.astype(bool), labels)
    np.testing.assert_array_equal(from_codes.predict(bits), from_bits.predict(codes))
    assert from_codes.get_params() == {"n_neighbors": 5}
    restored = pickle.loads(pickle.dumps(from_codes))
    np.testing.assert_array_equal(restored.predict(codes), from_codes.predict(codes))


def test_neighbors_of_the_fitted_codes_are_others():
    bits = random_bits(200, 12, repeats=0.9)  # many equal codes
    estimator = HammingKNeighborsClassifier().fit(bits, np.arange(200) % 2)
    distances, indices = estimator.kneighbors(n_neighbors=4)
    expected = reference.hamming_distances(bits, bits)
    np.fill_diagonal(expected, 99)
    np.testing.assert_array_equal(distances, np.sort(expected, axis=1)[:, :4])
    np.testing.assert_array_equal(indices, np.argsort(expected, axis=1, kind="stable")[:, :4])
    np.testing.assert_array_equal(estimator.kneighbors(None, 4, False), indices)


def test_bad_input_to_the_classifier_is_refused():
    bits, labels = random_bits(20, 30), np.arange(20) % 3
    with pytest.raises(ValueError, match="y: Expected 20 labels"):
        HammingKNeighborsClassifier().fit(bits, labels[1:])
    with pytest.raises(ValueError, match=r"n_neighbors to be a whole number from 1 .* = 20"):
        HammingKNeighborsClassifier(21).fit(bits, labels)
    fitted = HammingKNeighborsClassifier().fit(bits, labels)
    with pytest.raises(ValueError, match=r"X: Expected codes of 30 bits, as fitted.* 29 bits"):
        fitted.predict(Codes.from_bits(bits[:, 1:]))
    with pytest.raises(ValueError, match="29 features"):
        fitted.predict(bits[:, 1:])


@pytest.mark.filterwarnings("ignore")  # of what the checks do on purpose
def test_scikit_learns_checks(monkeypatch):
    check_as_it_is(HammingKNeighborsClassifier())
    check_on_bits(HammingKNeighborsClassifier(), monkeypatch)
