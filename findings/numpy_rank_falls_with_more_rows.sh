#!/usr/bin/env bash
# The rank that NumPy finds for a float32 representation falls as examples are added to it.
#
# NumPy 2.4.6; PyTorch 2.13.0 and JAX 0.10.2 give the same ranks.
# Guess: np.linalg.matrix_rank counts the dimensions that the rows span; more rows span at least as
# many.
# Seen: 100 ReLUs of 20 random inputs have rank 100 for 1,000 examples, 25 for 50,000 and 21 for
# 200,000, while its smallest singular value is 0.03, 0.07 and 0.07% of the largest. In float64, of
# the same numbers, the rank is 100 throughout.
# Source: singular values count that are above max(n, units) * eps times the largest: for 50,000
# rows of float32 0.6%, for 200,000 2.4%. It is the rule of MATLAB for rounding in the worst case;
# the documentation names it. Activations are at least 0, so their mean is most of the largest
# singular value, and the ranks of a training set and of its test set differ for their sizes alone.
# Convert to float64, give rtol, or take a rank without threshold such as the stable rank.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "numpy==2.4.6"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(size=(200_000, 20)).astype(np.float32)
weights = (rng.normal(size=(20, 100)) * 0.5 / np.sqrt(20)).astype(np.float32)
z = np.maximum(x @ weights + 1, 0)
ranks, exact = [], []
for n in (1000, 50_000, 200_000):
    ranks.append(int(np.linalg.matrix_rank(z[:n])))
    exact.append(int(np.linalg.matrix_rank(z[:n].astype(np.float64))))
    gram = z[:n].astype(np.float64).T @ z[:n].astype(np.float64)
    least, *_, most = np.sqrt(np.linalg.eigvalsh(gram))
    print(n, "rows: rank", ranks[-1], "float64", exact[-1], f"least / largest {least / most:.4f}")
assert exact == [100, 100, 100]
assert ranks[0] == 100 and ranks[1] < 60 and ranks[2] < 30, "the behavior has changed"
PYTHON
