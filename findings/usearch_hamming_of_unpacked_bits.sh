#!/usr/bin/env bash
# usearch's Hamming distance of bits that are not packed is nan, for all of them.
#
# usearch 2.26.6.
# Guess: an index for Hamming distances of float32 or int8 vectors of zeros and ones counts the
# entries that differ, as SciPy does, or refuses to be made.
# Seen: it is made, takes vectors and answers; all distances are nan, that of a vector to itself too,
# and the order of the keys says nothing. The same for float64 and float16, and for tanimoto. Packed,
# in an index of dtype "b1", the distances are those of NumPy.
# Why: there is no such distance but of packed bits, and nothing checks it. What looks at keys alone,
# as a vote of neighbors does, does not see the nan.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "usearch==2.26.6" "numpy==2.4.6"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from usearch.index import Index

bits = np.random.default_rng(0).random((6, 64)) > 0.5
differ = (bits != bits[4]).sum(axis=1)
for dtype in ("f32", "f64", "f16", "i8"):
    vectors = bits.astype(np.int8 if dtype == "i8" else np.float32)
    for metric in ("hamming", "tanimoto"):
        index = Index(ndim=64, metric=metric, dtype=dtype)
        index.add(np.arange(6), vectors)
        found = index.search(vectors[4], 6, exact=True)
        print(dtype, metric, found.keys, found.distances)
        assert np.isnan(found.distances).all(), "the behavior has changed"
index = Index(ndim=64, metric="hamming", dtype="b1")
index.add(np.arange(6), np.packbits(bits, axis=1))
found = index.search(np.packbits(bits[4]), 6, exact=True)
print("b1 hamming", found.keys, found.distances)
assert (found.distances == differ[found.keys]).all() and found.keys[0] == 4, "the behavior has changed"
PYTHON
