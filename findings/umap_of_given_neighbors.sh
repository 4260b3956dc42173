#!/usr/bin/env bash
# UMAP makes another graph of the exact neighbors that scikit-learn gives it, in two ways.
#
# umap-learn 0.5.12, scikit-learn 1.9.1.
# Guess: precomputed_knn takes what scikit-learn's kneighbors gives, kneighbors(x) or kneighbors()
# without the points themselves, and makes the graph that UMAP makes by itself.
# Seen, for 300 activations of 64 units and 10 neighbors:
#   kneighbors(x)   the same edges, weights off by up to 0.62
#   the same with distances of exactly 0 in the first column   UMAP's own graph
#   kneighbors()    10% more edges, weights off by up to 0.47
# There is no warning.
# Why: brute force, what "auto" takes from 16 dimensions on, has a distance of 2e-7 between a third of
# the points and themselves, by rounding, and UMAP subtracts the smallest distance that is not 0 from
# all others. And smooth_knn_dist in umap/umap_.py looks for a point's bandwidth from the second
# column on, whatever the first one holds. Hamming distances are whole numbers and have the second
# trouble alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "umap-learn==0.5.12" "scikit-learn==1.9.1" "scipy==1.17.1" "numpy==2.4.6"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from sklearn.neighbors import NearestNeighbors
from umap import UMAP

rng = np.random.default_rng(0)
centers = rng.normal(size=(10, 64))
x = np.maximum(centers[rng.integers(0, 10, 300)] + rng.normal(size=(300, 64)), 0)
neighbors = NearestNeighbors(n_neighbors=10).fit(x)


def graph(distances=None, rows=None):
    knn = (rows, None if distances is None else distances.astype(np.float32))
    settings = {"n_epochs": 1, "init": "random", "random_state": 0}
    return UMAP(n_neighbors=10, precomputed_knn=knn, **settings).fit(x).graph_


own = graph()
distances, rows = neighbors.kneighbors(x)
assert (rows[:, 0] == np.arange(300)).all()
to_itself = distances[:, 0].copy()
print("to itself: above 0 for", (to_itself > 0).sum(), "points, up to", to_itself.max())
off = {"kneighbors(x)": graph(distances, rows)}
distances[:, 0] = 0
off |= {"with zeros": graph(distances, rows), "kneighbors()": graph(*neighbors.kneighbors())}
print(f"{'own':14} {own.nnz} edges")
for name, found in off.items():
    print(f"{name:14} {found.nnz} edges, weights off by up to {abs(found - own).max():.6f}")
assert 0 < to_itself.max() < 1e-6, "the behavior has changed"
assert abs(off["kneighbors(x)"] - own).max() > 0.3, "the behavior has changed"
assert abs(off["with zeros"] - own).max() < 1e-4, "the behavior has changed"
assert abs(off["kneighbors()"] - own).max() > 0.3, "the behavior has changed"
assert off["kneighbors()"].nnz > 1.05 * own.nnz, "the behavior has changed"
PYTHON
