"""Regions in boxes of two to four dimensions: against planes, exact patterns and dense samples."""

from fractions import Fraction
from itertools import pairwise

import keras
import numpy as np
import pytest
from keras import layers as kl
from scipy.spatial import ConvexHull, HalfspaceIntersection

from tfhash import Encoder, geometry
from tfhash.geometry.cell_complex import CellComplex


def dense_net(*widths, seed=0, activation="relu"):
    keras.utils.set_random_seed(seed)
    net = [keras.Input((widths[0],), dtype="float64")]
    net += [
        kl.Dense(width, activation, bias_initializer="normal", dtype="float64")
        for width in widths[1:-1]
    ]
    return keras.Sequential([*net, kl.Dense(widths[-1], dtype="float64")])


def exact_pattern(net, x):
    """Which units are on, in exact arithmetic."""
    h, pattern = [Fraction(value) for value in np.asarray(x).tolist()], []
    for layer in net.layers[:-1]:
        kernel, bias = (np.asarray(w).tolist() for w in layer.get_weights())
        z = [
            sum((a * Fraction(row[j]) for a, row in zip(h, kernel, strict=True)), Fraction(b))
            for j, b in enumerate(bias)
        ]
        pattern += [value > 0 for value in z]
        h = [max(value, Fraction(0)) for value in z]
    return pattern


