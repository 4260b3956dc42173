"""Duplicates, leakage, suspect labels, examples and coverage: against NumPy."""

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from reference import random_bits
from tfhash import Codes, audit

BITS = random_bits(400, 30, repeats=0.3)


def test_near_duplicates_are_all_close_pairs():
    distances = reference.hamming_distances(BITS, BITS)
    for radius in (0, 3, 30, 99):
        pairs = audit.near_duplicates(BITS, radius)
        expected = np.argwhere(np.triu(distances <= radius, 1))
        assert pairs.dtype == np.int64
        np.testing.assert_array_equal(pairs[:, :2], expected)
        np.testing.assert_array_equal(pairs[:, 2], distances[expected[:, 0], expected[:, 1]])
    assert audit.near_duplicates(np.eye(9, dtype=np.uint8), 1).shape == (0, 3)


def test_leakage_names_test_rows_then_training_rows():
    train, test = BITS[:300], BITS[300:]
    distances = reference.hamming_distances(train, test)
    pairs = audit.leakage(train, test, 4)
    assert {tuple(row) for row in pairs} == {
        (i, j, distances[i, j]) for i, j in np.argwhere(distances <= 4)
    }
    order = np.lexsort((pairs[:, 1], pairs[:, 2], pairs[:, 0]))
    np.testing.assert_array_equal(order, np.arange(len(pairs)))
    assert audit.leakage(train, test[:0], 4).shape == (0, 3)


def test_more_pairs_than_asked_for_are_refused():
    ones = np.ones((100, 8), np.uint8)
    with pytest.raises(ValueError, match=r"at most max_pairs = 4949 pairs.*Lower the radius"):
        audit.near_duplicates(ones, 0, max_pairs=4949)
    assert len(audit.near_duplicates(ones, 0, max_pairs=4950)) == 4950
    with pytest.raises(ValueError, match="max_pairs = 10"):
        audit.leakage(ones, ones, 0, max_pairs=10)


def test_groups_are_what_pairs_connect_and_their_medoid_is_central():
    # 0-1-2 is a chain, 5-6 a pair; 3 and 4 are alone.
    bits = np.zeros((7, 40), np.uint8)
    bits[1, :2] = 1
    bits[2, :4] = 1
    bits[3, 20:] = 1
    bits[4, 10:20] = 1
    bits[5, 5:17] = bits[6, 5:17] = 1
    pairs = audit.near_duplicates(bits, 2)
    groups = audit.duplicate_groups(bits, pairs)
    assert [(g.rows.tolist(), g.medoid) for g in groups] == [([0, 1, 2], 1), ([5, 6], 5)]
    assert audit.duplicate_groups(bits, pairs[:0]) == audit.duplicate_groups(bits, []) == []


def test_medoids_have_the_least_sum_of_distances(monkeypatch):
    # Several parts of each group:
    monkeypatch.setattr(importlib.import_module("tfhash.audit.duplicates"), "UNPACKED_BYTES", 100)
    pairs = audit.near_duplicates(BITS, 8)
    for group in audit.duplicate_groups(BITS, pairs):
        members = BITS[group.rows]
        sums = reference.hamming_distances(members, members).sum(axis=1)
        assert group.medoid == group.rows[sums.argmin()]


MASKED = np.ma.masked_equal([[0, 1], [2, 3]], 2)


@pytest.mark.parametrize("pairs", ([[0.0, 1.0]], [0, 1], [[0, 400]], [[-1, 2]], MASKED))
def test_pairs_that_are_none_are_refused(pairs):
    with pytest.raises(ValueError, match=r"Expected (pairs|an array without masked)"):
        audit.duplicate_groups(BITS, pairs)


# ---- labels ----------------------------------------------------------------------------------


def expected_scores(bits, labels, k):
    distances = reference.hamming_distances(bits, bits)
    np.fill_diagonal(distances, 10**6)
    near = np.argsort(distances, axis=1, kind="stable")[:, :k]
    near_distances = np.take_along_axis(distances, near, axis=1)
    scale = max(1.0, float(np.median(near_distances)))
    scores, suggested = [], []
    for row, label in enumerate(labels):
        votes = {other: 0.0 for other in np.unique(labels)}
        for j, d in zip(near[row], near_distances[row], strict=True):
            votes[labels[j]] += scale / (scale + d)
        own = votes.pop(label)
        best = max(votes.values(), default=0.0)
        scores.append((own - best) / k)
        suggested.append(min((o for o, v in votes.items() if v == best > 0), default=label))
    return np.array(scores), suggested


