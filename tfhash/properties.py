"""The registry of encoding properties: what they are called, and what they say.

A property is a field of `EncodingProperties`. Commands, tables, pages and figures take names and
labels from here; how a family is measured is a function of `tfhash.metrics.families`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

NEIGHBORS = 9  # that vote for K-NN
SETS = {"train": "training set", "test": "test set"}
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
        "knn", "test", "K-NN", "accuracy", f"vote of the {NEIGHBORS} nearest training codes"
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
# What is asked for by name, and measured at once.
FAMILIES = tuple(dict.fromkeys(one.family for one in ENCODING_PROPERTIES.values()))
