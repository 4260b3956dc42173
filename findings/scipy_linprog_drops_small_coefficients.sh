#!/usr/bin/env bash
# SciPy's linear programs take coefficients of 1e-9 and less for zero, and call the rest unbounded.
#
# SciPy 1.17.1 (HiGHS).
# Guess: a row may be scaled by any positive number: 1e-9 x <= 1e-9 is x <= 1, and the largest x is 1.
# Seen: down to 1e-8 it is; from 1e-9 on linprog returns status 3, "The problem is unbounded". The
# coefficient is dropped and the right side, as small, is kept: 0 x <= 1e-9 always holds. In a
# Chebyshev center (x <= 1 and x >= -1, the first scaled by 1e-10) one side of the region is gone
# likewise. No warning is given, and no option of linprog changes it.
# Source: HiGHS's option small_matrix_value, 1e-9 by default, which SciPy does not pass on. The
# inequalities of a linear region are as small as products of weights: with ten layers of weights
# 0.1 a row is 1e-10. Divide each row by its norm first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "scipy==1.17.1" "numpy==2.4.6"
found=$("$folder/venv/bin/python" -W error - <<'PYTHON'
import numpy as np
from scipy.optimize import linprog


def largest_ball(a, b):
    """Of the x with a @ x <= b: the center and the radius, which are maximized together."""
    a = np.hstack([a, np.linalg.norm(a, axis=1, keepdims=True)])
    return linprog([0, -1], A_ub=a, b_ub=b, bounds=(None, None))


for scale in (1e-8, 1e-9, 1e-12):
    one = linprog([-1], A_ub=[[scale]], b_ub=[scale], bounds=(None, None))
    print(scale, "status", one.status, "x", None if one.x is None else float(one.x.round(9)[0]))
for scale in (1.0, 1e-10):
    ball = largest_ball(np.array([[scale], [-1.0]]), np.array([scale, 1.0]))
    print("ball", scale, "status", ball.status, None if ball.x is None else (ball.x.round(9) + 0.0).tolist())
PYTHON
)
echo "$found"
[ "$found" = "1e-08 status 0 x 1.0
1e-09 status 3 x None
1e-12 status 3 x None
ball 1.0 status 0 [0.0, 1.0]
ball 1e-10 status 3 None" ] || { echo "the behavior has changed"; exit 1; }
