#!/usr/bin/env bash
# Constant units correlate perfectly, with either sign or not at all, by how the array is turned.
#
# NumPy 2.4.6.
# Guess: the correlation of two units that are always 0.1 and 0.3 is nan, 0 divided by 0.
# Seen, examples in rows: 1.0 with 10 of them, -1.0 with 1,000 and 1,003; always 0.2 and 0.9: -1.0
# with 10, 1.0 with 1,000 and 1,003. The same numbers with examples in columns: nan with 10 and
# 1,003, -1.0 and 1.0 with 1,000.
# Why: a sum of equal numbers is rounded, in the order in which memory has them, so that their mean
# may be a number next to them. What is left of each is then one tiny number for all examples, with a
# sign of its own for each unit, and it is divided by its own size. A mean over the correlations of a
# layer with saturated units takes these for facts, and nothing is nan to warn of them. Find constant
# units by their smallest and largest values first, and leave them out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "numpy==2.4.6"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np

found = {}
for units in ((0.1, 0.3), (0.2, 0.9)):
    for n in (10, 1_000, 1_003):
        constant = np.repeat([units], n, axis=0)
        assert (np.ptp(constant, axis=0) == 0).all()
        in_rows = np.corrcoef(constant, rowvar=False)[0, 1]
        in_columns = np.corrcoef(np.ascontiguousarray(constant.T))[0, 1]
        found[units, n] = np.round([in_rows, in_columns], 9)
        print(units, n, "examples in rows", in_rows, "in columns", in_columns)
for units in ((0.1, 0.3), (0.2, 0.9)):
    assert abs(found[units, 1_000][0]) == 1, "the behavior has changed"
    assert found[units, 10][0] == -found[units, 1_000][0], "the behavior has changed"
    assert np.isnan(found[units, 1_003][1]), "the behavior has changed"
PYTHON
