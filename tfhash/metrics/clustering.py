"""How well clusters agree with labels."""

import numpy as np
from numpy.typing import ArrayLike

from tfhash.metrics._inputs import as_labels, check_labels


def clustering_accuracy(y_true: ArrayLike, clusters: ArrayLike) -> float:
    """The share of examples whose cluster has taken their label.

    Each cluster takes the label that fits it best: the one most of its examples have. He et al.,
    "Neural networks behave as hash encoders", Appendix A. Two clusters may take one label.

    Parameters
    ----------
    y_true : [n], labels of any type
    clusters : [n], names of clusters, of any type
        For instance `CodeKMeans(...).fit_predict(codes)`.

    Returns
    -------
    float in (0, 1]

    Raises
    ------
    ValueError
        Where the two have other shapes or are empty.
    """
    labels = as_labels(y_true, "y_true")
    names = check_labels(clusters, len(labels), "clusters")
    if len(labels) == 0:
        raise ValueError("Expected at least one example. Received: none.")
    _, label_ids = np.unique(labels, return_inverse=True)
    _, cluster_ids = np.unique(names, return_inverse=True)
    n_labels = int(label_ids.max()) + 1
    # How many examples each (cluster, label) holds, of those pairs that hold any.
    pairs, counts = np.unique(
        cluster_ids.astype(np.int64) * n_labels + label_ids, return_counts=True
    )
    best = np.zeros(int(cluster_ids.max()) + 1, np.int64)
    np.maximum.at(best, pairs // n_labels, counts)
    return float(best.sum() / len(labels))
