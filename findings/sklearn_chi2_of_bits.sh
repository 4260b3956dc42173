#!/usr/bin/env bash
# scikit-learn's chi2 takes a unit that is seldom off for uninformative; its complement it does not.
#
# scikit-learn 1.9.1, SciPy 1.17.1.
# Guess: chi2 of 0/1 features and classes is the chi-squared statistic of their 2 x k tables
# (chi2_contingency without correction), so a bit and its complement have the same score.
# Seen: it is that statistic times the share of zeros. For a bit that is on for 92% of the rows the
# table gives 20.7 and a p-value of 3e-5, chi2 1.7 and 0.43, its complement 19.0. Of five bits
# SelectKBest(chi2, k=2) takes the third and the fifth, of their five complements, as of the tables,
# the second and the third. No warning is given.
# Source: _chi2 compares observed and expected counts of ones alone: features are taken for
# frequencies of words, of which zeros are no events. The documentation names booleans beside them,
# and p-values come back. Of the bits of a code those of units that are on most of the time are put
# last. Divide by the share of zeros, or give each bit with its complement.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "scikit-learn==1.9.1" "scipy==1.17.1" "numpy==2.4.6"
"$folder/venv/bin/python" -W error - <<'PYTHON'
import numpy as np
from scipy.stats import chi2_contingency
from sklearn.feature_selection import SelectKBest, chi2

rng = np.random.default_rng(0)
y = rng.integers(0, 3, 3000)
on = np.array([0.97, 0.9, 0.5, 0.1, 0.03])
bits = (rng.random((3000, 5)) < on + 0.5 * on * (1 - on) * (y == 1)[:, None]).astype(int)
tables = [[np.bincount(y[bits[:, j] == v], minlength=3) for v in (0, 1)] for j in range(5)]
tests = [chi2_contingency(table, correction=False) for table in tables]
whole = np.array([test.statistic for test in tests])
scores, p_values = chi2(bits, y)
complements, _ = chi2(1 - bits, y)
print("on", bits.mean(axis=0).round(3))
for name, values in (("tables", whole), ("chi2", scores), ("complements", complements)):
    print(name, values.round(2), "best two", np.sort(np.argsort(-values)[:2]))
print("p-values of the second bit", tests[1].pvalue, p_values[1])
best = [SelectKBest(chi2, k=2).fit(x, y).get_support().nonzero()[0] for x in (bits, 1 - bits)]
print("selected", *best)
assert np.allclose(scores, whole * (1 - bits.mean(axis=0))), "the behavior has changed"
assert np.allclose(complements, whole * bits.mean(axis=0)), "the behavior has changed"
assert tests[1].pvalue < 1e-3 and p_values[1] > 0.1 and best[0].tolist() != best[1].tolist()
PYTHON
