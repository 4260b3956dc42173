"""One-vs-one logistic regression against its own optimality and against scikit-learn."""

import pickle
from itertools import combinations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsOneClassifier

import reference
from estimator_checks import check_as_it_is, check_on_bits
from reference import BIT_SIZES
from tfhash import Codes, _native
from tfhash.metrics import CodeLogisticRegression
from tfhash.metrics import _coupling as coupling_module
from tfhash.metrics import logistic as logistic_module
from tfhash.metrics._coupling import couple

DIGITS, DIGIT_LABELS = load_digits(return_X_y=True)
DIGITS = (DIGITS > 7).astype(np.uint8)


def labeled_bits(n, n_bits, n_classes, seed=0, noise=2.0):
    """Bits of various frequency, and classes that depend on them."""
    rng = np.random.default_rng(seed)
    bits = (rng.random((n, n_bits)) < rng.random(n_bits)).astype(np.uint8)
    scores = bits @ rng.normal(size=(n_bits, n_classes)) + noise * rng.normal(size=(n, n_classes))
    labels = (scores - scores.mean(axis=0)).argmax(axis=1)
    labels[:n_classes] = range(n_classes)
    return bits, labels


def largest_gradient(model, bits, labels):
    """Over all pairs, of the objective at the fitted weights, in float64."""
    largest = 0.0
    for p, (i, j) in enumerate(combinations(model.classes_, 2)):
        rows = (labels == i) | (labels == j)
        gradient = reference.logistic_gradient(
            bits[rows], labels[rows] == j, model.coef_[p], model.intercept_[p], model.C
        )
        largest = max(largest, np.abs(gradient).max())
    return largest


@pytest.mark.parametrize("n_bits", BIT_SIZES)
def test_optimal_at_all_widths(n_bits):
    bits, labels = labeled_bits(200, n_bits, 3, seed=n_bits)
    model = CodeLogisticRegression(tol=1e-5).fit(bits, labels)
    assert largest_gradient(model, bits, labels) < 1.1e-5


@pytest.mark.parametrize("n", (2, 3, 7, 8, 9, 63, 64, 65, 127, 129, 511, 512, 513, 2000))
def test_optimal_at_all_lengths(n):
    bits, labels = labeled_bits(n, 10, 2, seed=n)
    model = CodeLogisticRegression(tol=1e-5).fit(bits, labels)
    assert largest_gradient(model, bits, labels) < 1.1e-5


@pytest.mark.parametrize("n_classes", (2, 3, 10, 17, 18, 34))
def test_optimal_with_many_classes(n_classes):
    bits, labels = labeled_bits(900, 30, n_classes)
    model = CodeLogisticRegression(tol=1e-5).fit(bits, labels)
    assert model.coef_.shape == (n_classes * (n_classes - 1) // 2, 30)
    assert largest_gradient(model, bits, labels) < 1.1e-5


@pytest.mark.parametrize("C", (0.001, 0.1, 10, 1000))
def test_weights_are_those_of_scikit_learn(C):
    bits, labels = labeled_bits(800, 70, 3)
    ours = CodeLogisticRegression(C=C, tol=1e-7).fit(bits, labels)
    for p, (i, j) in enumerate(combinations(range(3), 2)):
        rows = (labels == i) | (labels == j)
        exact = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12, max_iter=1000)
        exact.fit(bits[rows], labels[rows])
        scale = np.abs(exact.coef_).max()
        np.testing.assert_allclose(ours.coef_[p], exact.coef_[0], atol=2e-4 * scale)
        np.testing.assert_allclose(ours.intercept_[p], exact.intercept_[0], atol=5e-4 * scale)


@pytest.mark.full
def test_votes_are_those_of_scikit_learn():
    train, test = slice(0, 1200), slice(1200, None)
    ours = CodeLogisticRegression().fit(DIGITS[train], DIGIT_LABELS[train])
    theirs = OneVsOneClassifier(LogisticRegression()).fit(DIGITS[train], DIGIT_LABELS[train])
    difference = ours.score(DIGITS[test], DIGIT_LABELS[test]) - theirs.score(
        DIGITS[test], DIGIT_LABELS[test]
    )
    assert abs(difference) < 0.003
    # The same models must come to the same decision.
    for p, estimator in enumerate(theirs.estimators_):
        ours.coef_[p], ours.intercept_[p] = estimator.coef_[0], estimator.intercept_[0]
    np.testing.assert_allclose(
        ours.decision_function(DIGITS), theirs.decision_function(DIGITS.astype(float)), atol=1e-9
    )
    assert (ours.predict(DIGITS) == theirs.predict(DIGITS.astype(float))).all()


