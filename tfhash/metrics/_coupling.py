"""From the probabilities of all pairs of classes to those of the classes."""

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 1 << 26  # of matrices that are solved together
LEAST = 1e-7  # probability of a class of a pair, as in LIBSVM: no class is ruled out by one pair


def couple(log_odds: NDArray[np.float64], n_classes: int) -> NDArray[np.float64]:
    """Class probabilities that agree best with those of the pairs.

    With `r[i, j]` the probability of class `i` where it is `i` or `j`, they are the `p` that
    minimize `sum over i != j of (r[j, i] p[i] - r[i, j] p[j])^2` with `sum(p) = 1`: the second
    approach of Wu, Lin and Weng, "Probability estimates for multi-class classification by pairwise
    coupling" (JMLR 5, 2004), which LIBSVM and scikit-learn's `SVC` take. The conditions of the
    optimum are a linear system, which is solved directly.

    Parameters
    ----------
    log_odds : float64 [n, n_pairs]
        Of class j against class i, for pairs i < j in the order (0, 1), (0, 2), ..., (1, 2), ...
    n_classes : int

    Returns
    -------
    float64 [n, n_classes]
        Rows add up to 1.
    """
    probabilities = np.empty((len(log_odds), n_classes))
    rows = max(1, BLOCK_BYTES // (8 * (n_classes + 1) ** 2))
    for first in range(0, len(log_odds), rows):
        block = slice(first, first + rows)
        probabilities[block] = _couple_block(log_odds[block], n_classes)
    return probabilities


def _couple_block(log_odds: NDArray[np.float64], n_classes: int) -> NDArray[np.float64]:
    i, j = np.triu_indices(n_classes, 1)
    second = np.clip(1 / (1 + np.exp(-np.clip(log_odds, -50, 50))), LEAST, 1 - LEAST)
    r = np.zeros((len(log_odds), n_classes, n_classes))
    r[:, j, i] = second
    r[:, i, j] = 1 - second
    # [Q, 1; 1, 0] [p; multiplier] = [0; 1], Q[i, i] = sum of r[s, i]^2, Q[i, j] = -r[i, j] r[j, i].
    system = np.ones((len(log_odds), n_classes + 1, n_classes + 1))
    system[:, :-1, :-1] = -r * r.transpose(0, 2, 1)
    classes = np.arange(n_classes)
    system[:, classes, classes] = (r * r).sum(axis=1)
    system[:, -1, -1] = 0
    right = np.zeros((len(log_odds), n_classes + 1, 1))
    right[:, -1] = 1
    p = np.maximum(np.linalg.solve(system, right)[:, :-1, 0], 0)  # under 0 by rounding alone
    return p / p.sum(axis=1, keepdims=True)
