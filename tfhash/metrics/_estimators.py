"""What the estimators share: scikit-learn's checks of a plain matrix, ours of codes."""

from typing import Any

from sklearn.utils.validation import validate_data

from tfhash.codes import Codes
from tfhash.metrics._inputs import CodesLike, as_codes


def estimator_codes(estimator: Any, x: CodesLike, *, reset: bool) -> Codes:
    """The codes that an estimator was given, checked.

    Parameters
    ----------
    estimator : a scikit-learn estimator
        Gets ``n_features_in_`` (and the names of a data frame's columns) with ``reset``; otherwise
        ``x`` must match them.
    x : Codes, or 0/1 matrix [n, n_bits]
    reset : bool
        Whether this is ``fit``.

    Raises
    ------
    ValueError
        Where ``x`` is no matrix of 0/1, is empty, or is not as wide as what was fitted.
    """
    if not isinstance(x, Codes):
        return as_codes(validate_data(estimator, x, reset=reset), "X")
    codes = as_codes(x, "X")
    if reset:
        estimator.n_features_in_ = codes.n_bits
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
    elif codes.n_bits != estimator.n_features_in_:
        raise ValueError(
            f"X: Expected codes of {estimator.n_features_in_} bits, as fitted. "
            f"Received: {codes.n_bits} bits."
        )
    return codes
