"""Labels that the neighbors of an example do not share, and what is typical of a label."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash.metrics import knn_graph, region_ids
from tfhash.metrics._inputs import CodesLike, as_codes, check_labels


class LabelErrors(NamedTuple):
    """How well each label agrees with those of the nearest codes.

    Attributes
    ----------
    score : float64 [n], from -1 to 1
        Lower is more suspect: -1 where all neighbors are near and have one other label.
    ranks : int64 [n]
        The rows from the most to the least suspect; equal scores by row.
    suggested : array [n] of the labels' dtype
        The label other than the given one with most votes, the smallest of several; the given
        label where no neighbor has another.
    """

    score: NDArray[np.float64]
    ranks: NDArray[np.int64]
    suggested: NDArray[Any]


def label_errors(codes: CodesLike, y: ArrayLike, k: int = 10) -> LabelErrors:
    """Score each label by the vote of the `k` nearest of the other codes.

    The score is `(own - other) / k`: the votes for the given label less those for the other label
    that has most. A neighbor at distance `d` has a vote of `s / (s + d)`, where `s` is the median
    distance of all neighbors, so nearer neighbors count more.

    Parameters
    ----------
    codes : Codes, or 0/1 matrix [n, n_bits]
    y : labels [n]
        The labels given; numbers or strings.
    k : int, from 1 to n - 1

    Raises
    ------
    ValueError
        Where there is not a label for each code, a label is NaN, or `k` is not from 1 to `n - 1`.
    """
    checked = as_codes(codes, "codes")
    given = check_labels(y, len(checked))
    graph = knn_graph(checked, k)
    shape = (len(checked), k)
    return errors_of_votes(graph.data.reshape(shape), graph.indices.reshape(shape), given)


def errors_of_votes(
    distances: NDArray[Any], neighbors: NDArray[Any], y: NDArray[Any]
) -> LabelErrors:
    """What `label_errors` finds, of neighbors that are known.

    Parameters
    ----------
    distances, neighbors : [n, k]
        Of the nearest of the other codes, as in `metrics.knn_graph`: bits, and rows.
    y : labels [n], checked
    """
    classes, labels = np.unique(y, return_inverse=True)
    n, k = distances.shape
    scale = max(1.0, float(np.median(distances)))
    weights = scale / (scale + distances)
    voted = labels[neighbors]

    own = np.where(voted == labels[:, np.newaxis], weights, 0.0).sum(axis=1)
    best = np.zeros(n)
    suggested = labels.copy()
    for label in range(len(classes)):  # memory of one class at a time
        votes = np.where(voted == label, weights, 0.0).sum(axis=1)
        better = (votes > best) & (labels != label)
        best[better] = votes[better]
        suggested[better] = label
    score = (own - best) / k
    return LabelErrors(score, np.argsort(score, kind="stable"), classes[suggested])


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
        As `label_errors`.
    """
    checked = as_codes(codes, "codes")
    given = check_labels(y, len(checked))
    score = label_errors(checked, given, k).score
    regions, _ = region_ids(checked)
    found = {}
    for label in np.unique(given):
        rows = np.flatnonzero(given == label)
        _, first = np.unique(regions[rows], return_index=True)
        rows = rows[np.sort(first)]
        ascending = rows[np.argsort(score[rows], kind="stable")]
        descending = rows[np.argsort(-score[rows], kind="stable")]
        found[label.item()] = Examples(ascending[:n], descending[:n])
    return found
