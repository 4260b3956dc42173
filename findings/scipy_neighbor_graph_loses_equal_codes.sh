#!/usr/bin/env bash
# SciPy's usual steps on a graph of neighbors take out the pairs at distance 0: the exact duplicates.
#
# SciPy 1.17.1, scikit-learn 1.9.1.
# Guess: scikit-learn's graphs of distances keep a neighbor at distance 0 as an entry, so making one
# symmetric, graph.maximum(graph.T) or (graph + graph.T) / 2, keeps every pair; and the minimum
# spanning tree of a connected graph of n nodes has n - 1 edges.
# Seen: 20 codes, each three times, radius of all bits: the graph has 3,600 entries, 180 of them
# zeros. maximum, minimum and the sum with the transpose have 3,420 entries: every pair of equal
# codes is gone, without a warning. connected_components takes zeros for edges and finds 1 component
# in the graph; minimum_spanning_tree returns 19 edges, not 59, and its tree falls into 41 components.
# DBSCAN on the graph before and after maximum: 0 and 60 codes are noise (eps 0, three samples).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "scipy==1.17.1" "scikit-learn==1.9.1" "numpy==2.4.6"
found=$("$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from scipy.sparse import csgraph
from sklearn.cluster import DBSCAN
from sklearn.neighbors import NearestNeighbors

bits = np.random.default_rng(0).integers(0, 2, (20, 64)).repeat(3, axis=0).astype(float)
graph = NearestNeighbors(radius=64, metric="manhattan").fit(bits).radius_neighbors_graph(
    bits, mode="distance"
)
print("entries", graph.nnz, "zeros", (graph.data == 0).sum())
print("symmetric", graph.maximum(graph.T).nnz, graph.minimum(graph.T).nnz, (graph + graph.T).nnz)
tree = csgraph.minimum_spanning_tree(graph)
parts = [csgraph.connected_components(each, directed=False)[0] for each in (graph, tree)]
print("edges of the tree", tree.nnz, "components", *parts)
dbscan = DBSCAN(eps=1e-9, min_samples=3, metric="precomputed")
print("noise", *((dbscan.fit_predict(g) == -1).sum() for g in (graph, graph.maximum(graph.T))))
PYTHON
)
echo "$found"
[ "$found" = "entries 3600 zeros 180
symmetric 3420 3420 3420
edges of the tree 19 components 1 41
noise 0 60" ] || { echo "the behavior has changed"; exit 1; }
