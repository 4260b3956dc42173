#!/usr/bin/env bash
# FAISS's Hamming range search leaves out the codes at the radius itself, and answers in floats.
#
# FAISS (faiss-cpu) 1.15.1.
# Guess: IndexBinaryFlat.range_search(x, r) returns every code within r bits, as scikit-learn's
# radius_neighbors does; a radius of 0 finds equal codes; distances are int32, as of search.
# Seen: it returns those at less than r bits, so a radius of 0 finds nothing, not even the code
# itself, although the radius is an integer and so are the distances, which come back as float32.
# Of 500 codes of 64 bits, 15 are at most 24 bits from the first; a radius of 24 finds 8 of them.
# A count of near-duplicates from FAISS at radius r is comparable with another tool's at r - 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "faiss-cpu==1.15.1" "numpy==2.4.6"
found=$("$folder/venv/bin/python" - <<'PYTHON'
import faiss
import numpy as np

codes = np.random.default_rng(0).integers(0, 256, (500, 8), dtype=np.uint8)
distances = np.unpackbits(codes[:1] ^ codes, axis=1).sum(axis=1)
index = faiss.IndexBinaryFlat(64)
index.add(codes)
for radius in (0, 1, 24, 25):
    limits, found, _ = index.range_search(codes[:1], radius)
    less, within = (distances < radius).sum(), (distances <= radius).sum()
    print(radius, limits[1], "less", less, "within", within, found.dtype)
print("search", index.search(codes[:1], 2)[0].dtype)
PYTHON
)
echo "$found"
[ "$found" = "0 0 less 0 within 1 float32
1 1 less 1 within 1 float32
24 8 less 8 within 15 float32
25 15 less 15 within 26 float32
search int32" ] || { echo "the behavior has changed"; exit 1; }
