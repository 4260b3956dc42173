#!/usr/bin/env bash
# scikit-learn's exact K-NN on 0/1 data picks other neighbors, and scores otherwise, with 2 threads.
#
# scikit-learn 1.9.1.
# Guess: algorithm="brute" on rows of zeros and ones is exact arithmetic on integers, so its
# neighbors and the accuracy of KNeighborsClassifier are the same for any number of OpenMP threads.
# Seen: the distances are the same; which of the rows at the last distance are kept depends on how
# the training rows were shared out among threads. With many ties, as among codes of few bits, the
# accuracy on 64 queries is 0.156 with one thread and 0.203 with two, on every run. The
# documentation warns that ties depend on the order of the training data; here it is the same.
# metric="hamming" takes another way and does not depend on the threads.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "scikit-learn==1.9.1" "numpy==2.4.6"
cat >"$folder/score.py" <<'PYTHON'
import numpy as np
from sklearn.neighbors import KNeighborsClassifier

rng = np.random.default_rng(0)
x, y = rng.integers(0, 2, (20_000, 12)).astype(float), rng.integers(0, 5, 20_000)
queries, truth = rng.integers(0, 2, (64, 12)).astype(float), np.arange(64) % 5
for metric in ("euclidean", "hamming"):
    knn = KNeighborsClassifier(10, algorithm="brute", metric=metric).fit(x, y)
    distances, indices = knn.kneighbors(queries)
    print(metric, distances.sum().round(9), np.sort(indices).sum(), knn.score(queries, truth))
PYTHON
one=$(OMP_NUM_THREADS=1 "$folder/venv/bin/python" "$folder/score.py")
two=$(OMP_NUM_THREADS=2 "$folder/venv/bin/python" "$folder/score.py")
printf 'metric, sum of distances, sum of indices, accuracy\n1 thread\n%s\n2 threads\n%s\n' "$one" "$two"
line() { sed -n "/^$2/p" <<<"$1"; }
[ "$(line "$one" hamming)" = "$(line "$two" hamming)" ]
[ "$(line "$one" euclidean | cut -d' ' -f2)" = "$(line "$two" euclidean | cut -d' ' -f2)" ]
[ "$(line "$one" euclidean)" != "$(line "$two" euclidean)" ] || { echo "the behavior has changed"; exit 1; }
