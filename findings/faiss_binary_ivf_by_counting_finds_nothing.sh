#!/usr/bin/env bash
# FAISS's inverted file of binary codes finds nothing at all when it is told to count distances.
#
# FAISS (faiss-cpu) 1.15.1.
# Guess: IndexBinaryIVF.use_heap = False changes how the nearest are kept (a counter for each
# distance, as in IndexBinaryFlat, where both ways agree), not what they are.
# Seen: for 8 to 256 bits, one query or many, every label is -1 and every distance 2147483647, while
# with the heap, and all lists visited, distances are those of IndexBinaryFlat. There is no error.
# max_codes, 0 by default, means no limit in the one way and a limit of 0 codes in the other: set to
# the number of codes, counting finds the same distances. Code that does not look for -1 reads
# the last row of an array for each neighbor.
# Source: search_knn_hamming_count in faiss/IndexBinaryIVF.cpp; FAISS's issue 5555 tells of 1.15.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "faiss-cpu==1.15.1" "numpy==2.4.6"
found=$("$folder/venv/bin/python" - <<'PYTHON'
import faiss
import numpy as np

for bits in (8, 64, 256):
    codes = np.random.default_rng(0).integers(0, 256, (5000, bits // 8), dtype=np.uint8)
    flat, lists = faiss.IndexBinaryFlat(bits), faiss.IndexBinaryFlat(bits)
    index = faiss.IndexBinaryIVF(lists, bits, 16)
    index.train(codes)
    index.add(codes)
    flat.add(codes)
    index.nprobe = 16
    wanted, _ = flat.search(codes[:30], 5)
    flat.use_heap = False
    told = ["flat", bool((flat.search(codes[:30], 5)[0] == wanted).all())]
    for heap, most in ((True, 0), (False, 0), (False, len(codes))):
        index.use_heap, index.max_codes = heap, most
        distances, rows = index.search(codes[:30], 5)
        told += [f"heap {heap} {most}:", int((rows >= 0).sum()), bool((distances == wanted).all())]
    print(bits, *told)
PYTHON
)
echo "$found"
[ "$found" = "8 flat True heap True 0: 150 True heap False 0: 0 False heap False 5000: 150 True
64 flat True heap True 0: 150 True heap False 0: 0 False heap False 5000: 150 True
256 flat True heap True 0: 150 True heap False 0: 0 False heap False 5000: 150 True" ] ||
  { echo "the behavior has changed"; exit 1; }
