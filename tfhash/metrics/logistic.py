"""One-vs-one logistic regression on neural codes."""

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from tfhash import _native
from tfhash.metrics._estimators import CodeClassifierMixin, class_labels, estimator_codes
from tfhash.metrics._inputs import CodesLike, check_labels
from tfhash.metrics._progress import progress


class CodeLogisticRegression(CodeClassifierMixin, BaseEstimator):
    """Logistic regression on codes, a model for each pair of classes, which then vote.

    As ``OneVsOneClassifier(LogisticRegression(C, tol))`` of scikit-learn: each model minimises
    ``C * sum(log loss) + |w|^2 / 2``, the intercept being free, over the codes of its two classes.
    All models are fitted together, over the packed codes. The result is the same on every machine.

    Where codes have more bits than two classes have examples, the weights are sought among the
    gradients met on the way (sequential subspace optimisation), each of which is a sum over
    examples. That takes few readings of the codes, which may lie on disk, and no memory that grows
    with their width but ``coef_`` itself. Otherwise it is L-BFGS on the weights. Both stop by the
    same rule.

    Parameters
    ----------
    C : float, default 1.0
        Weight of the loss against the penalty.
    tol : float, default 1e-4
        A model has converged when no entry of the gradient of its objective, divided by ``C`` times
        the number of its codes, is larger. Below about 1e-7 the rounding of the gradient shows.
    max_iter : int, default 1000
        Iterations of one model.

    Attributes
    ----------
    classes_ : array [n_classes]
        The labels there are, in order.
    coef_ : float64 [n_pairs, n_bits]
        Pairs (i, j) of classes, i < j, in the order (0, 1), (0, 2), ..., (1, 2), ...: the log odds
        of class j against class i are ``intercept_ + coef_ @ bits``. 0 for bits that are the same
        in all codes.
    intercept_ : float64 [n_pairs]
    n_iter_ : int64 [n_pairs]
        Iterations taken.
    n_features_in_ : int
        Bits of a code.
    """

    def __init__(self, C: float = 1.0, tol: float = 1e-4, max_iter: int = 1000) -> None:
        self.C = C
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X: CodesLike, y: ArrayLike) -> "CodeLogisticRegression":
        """Fit the models of all pairs of classes.

        Warns with scikit-learn's ``ConvergenceWarning`` where a model did not converge.

        Parameters
        ----------
        X : Codes, or 0/1 matrix [n, n_bits]
        y : labels [n], of any type, of at least two classes

        Raises
        ------
        ValueError
            Where there is not a label for each code, there is but one class, or a parameter makes
            no sense.
        """
        labels = class_labels(self, y)
        codes = estimator_codes(self, X, reset=True)
        check_labels(labels, len(codes))
        for name in ("C", "tol"):
            value = getattr(self, name)
            if not isinstance(value, Real) or not 0 < float(value) < np.inf:
                raise ValueError(
                    f"Expected {name} to be a finite number over 0. Received: {value!r}."
                )
        if not isinstance(self.max_iter, Integral) or self.max_iter < 1:
            raise ValueError(
                f"Expected max_iter to be a whole number from 1. Received: {self.max_iter!r}."
            )
        classes, indices = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"Expected labels of at least two classes. Received: only one class, {classes[0]}."
            )
        self.classes_: NDArray[Any] = classes
        pair_size = int(np.sort(np.bincount(indices))[-2:].sum())
        with progress("Logistic regression") as report:
            coef, intercept, n_iter, gradients = _native.fit_one_vs_one(
                codes.words,
                codes.n_bits,
                indices.astype(np.int32),
                len(classes),
                float(self.C),
                float(self.tol),
                int(self.max_iter),
                codes.n_bits > pair_size,
                report,
            )
        self.coef_: NDArray[np.float64] = coef
        self.intercept_: NDArray[np.float64] = intercept
        self.n_iter_: NDArray[np.int64] = n_iter
        missed = int((gradients > self.tol).sum())
        if missed:
            warnings.warn(
                f"{missed} of {len(gradients)} models did not converge to tol={self.tol} in "
                f"{n_iter.max()} iterations (largest gradient {gradients.max():.2g}). "
                "Raise max_iter or tol.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def decision_function(self, X: CodesLike) -> NDArray[np.float64]:
        """How much speaks for each class.

        Parameters
        ----------
        X : Codes, or 0/1 matrix [n, n_bits]

        Returns
        -------
        float64 [n, n_classes], or [n] where there are two classes
            The votes of a class, and between -1/3 and 1/3 for the sum of the log odds for it,
            which settles ties; as ``OneVsOneClassifier``. With two classes, the log odds of the
            second.
        """
        check_is_fitted(self)
        codes = estimator_codes(self, X, reset=False)
        with progress("Logistic regression, scores") as report:
            odds = _native.linear_scores(
                codes.words,
                codes.n_bits,
                np.ascontiguousarray(self.coef_, np.float64),
                np.ascontiguousarray(self.intercept_, np.float64),
                report,
            )
        n_classes = len(self.classes_)
        if n_classes == 2:
            return odds[:, 0]
        votes = np.zeros((len(codes), n_classes))
        confidence = np.zeros((len(codes), n_classes))
        for pair, (i, j) in enumerate(zip(*np.triu_indices(n_classes, 1), strict=True)):
            second = odds[:, pair] > 0
            votes[:, i] += ~second
            votes[:, j] += second
            confidence[:, i] -= odds[:, pair]
            confidence[:, j] += odds[:, pair]
        return votes + confidence / (3 * (np.abs(confidence) + 1))

    def predict(self, X: CodesLike) -> NDArray[Any]:
        """The class most is said for, [n] of the labels' dtype; the first where several tie."""
        decision = self.decision_function(X)
        if decision.ndim == 1:
            return self.classes_[(decision > 0).astype(int)]
        return self.classes_[decision.argmax(axis=1)]
