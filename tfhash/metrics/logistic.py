"""One-vs-one logistic regression on neural codes."""

import os
import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from tfhash import _native
from tfhash.codes import Codes
from tfhash.metrics._coupling import couple
from tfhash.metrics._estimators import CodeClassifierMixin, class_labels, estimator_codes
from tfhash.metrics._inputs import CodesLike, check_labels
from tfhash.progress import kernel_progress

# Models of pairs of classes, some minutes of work: beyond, another classifier is the better choice.
MOST_PAIRS = 10_000_000
SCORE_BYTES = 1 << 27  # of the scores of all pairs that are held at once


class CodeLogisticRegression(CodeClassifierMixin, BaseEstimator):
    """Logistic regression on codes, a model for each pair of classes, which then vote.

    As `OneVsOneClassifier(LogisticRegression(C, tol))` of scikit-learn: each model minimizes
    `C * sum(log loss) + |w|^2 / 2`, the intercept being free, over the codes of its two classes.
    All models are fitted together, over the packed codes. The result is the same on every machine.

    Where codes have more bits than two classes have examples, the weights are sought among the
    gradients met on the way (sequential subspace optimization), each of which is a sum over
    examples. That takes few readings of the codes, which may lie on disk, and no memory that grows
    with their width but `coef_` itself. Otherwise it is L-BFGS on the weights. Both stop by the
    same rule.

    The cost grows with the number of pairs of classes, the square of the number of classes: some
    30 microseconds a pair on short codes, and `8 * n_bits` bytes of weights. Of more than 4,472
    classes (10 million pairs), or of weights that do not fit the machine's memory, `fit` raises a
    ValueError; `HammingKNeighborsClassifier` takes any number of classes.

    Parameters
    ----------
    C : float, default 1.0
        Weight of the loss against the penalty.
    tol : float, default 1e-4
        A model has converged when no entry of the gradient of its objective, divided by `C` times
        the number of its codes, is larger. Below about 1e-7 the rounding of the gradient shows.
    max_iter : int, default 1000
        Iterations of one model.

    Attributes
    ----------
    classes_ : array [n_classes]
        The labels there are, in order.
    coef_ : float64 [n_pairs, n_bits]
        Pairs (i, j) of classes, i < j, in the order (0, 1), (0, 2), ..., (1, 2), ...: the log odds
        of class j against class i are `intercept_ + coef_ @ bits`. 0 for bits that are the same
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

        Warns with scikit-learn's `ConvergenceWarning` where a model did not converge.

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
        _check_size(len(classes), codes.n_bits)
        self.classes_: NDArray[Any] = classes
        pair_size = int(np.sort(np.bincount(indices))[-2:].sum())
        with kernel_progress("Logistic regression") as report:
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
            which settles ties; as `OneVsOneClassifier`. With two classes, the log odds of the
            second.
        """
        check_is_fitted(self)
        codes = estimator_codes(self, X, reset=False)
        n_classes = len(self.classes_)
        if n_classes == 2:
            return self._log_odds(codes)[:, 0]
        with kernel_progress("Logistic regression, votes") as report:
            return _native.class_votes(
                codes.words, codes.n_bits, *self._models(), n_classes, report
            )

    def predict_proba(self, X: CodesLike) -> NDArray[np.float64]:
        """The probability of each class.

        Parameters
        ----------
        X : Codes, or 0/1 matrix [n, n_bits]

        Returns
        -------
        float64 [n, n_classes], ordered as `classes_`
            With two classes, the model's own. With more, those that agree best with the
            probabilities of all pairs (Wu, Lin and Weng, "Probability estimates for multi-class
            classification by pairwise coupling", JMLR 5, 2004, their second method), as
            scikit-learn's `SVC`. The most probable class may be another than that of `predict`,
            which counts votes. It costs the cube of the number of classes a code.
        """
        check_is_fitted(self)
        codes = estimator_codes(self, X, reset=False)
        n_classes = len(self.classes_)
        if n_classes == 2:
            second = 1 / (1 + np.exp(-np.clip(self._log_odds(codes), -700, 700)))
            return np.hstack([1 - second, second])
        rows = max(1, SCORE_BYTES // (8 * len(self.intercept_)))
        blocks = [codes[first : first + rows] for first in range(0, len(codes), rows)]
        return np.concatenate([couple(self._log_odds(block), n_classes) for block in blocks])

    def _log_odds(self, codes: Codes) -> NDArray[np.float64]:
        """Of all pairs, [n, n_pairs]."""
        with kernel_progress("Logistic regression, scores") as report:
            return _native.linear_scores(codes.words, codes.n_bits, *self._models(), report)

    def _models(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return (
            np.ascontiguousarray(self.coef_, np.float64),
            np.ascontiguousarray(self.intercept_, np.float64),
        )

    def predict(self, X: CodesLike) -> NDArray[Any]:
        """The class most is said for, [n] of the labels' dtype; the first where several tie."""
        decision = self.decision_function(X)
        if decision.ndim == 1:
            return self.classes_[(decision > 0).astype(int)]
        return self.classes_[decision.argmax(axis=1)]


def _check_size(n_classes: int, n_bits: int) -> None:
    """Raise ValueError where there are too many pairs of classes to fit, or for the memory."""
    n_pairs = n_classes * (n_classes - 1) // 2
    n_bytes = 8 * n_pairs * n_bits
    memory = _memory()
    if n_pairs <= MOST_PAIRS and (memory is None or n_bytes <= memory):
        return
    has = "" if memory is None else f" (this machine has {memory / 2**30:,.1f} GiB)"
    raise ValueError(
        f"y: Expected labels of fewer classes, since every pair of them gets a model of its own: "
        f"at most {MOST_PAIRS:,} pairs, whose weights fit the memory. Received: {n_classes:,} "
        f"classes, {n_pairs:,} pairs, whose weights of {n_bits:,} bits would take "
        f"{n_bytes / 2**30:,.1f} GiB{has}. Use HammingKNeighborsClassifier, which takes any number "
        "of classes, or merge classes, or leave out bits (keep_bits, Codes.select)."
    )


def _memory() -> int | None:
    """Bytes of memory that the machine has, where the system says so."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
