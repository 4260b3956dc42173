"""The encoding properties of one network, in one call, and the registry of them.

A property is a field of `EncodingProperties`; commands, tables, pages and figures take its names
from there. A family is what is measured at once: a function, listed in `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from numpy.typing import ArrayLike

from tfhash.errors import InputError, unknown_name
from tfhash.metrics import families as measured_by
from tfhash.metrics._inputs import CodesLike, as_codes, check_labels, check_same_width
from tfhash.metrics.families import Examples
from tfhash.metrics.regions import redundancy_ratio

SETS = {"train": "training set", "test": "test set"}
FAMILIES: dict[str, Callable[[Examples, Examples, int | None], dict[str, float]]] = {
    "redundancy": measured_by.redundancy,
    "kmeans": measured_by.kmeans,
    "knn": measured_by.knn,
    "logistic": measured_by.logistic,
}

_SHARED = "share of examples whose region an earlier one is in; 0 is best"
_CLUSTERS = "clusters of the codes, as many as classes"


@dataclass(frozen=True)
class Property:
    """One encoding property: its names, and what it says.

    Attributes
    ----------
    name : str
        Field of `EncodingProperties`, and column of tables: "train_kmeans_accuracy".
    family : str
        What asks for it: one of `FAMILIES`.
    split : str
        "train" or "test": the set that it is measured on.
    label : str
        In a legend or a heading: "K-Means".
    quantity : str
        What the number is: "ratio" or "accuracy".
    says : str
        What the number means, in a few words.
    """

    name: str
    family: str
    split: str
    label: str
    quantity: str
    says: str

    @property
    def metric(self) -> str:
        """Its name without the set, as tidy tables have it: "kmeans_accuracy"."""
        return self.name.removeprefix(f"{self.split}_")

    @property
    def title(self) -> str:
        """Label and quantity: "K-Means accuracy"."""
        return f"{self.label} {self.quantity}"

    @property
    def heading(self) -> str:
        """Title and set: "K-Means accuracy, test set"."""
        return f"{self.title}, {SETS[self.split]}"

    @property
    def is_of_both_sets(self) -> bool:
        """Whether its family measures both sets, so that a label has to say which it is."""
        return self.metric != self.name

    def label_with(self, name_of_set: str) -> str:
        """The label, with a name of the set where both are measured: "K-Means (test set)"."""
        return f"{self.label} ({name_of_set})" if self.is_of_both_sets else self.label


def _property(family: str, split: str, label: str, quantity: str, says: str) -> Any:
    """A field of `EncodingProperties`; the arguments are attributes of `Property`."""
    names = {"family": family, "split": split, "label": label, "quantity": quantity, "says": says}
    return field(default=None, metadata=names)


@dataclass(frozen=True)
class EncodingProperties:
    """How good a hash function a network's activation pattern is; all are shares from 0 to 1.

    A property that was not asked for is None.

    Attributes
    ----------
    train_redundancy_ratio, test_redundancy_ratio : float
        Share of the examples that another one's linear region already holds; 0 is best.
    train_kmeans_accuracy, test_kmeans_accuracy : float
        Accuracy of K-Means with as many clusters as classes, on the codes of the set itself, each
        cluster taking the label that fits it best.
    knn_accuracy : float
        Test accuracy of 9 nearest neighbors by Hamming distance among the training codes.
    logistic_accuracy : float
        Test accuracy of one-vs-one logistic regression on the training codes.
    """

    train_redundancy_ratio: float | None = _property(
        "redundancy", "train", "redundancy", "ratio", _SHARED
    )
    test_redundancy_ratio: float | None = _property(
        "redundancy", "test", "redundancy", "ratio", _SHARED
    )
    train_kmeans_accuracy: float | None = _property(
        "kmeans", "train", "K-Means", "accuracy", _CLUSTERS
    )
    test_kmeans_accuracy: float | None = _property(
        "kmeans", "test", "K-Means", "accuracy", _CLUSTERS
    )
    knn_accuracy: float | None = _property(
        "knn", "test", "K-NN", "accuracy", "vote of the 9 nearest training codes"
    )
    logistic_accuracy: float | None = _property(
        "logistic", "test", "logistic regression", "accuracy", "trained on the training codes"
    )

    def given(self) -> dict[str, float]:
        """The properties that were measured, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def _repr_html_(self) -> str:
        """A table, as a notebook shows it."""
        given = self.given()
        rows: dict[str, dict[str, str]] = {}
        for one in ENCODING_PROPERTIES.values():
            if one.name in given:
                rows.setdefault(one.title, {})[one.split] = f"{given[one.name]:.2%}"
        head = "".join(f"<th>{name}</th>" for name in ("encoding property", *SETS.values()))
        lines = "".join(
            f"<tr><td>{title[0].upper()}{title[1:]}</td>"
            + "".join(f"<td>{shares.get(split, '')}</td>" for split in SETS)
            + "</tr>"
            for title, shares in rows.items()
        )
        return f"<table><tr>{head}</tr>{lines}</table>"


ENCODING_PROPERTIES = {
    one.name: Property(name=one.name, **one.metadata) for one in fields(EncodingProperties)
}


def encoding_properties(
    train: CodesLike,
    y_train: ArrayLike,
    test: CodesLike,
    y_test: ArrayLike,
    *,
    families: Sequence[str] = tuple(FAMILIES),
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
    for family, measured in FAMILIES.items():
        if family in families:
            found.update(measured(here, there, random_state))
    return EncodingProperties(**found)


def measurable_properties(
    train: CodesLike,
    y_train: ArrayLike | None = None,
    test: CodesLike | None = None,
    y_test: ArrayLike | None = None,
    *,
    families: Sequence[str] = tuple(FAMILIES),
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
