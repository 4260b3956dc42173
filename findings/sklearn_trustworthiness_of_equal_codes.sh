#!/usr/bin/env bash
# scikit-learn's trustworthiness of equal codes beside themselves is 0.4, less than that of chance.
#
# scikit-learn 1.9.1.
# Guess: trustworthiness(X, X) is 1, the best there is: no neighbor in the map is far in the data.
# That of random places is 0.5.
# Seen: for 1,000 different codes it is 1, or 0.999 for ties. Where they are copies of 5 codes it is
# 0.82 to 0.94 by the number of neighbors, and where all are equal 0.34 to 0.40, less than random
# places have. With metric="hamming" it is the same.
# Source: ranks in the data come from a sort of all distances, in which equal codes take any order;
# neighbors in the map from a search that takes them in another (sklearn/manifold/_t_sne.py). A
# neighbor at distance 0 is then charged with a rank of hundreds. A map of a layer that has
# collapsed is measured as bad however good it is: take the distinct codes first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "scikit-learn==1.9.1" "scipy==1.17.1" "numpy==2.4.6"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W error - <<'PYTHON'
import numpy as np
from sklearn.manifold import trustworthiness

rng = np.random.default_rng(0)
places = rng.normal(size=(1000, 2))
seen = {}
for n_codes in (1000, 20, 5, 2, 1):
    codes = rng.integers(0, 2, (n_codes, 64)).astype(float)
    codes = codes[np.arange(1000) % n_codes]
    n_distinct = len(np.unique(codes, axis=0))
    for metric in ("euclidean", "hamming"):
        own = [trustworthiness(codes, codes, n_neighbors=k, metric=metric) for k in (1, 5, 20)]
        seen[n_codes, metric] = float(own[1])
        print(n_distinct, "codes,", metric, np.round(own, 3), end="; ")
    print("random places", round(float(trustworthiness(codes, places)), 3))
for metric in ("euclidean", "hamming"):
    assert seen[1000, metric] > 0.999
    assert seen[5, metric] < 0.97 and seen[1, metric] < 0.5, "the behavior has changed"
PYTHON
