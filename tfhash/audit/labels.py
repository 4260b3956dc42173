"""Labels that the neighbors of an example do not share, and what is typical of a label."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash.codes import Codes, Origin, real_array, whole_number
from tfhash.metrics import hamming_knn, knn_graph, region_ids
from tfhash.metrics._inputs import (
    CodesLike,
    as_codes,
    check_classes,
    check_labels,
    plain_labels,
)

ROUNDED = 0.01  # how far the sum of probabilities in bfloat16 may be from 1


class LabelErrors(NamedTuple):
    """How well each label agrees with those of the nearest codes.

    Attributes
    ----------
    score : float64 [n], from -1 to 1
        Lower is more suspect: -1 where all neighbors are near and have one other label.
    ranks : int64 [n]
        The rows from the most to the least suspect; equal scores by row.
    suggested : array [n], of a dtype that holds the labels and the neighbors'
        The label other than the given one with the greatest share, the smallest of several; the
        given label where no other has any.
    """

    score: NDArray[np.float64]
    ranks: NDArray[np.int64]
    suggested: NDArray[Any]


def label_errors(
    codes: CodesLike,
    y: ArrayLike,
    k: int = 10,
    probabilities: ArrayLike | None = None,
    known: tuple[CodesLike, ArrayLike] | None = None,
) -> LabelErrors:
    """Score each label by the vote of the `k` nearest of the other codes.

    The score is the share of the votes for the given label less the share of those for the other
    label that has most. A neighbor at distance `d` has a vote of `s / (s + d)`, where `s` is the
    median distance of all neighbors, so nearer neighbors count more; shares are of `k`. With
    `probabilities`, each label's share is the mean of its share of the votes and its probability.

    Parameters
    ----------
    codes : Codes, or 0/1 matrix [n, n_bits]
    y : labels [n]
        The classes given: whole numbers or strings.
    k : int, from 1 to n - 1, or to the number of the known codes
    probabilities : float [n, n_classes], optional
        What a model predicts for these examples, best one that was not trained on these labels.
        Column `j` is of the label `j` where all labels are whole numbers below `n_classes`, else
        of the `j`-th of the labels that occur, in order.
    known : (Codes or 0/1 matrix [m, n_bits], labels [m]), optional
        Other examples of the same model to take the neighbors from, such as the training set where
        the labels of a test set are in doubt.

    Raises
    ------
    ValueError
        Where there is not a label for each code, a label is NaN or a number that is not whole, `k`
        is out of its range, the probabilities are of another shape or none, or the known codes are
        of another width or model.
    """
    checked = as_codes(codes, "codes")
    given = check_labels(y, len(checked))
    check_classes(given)
    if known is None:
        graph = knn_graph(checked, k)
        shape = (len(checked), k)
        distances, neighbors = graph.data.reshape(shape), graph.indices.reshape(shape)
        return errors_of_votes(distances, given[neighbors], given, probabilities)
    base, names = _known(known, checked, given)
    distances, neighbors = hamming_knn(base, checked, k)
    return errors_of_votes(distances, names[neighbors], given, probabilities)


def errors_of_votes(
    distances: NDArray[Any],
    voted: NDArray[Any],
    y: NDArray[Any],
    probabilities: ArrayLike | None = None,
) -> LabelErrors:
    """What `label_errors` finds, of neighbors that are known.

    Parameters
    ----------
    distances, voted : [n, k]
        Of the nearest codes, as in `metrics.knn_graph`: bits, and labels.
    y : labels [n], checked
    probabilities : see `label_errors`
    """
    n, k = distances.shape
    classes, ids = np.unique(np.concatenate([y, voted.reshape(-1)]), return_inverse=True)
    labels, voted_ids = ids[:n], ids[n:].reshape(n, k)
    likely = None if probabilities is None else _probabilities(probabilities, n, classes)
    scale = max(1.0, float(np.median(distances)))
    weights = scale / (scale + distances)

    own = np.zeros(n)
    best = np.zeros(n)
    suggested = labels.copy()
    for label in range(len(classes)):  # memory of one class at a time
        share = np.where(voted_ids == label, weights, 0.0).sum(axis=1) / k
        if likely is not None:
            share = (share + likely[:, label]) / 2
        is_given = labels == label
        own[is_given] = share[is_given]
        better = (share > best) & ~is_given
        best[better] = share[better]
        suggested[better] = label
    score = own - best
    return LabelErrors(score, np.argsort(score, kind="stable"), classes[suggested])


def _known(
    known: tuple[CodesLike, ArrayLike], codes: Codes, y: NDArray[Any]
) -> tuple[Codes, NDArray[Any]]:
    if not isinstance(known, tuple | list) or len(known) != 2:
        raise ValueError(
            f"Expected known as a pair (codes, labels). Received: {type(known).__name__}."
        )
    base = as_codes(known[0], "known codes")
    names = check_labels(known[1], len(base), "known labels")
    check_classes(names, "known labels")
    Origin.of(base).check(Origin.of(codes), "codes", "as the known codes")
    if _kind(names) != _kind(y):
        raise ValueError(
            "Expected y and the known labels of one type, to be compared. "
            f"Received: {y.dtype} and {names.dtype}."
        )
    return base, names


def _kind(labels: NDArray[Any]) -> str:
    """The same for labels that can be equal: words, numbers, dates or whatever they are."""
    kind = plain_labels(labels).dtype.kind
    return "number" if kind in "biuf" else kind


def _probabilities(given: ArrayLike, n: int, classes: NDArray[Any]) -> NDArray[np.float64]:
    """The columns of the classes, float64 [n, len(classes)]."""
    values = real_array(given, "probabilities")
    if values.ndim != 2 or values.shape[0] != n:
        raise ValueError(
            f"Expected probabilities of shape [{n}, n_classes]. Received shape: {values.shape}."
        )
    values = values.astype(np.float64)
    sums = values.sum(axis=1)
    if not ((values >= 0).all() and (abs(sums - 1) < ROUNDED).all()):  # false of NaN
        raise ValueError(
            "Expected probabilities of at least 0 that sum to 1 in each row. Received: values from "
            f"{values.min():g} to {values.max():g}, sums from {sums.min():g} to {sums.max():g}. "
            "Apply a softmax to logits."
        )
    n_columns = values.shape[1]
    if classes.dtype.kind in "iubf" and classes.min() >= 0 and classes.max() < n_columns:
        columns = classes.astype(np.int64)
        if (columns == classes).all():
            return values[:, columns]
    if n_columns != len(classes):
        raise ValueError(
            f"Expected probabilities of {len(classes)} classes, those of the labels. "
            f"Received: {n_columns} columns."
        )
    return values


class Examples(NamedTuple):
    """Rows of examples of one label, see `examples`.

    Attributes
    ----------
    hardest : int64 [m]
        Those whose neighbors disagree most, the hardest first.
    typical : int64 [m]
        Those with the nearest neighbors of their own label, the most typical first.
    """

    hardest: NDArray[np.int64]
    typical: NDArray[np.int64]


def examples(codes: CodesLike, y: ArrayLike, n: int = 10, k: int = 10) -> dict[Any, Examples]:
    """The hardest and the most typical examples of each label, one for each region.

    Both are by the score of `label_errors`. Examples of one label that share a region are one
    example here: the lowest row stands for them.

    Parameters
    ----------
    codes : Codes, or 0/1 matrix [n_examples, n_bits]
    y : labels [n_examples]
    n : int, at least 1
        How many of each; fewer where a label has fewer regions.
    k : int
        As in `label_errors`.

    Returns
    -------
    dict from label to Examples, the labels ascending

    Raises
    ------
    ValueError
        As `label_errors`, or where `n` is no whole number >= 1.
    """
    checked = as_codes(codes, "codes")
    given = check_labels(y, len(checked))
    n = whole_number(n, "n", 1)
    score = label_errors(checked, given, k).score
    regions, _ = region_ids(checked)
    labels, ids = np.unique(given, return_inverse=True)
    found = {}
    # Python's own types, which of times finer than microseconds there are not.
    is_fine = labels.dtype.kind in "mM" and isinstance(labels[:1].tolist()[0], int)
    keys = plain_labels(labels) if is_fine else labels
    for i, label in enumerate(keys.tolist()):
        rows = np.flatnonzero(ids == i)
        _, first = np.unique(regions[rows], return_index=True)
        rows = rows[np.sort(first)]
        ascending = rows[np.argsort(score[rows], kind="stable")]
        descending = rows[np.argsort(-score[rows], kind="stable")]
        found[label] = Examples(ascending[:n], descending[:n])
    return found
