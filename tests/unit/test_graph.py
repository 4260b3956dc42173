"""The graph of nearest codes and the pairs within a radius: against NumPy and scikit-learn."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN, SpectralClustering
from sklearn.neighbors import NearestNeighbors, kneighbors_graph, radius_neighbors_graph

import reference
from processes import memory_grown, seconds_to_stop
from reference import random_bits
from tfhash import Codes, metrics


def oracle(bits, k):
    distances = reference.hamming_distances(bits, bits)
    np.fill_diagonal(distances, bits.shape[1] + 1)
    rows = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, rows, axis=1), rows


def assert_graph(bits, k):
    graph = metrics.knn_graph(bits, k)
    distances, rows = oracle(bits, k)
    assert (graph.shape, graph.nnz) == ((len(bits), len(bits)), k * len(bits))
    np.testing.assert_array_equal(graph.data.reshape(-1, k), distances)
    np.testing.assert_array_equal(graph.indices.reshape(-1, k), rows)


# A block is 512 codes, a range 1,024 queries; 4,097 bits and more are several chunks.
@pytest.mark.full
@pytest.mark.parametrize(
    ("n", "n_bits", "k"),
    [
        (2, 1, 1),
        (511, 64, 9),
        (513, 65, 512),
        (1030, 129, 40),
        (2600, 20, 10),
        (700, 1000, 600),
        (1100, 4097, 9),
        (520, 9001, 3),
    ],
)
def test_every_tail(n, n_bits, k):
    assert_graph(random_bits(n, n_bits, seed=n, repeats=0.3), k)


@given(
    st.integers(2, 1300),
    st.integers(1, 300),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_any_size_density_and_number_of_threads(n, n_bits, density, repeats, n_threads, seed):
    rng = np.random.default_rng(seed)
    bits = (rng.random((n, n_bits)) < density).astype(np.uint8)
    copies = rng.random(n) < repeats
    bits[copies] = bits[rng.integers(0, n, copies.sum())]
    before = metrics.get_num_threads()
    metrics.set_num_threads(n_threads)
    try:
        assert_graph(bits, int(rng.integers(1, min(n, 60))))
    finally:
        metrics.set_num_threads(before)


@pytest.mark.full
def test_equal_codes_and_ever_nearer_ones():
    graph = metrics.knn_graph(np.ones((1600, 70), np.uint8), 3)
    assert (graph.data == 0).all()
    assert graph.indices.reshape(-1, 3)[[0, 1, 2, 3, 1599]].tolist() == [
        [1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2],
    ]  # fmt: skip
    assert_graph(np.tri(1200, 1200, dtype=np.uint8), 7)
    assert_graph(np.tri(1200, 1200, dtype=np.uint8)[::-1], 7)


def test_scikit_learns_graph_is_the_same():
    bits = random_bits(300, 40, repeats=0.1)
    theirs = kneighbors_graph(bits.astype(float), 5, mode="distance", metric="manhattan")
    ours = metrics.knn_graph(bits, 5)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(np.sort(theirs.data.reshape(-1, 5)), ours.data.reshape(-1, 5))


def test_estimators_take_it_as_precomputed():
    rng = np.random.default_rng(0)
    centers = rng.integers(0, 2, (3, 64))
    labels = np.arange(300) % 3
    bits = (centers[labels] ^ (rng.random((300, 64)) < 0.04)).astype(np.uint8)
    bits[3] = bits[0]  # a distance of 0 that must not vanish
    graph = metrics.knn_graph(bits, 20)
    nearest = NearestNeighbors(n_neighbors=5, metric="precomputed").fit(graph)
    np.testing.assert_array_equal(nearest.kneighbors(graph)[0], graph.data.reshape(-1, 20)[:, :5])
    within = metrics.radius_neighbors(bits, bits, 12)
    found = DBSCAN(eps=12, min_samples=5, metric="precomputed").fit_predict(within)
    full = DBSCAN(eps=12, min_samples=5, metric="manhattan").fit_predict(bits)
    np.testing.assert_array_equal(found, full)
    spectral = SpectralClustering(3, affinity="precomputed_nearest_neighbors", n_neighbors=10)
    groups = spectral.set_params(random_state=0).fit_predict(graph)
    assert {tuple(labels[groups == g]) for g in range(3)} == {(g,) * 100 for g in range(3)}


def test_cleanlab_takes_it():
    valuation = pytest.importorskip("cleanlab.data_valuation")
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    bits = (labels[:, np.newaxis] ^ (rng.random((200, 64)) < 0.1)).astype(np.uint8)
    given = labels.copy()
    given[:5] = 1 - given[:5]
    values = valuation.data_shapley_knn(given, knn_graph=metrics.knn_graph(bits, 10), k=10)
    assert values[:5].max() < values[5:].min()


def test_umap_takes_it():
    umap = pytest.importorskip("umap")
    bits = random_bits(120, 64)
    graph = metrics.knn_graph(bits, 10)
    known = (graph.indices.reshape(-1, 10), graph.data.reshape(-1, 10))
    placed = umap.UMAP(n_neighbors=10, precomputed_knn=known, n_epochs=5).fit_transform(bits)
    assert np.isfinite(placed).all()


def test_opentsne_takes_it():
    affinity = pytest.importorskip("openTSNE.affinity")
    nearest = pytest.importorskip("openTSNE.nearest_neighbors")
    graph = metrics.knn_graph(random_bits(120, 64), 15)
    known = nearest.PrecomputedNeighbors(
        graph.indices.reshape(-1, 15), graph.data.reshape(-1, 15).astype(float)
    )
    assert affinity.PerplexityBasedNN(knn_index=known, perplexity=5).P.shape == (120, 120)


def test_codes_from_disk(tmp_path):
    codes = Codes.from_bits(random_bits(700, 300))
    codes.save(tmp_path / "codes.bin")
    on_disk = Codes.load(tmp_path / "codes.bin", mmap=True)
    for ours, expected in (
        (metrics.knn_graph(on_disk, 9), metrics.knn_graph(codes, 9)),
        (
            metrics.radius_neighbors(on_disk, on_disk[:9], 120),
            metrics.radius_neighbors(codes, codes[:9], 120),
        ),
    ):
        assert (ours != expected).nnz == 0


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_memory_does_not_grow_with_pairs():
    # 40,000^2 distances of 4 bytes would be 6.4 GB.
    codes = "codes = Codes(np.random.default_rng(0).integers(0, 2**64, (40_000, 1), 'u8'), 64)"
    assert memory_grown(codes, "metrics.knn_graph(codes, 5)") < 150e6


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to a process")
@pytest.mark.parametrize("what", ["knn_graph", "radius_neighbors"])
def test_ctrl_c_stops_it(what):
    words = np.random.default_rng(0).integers(0, 2**64, (2_000_000, 4), dtype=np.uint64)
    codes = Codes(words, 256)
    works = {
        "knn_graph": lambda: metrics.knn_graph(codes, 9),
        "radius_neighbors": lambda: metrics.radius_neighbors(codes, codes, 3),
    }
    assert seconds_to_stop(works[what]) < 20


# ---- within a radius -------------------------------------------------------------------------


@given(
    st.integers(1, 1100),
    st.integers(0, 40),
    st.integers(1, 200),
    st.floats(0, 1.1),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_all_pairs_within_a_radius(n, q, n_bits, share, seed):
    bits = random_bits(n + q, n_bits, seed=seed, repeats=0.2)
    radius = int(share * n_bits)
    graph = metrics.radius_neighbors(bits[:n], bits[n:], radius)
    distances = reference.hamming_distances(bits[:n], bits[n:])
    assert graph.shape == (q, n)
    for row in range(q):
        near = np.argsort(distances[row], kind="stable")
        near = near[distances[row][near] <= radius]
        entries = slice(graph.indptr[row], graph.indptr[row + 1])
        np.testing.assert_array_equal(graph.indices[entries], near)
        np.testing.assert_array_equal(graph.data[entries], distances[row][near])


@pytest.mark.parametrize("at_once", (1, 50, 3000, 10**9))
def test_blocks_of_pairs_join_to_all(at_once):
    bits = random_bits(900, 24, repeats=0.5)
    distances = reference.hamming_distances(bits, bits)
    blocks = list(metrics.iter_radius_neighbors(bits, bits, 6, at_once))
    most = max((distances <= 6).sum(axis=1))
    assert all(len(block.codes) <= max(2 * at_once, 6 * most) for block in blocks)
    found = np.concatenate([np.stack(block[:2], axis=1) for block in blocks])
    assert (np.diff(found[:, 0]) >= 0).all()
    np.testing.assert_array_equal(
        found[np.lexsort((found[:, 1], found[:, 0]))], np.argwhere(distances <= 6)
    )
    close = list(metrics.iter_close_pairs(bits, 6, at_once))
    found = np.concatenate([np.stack(block[:2], axis=1) for block in close])
    np.testing.assert_array_equal(
        found[np.lexsort((found[:, 1], found[:, 0]))], np.argwhere(np.triu(distances <= 6, 1))
    )


def test_radius_graph_of_scikit_learn_is_the_same():
    bits = random_bits(200, 30, repeats=0.2)
    theirs = radius_neighbors_graph(
        bits.astype(float), 8, mode="distance", metric="manhattan", include_self=True
    )
    ours = metrics.radius_neighbors(bits, bits, 8)
    np.testing.assert_array_equal(ours.toarray(), theirs.toarray())
    assert ours.nnz == theirs.nnz


def test_no_pair_within_the_radius():
    bits = np.eye(40, dtype=np.uint8)
    graph = metrics.radius_neighbors(bits, 1 - bits, 3)
    assert (graph.shape, graph.nnz) == ((40, 40), 0)
    assert list(metrics.iter_close_pairs(bits, 1)) == []


@pytest.mark.parametrize("k", (0, -1, 5, 2.0, None, True, 10**15))
def test_k_that_is_none_is_refused(k):
    with pytest.raises(
        ValueError, match=r"Expected k, of 5 codes, to be a whole number from 1 to 4\. Received"
    ):
        metrics.knn_graph(random_bits(5, 20), k)


@pytest.mark.parametrize("radius", (-1, 1.5, None, np.nan, True))
def test_radius_that_is_none_is_refused(radius):
    bits = random_bits(5, 20)
    with pytest.raises(
        ValueError, match=r"Expected radius \(bits\) to be a whole number from 0 on"
    ):
        metrics.radius_neighbors(bits, bits, radius)


@pytest.mark.parametrize("pairs_at_once", (0, -1, 1.5, None))
def test_blocks_of_no_pairs_are_refused(pairs_at_once):
    bits = random_bits(5, 20)
    with pytest.raises(ValueError, match="Expected pairs_at_once to be a whole number from 1 on"):
        next(metrics.iter_close_pairs(bits, 20, pairs_at_once))


def test_bad_codes_are_refused():
    bits = random_bits(5, 20)
    with pytest.raises(ValueError, match=r"codes and queries of the same width.* 20 and 19"):
        metrics.radius_neighbors(bits, bits[:, 1:], 1)
    with pytest.raises(ValueError, match=r"codes: Expected at least one code"):
        metrics.knn_graph(bits[:0], 1)
    with pytest.raises(ValueError, match="at least two codes"):
        metrics.knn_graph(bits[:1], 1)
