#!/usr/bin/env bash
# scikit-learn gives a clustering whose clusters are single codes a Calinski-Harabasz score of 1.
#
# scikit-learn 1.9.1.
# Guess: the score grows without bound as clusters shrink; where every cluster is one code repeated
# it is inf, or at least above the scores of the same clusters with an error.
# Seen: 20 codes of 64 bits, ten copies of each: the right clustering scores 1.0. With one bit of
# one code of the 200 flipped it scores 32,484. Labels drawn at random score about 1 too, so that a
# choice of the clustering with the largest score takes nearly any other before the perfect one.
# davies_bouldin_score, where less is better, gives 0, the best there is, to a split of the 20 codes
# and their copies into two halves with the same centroids; with noise of 0.001 it is 3,500.
# Silhouettes are as one would guess: 1 for the perfect clusters.
# Source: a within-dispersion of 0 is given the score 1, and centroids that are all equal the score
# 0 (sklearn/metrics/cluster/_unsupervised.py); their docstrings name neither case. Neural codes
# repeat exactly, and clusters of equal codes are what a collapsed representation has.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "scikit-learn==1.9.1" "scipy==1.17.1" "numpy==2.4.6"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

rng = np.random.default_rng(0)
distinct = rng.integers(0, 2, (20, 64)).astype(float)
codes, clusters = np.repeat(distinct, 10, axis=0), np.repeat(np.arange(20), 10)
flipped = codes.copy()
flipped[0, 0] = 1 - flipped[0, 0]
seen = {}
for name, x, labels in (
    ("equal codes", codes, clusters),
    ("one bit flipped", flipped, clusters),
    ("random labels", codes, rng.integers(0, 20, 200)),
):
    seen[name] = calinski_harabasz_score(x, labels)
    silhouette = silhouette_score(x, labels, metric="hamming")
    print(f"{name}: Calinski-Harabasz {seen[name]:.6g}, silhouette {silhouette:.4f}")
assert seen["equal codes"] == 1, "the behavior has changed"
assert seen["one bit flipped"] > 10_000 and 0.5 < seen["random labels"] < 2

halves = np.repeat([0, 1], 20)
twice = np.concatenate([distinct, distinct])
exact = davies_bouldin_score(twice, halves)
noisy = davies_bouldin_score(twice + rng.normal(0, 1e-3, twice.shape), halves)
print(f"two halves that are the same: Davies-Bouldin {exact}, with noise {noisy:.0f}")
assert exact == 0 and noisy > 1000, "the behavior has changed"
PYTHON
