"""The encoding properties of one network, in one call."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from tfhash.errors import InputError, unknown_name
from tfhash.metrics._inputs import CodesLike, as_codes, check_labels, check_same_width
from tfhash.metrics.families import MEASURED_BY, Examples
from tfhash.metrics.regions import redundancy_ratio
from tfhash.properties import FAMILIES, EncodingProperties


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
        Where codes are empty or differ in width, labels do not match them, there are fewer
        training examples than neighbors or classes, or a family is unknown; near ones are named.
    """
    if isinstance(families, str):
        raise InputError(
            f"families: Expected a sequence of names, such as ({families!r},). Received: the one "
            f"word {families!r}."
        )
    for family in families:
        if family not in FAMILIES:
            raise unknown_name("families", family, FAMILIES)
    codes, test_codes = as_codes(train, "train"), as_codes(test, "test")
    check_same_width(codes, test_codes, "train", "test")
    here = Examples(codes, check_labels(y_train, len(codes), "y_train"))
    there = Examples(test_codes, check_labels(y_test, len(test_codes), "y_test"))
    found: dict[str, float] = {}
    for family in FAMILIES:
        if family in families:
            found.update(MEASURED_BY[family](here, there, random_state))
    return EncodingProperties(**found)


def measurable_properties(
    train: CodesLike,
    y_train: ArrayLike | None = None,
    test: CodesLike | None = None,
    y_test: ArrayLike | None = None,
    *,
    families: Sequence[str] = FAMILIES,
    random_state: int | None = 0,
) -> dict[str, float]:
    """The encoding properties by name: all `families`, or redundancy alone without all labels.

    Parameters and errors are those of `encoding_properties`; what is missing is None.
    """
    if y_train is not None and test is not None and y_test is not None:
        measured = encoding_properties(
            train, y_train, test, y_test, families=families, random_state=random_state
        )
        return measured.given()
    sets = {"train": train} if test is None else {"train": train, "test": test}
    return {f"{name}_redundancy_ratio": redundancy_ratio(codes) for name, codes in sets.items()}
