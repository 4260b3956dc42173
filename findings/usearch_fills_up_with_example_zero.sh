#!/usr/bin/env bash
# usearch names example 0 as the neighbor where there are no more neighbors.
#
# usearch 2.26.6, FAISS (faiss-cpu) 1.15.1.
# Guess: of ten neighbors in an index of three codes seven are marked as missing: -1, as in FAISS, or
# the largest key that there is.
# Seen: a batch of queries gets the three keys, then key 0 seven times with distances of nan, whether
# 0 is one of the index's keys or not; `counts` is 3. A single query gets the three alone. FAISS
# gives -1.
# Why: what is left of a batch's array is zeros. Where keys are rows, 0 is an example like any other:
# a vote over labels[keys] counts its label seven times, and its class wins. Use `counts`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "usearch==2.26.6" "faiss-cpu==1.15.1" "numpy==2.4.6"
"$folder/venv/bin/python" - <<'PYTHON'
import faiss
import numpy as np
from usearch.index import Index

codes = np.random.default_rng(0).integers(0, 256, (3, 8), dtype=np.uint8)
for first in (0, 1):
    index = Index(ndim=64, metric="hamming", dtype="b1")
    index.add(np.arange(first, first + 3), codes)
    batch, one = index.search(codes, 10), index.search(codes[0], 10)
    print("usearch, keys from", first, batch.keys.tolist(), batch.distances.tolist(), batch.counts)
    print("a single query", one.keys, one.distances)
    assert batch.counts.tolist() == [3, 3, 3], "the behavior has changed"
    assert (batch.keys[:, 3:] == 0).all(), "the behavior has changed"
    assert np.isnan(batch.distances[:, 3:]).all(), "the behavior has changed"
    assert len(one.keys) == 3, "the behavior has changed"
peer = faiss.IndexBinaryFlat(64)
peer.add(codes)
found = peer.search(codes, 10)[1]
print("FAISS", found.tolist())
assert (found[:, 3:] == -1).all(), "the behavior has changed"
PYTHON
