"""The registry of encoding properties: families give what it lists, and its names fit together."""

import numpy as np
import pytest

from tfhash import Codes, metrics
from tfhash.errors import InputError
from tfhash.metrics.families import MEASURED_BY
from tfhash.metrics.properties import encoding_properties, measurable_properties
from tfhash.properties import ENCODING_PROPERTIES, FAMILIES, SETS

RNG = np.random.default_rng(0)
BITS = RNG.integers(0, 2, (40, 12))
Y = np.arange(40) % 3


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_gives_the_properties_that_are_listed_for_it(family):
    measured = encoding_properties(BITS, Y, BITS[:15], Y[:15], families=(family,))
    listed = [one.name for one in ENCODING_PROPERTIES.values() if one.family == family]
    assert list(measured.given()) == listed and listed
    assert all(0 <= value <= 1 for value in measured.given().values())


def test_names_fit_together():
    assert set(FAMILIES) == set(MEASURED_BY)
    for name, one in ENCODING_PROPERTIES.items():
        assert one.split in SETS and name.endswith(one.metric)
        assert name in (one.metric, f"{one.split}_{one.metric}")
    headings = [one.heading for one in ENCODING_PROPERTIES.values()]
    assert len(set(headings)) == len(headings)
    assert ENCODING_PROPERTIES["train_kmeans_accuracy"].label_with("train") == "K-Means (train)"
    assert ENCODING_PROPERTIES["knn_accuracy"].label_with("test") == "K-NN"


@pytest.mark.parametrize(
    ("families", "message"),
    [
        (("redundency",), "Received: redundency. Did you mean redundancy"),
        (("knn", "k-means"), "Received: k-means. Did you mean kmeans"),
        ("knn", r"such as \('knn',\). Received: the one word 'knn'"),
    ],
)
def test_unknown_families_are_named_with_near_ones(families, message):
    with pytest.raises(InputError, match=message):
        encoding_properties(BITS, Y, BITS, Y, families=families)
    with pytest.raises(InputError, match=message):
        measurable_properties(BITS, Y, BITS, Y, families=families)


@pytest.mark.parametrize(
    ("y", "y_test", "message"),
    [
        (
            Y + 0.5,
            Y,
            "y_train: Expected labels of classes, whole numbers or words. Received: 0.5.",
        ),
        (Y, RNG.normal(size=40), "y_test: Expected labels of classes, whole numbers"),
        (Y, Y.astype(str), "training labels that are numbers, test labels that are words"),
        (Y.astype(str), Y == 1, "training labels that are words, test labels that are numbers"),
        (Y.astype(str).astype(object), Y, "training labels that are words, test labels that are n"),
    ],
)
def test_labels_that_are_no_classes_or_of_two_kinds_are_refused(y, y_test, message):
    for measure in (encoding_properties, measurable_properties):
        with pytest.raises(InputError, match=message):
            measure(BITS, y, BITS, y_test)
        measure(BITS, y, BITS, y_test, families=("redundancy",))  # takes no labels
    whole = encoding_properties(BITS, Y.astype(float), BITS, Y)
    assert whole == encoding_properties(BITS, Y, BITS, Y)
    words = encoding_properties(BITS, Y.astype(str), BITS, Y.astype(str).astype(object))
    assert words.knn_accuracy == whole.knn_accuracy
    assert encoding_properties(BITS, Y.astype(object), BITS, Y) == whole


def test_examples_that_are_too_few_are_named_by_argument():
    with pytest.raises(InputError, match=r"train: Expected at least 9 codes.*8.*'knn' out of fam"):
        encoding_properties(BITS[:8], Y[:8], BITS, Y)
    with pytest.raises(InputError, match=r"y_train: Expected .*two classes.*one class, 0.*'logist"):
        encoding_properties(BITS, Y * 0, BITS, Y)
    rest = tuple(set(FAMILIES) - {"knn", "logistic"})
    encoding_properties(BITS[:8], Y[:8] * 0, BITS, Y, families=rest)


def test_codes_of_other_layers_are_refused():
    first, last = (Codes.from_bits(BITS, [(name, 0, 12)]) for name in ("first", "last"))
    with pytest.raises(ValueError, match=r"test: Expected codes of the layers \[first \(12 bits\)"):
        encoding_properties(first, Y, last, Y)
    for given, message in (
        (BITS, "train: Expected codes whose layers"),
        (last, "of the same layers"),
    ):
        with pytest.raises(ValueError, match=message):
            metrics.layer_wise(given, Y, first, Y)
    named = encoding_properties(first, Y, first[:15], Y[:15])
    assert named == encoding_properties(BITS, Y, first[:15], Y[:15])  # layers of one are not known


def test_without_all_labels_redundancy_is_measured():
    ratios = [metrics.redundancy_ratio(bits) for bits in (BITS, BITS[:15])]
    both = {"train_redundancy_ratio": ratios[0], "test_redundancy_ratio": ratios[1]}
    assert measurable_properties(BITS) == ({"train_redundancy_ratio": ratios[0]}, ())
    assert measurable_properties(BITS, Y, BITS[:15]) == (both, ())
    assert measurable_properties(BITS, None, BITS[:15], Y[:15]) == (both, ())
    whole = measurable_properties(BITS, Y, BITS[:15], Y[:15])
    assert whole == (encoding_properties(BITS, Y, BITS[:15], Y[:15]).given(), ())


def test_what_examples_are_too_few_for_is_left_out_and_said():
    few, (note,) = measurable_properties(BITS[:8], Y[:8], BITS[8:], Y[8:])
    rest = tuple(name for name in FAMILIES if name != "knn")
    assert few == encoding_properties(BITS[:8], Y[:8], BITS[8:], Y[8:], families=rest).given()
    assert note.startswith("K-NN accuracy is not measured: it is a vote of 9") and "are 8" in note
    one, (note,) = measurable_properties(BITS, Y * 0, BITS[:15], Y[:15])
    assert "logistic_accuracy" not in one and "knn_accuracy" in one
    assert note.startswith("Logistic regression is not measured")
    # Nothing is said of what is not asked for.
    asked = measurable_properties(BITS[:1], Y[:1], BITS, Y, families=("redundancy",))
    assert list(asked.properties) == ["train_redundancy_ratio", "test_redundancy_ratio"]
    assert asked.notes == ()
    assert measurable_properties(BITS[:1], Y[:1], BITS, Y, families=("knn",)).properties == {}
