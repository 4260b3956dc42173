#!/usr/bin/env bash
# Where codes have copies, hdbscan gives no outlier score to exactly those that have none.
#
# hdbscan 0.8.44.
# Guess: of ten codes with 30 copies each and 50 random ones, all of 64 bits, the random ones have
# the largest outlier scores (GLOSH), and the copies 0.
# Seen: the 300 copies have 0, the 50 random codes nan, those that are noise (label -1) and those
# that were put into a cluster alike; by Euclidean distance too. With 300 more codes that differ from
# their center in 5% of the bits, those have nan too, but for copies among them. There is no warning.
# Labels, probabilities and persistence of clusters are numbers.
# Why: copies are at distance 0, where the density 1 / distance of a cluster is infinite; the score
# of any other member is (inf - density) / inf. nan is not above a threshold and is sorted behind
# every number, so a list of the largest scores has copies in it and none of the outliers.
# scikit-learn's HDBSCAN has no such scores.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "hdbscan==0.8.44" "scikit-learn==1.9.1" "scipy==1.17.1" "numpy==2.4.6"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from hdbscan import HDBSCAN

rng = np.random.default_rng(0)
copies = np.repeat(rng.random((10, 64)) > 0.5, 30, axis=0)
single = rng.random((50, 64)) > 0.5
near = copies ^ (rng.random(copies.shape) < 0.05)
codes = np.vstack([copies, single]).astype(float)
for metric in ("hamming", "euclidean"):
    found = HDBSCAN(metric=metric, min_samples=5).fit(codes)
    scores, noise = found.outlier_scores_, found.labels_ == -1
    print(metric, "copies", np.unique(scores[:300]), "single", np.unique(scores[300:]))
    print("  noise", noise.sum(), "of", noise[300:].sum(), "single ones")
    assert (scores[:300] == 0).all() and np.isnan(scores[300:]).all(), "the behavior has changed"
    assert 0 < noise.sum() < 50, "the behavior has changed"
    assert np.isfinite(found.probabilities_).all(), "the behavior has changed"
scores = HDBSCAN(metric="hamming", min_samples=5).fit(np.vstack([codes, near])).outlier_scores_
print("with near ones: nan of", [int(np.isnan(s).sum()) for s in np.split(scores, [300, 350])])
assert np.isnan(scores[300:350]).all() and np.isnan(scores[350:]).sum() > 250, "the behavior has changed"
scores = HDBSCAN(metric="hamming", min_samples=5).fit(np.vstack([single, near])).outlier_scores_
print("without copies: nan of", int(np.isnan(scores).sum()))
PYTHON
