#!/usr/bin/env bash
# One pair of equal rows makes scikit-dimension's likelihood estimate of a dimension 0.
#
# scikit-dimension 0.5.0.
# Guess: the estimate is an average over points; of 1,001 points two that are equal are left out, or
# change it by 0.2% (their own value is at worst 0 or inf).
# Seen: 1,000 points on a three-dimensional plane have dimension 2.76 (skdim.id.MLE). With one of
# them given twice it is 0.0, for any number of duplicates, and NumPy warns of a division by zero.
# comb="mean" gives 2.91 before and after, comb="median" 2.79. TwoNN says in a warning how many
# points it drops, and changes by 0.001.
# Source: MLE.fit takes the harmonic mean of the estimates of the points by default, and a point
# with a neighbor at distance 0 has the estimate 0. Activations of different inputs are equal where
# a layer is dead for both, and data sets have duplicates: take the distinct rows first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "scikit-dimension==0.5.0" "scikit-learn==1.9.1" \
  "scipy==1.17.1" "numpy==2.4.6"
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import numpy as np
import skdim

rng = np.random.default_rng(0)
points = rng.random((1000, 3)) @ rng.random((3, 10))
seen = {}
for copies in (0, 1, 100):
    rows = np.concatenate([points, points[:copies]])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name, estimator, options in (
            ("MLE", skdim.id.MLE(), {}),
            ("MLE, mean", skdim.id.MLE(), {"comb": "mean"}),
            ("MLE, median", skdim.id.MLE(), {"comb": "median"}),
            ("TwoNN", skdim.id.TwoNN(), {}),
        ):
            seen[name, copies] = float(estimator.fit(rows, **options).dimension_)
    print(f"{copies} duplicates:", {n: round(d, 3) for (n, c), d in seen.items() if c == copies})
    for message in sorted({str(warning.message) for warning in caught}):
        print("   ", message)
assert 2.5 < seen["MLE", 0] < 3.2
assert seen["MLE", 1] == seen["MLE", 100] == 0, "the behavior has changed"
assert all(2.5 < seen[name, 1] < 3.2 for name in ("MLE, mean", "MLE, median", "TwoNN"))
PYTHON