@pytest.mark.parametrize("k", (1, 10, 399))
def test_label_scores_are_the_vote_of_the_neighbors(k):
    labels = np.array(["cat", "dog", "eel"])[np.arange(400) * 7 % 3]
    found = audit.label_errors(BITS, labels, k)
    scores, suggested = expected_scores(BITS, labels, k)
    np.testing.assert_allclose(found.score, scores, atol=1e-12)
    assert (found.suggested == suggested).mean() > 0.99  # sums in another order may tie otherwise
    np.testing.assert_array_equal(found.ranks, np.argsort(found.score, kind="stable"))


def test_planted_label_errors_come_first():
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 4
    bits = random_bits(4, 80)[labels] ^ (rng.random((600, 80)) < 0.1)
    given_labels = labels.copy()
    wrong = rng.choice(600, 20, replace=False)
    given_labels[wrong] = (labels[wrong] + 1) % 4
    found = audit.label_errors(bits, given_labels)
    assert set(found.ranks[:20]) == set(wrong)
    np.testing.assert_array_equal(found.suggested[wrong], labels[wrong])
    assert found.score.min() >= -1 and found.score.max() <= 1


def test_probabilities_and_known_codes_have_their_say():
    """Against sums label by label; columns by number, or in the order of the names."""
    rng = np.random.default_rng(0)
    known, asked = BITS[:300], BITS[300:]
    ids, given_ids = rng.integers(0, 3, 300), rng.integers(0, 3, 100)
    distances = reference.hamming_distances(known, asked)
    near = np.argsort(distances, axis=1, kind="stable")[:, :7]
    near_distances = np.take_along_axis(distances, near, axis=1)
    scale = max(1.0, float(np.median(near_distances)))
    probabilities = rng.dirichlet((1, 1, 1), 100)
    shares = np.zeros((100, 3))
    for row in range(100):
        for j, d in zip(near[row], near_distances[row], strict=True):
            shares[row, ids[j]] += scale / (scale + d) / 7
    shares = (shares + probabilities) / 2
    own = shares[np.arange(100), given_ids]
    others = shares.copy()
    others[np.arange(100), given_ids] = -1
    names = np.array(["cat", "dog", "eel"])
    for labels, given_labels, columns in (
        (names[ids], names[given_ids], probabilities),
        (ids, given_ids, np.c_[probabilities, np.zeros(100)]),  # a class that does not occur
        (ids + 5, given_ids + 5, probabilities),
    ):
        found = audit.label_errors(asked, given_labels, 7, columns, (known, labels))
        np.testing.assert_allclose(found.score, own - others.max(axis=1), atol=1e-12)
        of_id = dict(zip(ids, labels, strict=True))
        assert found.suggested.tolist() == [of_id[i] for i in others.argmax(axis=1)]
        assert found.suggested.dtype == given_labels.dtype


def test_probabilities_that_are_none_and_known_codes_that_do_not_fit_are_refused():
    labels, even = np.arange(400) % 2, np.full((400, 2), 0.5)
    for wrong, says in (
        (even[:-1], r"shape \[400, n_classes\].*\(399, 2\)"),
        (even[:, 0], r"shape \[400, n_classes\]"),
        (even.astype(str), "real numbers. Received: words"),
        (np.ma.masked_equal(even, 0.5), "masked"),
        (4 * even, "softmax"),
        (np.c_[even[:, 0] * 4, even[:, 0] * -2], "at least 0"),
        (even * np.nan, "sum to 1"),
        (np.ones((400, 1)), "of 2 classes.*Received: 1 columns"),
    ):
        with pytest.raises(ValueError, match=says):
            audit.label_errors(BITS, labels, probabilities=wrong)
    for known, says in (
        (BITS, r"pair \(codes, labels\)"),
        ((BITS[:, 1:], labels), "codes of 29 bits, as the known codes. Received: 30 bits"),
        ((BITS, labels[1:]), "known labels: Expected 400 labels"),
        ((BITS, labels.astype(str)), "of one type"),
        ((BITS, labels.astype("M8[D]")), "of one type"),
        ((BITS[:5], labels[:5]), "k"),
    ):
        with pytest.raises(ValueError, match=says):
            audit.label_errors(BITS, labels, known=known)


# NumPy has strings of any length from version 2 on.
STRINGS = (np.dtypes.StringDType(),) if hasattr(np.dtypes, "StringDType") else ()


