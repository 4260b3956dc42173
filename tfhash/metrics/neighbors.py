"""Exact nearest neighbors by Hamming distance, and their vote."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from tfhash import _native
from tfhash.metrics._estimators import CodeClassifierMixin, class_labels, estimator_codes
from tfhash.metrics._inputs import CodesLike, as_codes, check_labels, check_same_width
from tfhash.progress import kernel_progress


def hamming_knn(
    database: CodesLike, queries: CodesLike, k: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Find the `k` codes of the database nearest to each query.

    Exact, and the same on every machine. Beside the results it needs a few hundred megabytes at
    most, whatever the sizes, and reads a database on disk (`Codes.load(path, mmap=True)`) in
    order.

    Parameters
    ----------
    database : Codes, or 0/1 matrix [n, n_bits]
    queries : Codes, or 0/1 matrix [q, n_bits]
    k : int, from 1 to n

    Returns
    -------
    distances : int32 [q, k]
        Hamming distances in bits, nearest first.
    indices : int64 [q, k]
        The rows of the database at these distances; of equally near ones the lower index is first.

    Raises
    ------
    ValueError
        Where the two differ in width, the database is empty, or `k` is not from 1 to `n`.
    """
    codes = as_codes(database, "database")
    asked = as_codes(queries, "queries", allow_empty=True)
    check_same_width(codes, asked, "database", "queries")
    k = _checked_k(k, len(codes), "k")
    with kernel_progress("Nearest neighbors") as report:
        return _native.hamming_knn(codes.words, asked.words, codes.n_bits, k, report)


class HammingKNeighborsClassifier(CodeClassifierMixin, BaseEstimator):
    """Classification by the vote of the nearest codes.

    As `sklearn.neighbors.KNeighborsClassifier(metric="hamming")`: each neighbor has one vote,
    and the smallest of the classes with most votes wins. Of equally near codes those of the lower
    index are neighbors, where scikit-learn leaves it open.

    Parameters
    ----------
    n_neighbors : int, default 9
        As many as He et al., "Neural networks behave as hash encoders", Section 4.1 have.

    Attributes
    ----------
    classes_ : array [n_classes]
        The labels there are, in order.
    n_features_in_ : int
        Bits of a code.
    """

    def __init__(self, n_neighbors: int = 9) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: CodesLike, y: ArrayLike) -> "HammingKNeighborsClassifier":
        """Keep the codes and their labels.

        Parameters
        ----------
        X : Codes, or 0/1 matrix [n, n_bits]
        y : labels [n]

        Raises
        ------
        ValueError
            Where there is not a label for each code, or there are fewer codes than neighbors.
        """
        labels = class_labels(self, y)
        codes = estimator_codes(self, X, reset=True)
        check_labels(labels, len(codes))
        _checked_k(self.n_neighbors, len(codes), "n_neighbors")
        self.classes_, self._labels = np.unique(labels, return_inverse=True)
        self._codes = codes
        return self

    def kneighbors(
        self,
        X: CodesLike | None = None,
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> Any:
        """The nearest of the fitted codes.

        Parameters
        ----------
        X : Codes, or 0/1 matrix [q, n_bits], optional
            Without it, the neighbors of each fitted code among the others.
        n_neighbors : int, optional
            Another number than the estimator's.
        return_distance : bool

        Returns
        -------
        distances : int32 [q, n_neighbors], in bits; only with `return_distance`
        indices : int64 [q, n_neighbors]
            As `hamming_knn`.
        """
        check_is_fitted(self)
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        if X is None:
            k = _checked_k(k, len(self._codes) - 1, "n_neighbors")
            distances, indices = self._others(k)
        else:
            queries = estimator_codes(self, X, reset=False)
            k = _checked_k(k, len(self._codes), "n_neighbors")
            distances, indices = hamming_knn(self._codes, queries, k)
        return (distances, indices) if return_distance else indices

    def _others(self, k: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        distances, indices = hamming_knn(self._codes, self._codes, k + 1)
        others = indices != np.arange(len(self._codes))[:, np.newaxis]
        # Behind more than k equal codes of lower index a code is not found: the last one goes.
        others[others.all(axis=1), -1] = False
        shape = (len(self._codes), k)
        return distances[others].reshape(shape), indices[others].reshape(shape)

    def predict_proba(self, X: CodesLike | None) -> NDArray[np.float64]:
        """The share of the neighbors in each class, float64 [q, n_classes], ordered as `classes_`.

        Parameters and errors as `kneighbors`.
        """
        neighbors = self.kneighbors(X, return_distance=False)
        n_classes = len(self.classes_)
        votes = self._labels[neighbors] + n_classes * np.arange(len(neighbors))[:, np.newaxis]
        counts = np.bincount(votes.ravel(), minlength=len(neighbors) * n_classes)
        return counts.reshape(-1, n_classes) / neighbors.shape[1]

    def predict(self, X: CodesLike | None) -> NDArray[Any]:
        """The class with most votes, [q] of the labels' dtype; the smallest where several have.

        Parameters and errors as `kneighbors`.
        """
        winners = self.predict_proba(X).argmax(axis=1)
        return self.classes_[winners]


def _checked_k(k: int, most: int, name: str) -> int:
    if not isinstance(k, Integral) or not 1 <= k <= most:
        raise ValueError(
            f"Expected {name} to be a whole number from 1 to the number of codes to choose from, "
            f"n_samples = {most}. Received: {k!r}."
        )
    return int(k)
