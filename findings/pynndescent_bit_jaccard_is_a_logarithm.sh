#!/usr/bin/env bash
# pynndescent's Jaccard distance of packed bits is a logarithm, that of the same bits unpacked is not.
#
# pynndescent 0.7.0.
# Guess: metric="bit_jaccard" of packed bits finds the neighbors and the distances that "jaccard"
# finds of the bits, as "bit_hamming" finds the counts of NumPy (and "hamming" their shares).
# Seen: the neighbors are the same, the distances are not: "jaccard" has SciPy's, 1 - s for a
# similarity s, in [0, 1]; "bit_jaccard" has -ln(s): 0.916 where Jaccard's is 0.6, inf for codes
# without a common bit. It comes so out of the graph, of a query, and of the function in
# named_distances.
# A radius of 0.5 therefore means codes with 61% of their active units in common, not 50%, and a mean
# over neighbors is infinite as soon as one code has nothing in common with another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "pynndescent==0.7.0" "scikit-learn==1.9.1" "scipy==1.17.1" "numpy==2.4.6"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from pynndescent import NNDescent
from pynndescent.distances import named_distances
from scipy.spatial.distance import cdist

bits = np.random.default_rng(0).random((200, 64)) < 0.3
packed = np.packbits(bits, axis=1)
true = cdist(bits, bits, "jaccard")
places, distances = {}, {}
for metric, x in (("jaccard", bits.astype(np.float32)), ("bit_jaccard", packed)):
    index = NNDescent(x, metric=metric, n_neighbors=10, random_state=0)
    places[metric], distances[metric] = index.neighbor_graph
    print(metric, distances[metric][5, :4], "query", index.query(x[5:6], k=4)[1][0])
here = np.take_along_axis(true, places["jaccard"], axis=1)
assert np.allclose(distances["jaccard"], here, atol=1e-6), "the behavior has changed"
here = np.take_along_axis(true, places["bit_jaccard"], axis=1)
print("SciPy      ", here[5, :4], "-ln(1 - .)", -np.log(1 - here[5, :4]))
assert np.allclose(distances["bit_jaccard"], -np.log(1 - here), atol=1e-5), "the behavior has changed"
one, other = np.uint8([15]), np.uint8([240])
print("no common bit:", named_distances["bit_jaccard"](one, other))
assert np.isinf(named_distances["bit_jaccard"](one, other)), "the behavior has changed"
_, counts = NNDescent(packed, metric="bit_hamming", n_neighbors=10, random_state=0).neighbor_graph
nearest = np.sort(cdist(bits, bits, "cityblock"), axis=1)[:, :10]
print("bit_hamming: share of NumPy's counts found", (counts == nearest).mean())
PYTHON