@pytest.mark.parametrize("dtype", (object, *STRINGS, "S1", "U3"))
def test_labels_may_be_words_of_any_type(dtype):
    labels = np.arange(400) % 2
    words = np.array(["a", "b"])[labels].astype(dtype)
    expected = audit.label_errors(BITS, labels, 3)
    found = audit.label_errors(BITS, words, 3)
    np.testing.assert_array_equal(found.ranks, expected.ranks)
    np.testing.assert_array_equal(found.suggested, np.unique(words)[expected.suggested])
    by_label, others = (audit.examples(BITS, one, 4, 3) for one in (words, labels))
    assert list(by_label) == np.unique(words).tolist()
    for one, other in zip(by_label.values(), others.values(), strict=True):
        np.testing.assert_array_equal(one.hardest, other.hardest)
    if dtype != "S1":  # bytes are no words
        known = audit.label_errors(BITS, words, 3, known=(BITS, words.astype("U3")))
        np.testing.assert_array_equal(
            known.score, audit.label_errors(BITS, labels, 3, known=(BITS, labels)).score
        )


def test_labels_that_are_whole_numbers_name_their_column():
    """Of whatever type, and where some of the classes do not occur."""
    labels = 1 + np.arange(400) % 2
    likely = np.random.default_rng(0).dirichlet(np.ones(4), 400)
    expected = audit.label_errors(BITS, labels, 3, likely).score
    for dtype in (float, np.float16, np.uint8):
        found = audit.label_errors(BITS, labels.astype(dtype), 3, likely)
        np.testing.assert_array_equal(found.score, expected)


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="y: Expected 400 labels"):
        audit.label_errors(BITS, np.zeros(399))
    with pytest.raises(ValueError, match=r"y: Expected labels that are finite.*NaN"):
        audit.label_errors(BITS, np.full(400, np.nan))
    with pytest.raises(ValueError, match=r"k, of 400 codes, .* 1 to 399\. Received: 400"):
        audit.label_errors(BITS, np.zeros(400), k=400)
    assert (audit.label_errors(BITS, np.zeros(400)).score > 0).all()  # of one label: all agree


def test_examples_are_of_their_label_and_of_different_regions():
    labels = np.arange(400) % 3
    score = audit.label_errors(BITS, labels).score
    for n in (0, -1, 1.5):
        with pytest.raises(ValueError, match="n to be a whole number from 1 on"):
            audit.examples(BITS, labels, n=n)
    found = audit.examples(BITS, labels, n=5)
    assert list(found) == [0, 1, 2]
    for label, (hardest, typical) in found.items():
        rows = np.flatnonzero(labels == label)
        _, first = np.unique(BITS[rows], axis=0, return_index=True)
        rows = rows[np.sort(first)]
        np.testing.assert_allclose(score[hardest], np.sort(score[rows])[:5])
        np.testing.assert_allclose(score[typical], -np.sort(-score[rows])[:5])
        assert set(hardest) | set(typical) <= set(rows)


# ---- coverage --------------------------------------------------------------------------------

LAYERS = (("a", 0, 10), ("b", 10, 70))


def numpy_coverage(bits, min_count, reference_bits, radius):
    on = bits.sum(axis=0) >= min_count
    both = (bits.sum(axis=0) > 0) & ((1 - bits).sum(axis=0) > 0)
    near = reference.hamming_distances(bits, reference_bits).min(axis=1) <= radius
    return audit.CoverageResult(
        len(bits), on.mean(), both.mean(), {"a": on[:10].mean(), "b": on[10:].mean()}, near.mean()
    )


