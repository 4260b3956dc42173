"""What the estimators share: scikit-learn's checks of a plain matrix, ours of codes."""

from typing import Any

from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from tfhash.codes import Codes
from tfhash.metrics._inputs import CodesLike, as_codes, as_labels, plain_labels


def estimator_codes(estimator: Any, x: CodesLike, *, reset: bool) -> Codes:
    """The codes that an estimator was given, checked.

    Parameters
    ----------
    estimator : a scikit-learn estimator
        Gets `n_features_in_` (and the names of a data frame's columns) with `reset`; otherwise
        `x` must match them.
    x : Codes, or 0/1 matrix [n, n_bits]
    reset : bool
        Whether this is `fit`.

    Raises
    ------
    ValueError
        Where `x` is no matrix of 0/1, is empty, is not as wide as what was fitted, or, in
        `fit`, is mapped from a file that is damaged.
    """
    if not isinstance(x, Codes):
        return as_codes(validate_data(estimator, x, reset=reset), "X")
    codes = as_codes(x, "X")
    if reset:
        codes.verify(again=False)  # a small part of what fitting takes
        estimator.n_features_in_ = codes.n_bits
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
    elif codes.n_bits != estimator.n_features_in_:
        raise ValueError(
            f"X: Expected codes of {estimator.n_features_in_} bits, as fitted. "
            f"Received: {codes.n_bits} bits."
        )
    return codes


def class_labels(estimator: Any, y: ArrayLike | None) -> NDArray[Any]:
    """The labels that a classifier is fitted to, [n], checked; a column warns and is flattened.

    Raises
    ------
    ValueError
        Where there are none, they are no classes (fractions), or as `as_labels`.
    """
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None."
        )
    labels = as_labels(y)
    if labels.dtype.kind == "S":
        raise ValueError(
            "y: Expected labels that are numbers or words. Received: bytes. Make words of them: "
            "y.astype(str)."
        )
    column_or_1d(y, warn=True)
    if labels.dtype.kind == "T" or (labels.dtype.kind == "O" and not isinstance(labels[0], str)):
        labels = plain_labels(labels)
    check_classification_targets(labels)
    return labels


class CodeClassifierMixin(ClassifierMixin):
    """What the classifiers of codes share."""

    def score(self, X: CodesLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The share of codes whose label is predicted.

        Parameters
        ----------
        X : Codes, or 0/1 matrix [n, n_bits]
        y : labels [n]
        sample_weight : float [n], optional

        Raises
        ------
        ValueError
            Where there is not a label for each code, or a label is missing.
        """
        return float(super().score(X, as_labels(y), sample_weight))
