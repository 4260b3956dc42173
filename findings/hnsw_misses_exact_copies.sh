#!/usr/bin/env bash
# A graph index of codes that repeat does not find the copies of a query, however long it looks.
#
# FAISS (faiss-cpu) 1.15.1, usearch 2.26.6.
# Guess: an exact copy is the easiest thing to find; with 200 copies of each of 200 codes of 64 bits
# IndexBinaryHNSW finds one at least, and where it does not, a larger efSearch does.
# Seen: of 40,000 different codes 196 of 200 queries find themselves at efSearch 16, all at 64. With
# 200 copies of each, and M = 16, 71, 68 and 68 of 200 queries get none of their copies at efSearch
# 16, 64 and 512: the nearest that they are given are 20 bits away and more. With M = 32 it is 7 at
# efSearch 16 and none at 64. usearch with its defaults misses 27.
# Why: links go to the nearest codes, which are copies. A code that has more copies than links (2 M
# on the lowest level) has copies linked with one another alone, and nothing leads to them. Codes of
# a network repeat, the more so the fewer its units. Index the distinct codes, and keep the rows of
# each beside them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "faiss-cpu==1.15.1" "usearch==2.26.6" "numpy==2.4.6"
"$folder/venv/bin/python" - <<'PYTHON'
import faiss
import numpy as np
from usearch.index import Index

faiss.omp_set_num_threads(1)  # the graph is then the same in each run
rng = np.random.default_rng(0)
different = rng.integers(0, 256, (40_000, 8), dtype=np.uint8)
codes = different[:200]
copies = np.repeat(codes, 200, axis=0)[rng.permutation(40_000)]
seen = {}


def note(distances, *name):
    """How many queries get no copy, and the smallest distance that they get instead."""
    nearest = distances[:, 0]
    seen[name] = int((nearest > 0).sum())
    print(*name, "missed", seen[name], "of 200, nearest", nearest[nearest > 0].min(initial=64))


for name, stored, links in (
    ("different", different, 16), ("copies", copies, 16), ("copies", copies, 32)
):
    index = faiss.IndexBinaryHNSW(64, links)
    index.add(stored)
    for ef_search in (16, 64, 512):
        index.hnsw.efSearch = ef_search
        note(index.search(codes, 10)[0], name, links, ef_search)
peer = Index(ndim=64, metric="hamming", dtype="b1")
peer.add(np.arange(40_000), copies, threads=1)
note(np.asarray(peer.search(codes, 10, threads=1).distances), "copies", "usearch")
assert seen["different", 16, 64] == 0, "the behavior has changed"
assert all(seen["copies", 16, ef] > 40 for ef in (16, 64, 512)), "the behavior has changed"
assert seen["copies", "usearch"] > 5, "the behavior has changed"
PYTHON
