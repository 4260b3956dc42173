"""A map of neural codes in the plane."""

import numpy as np
from numpy.typing import NDArray

from tfhash.codes import Codes
from tfhash.metrics._inputs import CodesLike, as_codes
from tfhash.metrics.neighbors import hamming_knn

LANDMARKS = 64


def hamming_tsne(
    codes: CodesLike,
    *,
    perplexity: float = 30.0,
    max_iter: int = 1000,
    random_state: int = 0,
) -> NDArray[np.float32]:
    """Places in the plane where codes that are close in Hamming distance are close (t-SNE).

    scikit-learn's Barnes-Hut t-SNE (van der Maaten & Hinton, 2008) on exact Hamming neighbors:
    codes are never unpacked, and memory is that of the neighbors, 3 * `perplexity` a code.
    Affinities fall as `exp(-d ** 2 / s)` with the Hamming distance d, as those of
    `TSNE(metric="hamming")` do; of the 0/1 matrix by Euclidean distance, scikit-learn's default,
    as `exp(-d / s)`, which gives another map. It starts from the two main directions of the
    distances to 64 codes drawn at random, so that what is far apart begins far apart.

    Parameters
    ----------
    codes : Codes, or a 0/1 matrix [n, n_bits]
        Time grows a little faster than in line with n: 10,000 take a minute on 2 cores.
    perplexity : float
        Neighbors that count, about; above 1 and below n / 3.
    max_iter : int
        Steps of the descent, at least 250.
    random_state : int
        Of the start; the same gives the same map, up to rounding.

    Returns
    -------
    float32 [n, 2]

    Raises
    ------
    ValueError
        Where the perplexity does not suit the number of codes.
    """
    from scipy.sparse import csr_matrix
    from sklearn.manifold import TSNE

    packed = as_codes(codes, "codes")
    n = len(packed)
    if not 1 < perplexity < n / 3:
        raise ValueError(
            f"Expected a perplexity above 1 and below a third of the {n} codes. "
            f"Received: {perplexity}."
        )
    # As many as scikit-learn takes for this perplexity, and each code itself.
    k = min(n, int(3 * perplexity + 1) + 1)
    distances, indices = _with_itself_first(*hamming_knn(packed, packed, k))
    starts = np.arange(0, n * k + 1, k)
    graph = csr_matrix((distances.astype(np.float32).ravel(), indices.ravel(), starts), (n, n))
    places = TSNE(
        perplexity=perplexity,
        metric="precomputed",
        init=_start(packed, random_state),
        max_iter=max_iter,
        random_state=random_state,
    ).fit_transform(graph)
    return np.asarray(places, np.float32)


def _with_itself_first(
    distances: NDArray[np.int32], indices: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Each code as its own first neighbor, where others that are equal may have come before it.

    Where more equal ones than there is room for have crowded it out, the last makes room.
    """
    n, k = indices.shape
    others = indices != np.arange(n)[:, None]
    others[others.all(axis=1), -1] = False
    own = np.arange(n)[:, None]
    return (
        np.hstack([np.zeros((n, 1), np.int32), distances[others].reshape(n, k - 1)]),
        np.hstack([own, indices[others].reshape(n, k - 1)]),
    )


def _start(codes: Codes, random_state: int) -> NDArray[np.float32]:
    """The two main directions of the distances to some of the codes, scaled as t-SNE likes it."""
    rows = np.random.default_rng(random_state).permutation(len(codes))[:LANDMARKS]
    distances, indices = hamming_knn(codes[rows], codes, len(rows))
    table = np.empty(distances.shape)
    np.put_along_axis(table, indices, distances.astype(np.float64), axis=1)
    table -= table.mean(axis=0)
    _, directions = np.linalg.eigh(table.T @ table)
    start = table @ directions[:, :-3:-1]
    return (start / max(start[:, 0].std(), 1e-12) * 1e-4).astype(np.float32)