def test_two_classes_of_any_type():
    bits, labels = labeled_bits(200, 8, 2)
    names = np.array(["yes", "no"], object)[labels]
    model = CodeLogisticRegression().fit(Codes.from_bits(bits), names)
    assert model.classes_.tolist() == ["no", "yes"]
    decision = model.decision_function(bits)
    np.testing.assert_allclose(decision, bits @ model.coef_[0] + model.intercept_[0], atol=1e-12)
    assert (model.predict(bits) == np.where(decision > 0, "yes", "no")).all()
    again = pickle.loads(pickle.dumps(model))
    assert (again.predict(Codes.from_bits(bits)) == model.predict(bits)).all()


def libsvms_coupling(log_odds, n_classes):
    """Class probabilities of one code, by the iteration of LIBSVM's `multiclass_probability`."""
    r = np.zeros((n_classes, n_classes))
    for odds, (i, j) in zip(log_odds, combinations(range(n_classes), 2), strict=True):
        r[j, i] = np.clip(1 / (1 + np.exp(-odds)), 1e-7, 1 - 1e-7)
        r[i, j] = 1 - r[j, i]
    q = -r.T * r
    q[np.diag_indices(n_classes)] = (r**2).sum(axis=0)
    p = np.full(n_classes, 1 / n_classes)
    for _ in range(10_000):
        if np.abs(q @ p - p @ q @ p).max() < 1e-13:
            break
        for t in range(n_classes):
            p[t] += (p @ q @ p - q[t] @ p) / q[t, t]
            p /= p.sum()
    return p


@pytest.mark.parametrize("n_classes", (2, 3, 4, 10))
def test_probabilities_are_those_of_coupled_pairs(n_classes):
    bits, labels = labeled_bits(400, 20, n_classes, seed=n_classes)
    model = CodeLogisticRegression().fit(bits, labels)
    bits = bits[:60]
    probabilities = model.predict_proba(bits)
    assert probabilities.shape == (60, n_classes) and (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    odds = bits @ model.coef_.T + model.intercept_
    if n_classes == 2:
        expected = 1 / (1 + np.exp(np.hstack([odds, -odds])))
    else:
        expected = [libsvms_coupling(row, n_classes) for row in odds]
    np.testing.assert_allclose(probabilities, expected, atol=1e-9)


def test_probabilities_of_certain_pairs_and_of_pairs_that_say_nothing():
    for n_classes in (3, 30):
        n_pairs = n_classes * (n_classes - 1) // 2
        even = couple(np.zeros((1, n_pairs)), n_classes)
        np.testing.assert_allclose(even, 1 / n_classes, rtol=1e-9)
        certain = couple(np.full((1, n_pairs), 1e9), n_classes)  # each class loses to all after it
        assert certain[0].argmax() == n_classes - 1 and certain[0, -1] > 0.999


def test_probabilities_do_not_depend_on_blocks(monkeypatch):
    model = CodeLogisticRegression().fit(DIGITS[:500], DIGIT_LABELS[:500])
    whole = model.predict_proba(DIGITS[:50])
    monkeypatch.setattr(logistic_module, "SCORE_BYTES", 8 * 45 * 7)
    monkeypatch.setattr(coupling_module, "BLOCK_BYTES", 8 * 11**2 * 3)
    np.testing.assert_allclose(model.predict_proba(DIGITS[:50]), whole, atol=1e-12)
    assert (whole.argmax(axis=1) == DIGIT_LABELS[:50]).mean() > 0.95


def test_votes_of_many_classes_are_those_of_their_pairs():
    # More pairs than are taken together.
    rng = np.random.default_rng(0)
    n_classes = 60
    pairs = list(combinations(range(n_classes), 2))
    bits = rng.integers(0, 2, (520, 9), np.uint8)
    weights, intercepts = rng.normal(size=(len(pairs), 9)), rng.normal(size=len(pairs))
    votes, sums = np.zeros((2, len(bits), n_classes))
    for (i, j), odds in zip(pairs, (bits @ weights.T + intercepts).T, strict=True):
        votes[:, i] += odds <= 0
        votes[:, j] += odds > 0
        sums[:, i] -= odds
        sums[:, j] += odds
    words = Codes.from_bits(bits).words
    got = _native.class_votes(words, 9, weights, intercepts, n_classes)
    np.testing.assert_allclose(got, votes + sums / (3 * (np.abs(sums) + 1)), atol=1e-9)


@pytest.mark.filterwarnings("ignore:The number of unique classes")
def test_too_many_classes_are_refused_with_what_to_do(monkeypatch):
    bits = np.eye(3, dtype=np.uint8)
    words = Codes(np.zeros((5000, 1), np.uint64), 3)
    with pytest.raises(ValueError, match=r"5,000 classes, 12,497,500 pairs.*KNeighbors"):
        CodeLogisticRegression().fit(words, np.arange(5000))
    monkeypatch.setattr(logistic_module, "_memory", lambda: 71)
    with pytest.raises(ValueError, match="3 classes, 3 pairs, whose weights of 3 bits"):
        CodeLogisticRegression().fit(bits, [0, 1, 2])


def test_constant_and_repeated_bits():
    bits, labels = labeled_bits(300, 12, 3)
    plain = CodeLogisticRegression(tol=1e-7).fit(bits, labels)
    ones, zeros = np.ones((300, 1), np.uint8), np.zeros((300, 1), np.uint8)
    wide = np.hstack([ones, bits, zeros, ones])
    model = CodeLogisticRegression(tol=1e-7).fit(wide, labels)
    assert (model.coef_[:, [0, 13, 14]] == 0).all()
    np.testing.assert_array_equal(model.coef_[:, 1:13], plain.coef_)
    twice = CodeLogisticRegression(tol=1e-7).fit(np.hstack([bits, bits]), labels)
    np.testing.assert_allclose(twice.coef_[:, :12], twice.coef_[:, 12:], atol=1e-4)
    assert largest_gradient(twice, np.hstack([bits, bits]), labels) < 2e-7


def test_bits_that_tell_nothing():
    labels = np.array([0] * 10 + [1] * 30 + [2] * 5)
    model = CodeLogisticRegression(tol=1e-7).fit(np.ones((45, 3), np.uint8), labels)
    assert (model.coef_ == 0).all()
    expected = np.log((30 / 10, 5 / 10, 5 / 30))
    np.testing.assert_allclose(model.intercept_, expected, atol=1e-5)
    assert (model.predict(np.ones((2, 3), np.uint8)) == 1).all()


def test_iterations_are_counted():
    bits, labels = np.repeat([[0] * 300, [1] * 300], 50, axis=0), np.repeat([0, 1], 50)
    assert CodeLogisticRegression(tol=0.02).fit(bits, labels).n_iter_.tolist() == [1]
    same = np.repeat(bits, 2, axis=0), np.tile([0, 1], 100)  # nothing to learn: 0 is the optimum
    assert CodeLogisticRegression().fit(*same).n_iter_.tolist() == [0]


def test_separable_codes():
    bits = np.repeat([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 0]], 50, axis=0)
    labels = np.repeat([0, 1, 2], 50)
    model = CodeLogisticRegression(C=1e6, tol=1e-6).fit(bits, labels)
    assert model.score(bits, labels) == 1
    assert largest_gradient(model, bits, labels) < 1.2e-6


