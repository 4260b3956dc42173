#!/usr/bin/env bash
# SciPy's Jensen-Shannon distance of two networks that compute the same is often not a number.
#
# SciPy 1.17.1.
# Guess: the distance of two distributions that differ by rounding alone is 0, or about 1e-8.
# Seen: the softmax outputs of 1,000 inputs, once of the logits and once of the logits plus a
# constant, the same distributions on paper. In float32 the distance is nan for about 400 of the
# 1,000, in float64 for about 80. A mean over the inputs is nan; nanmean leaves out the pairs that
# agree best and keeps distances of up to 2e-4, which float32 makes of nothing. NumPy warns of a
# square root. A distribution and itself have 0.
# Source: jensenshannon in scipy/spatial/distance.py takes the root of a sum of two divergences,
# which rounding can make negative. Two networks with identical output are where it happens: set
# what is below 0 to 0 before the root, and compute in float64.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "scipy==1.17.1" "numpy==2.4.6"
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr, softmax

logits = np.random.default_rng(0).normal(0, 3, (1000, 10)).astype(np.float32)
seen = {}
for kind in (np.float32, np.float64):
    p, q = (softmax(logits.astype(kind) + kind(shift), axis=1) for shift in (0, 0.7))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        distances = jensenshannon(p, q, axis=1)
    middle = (p + q) / 2
    rooted = (rel_entr(p, middle) + rel_entr(q, middle)).sum(1)
    seen[kind] = int(np.isnan(distances).sum())
    print(
        f"{kind.__name__}: outputs differ by {np.abs(p - q).max():.0e}, {seen[kind]} of 1000 nan,",
        f"largest {np.nanmax(distances):.0e}, smallest sum {rooted.min():.0e};",
        *{str(warning.message) for warning in caught},
    )
    assert np.abs(p - q).max() < 1e-6 and not jensenshannon(p, p, axis=1).any()
assert seen[np.float32] > 100 and seen[np.float64] > 10, "the behavior has changed"
PYTHON
