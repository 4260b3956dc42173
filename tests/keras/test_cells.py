"""Cutting convex cells: the kernel against NumPy, bit by bit, and what is no complex of cells."""

import numpy as np
import pytest

from reference_cells import CuttableCells
from tfhash import _native
from tfhash.geometry.cell_complex import CellComplex


def layers(rng, d, coarse):
    """Pre-activations of two layers, as functions of points and of the values before."""
    widths = [d, *rng.integers(1, 14 if d < 4 else 7, 2)]
    weights = [rng.normal(size=shape) for shape in ((d, widths[1]), (widths[1], widths[2]))]
    biases = [rng.normal(size=width) / 2 for width in widths[1:]]
    if coarse:  # hyperplanes that coincide, meet in corners and run along faces
        weights, biases = ([np.round(each) for each in part] for part in (weights, biases))
    yield lambda points: points @ weights[0] + biases[0]
    yield lambda z: np.maximum(z, 0) @ weights[1] + biases[1]


@pytest.mark.parametrize("d", (1, 2, 3, 4))
@pytest.mark.parametrize("coarse", (False, True), ids=("generic", "coarse"))
@pytest.mark.parametrize("most_cells", (25, 10**6))
def test_cells_are_those_of_numpy(d, coarse, most_cells):
    n_cut = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        cells = CellComplex(-np.ones(d), np.ones(d))
        bounds, rows = list(cells._bounds), cells.corners
        for layer in layers(rng, d, coarse):
            z = layer(rows[:, d:] if rows.shape[1] > d else rows)
            rows = np.hstack([rows[:, :d], z])
            columns = rng.permutation(np.arange(d, rows.shape[1]))
            tolerances = 2.0**-44 * np.abs(rows[:, columns]).max(axis=0, initial=0.0)
            theirs = CuttableCells(bounds, len(rows))
            expected = theirs.cut(rows, columns, tolerances, most_cells)
            found = _native.cut_cells(rows, columns, tolerances, bounds, most_cells)
            assert found is not None
            values, bounds, origin, above = found
            for ours, other in zip((values, origin, above), expected, strict=True):
                np.testing.assert_array_equal(ours, other)
            for lists, others in zip(bounds, theirs.bounds, strict=True):
                for one, two in zip(lists, others, strict=True):
                    np.testing.assert_array_equal(one, two)
            rows, n_cut = values, n_cut + len(origin) - 1
            if len(origin) > most_cells:
                break
    assert n_cut > 30 * d


def test_no_functions_and_functions_that_cut_nothing():
    bounds = CellComplex(np.zeros(2), np.ones(2))._bounds
    rows = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0], [3.0, 4.0]])
    for columns in ([], [1], [0, 1]):
        found = _native.cut_cells(rows, np.array(columns, np.int64), rows[0, columns], bounds, 9)
        assert found is not None
        np.testing.assert_array_equal(found[0], rows)
        assert found[2].tolist() == [0] and found[3].tolist() == [[True] * len(columns)]


def test_values_that_are_not_affine_in_a_cell_are_told_of():
    bounds = CellComplex(np.zeros(2), np.ones(2))._bounds
    saddle = np.array([[1.0], [-1.0], [-1.0], [1.0]])
    columns, tolerances = np.array([0]), np.array([1e-12])
    assert _native.cut_cells(saddle, columns, tolerances, bounds, 9) is None
    with pytest.raises(ArithmeticError, match="affine in each cell"):
        CellComplex(np.zeros(2), np.ones(2)).cut(saddle, [0], 9)