def test_a_warning_where_it_did_not_converge():
    with pytest.warns(ConvergenceWarning, match="45 of 45 models did not converge .* in 2 iter"):
        model = CodeLogisticRegression(max_iter=2).fit(DIGITS, DIGIT_LABELS)
    assert (model.n_iter_ == 2).all()
    assert model.score(DIGITS, DIGIT_LABELS) > 0.8
    with pytest.warns(ConvergenceWarning, match="Raise max_iter or tol"):
        model = CodeLogisticRegression(tol=1e-12).fit(DIGITS, DIGIT_LABELS)
    assert largest_gradient(model, DIGITS, DIGIT_LABELS) < 1e-6


@pytest.mark.parametrize("name", ("C", "tol", "max_iter"))
@pytest.mark.parametrize("value", (0, -1, np.nan, np.inf, "1", None))
def test_parameters_that_make_no_sense(name, value):
    with pytest.raises(ValueError, match=f"Expected {name} to be .* Received: "):
        CodeLogisticRegression(**{name: value}).fit(DIGITS, DIGIT_LABELS)


def test_input_that_makes_no_sense():
    model = CodeLogisticRegression()
    with pytest.raises(ValueError, match="only one class, 3"):
        model.fit(DIGITS[:5], [3] * 5)
    with pytest.raises(ValueError, match="Expected 5 labels, one for each example"):
        model.fit(DIGITS[:5], [0, 1])
    with pytest.raises(ValueError, match="Received: 2"):
        model.fit([[0, 2], [1, 1]], [0, 1])
    with pytest.raises(ValueError, match="at least one code"):
        model.fit(Codes.from_bits(np.zeros((0, 3))), [])
    model.fit(DIGITS, DIGIT_LABELS)
    with pytest.raises(ValueError, match="Expected codes of 64 bits, as fitted"):
        model.predict(Codes.from_bits(DIGITS[:, :9]))


@pytest.mark.filterwarnings("ignore")  # of what the checks do on purpose
def test_scikit_learns_checks(monkeypatch):
    check_as_it_is(CodeLogisticRegression())
    check_on_bits(CodeLogisticRegression(), monkeypatch)
