"""The encoding properties of one network, in one call."""

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from tfhash.codes import Codes
from tfhash.metrics._inputs import CodesLike, as_codes, check_labels, check_same_width
from tfhash.metrics.clustering import clustering_accuracy
from tfhash.metrics.kmeans import CodeKMeans
from tfhash.metrics.logistic import CodeLogisticRegression
from tfhash.metrics.neighbors import HammingKNeighborsClassifier
from tfhash.metrics.regions import count_regions, redundancy_ratio

FAMILIES = ("redundancy", "kmeans", "knn", "logistic")


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

    train_redundancy_ratio: float | None = None
    test_redundancy_ratio: float | None = None
    train_kmeans_accuracy: float | None = None
    test_kmeans_accuracy: float | None = None
    knn_accuracy: float | None = None
    logistic_accuracy: float | None = None

    def _repr_html_(self) -> str:
        """A table, as a notebook shows it."""
        shown = {
            "Redundancy ratio": (self.train_redundancy_ratio, self.test_redundancy_ratio),
            "K-Means accuracy": (self.train_kmeans_accuracy, self.test_kmeans_accuracy),
            "K-NN accuracy": (None, self.knn_accuracy),
            "Logistic regression accuracy": (None, self.logistic_accuracy),
        }
        rows = [
            "".join(
                [f"<tr><td>{name}</td>"]
                + [f"<td>{'' if share is None else f'{share:.2%}'}</td>" for share in shares]
                + ["</tr>"]
            )
            for name, shares in shown.items()
            if shares != (None, None)
        ]
        head = "<tr><th>encoding property</th><th>training set</th><th>test set</th></tr>"
        return f"<table>{head}{''.join(rows)}</table>"


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
        training examples than neighbors or classes, or a family is unknown.
    """
    for family in families:
        if family not in FAMILIES:
            raise ValueError(f"Expected families among {FAMILIES}. Received: {family!r}.")
    codes, test_codes = as_codes(train, "train"), as_codes(test, "test")
    check_same_width(codes, test_codes, "train", "test")
    labels = check_labels(y_train, len(codes), "y_train")
    test_labels = check_labels(y_test, len(test_codes), "y_test")
    found: dict[str, float] = {}
    if "redundancy" in families:
        found["train_redundancy_ratio"] = redundancy_ratio(codes)
        found["test_redundancy_ratio"] = redundancy_ratio(test_codes)
    if "kmeans" in families:
        n_classes = len(set(labels.tolist()))

        def clustered(codes: Codes, y: ArrayLike) -> float:
            # A narrow network may have fewer codes than there are classes, and so clusters.
            n_clusters = min(n_classes, count_regions(codes))
            kmeans = CodeKMeans(n_clusters=n_clusters, random_state=random_state)
            return clustering_accuracy(y, kmeans.fit(codes).labels_)

        found["train_kmeans_accuracy"] = clustered(codes, labels)
        found["test_kmeans_accuracy"] = clustered(test_codes, test_labels)
    if "knn" in families:
        neighbors = HammingKNeighborsClassifier(n_neighbors=9).fit(codes, labels)
        found["knn_accuracy"] = neighbors.score(test_codes, test_labels)
    if "logistic" in families:
        logistic = CodeLogisticRegression().fit(codes, labels)
        found["logistic_accuracy"] = logistic.score(test_codes, test_labels)
    return EncodingProperties(**found)
