#!/usr/bin/env bash
# SciPy closes an unbounded region with a corner that is outside of it, and says nothing.
#
# SciPy 1.17.1.
# Guess: HalfspaceIntersection of a region without end raises a QhullError, or marks what is missing
# with inf, as it does for a strip.
# Seen: x >= 0, y >= 0, y <= x + 1 has two corners, (0, 0) and (0, 1). Three come back, all finite:
# the third, (-1, 0), breaks x >= 0 by 1. A hull of the corners is a triangle of area 0.5, and lies
# outside of the region. For a strip a corner is (inf, inf), with a warning of a division by zero.
# Source: Qhull takes the hull of dual points around the interior point. Of an unbounded region that
# hull does not contain the point, and the sides that face it stand for corners behind it; neither
# the class nor its documentation tells. Of linear regions most are unbounded without a box. Give
# the sides of a box with the others, or test the corners against the inequalities.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "scipy==1.17.1" "numpy==2.4.6"
found=$("$folder/venv/bin/python" -W error -W "ignore:divide by zero" - <<'PYTHON'
import numpy as np
from scipy.spatial import ConvexHull, HalfspaceIntersection

open_region = np.array([[-1.0, 0, 0], [0, -1, 0], [-1, 1, -1]])  # rows a, b: a @ x + b <= 0
box = np.array([[1.0, 0, -9], [0, 1, -9]])
strip = np.array([[-1.0, 0, 0], [0, -1, 0], [1, -1, -1], [-1, 1, -1]])
for name, sides in (("open", open_region), ("boxed", np.vstack([open_region, box]))):
    corners = HalfspaceIntersection(sides, np.array([1.0, 1])).intersections.round(9) + 0.0
    corners = np.unique(corners, axis=0)
    broken = (corners @ sides[:, :2].T + sides[:, 2]).max()
    print(name, corners.tolist(), "outside by", broken, "area", ConvexHull(corners).volume)
corners = HalfspaceIntersection(strip, np.array([1.0, 1])).intersections
print("strip: infinite corners", int(np.isinf(corners).any(axis=1).sum()))
PYTHON
)
echo "$found"
[ "$found" = "open [[-1.0, 0.0], [0.0, 0.0], [0.0, 1.0]] outside by 1.0 area 0.5
boxed [[0.0, 0.0], [0.0, 1.0], [8.0, 9.0], [9.0, 0.0], [9.0, 9.0]] outside by 0.0 area 49.0
strip: infinite corners 1" ] || { echo "the behavior has changed"; exit 1; }