@pytest.mark.parametrize("d, n", ((1, 7), (2, 7), (3, 7), (4, 7), (2, 70)))
def test_cells_of_an_arrangement_are_as_many_as_the_formula_has(d, n):
    # n hyperplanes in general position, all of whose corners are in the box: Zaslavsky's count.
    rng = np.random.default_rng(0)
    normals, offsets = rng.normal(size=(n, d)), 0.01 * rng.normal(size=n)
    cells = CellComplex(np.full(d, -100.0), np.full(d, 100.0))
    rows = np.hstack([cells.corners, cells.corners @ normals.T + offsets])
    found = cells.cut(rows, range(d, d + n), 10**6)
    choose = [1]
    for k in range(1, n + 1):
        choose.append(choose[-1] * (n - k + 1) // k)
    assert cells.n_cells == sum(choose[: d + 1]) == len(np.unique(found.above, axis=0))
    assert sum((-1) ** k * count for k, count in enumerate(cells.counts)) == 1  # Euler
    assert cells.volumes(found.rows[:, :d]).sum() == pytest.approx(200.0**d, rel=1e-12)
    # Every point of a cell is on the cell's side of every hyperplane, or in it.
    cell, point = cells.corners_of().nonzero()
    z = found.rows[point, d:]
    assert (np.where(found.above[cell], z, -z) > -1e-10).all()


def without_biases():
    # All hyperplanes of the first layer meet in one point.
    net = dense_net(3, 7, 5, 4)
    for layer in net.layers:
        layer.bias.assign(np.zeros_like(layer.bias))
    return net


def equal_units():
    net = dense_net(3, 6, 5, 2)
    kernel, bias = net.layers[0].get_weights()
    kernel[:, 1], bias[1] = 2 * kernel[:, 0], 2 * bias[0]
    kernel[:, 2], bias[2] = -kernel[:, 0], -bias[0]
    net.layers[0].set_weights([kernel, bias])
    return net


def along_the_axes():
    # Hyperplanes on the box's sides, through its corners and its center.
    net = dense_net(3, 8, 4, 2)
    kernel = np.zeros((3, 8))
    kernel[:, :3] = np.eye(3)
    kernel[:, 3:6] = np.eye(3)
    kernel[:, 6:] = [[1, 1], [1, -1], [1, 0]]
    bias = np.array([0.0, 0, 0, 1, -1, 0, 0, 0])
    net.layers[0].set_weights([kernel, bias])
    return net


NETS = {
    "two dimensions": lambda: dense_net(2, 9, 7, 5, 2),
    "three": lambda: dense_net(3, 7, 5, 2),
    "four": lambda: dense_net(4, 5, 3, 2),
    "without biases": without_biases,
    "equal units": equal_units,
    "along the axes": along_the_axes,
}
DEGENERATE = ("without biases", "equal units", "along the axes")


@pytest.mark.parametrize("name", NETS)
def test_all_regions_of_a_box_by_exact_patterns_and_volumes(name):
    net = NETS[name]()
    d = net.input_shape[1]
    found = geometry.box_regions(net, (-1, 1))
    # Every cell is a region of its own: its pattern at a point inside is exactly what is said, and
    # no other cell has it. No region is missing: the volumes add up to the box's.
    assert found.is_complete and found.n_regions == len(found) > 20
    bits = found.codes().to_bits()
    assert len(np.unique(bits, axis=0)) == len(bits)
    for center, code in zip(found.centers, bits, strict=True):
        assert exact_pattern(net, center) == list(map(bool, code))
    assert found.volumes.min() > 0
    assert found.volumes.sum() == pytest.approx(2.0**d, rel=1e-12)
    # What dense sampling finds is among them, as often as its volume says.
    x = np.random.default_rng(1).uniform(-1, 1, (20_000, d))
    codes = Encoder(net).encode(x).to_bits()
    places = {code.tobytes(): i for i, code in enumerate(bits)}
    counts = np.bincount([places[code.tobytes()] for code in codes], minlength=len(found))
    share = found.volumes / 2.0**d
    assert (np.abs(counts / len(x) - share) < 6 * np.sqrt(share / len(x)) + 1e-3).all()
    # Neighbors differ in one unit, or in several whose hyperplanes are one.
    pairs, _ = found.neighbors()
    differ = (bits[pairs[:, 0]] != bits[pairs[:, 1]]).sum(axis=1)
    assert differ.min() >= 1 and (differ.max() == 1 or name in DEGENERATE)


@pytest.mark.parametrize("name", ("three", "without biases"))
def test_cells_are_the_polytopes_of_their_inequalities(name):
    net = NETS[name]()
    found = geometry.box_regions(net, (-1, 1))
    for cell in np.argsort(-found.volumes)[:12]:
        here = geometry.region(net, found.centers[cell], bounds=(-1, 1))
        rows, offsets = here.inequalities
        sides = np.vstack([rows, np.eye(3), -np.eye(3)])
        ends = np.concatenate([offsets, np.ones(6)])
        corners = HalfspaceIntersection(np.column_stack([sides, -ends]), here.center)
        volume = ConvexHull(corners.intersections).volume
        assert found.volumes[cell] == pytest.approx(volume, rel=1e-9)
        assert ConvexHull(found.corners(cell)).volume == pytest.approx(volume, rel=1e-9)


def test_a_slice_of_a_convolutional_network_holds_planes_and_samples():
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((6, 6, 2), dtype="float64")
    x = kl.Conv2D(2, 3, activation="relu", bias_initializer="normal", dtype="float64")(x)
    x = kl.Add(dtype="float64")([x, kl.Conv2D(2, 3, padding="same", dtype="float64")(x)])
    x = kl.MaxPooling2D(2, dtype="float64")(kl.ReLU(dtype="float64")(x))
    x = kl.Dense(3, dtype="float64")(kl.Flatten(dtype="float64")(x))
    net = keras.Model(inputs, x)
    rng = np.random.default_rng(0)
    origin, directions = rng.normal(size=(6, 6, 2)), rng.normal(size=(3, 6, 6, 2))
    found = geometry.slice_regions(net, origin, directions, (-0.1, 0.1), classes=True)
    assert found.volumes.sum() == pytest.approx(0.2**3, rel=1e-12)
    # A side of the box is a plane: the same regions, by the code that plane_regions has.
    (on_side,) = np.nonzero(np.isclose(found.points[:, 2], -0.1, atol=1e-15))
    corners = found._cells.corners_of()
    cells = np.flatnonzero(corners[:, on_side].sum(axis=1) >= 3)
    plane = geometry.plane_regions(net, origin - 0.1 * directions[2], *directions[:2], 0.1)
    ours = np.unique(found.codes().to_bits()[cells], axis=0)
    np.testing.assert_array_equal(ours, np.unique(plane.codes().to_bits(), axis=0))
    # Within cells: codes and classes of samples.
    inside = found.inputs(found.centers)
    np.testing.assert_array_equal(found.codes().to_bits(), Encoder(net).encode(inside).to_bits())
    np.testing.assert_array_equal(found.classes, np.asarray(net(inside)).argmax(axis=1))
    samples = Encoder(net).encode(found.inputs(rng.uniform(-0.1, 0.1, (3000, 3)))).to_bits()
    every = {code.tobytes() for code in found.codes().to_bits()}
    assert {code.tobytes() for code in samples} <= every and len(every) == found.n_regions


def test_polygons_of_a_cell_close_it():
    found = geometry.box_regions(NETS["three"](), (-1, 1))
    cells, faces = found.faces()
    for cell in (0, 5, 11):
        polygons = found.polygons(faces[cells == cell])
        center, volume = found.centers[cell], 0.0
        for polygon in polygons:
            spokes = polygon - center
            for a, b in pairwise(spokes[1:]):
                volume += abs(np.linalg.det([spokes[0], a, b])) / 6
        assert volume == pytest.approx(found.volumes[cell], rel=1e-10)


def test_too_many_regions_are_told_of_and_what_was_found_is_kept():
    net = dense_net(3, 12, 12, 2)
    whole = geometry.box_regions(net, (-1, 1))
    with pytest.warns(UserWarning, match=r"max_regions=100 cells, at layer 'dense\w*'.*smaller"):
        part = geometry.box_regions(net, (-1, 1), max_regions=100)
    assert not part.is_complete and 100 < part.n_regions < whole.n_regions
    assert part.volumes.sum() == pytest.approx(8, rel=1e-12)
    assert part.codes().n_bits == whole.codes().n_bits


def test_what_cannot_be_is_named():
    net = dense_net(3, 5, 2)
    with pytest.raises(ValueError, match="one is 0 or a combination of the others"):
        geometry.slice_regions(net, np.zeros(3), [[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    with pytest.raises(ValueError, match=r"2 to 4 directions. Received: 1"):
        geometry.slice_regions(net, np.zeros(3), np.ones((1, 3)))
    for extent in (0.0, -1.0, (1.0, 1.0), (np.nan, 1.0), (0, np.inf), "ab", ([0, 0], 1)):
        with pytest.raises(ValueError, match="low below high"):
            geometry.slice_regions(net, np.zeros(3), np.eye(3), extent)
    with pytest.raises(ValueError, match=r"low below high"):
        geometry.box_regions(net, (1, -1))
    with pytest.raises(ValueError, match=r"whole number from 1 on. Received: 0"):
        geometry.box_regions(net, (-1, 1), max_regions=0)
    with pytest.raises(ValueError, match=r"2 to 4 inputs. Received: 5.*slice_regions"):
        geometry.box_regions(dense_net(5, 4, 2), (-1, 1))
