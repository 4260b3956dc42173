"""The encoding properties of one network, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash.codes import Origin
from tfhash.errors import InputError, unknown_name
from tfhash.metrics._inputs import (
    CodesLike,
    as_codes,
    check_classes,
    check_labels,
    check_same_width,
    plain_labels,
)
from tfhash.metrics.families import MEASURED_BY, Examples
from tfhash.metrics.regions import redundancy_ratio
from tfhash.properties import FAMILIES, NEIGHBORS, EncodingProperties


def encoding_properties(
    train: CodesLike,
    y_train: ArrayLike,
    test: CodesLike,
    y_test: ArrayLike,
    *,
    families: Sequence[str] = FAMILIES,
    random_state: int | None = 0,
) -> EncodingProperties:
    """Measure the encoding properties of He et al., "Neural networks behave as hash encoders".

    Parameters
    ----------
    train, test : Codes, or 0/1 matrices [n, n_bits] and [n_test, n_bits]
    y_train, y_test : labels [n] and [n_test]
    families : sequence of str
        What to measure, out of "redundancy", "kmeans", "knn" and "logistic".
    random_state : int or None
        Of K-Means' starting points (10 starts); everything else is deterministic.

    Returns
    -------
    EncodingProperties

    Raises
    ------
    ValueError
        Where codes are empty, differ in width, or in layers or model where both are known; labels
        do not match them, are no classes (numbers that are not whole) or of another kind in one set
        than in the other; there are fewer than 9 training examples for K-NN, or fewer than two
        classes among them for logistic regression; or a family is unknown; near ones are named.
    """
    _check_families(families)
    codes, test_codes = as_codes(train, "train"), as_codes(test, "test")
    check_same_width(codes, test_codes, "train", "test")
    Origin.of(codes).check(Origin.of(test_codes), "test", "as train")
    here = Examples(codes, check_labels(y_train, len(codes), "y_train"))
    there = Examples(test_codes, check_labels(y_test, len(test_codes), "y_test"))
    found: dict[str, float] = {}
    if set(families) - {"redundancy"}:
        _check_classes(here.labels, there.labels)
    _check_enough(here.labels, families)
    for family in FAMILIES:
        if family in families:
            found.update(MEASURED_BY[family](here, there, random_state))
    return EncodingProperties(**found)


def _check_families(families: Sequence[str]) -> None:
    """Raise InputError unless these are names of families; near ones are named."""
    if isinstance(families, str):
        raise InputError(
            f"families: Expected a sequence of names, such as ({families!r},). Received: the one "
            f"word {families!r}."
        )
    for family in families:
        if family not in FAMILIES:
            raise unknown_name("families", family, FAMILIES)


def _check_classes(train: NDArray[Any], test: NDArray[Any]) -> None:
    """Raise InputError where labels are measured values, or numbers in one set and words there."""
    for labels, name in ((train, "y_train"), (test, "y_test")):
        check_classes(labels, name)
    plain = [plain_labels(labels).dtype.kind for labels in (train, test)]
    kinds = ["words" if kind in "US" else "numbers" for kind in plain]
    if kinds[0] != kinds[1] and "O" not in plain:
        raise InputError(
            "Expected training and test labels of one kind. Received: training labels that are "
            f"{kinds[0]}, test labels that are {kinds[1]}."
        )


def _check_enough(labels: NDArray[Any], families: Sequence[str]) -> None:
    """Raise InputError where training examples are too few for a family that is asked for."""
    few = _too_few(labels, families)
    if "knn" in few:
        raise InputError(
            f"train: Expected at least {NEIGHBORS} codes, as K-NN is a vote of {NEIGHBORS}. "
            f"Received: {len(labels)}. Give more, or leave 'knn' out of families."
        )
    if "logistic" in few:
        raise InputError(
            "y_train: Expected labels of at least two classes, for logistic regression. Received: "
            f"only one class, {labels[0]}. Give others, or leave 'logistic' out of families."
        )


def _too_few(labels: NDArray[Any], families: Sequence[str]) -> list[str]:
    """Those of `families` that training examples with these labels are too few for."""
    few = []
    if "knn" in families and len(labels) < NEIGHBORS:
        few.append("knn")
    if "logistic" in families and len(np.unique(labels)) < 2:
        few.append("logistic")
    return few


class Measurable(NamedTuple):
    """What could be measured, and what could not.

    Attributes
    ----------
    properties : dict of str to float
        By the names of `EncodingProperties`.
    notes : tuple of str
        A sentence for each family that labeled examples are too few for.
    """

    properties: dict[str, float]
    notes: tuple[str, ...]


def measurable_properties(
    train: CodesLike,
    y_train: ArrayLike | None = None,
    test: CodesLike | None = None,
    y_test: ArrayLike | None = None,
    *,
    families: Sequence[str] = FAMILIES,
    random_state: int | None = 0,
) -> Measurable:
    """The encoding properties that can be measured: of `families`, or redundancy alone.

    Parameters and errors are those of `encoding_properties`; what is missing is None. Without
    labels of both sets redundancy alone is measured. K-NN is left out where there are fewer
    training examples than neighbors, logistic regression where they are all of one class.
    """
    _check_families(families)
    if y_train is None or test is None or y_test is None:
        sets = {"train": train} if test is None else {"train": train, "test": test}
        ratios = {f"{n}_redundancy_ratio": redundancy_ratio(codes) for n, codes in sets.items()}
        return Measurable(ratios, ())
    codes = as_codes(train, "train")
    labels = check_labels(y_train, len(codes), "y_train")
    why = {
        "knn": f"K-NN accuracy is not measured: it is a vote of {NEIGHBORS} training examples, and "
        f"there {'is' if len(codes) == 1 else 'are'} {len(codes)}.",
        "logistic": "Logistic regression is not measured: all training examples are of one class.",
    }
    few = _too_few(labels, families)
    rest = [family for family in families if family not in few]
    measured = encoding_properties(
        codes, labels, test, y_test, families=rest, random_state=random_state
    )
    return Measurable(measured.given(), tuple(why[name] for name in families if name in few))
