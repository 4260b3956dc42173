"""How each family of encoding properties is measured: one function a family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numpy.typing import NDArray

from tfhash.codes import Codes
from tfhash.metrics.clustering import clustering_accuracy
from tfhash.metrics.kmeans import CodeKMeans
from tfhash.metrics.logistic import CodeLogisticRegression
from tfhash.metrics.neighbors import HammingKNeighborsClassifier
from tfhash.metrics.regions import count_regions, redundancy_ratio
from tfhash.properties import NEIGHBORS


class Examples(NamedTuple):
    """Codes of n examples, and their labels [n]."""

    codes: Codes
    labels: NDArray[Any]


def redundancy(train: Examples, test: Examples, random_state: int | None) -> dict[str, float]:
    """Redundancy ratios of both sets."""
    return {
        "train_redundancy_ratio": redundancy_ratio(train.codes),
        "test_redundancy_ratio": redundancy_ratio(test.codes),
    }


def kmeans(train: Examples, test: Examples, random_state: int | None) -> dict[str, float]:
    """Accuracies of K-Means on both sets, with as many clusters as there are training classes."""
    n_classes = len(set(train.labels.tolist()))

    def accuracy(examples: Examples) -> float:
        # A narrow network may have fewer codes than there are classes, and so clusters.
        n_clusters = min(n_classes, count_regions(examples.codes))
        clusters = CodeKMeans(n_clusters=n_clusters, random_state=random_state)
        return clustering_accuracy(examples.labels, clusters.fit(examples.codes).labels_)

    return {"train_kmeans_accuracy": accuracy(train), "test_kmeans_accuracy": accuracy(test)}


def knn(train: Examples, test: Examples, random_state: int | None) -> dict[str, float]:
    """Test accuracy of the nearest training codes."""
    classifier = HammingKNeighborsClassifier(n_neighbors=NEIGHBORS).fit(*train)
    return {"knn_accuracy": classifier.score(*test)}


def logistic(train: Examples, test: Examples, random_state: int | None) -> dict[str, float]:
    """Test accuracy of one-vs-one logistic regression."""
    return {"logistic_accuracy": CodeLogisticRegression().fit(*train).score(*test)}


# By family of `tfhash.properties`.
MEASURED_BY: dict[str, Callable[[Examples, Examples, int | None], dict[str, float]]] = {
    "redundancy": redundancy,
    "kmeans": kmeans,
    "knn": knn,
    "logistic": logistic,
}