@given(
    st.integers(1, 60),
    st.floats(0, 0.3),
    st.integers(1, 3),
    st.integers(0, 30),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_coverage_is_numpys_monotone_in_any_order_and_mergeable(n, density, count, radius, seed):
    rng = np.random.default_rng(seed)
    bits = (rng.random((n, 70)) < density).astype(np.uint8)
    reference_bits = (rng.random((9, 70)) < density).astype(np.uint8)
    codes = Codes.from_bits(bits, LAYERS)
    cut = int(rng.integers(0, n + 1))

    def empty():
        return audit.Coverage(70, LAYERS, count, reference_bits, radius)

    whole = audit.coverage(codes, count, reference_bits, radius).result()
    assert whole == numpy_coverage(bits, count, reference_bits, radius)
    streamed = empty().update(codes[:cut])
    part = streamed.result()
    assert streamed.update(codes[cut:]).result() == whole
    for name in ("n_examples", "neurons", "both", "regions"):
        assert getattr(part, name) <= getattr(whole, name)
    assert empty().update(codes[rng.permutation(n)]).result() == whole
    one, two = empty().update(codes[cut:]), empty().update(codes[:cut])
    assert one.merge(two).result() == whole == two.merge(empty().update(codes[cut:])).result()
    assert empty().result() == audit.CoverageResult(0, 0.0, 0.0, {"a": 0.0, "b": 0.0}, 0.0)


def test_coverage_reads_codes_from_disk_in_slabs(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module("tfhash.audit.coverage"), "SLAB_BYTES", 64)
    codes = Codes.from_bits(BITS)
    codes.save(tmp_path / "codes.bin")
    on_disk = Codes.load(tmp_path / "codes.bin", mmap=True)
    for count in (1, 5):
        result = audit.coverage(on_disk, count).result()
        assert result.neurons == (BITS.sum(axis=0) >= count).mean()
        assert result.regions is None and result.layers == {}


def test_a_number_of_bits_may_be_of_any_type_of_integer():
    bits = random_bits(50, 200)
    seen = audit.Coverage(np.uint8(200)).update(bits).result()  # -200 of this type is 56
    assert seen == audit.coverage(bits).result()


def test_coverage_of_other_codes_is_refused():
    seen = audit.coverage(Codes.from_bits(random_bits(5, 70), LAYERS))
    with pytest.raises(ValueError, match=r"codes: Expected codes of 70 bits, as this .*: 30 bits"):
        seen.update(BITS)
    with pytest.raises(ValueError, match=r"codes: .*\[a \(10 bits\), b .*: \[a \(70 bits\)\]"):
        seen.update(Codes.from_bits(random_bits(5, 70), (("a", 0, 70),)))
    with pytest.raises(ValueError, match=r"to be Coverage.*Received: dict"):
        seen.merge({})
    with pytest.raises(ValueError, match="to merge"):
        seen.merge(audit.Coverage(70, LAYERS, min_count=2))
    with pytest.raises(ValueError, match="the same reference to merge"):
        audit.coverage(BITS, reference=BITS).merge(audit.coverage(BITS, reference=BITS[::-1]))
    for wrong in ({"min_count": 0}, {"min_count": 1.5}, {"n_bits": 0}, {"n_bits": 2.5}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} to be a whole number from 1 on"):
            audit.Coverage(**{"n_bits": 70, **wrong})
    with pytest.raises(ValueError, match="layers"):
        audit.Coverage(70, (("a", 0, 100),))
    with pytest.raises(ValueError, match="reference: Expected codes of 70 bits"):
        audit.Coverage(70, reference=BITS)


def test_top_units_are_the_most_active_of_each_layer():
    activations = np.array([[1, 3, 2, 0, 0, 0, 5], [1, 1, 1, -1, -2, -3, -4]], np.float32)
    codes = audit.top_units(activations, 2, (("a", 0, 3), ("b", 3, 7)))
    assert codes.to_bits().tolist() == [[0, 1, 1, 1, 0, 0, 1], [1, 1, 0, 1, 1, 0, 0]]
    assert audit.coverage(codes).result().layers == {"a": 1.0, "b": 0.75}
    assert audit.top_units(activations, 9).to_bits().all()
    for dtype in (np.float16, np.int8):
        np.testing.assert_array_equal(
            audit.top_units(activations.astype(dtype), 2, codes.layers).words, codes.words
        )
    # Numbers whose negatives wrap around.
    assert audit.top_units(np.array([[0, 5, 200]], np.uint8), 1).to_bits().tolist() == [[0, 0, 1]]
    assert audit.top_units(np.array([[-128, 5]], np.int8), 1).to_bits().tolist() == [[0, 1]]
    with pytest.raises(ValueError, match="cover all 7 bits"):
        audit.top_units(activations, 1, (("a", 0, 3),))
    for k in (0, 1.5):
        with pytest.raises(ValueError, match="k to be a whole number from 1 on"):
            audit.top_units(activations, k)
    with pytest.raises(ValueError, match="without NaN"):
        audit.top_units(np.array([[np.nan]]), 1)
    for wrong, says in (
        (np.ma.masked_less(activations, 1), "masked"),
        (activations * 1j, "complex"),
    ):
        with pytest.raises(ValueError, match=says):
            audit.top_units(wrong, 1)


def test_activations_and_probabilities_may_be_bfloat16():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    numbers = np.random.default_rng(0).dirichlet(np.ones(4), 400).astype(bfloat16)
    exact, labels = numbers.astype(np.float64), np.arange(400) % 4
    found = audit.label_errors(BITS, labels, 3, numbers)
    np.testing.assert_array_equal(found.score, audit.label_errors(BITS, labels, 3, exact).score)
    assert audit.top_units(numbers, 2) == audit.top_units(exact, 2)
