"""Labels: one check for all metrics and estimators, which says what to do."""

import re
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from reference import random_bits
from tfhash import audit, metrics
from tfhash.metrics._inputs import as_labels, plain_labels

BITS = random_bits(4, 20)
ONE_HOT = np.eye(4)[[0, 1, 1, 0]]
TAKERS = {
    "clustering_accuracy": lambda y: metrics.clustering_accuracy(y, [0, 0, 1, 1]),
    "logistic fit": lambda y: metrics.CodeLogisticRegression().fit(BITS, y),
    "logistic score": lambda y: (
        metrics.CodeLogisticRegression().fit(BITS, [0, 1, 1, 0]).score(BITS, y)
    ),
    "neighbors fit": lambda y: metrics.HammingKNeighborsClassifier(1).fit(BITS, y),
    "neighbors score": lambda y: (
        metrics.HammingKNeighborsClassifier(1).fit(BITS, [0, 1, 1, 0]).score(BITS, y)
    ),
    "encoding_properties": lambda y: metrics.encoding_properties(
        BITS, y, BITS, [0, 1, 1, 0], families=("redundancy",)
    ),
}
MISSING = (
    np.array([1.0, np.nan, 0, 1], object),
    np.array(["a", None, "b", "a"], object),
    ["a", float("nan"), "b", "a"],
    [1.0, float("inf"), 0, 1],
    [1, None, 0, 1],
    pd.Series([1, None, 0, 1], dtype="Int64"),
    pd.Series(["a", None, "b", "a"], dtype="string"),
    pd.Series(["a", np.nan, "b", "a"]),
    pd.Series(["a", None, "b", "a"], dtype="category"),
    np.array(["2020", "NaT", "2021", "2020"], "M8[D]"),
)


@pytest.mark.parametrize("taker", TAKERS)
def test_one_hot_labels_are_met_with_argmax(taker):
    for y in (ONE_HOT, ONE_HOT.tolist(), ONE_HOT.astype(bool), pd.DataFrame(ONE_HOT)):
        with pytest.raises(ValueError, match=r"y.*\(4, 4\); for one-hot .* use argmax: np.argmax"):
            TAKERS[taker](y)
    TAKERS[taker](np.argmax(ONE_HOT, axis=1))


CLASSES = {
    "label_errors": lambda y: audit.label_errors(BITS, y, k=2),
    "label_errors, known": lambda y: audit.label_errors(BITS, [0, 1, 1, 0], 2, known=(BITS, y)),
    "examples": lambda y: audit.examples(BITS, y, k=2),
    "monitor": lambda y: audit.RegionMonitor().fit(BITS, y),
    "encoding_properties": lambda y: metrics.encoding_properties(
        BITS, y, BITS, [0, 1, 1, 0], families=("kmeans",)
    ),
}


@pytest.mark.parametrize("taker", CLASSES)
def test_measured_values_are_no_classes(taker):
    for y in ([0.5, 1.0, 1.0, 0.0], pd.Series([0.5, 1, 1, 0]), np.array([0, 0.5, 1, 1], "f2")):
        with pytest.raises(ValueError, match=r": Expected labels of classes.*Received: 0\.5"):
            CLASSES[taker](y)
    CLASSES[taker]([0.0, 1.0, 1.0, 0.0])  # whole numbers, whatever their type


@pytest.mark.parametrize("taker", TAKERS)
def test_missing_labels_are_met(taker):
    for y in MISSING:
        with pytest.raises(ValueError, match=r"y.*: Expected (a label|labels that are finite)"):
            TAKERS[taker](y)
    with pytest.raises(ValueError, match=r"y.*without masked entries"):
        TAKERS[taker](np.ma.array([0, 1, 1, 0], mask=[0, 0, 0, 1]))


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize(
    "y, message",
    (
        (np.array([1, "a", 1, 0], object), r"can be sorted, all of one type.*int, str"),
        ([1j, 0, 1, 0], "Complex data not supported"),
        (np.zeros((4, 1, 2)), r"shape \[n\]. Received shape: \(4, 1, 2\)"),
        (3, r"shape \[n\]. Received shape: \(\)"),
        ("abcd", r"shape \[n\]. Received shape: \(\)"),
        (np.array([[1], [2], [1], [3], None], object)[:4], "can be sorted"),
    ),
)
def test_labels_of_other_kinds_are_refused(y, message, taker):
    with pytest.raises(ValueError, match=message):
        TAKERS[taker](y)


@pytest.mark.parametrize(
    "y",
    (
        ["a", "b", "b", "nan"],
        [1, 0, 0, 1],
        [True, False, True, True],
        np.array([1, 2.5, True, 0], object),
        np.array(["a", "b", "b", "a"], object),
        pd.Series(["a", "b", "b", "a"], dtype="category"),
        pd.Series(["a", "b", "b", "a"], dtype="string"),
        pd.Series([1, 2, 1, 1], dtype="Int8"),
        np.ma.array([0, 1, 1, 0], mask=False),
        np.array([[1], [0], [1], [1]]),
        np.array(["2020", "2021", "2021", "2020"], "M8[D]"),
    ),
    ids=repr,
)
def test_labels_of_any_type_that_can_be_sorted_are_taken(y):
    labels = as_labels(y)
    assert type(labels) is np.ndarray
    assert labels.tolist() == np.asarray(y).ravel().tolist()
    assert 0 < metrics.clustering_accuracy(y, [0, 0, 1, 1]) <= 1


@pytest.mark.parametrize(
    ("y", "plain"),
    (
        (np.array([1, 0, 2], object), [1, 0, 2]),
        (np.array([1, 2.5, True], object), [1.0, 2.5, 1.0]),
        (np.array(["a", "b", "c"], object), ["a", "b", "c"]),
        (np.array(["2020-01-01"], "M8[ns]"), [datetime(2020, 1, 1)]),
        (np.array([5], "m8[D]"), [timedelta(days=5)]),
        (np.array([(1, 2), None], object)[:1], [(1, 2)]),
    ),
)
def test_labels_of_objects_and_dates_as_plain_ones(y, plain):
    assert plain_labels(y).tolist() == plain


def test_classifiers_take_numbers_that_are_objects_and_name_bytes():
    bits, y = np.eye(8)[[0, 1] * 6], np.array([3, 7] * 6)
    for kind in (metrics.CodeLogisticRegression, metrics.HammingKNeighborsClassifier):
        fitted = kind().fit(bits, y.astype(object))
        assert fitted.score(bits, y) == 1 and fitted.classes_.dtype == np.int64
        with pytest.raises(ValueError, match=r"y: Expected labels.*bytes.*astype\(str\)"):
            kind().fit(bits, y.astype("S1"))


def test_rows_of_missing_labels_are_named():
    with pytest.raises(ValueError, match=re.escape("Received: nan in row 2.")):
        as_labels(np.array([0, 1, np.nan], object))
