"""K-Means on neural codes."""

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from tfhash import _native
from tfhash.codes import Codes
from tfhash.metrics._estimators import estimator_codes
from tfhash.metrics._inputs import CodesLike
from tfhash.progress import kernel_progress

# Codes up to this size are copied, turned on their side; larger ones are turned block by block
# whenever they are read, which is a little slower. The result is the same.
RESIDENT_BYTES = 1 << 28


class CodeKMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """K-Means on codes, squared Euclidean distance of the bits taken as the numbers 0 and 1.

    Lloyd's algorithm with greedy k-means++ starts, as `sklearn.cluster.KMeans`: the same
    `random_state` starts from the same codes, stops by the same rule and treats empty clusters
    alike, so it ends with the same clusters but where scikit-learn's rounding decides. Exact: no
    distance is approximated where it matters, and the result is the same on every machine.

    Parameters
    ----------
    n_clusters : int, default 10
    n_init : int, default 10
        Starts, of which the one that ends with the lowest inertia is kept.
    max_iter : int, default 300
        Iterations of one start.
    random_state : int, numpy.random.RandomState or None
    tol : float, default 1e-4
        A start has converged when the squared shift of its centers, summed, is at most this share
        of the mean variance of the bits, or no code changed its cluster.

    Attributes
    ----------
    cluster_centers_ : float64 [n_clusters, n_bits]
        Share of the cluster's codes that have the bit.
    labels_ : int32 [n]
        The cluster of each code fitted.
    inertia_ : float
        Sum of squared distances of the codes to the centers of their clusters.
    n_iter_ : int
        Iterations of the start that was kept.
    n_features_in_ : int
        Bits of a code.
    """

    def __init__(
        self,
        n_clusters: int = 10,
        n_init: int = 10,
        max_iter: int = 300,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_init = n_init
        self.max_iter = max_iter
        self.random_state = random_state
        self.tol = tol

    def fit(self, X: CodesLike, y: Any = None) -> "CodeKMeans":
        """Find the clusters.

        Parameters
        ----------
        X : Codes, or 0/1 matrix [n, n_bits]
        y : ignored

        Raises
        ------
        ValueError
            Where there are fewer codes than clusters, or a parameter makes no sense.
        """
        codes = estimator_codes(self, X, reset=True)
        draws = self._draws(codes)
        with kernel_progress("K-Means") as report:
            labels, centers, inertia, n_iter, seeds = _native.kmeans(
                codes.words,
                codes.n_bits,
                int(self.n_clusters),
                draws,
                int(self.max_iter),
                float(self.tol),
                RESIDENT_BYTES,
                report,
            )
        self._keep(labels, centers, inertia, n_iter, seeds)
        return self

    def predict(self, X: CodesLike) -> NDArray[np.int32]:
        """The cluster whose center is nearest to each code, the lowest where several are.

        Parameters
        ----------
        X : Codes, or 0/1 matrix [n, n_bits]

        Returns
        -------
        int32 [n]
        """
        return self._assign(X)[0]

    def transform(self, X: CodesLike) -> NDArray[np.float64]:
        """The distance of each code to each center.

        Parameters
        ----------
        X : Codes, or 0/1 matrix [n, n_bits]

        Returns
        -------
        float64 [n, n_clusters]
            Euclidean distances, the bits taken as the numbers 0 and 1. Their squares are good to
            about 1e-13 of the number of bits.
        """
        check_is_fitted(self)
        codes = estimator_codes(self, X, reset=False)
        # |x - c|^2 = |c|^2 + the sum of 1 - 2 c over the bits of x that are 1.
        centers = np.asarray(self.cluster_centers_, np.float64)
        norms = np.einsum("kb,kb->k", centers, centers)
        with kernel_progress("K-Means, distances") as report:
            squares = _native.linear_scores(
                codes.words, codes.n_bits, 1 - 2 * centers, norms, report
            )
        return np.sqrt(np.maximum(squares, 0))

    @property
    def _n_features_out(self) -> int:
        return len(self.cluster_centers_)

    def score(self, X: CodesLike, y: ArrayLike | None = None) -> float:
        """Minus the sum of squared distances of the codes to their nearest centers."""
        return -self._assign(X)[1]

    def _assign(self, x: CodesLike) -> tuple[NDArray[np.int32], float]:
        check_is_fitted(self)
        codes = estimator_codes(self, x, reset=False)
        labels = np.empty(len(codes), np.int32)
        centers = np.ascontiguousarray(self.cluster_centers_, np.float64)
        with kernel_progress("K-Means, assignment") as report:
            inertia = _native.kmeans_assign(codes.words, codes.n_bits, centers, labels, report)
        return labels, inertia

    def _draws(self, codes: Codes) -> NDArray[np.float64]:
        """Uniform numbers for the starts, [n_init, 1 + (n_clusters - 1) * trials].

        Those that scikit-learn draws, in its order: one for the first center, then one for each
        candidate of each other center. Raises as `fit`.
        """
        for name in ("n_clusters", "n_init", "max_iter"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < 1:
                raise ValueError(f"Expected {name} to be a whole number from 1. Received: {value}.")
        if not isinstance(self.tol, Real) or not 0 <= self.tol < np.inf:
            raise ValueError(f"Expected tol to be a finite number from 0. Received: {self.tol}.")
        k = int(self.n_clusters)
        if k > len(codes):
            raise ValueError(
                f"Expected n_clusters to be at most the number of codes, n_samples={len(codes)}. "
                f"Received: n_clusters={k}."
            )
        n_trials = 2 + int(np.log(k))
        random_state = check_random_state(self.random_state)
        return random_state.random_sample((int(self.n_init), 1 + (k - 1) * n_trials))

    def _keep(
        self,
        labels: NDArray[np.int32],
        centers: NDArray[np.float64],
        inertia: float,
        n_iter: int,
        seeds: NDArray[np.int64],
    ) -> None:
        """Keep what was found; warns where there are fewer clusters than asked for."""
        self.labels_ = labels
        self.cluster_centers_ = centers
        self.inertia_ = inertia
        self.n_iter_ = n_iter
        self._seeds = seeds
        n_found = len(np.unique(labels))
        if n_found < self.n_clusters:
            warnings.warn(
                f"Expected {self.n_clusters} clusters. Found: {n_found}, for want of distinct "
                "codes.",
                ConvergenceWarning,
                stacklevel=3,
            )
