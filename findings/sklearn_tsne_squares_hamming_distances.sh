#!/usr/bin/env bash
# t-SNE by Hamming distance is another map than t-SNE of the same bits by Euclidean distance.
#
# scikit-learn 1.9.1.
# Guess: of zeros and ones the Hamming distance (a count) is the squared Euclidean distance, and
# t-SNE is made of squared distances. So metric="hamming" and the default give one map.
# Seen: TSNE(metric="hamming") gives, to the last bit, the map of metric="sqeuclidean", at another
# divergence (0.192) than the default's (0.209). The map of the default comes out, to the last bit,
# of metric="precomputed" and the square roots of the counts.
# Source: _fit in sklearn/manifold/_t_sne.py squares what any metric but "euclidean" gives (whose
# squares it asks for), also in a sparse graph of neighbors: affinities by "hamming" fall with the
# fourth power of the Euclidean distance. Maps by the two do not show the same thing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "scikit-learn==1.9.1" "scipy==1.17.1" "numpy==2.4.6"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from scipy.spatial.distance import cdist
from sklearn.manifold import TSNE

rng = np.random.default_rng(0)
centers = rng.random((10, 64)) > 0.5
bits = (centers[rng.integers(0, 10, 300)] ^ (rng.random((300, 64)) < 0.1)).astype(float)
counts = cdist(bits, bits, "cityblock")
start = rng.normal(size=(300, 2)) * 1e-4


def place(metric, x):
    tsne = TSNE(metric=metric, method="exact", init=start, random_state=0, perplexity=20).fit(x)
    print(f"{metric:12} divergence {tsne.kl_divergence_:.4f}")
    return tsne.embedding_


euclidean, hamming = place("euclidean", bits), place("hamming", bits)
squared, roots = place("sqeuclidean", bits), place("precomputed", np.sqrt(counts))
print("hamming - sqeuclidean", np.abs(hamming - squared).max())
print("euclidean - precomputed roots of counts", np.abs(euclidean - roots).max())
print("hamming - euclidean", np.abs(hamming - euclidean).max())
assert np.allclose(hamming, squared) and np.allclose(euclidean, roots), "the behavior has changed"
assert not np.allclose(hamming, euclidean, atol=1), "the behavior has changed"
PYTHON
