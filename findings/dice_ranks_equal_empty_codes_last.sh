#!/usr/bin/env bash
# Codes without a bit are equal by Jaccard, and last among all codes by Dice.
#
# SciPy 1.17.1, scikit-learn 1.9.1, usearch 2.26.6.
# Guess: Dice and Jaccard order codes alike (each is a function of the other), so equal codes come
# first by both, also codes without any bit, as all examples have in a dead network.
# Seen: of three such codes and three others, SciPy's distance of two of the three is 0 by Jaccard,
# nan by Dice and Sokal and Sneath, 1 by Russell and Rao. By Jaccard scikit-learn's three nearest of
# one are the three; by Dice they are the other three, at a distance of 1, in a brute-force search
# and in a ball tree. usearch has the same for its two names of these, tanimoto and sorensen.
# Why: both are 0 divided by 0 there. For Jaccard it is decided to be 0; for Dice it is left nan,
# which is no error and is sorted behind every number. Take such codes out by their count of ones.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "scikit-learn==1.9.1" "scipy==1.17.1" "numpy==2.4.6" "usearch==2.26.6"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors
from usearch.index import Index

codes = np.random.default_rng(0).random((6, 64)) > 0.5
codes[:3] = False
between = {m: cdist(codes[:1], codes[1:2], m).item() for m in ("jaccard", "dice", "sokalsneath", "russellrao")}
print(between)
nearest = {}
for metric in ("jaccard", "dice"):
    for algorithm in ("brute", "ball_tree"):
        search = NearestNeighbors(n_neighbors=3, metric=metric, algorithm=algorithm).fit(codes)
        distances, rows = search.kneighbors(codes[:1])
        nearest[metric, algorithm] = set(rows[0].tolist())
        print("scikit-learn", metric, algorithm, rows[0], distances[0])
packed = np.packbits(codes, axis=1)
for metric in ("tanimoto", "sorensen"):
    index = Index(ndim=64, metric=metric, dtype="b1")
    index.add(np.arange(6), packed)
    found = index.search(packed[0], 3, exact=True)
    nearest[metric, "usearch"] = set(found.keys.tolist())
    print("usearch", metric, found.keys, found.distances)
assert between["jaccard"] == 0 and between["russellrao"] == 1, "the behavior has changed"
assert np.isnan([between["dice"], between["sokalsneath"]]).all(), "the behavior has changed"
for (metric, _), rows in nearest.items():
    expected = {3, 4, 5} if metric in ("dice", "sorensen") else {0, 1, 2}
    assert rows == expected, "the behavior has changed"
PYTHON
