#!/usr/bin/env bash
# FAISS has two ways to make bits of floats, and they differ at 0: IndexLSH gives ReLUs one code.
#
# FAISS (faiss-cpu) 1.15.1.
# Guess: IndexLSH without a rotation packs the signs of its vectors, as real_to_binary does: the bit
# of a ReLU's output is 1 where it is positive, and the index ranks by the Hamming distance of the
# activation patterns.
# Seen: real_to_binary sets a bit where x > 0, 31% of them here; fvecs2bitvecs, which IndexLSH uses,
# where x >= 0. No output of a ReLU is negative, so all 1,000 vectors get the code of all ones: every
# distance is 0 and the neighbors of each query are rows 0, 1, 2. Thresholds trained on the data are
# medians: a unit that is on for less than half of it has 0, and is then always 1.
# Source: fvec2bitvec in faiss/utils/hamming.cpp, real_to_binary in faiss/utils/utils.cpp.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "faiss-cpu==1.15.1" "numpy==2.4.6"
found=$("$folder/venv/bin/python" - <<'PYTHON'
import faiss
import numpy as np

z = np.random.default_rng(0).normal(-0.5, 1, (1000, 64)).astype(np.float32)
relu = np.maximum(z, 0)
one, other = np.zeros((2, 1000, 8), np.uint8)
faiss.fvecs2bitvecs(faiss.swig_ptr(relu), faiss.swig_ptr(one), 64, 1000)
for x, code in zip(relu, other, strict=True):
    faiss.real_to_binary(64, faiss.swig_ptr(x), faiss.swig_ptr(code))
for name, codes in (("fvecs2bitvecs", one), ("real_to_binary", other)):
    bits = np.unpackbits(codes, axis=1, bitorder="little")
    print(name, "ones", round(bits.mean(), 3), "wrong", round(float((bits != (relu > 0)).mean()), 3))
for trained in (False, True):
    index = faiss.IndexLSH(64, 64, False, trained)
    index.train(relu)
    index.add(relu)
    distances, rows = index.search(relu[:100], 3)
    print("IndexLSH, trained thresholds", trained, "codes",
          len(np.unique(faiss.vector_to_array(index.codes).reshape(1000, 8), axis=0)),
          "largest distance", int(distances.max()), "first", rows[50].tolist())
PYTHON
)
echo "$found"
[ "$found" = "fvecs2bitvecs ones 1.0 wrong 0.689
real_to_binary ones 0.311 wrong 0.0
IndexLSH, trained thresholds False codes 1 largest distance 0 first [0, 1, 2]
IndexLSH, trained thresholds True codes 1 largest distance 0 first [0, 1, 2]" ] ||
  { echo "the behavior has changed"; exit 1; }
