"""Regions as polytopes: against exact fractions, linear programs of SciPy's, and planes."""

from fractions import Fraction
from functools import cache

import keras
import numpy as np
import pytest
from keras import layers as kl
from scipy.optimize import linprog, minimize
from scipy.spatial import ConvexHull, HalfspaceIntersection

from tfhash import geometry

BOX = (-1.0, 1.0)


def dense_net(*widths, seed=0, **options):
    keras.utils.set_random_seed(seed)
    net = [keras.Input((widths[0],), dtype="float64")]
    for width in widths[1:-1]:
        net += [kl.Dense(width, bias_initializer="normal", dtype="float64")]
        net += [kl.LeakyReLU(dtype="float64", **options) if options else kl.ReLU(dtype="float64")]
    return keras.Sequential([*net, kl.Dense(widths[-1], dtype="float64")])


@pytest.mark.parametrize(
    ("layers", "shape"),
    (
        ([kl.Conv2D(2, 3, use_bias=False, activation="relu")], (4, 4, 1)),
        ([kl.Conv2D(4, 3, groups=2, activation="relu")], (4, 4, 2)),
        ([kl.Conv2DTranspose(2, 2, use_bias=False, activation="relu")], (4, 4, 1)),
        ([kl.DepthwiseConv2D(3, use_bias=False, activation="relu")], (4, 4, 2)),
        ([kl.Dense(3, use_bias=False, activation="relu")], (3, 2)),
        ([kl.AveragePooling2D(2), kl.ReLU()], (4, 4, 1)),
    ),
    ids=("no_bias", "groups", "transposed", "depthwise", "positions", "pooling"),
)
def test_a_first_layer_may_be_of_any_linear_kind(layers, shape):
    model = keras.Sequential([keras.Input(shape), *layers, kl.Flatten(), kl.Dense(2)])
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    here = geometry.region(model, x)
    wanted = model.predict(x[None], verbose=0)[0]
    np.testing.assert_allclose(here.weights @ x.ravel() + here.bias, wanted, atol=1e-5)
    assert len(geometry.explore(model, x, 4, bounds=(-5, 5))) == 4


def test_neighbors_thinner_than_float64_are_left_out():
    rng = np.random.default_rng(8)
    net = dense_net(3, 6, 6, 2)
    net.set_weights(
        [rng.normal(size=v.shape) * (1e6 if k == 0 else 1) for k, v in enumerate(net.get_weights())]
    )
    found = geometry.explore(net, rng.normal(size=3), 60, bounds=(-5, 5))
    assert len(found) == 60 and found.n_thin == 1 and not found.is_complete
    assert all(one.has_interior for one in found.regions)


def exact_pattern(net, x):
    """Which units are on, in exact arithmetic."""
    h, pattern = [Fraction(value) for value in np.asarray(x).tolist()], []
    for layer in net.layers:
        if isinstance(layer, kl.Dense):
            kernel, bias = (np.asarray(w).tolist() for w in layer.get_weights())
            h = [
                sum((a * Fraction(row[j]) for a, row in zip(h, kernel, strict=True)), Fraction(b))
                for j, b in enumerate(bias)
            ]
        else:
            pattern += [z > 0 for z in h]
            h = [max(z, Fraction(0)) for z in h]
    return np.array(pattern)


def with_box(region, box=BOX):
    """Rows of length 1 and offsets, the box's last."""
    rows, offsets = region.inequalities
    sizes = np.linalg.norm(rows, axis=1)
    identity = np.eye(rows.shape[1])
    low, high = (np.broadcast_to(end, rows.shape[1]) for end in box)
    return (
        np.vstack([rows / sizes[:, None], identity, -identity]),
        np.concatenate([offsets / sizes, high, -low]),
    )


def face_center(rows, offsets, facet):
    """The center of the largest ball in a face, and its radius; -1 where there is no face."""
    others = np.arange(len(rows)) != facet
    inside = rows[others] - np.outer(rows[others] @ rows[facet], rows[facet])
    reach = np.linalg.norm(inside, axis=1)
    lp = linprog(
        [0.0] * rows.shape[1] + [-1.0],
        A_ub=np.column_stack([rows[others], reach]),
        b_ub=offsets[others],
        A_eq=np.append(rows[facet], 0.0)[None],
        b_eq=offsets[facet],
        bounds=(None, None),
    )
    return (lp.x[:-1], lp.x[-1]) if lp.status == 0 else (None, -1.0)


@pytest.mark.parametrize("widths", [(2, 8, 6, 2), (3, 7, 5, 2), (5, 6, 6, 3)])
def test_facets_radius_and_neighbors_in_exact_arithmetic(widths):
    net = dense_net(*widths)
    x = np.random.default_rng(0).uniform(-1, 1, widths[0])
    here = geometry.region(net, x, bounds=BOX)
    rows, offsets = with_box(here)
    n_units = len(here.units)
    np.testing.assert_array_equal(here.code.to_bits()[0], exact_pattern(net, x))
    # The largest ball, by SciPy.
    ball = linprog(
        [0.0] * widths[0] + [-1.0],
        A_ub=np.column_stack([rows, np.ones(len(rows))]),
        b_ub=offsets,
        bounds=(None, None),
    )
    assert here.radius == pytest.approx(ball.x[-1], rel=1e-8)
    assert (offsets - rows @ here.center).min() == pytest.approx(here.radius, rel=1e-8)
    # Facets have a face of some size, and others none.
    faces = [face_center(rows, offsets, i) for i in range(n_units)]
    assert here.facets.tolist() == [i for i, (_, size) in enumerate(faces) if size > 1e-9]
    for facet in here.facets:
        at, size = faces[facet]
        there = here.neighbor(facet)
        for side, expected in ((-1, here), (1, there)):
            pattern = exact_pattern(net, at + side * 1e-3 * size * rows[facet])
            np.testing.assert_array_equal(pattern, expected.code.to_bits()[0])
        assert (here.code.to_bits() != there.code.to_bits()).sum() == 1
        z = at + 1e-3 * size * rows[facet]
        np.testing.assert_allclose(
            there.weights @ z + there.bias, np.asarray(net(z[None]))[0], atol=1e-12
        )
        assert there.contains(z) and not here.contains(z)
        back = {n.key for n in (there.neighbor(f) for f in there.facets)}
        assert here.key in back


def pooled():
    net = [keras.Input((2,), dtype="float64"), kl.Dense(8, "relu", bias_initializer="normal")]
    net += [kl.Reshape((4, 2)), kl.MaxPooling1D(2), kl.Flatten(), kl.Dense(3, "relu"), kl.Dense(2)]
    return keras.Sequential(net)


def residual():
    x = inputs = keras.Input((2,), dtype="float64")
    x = kl.Dense(4, "relu", bias_initializer="normal")(x)
    x = kl.Add()([x, kl.Dense(4, "relu6", bias_initializer="normal")(x)])
    x = kl.Maximum()([kl.Dense(2)(x), kl.Dense(2)(inputs)])
    return keras.Model(inputs, kl.Dense(2)(kl.ReLU()(x)))


def convolutional():
    net = [keras.Input((2,), dtype="float64"), kl.Dense(9, bias_initializer="normal")]
    net += [kl.Reshape((3, 3, 1)), kl.Conv2D(2, 2), kl.LeakyReLU(), kl.BatchNormalization()]
    net += [kl.MaxPooling2D(2, padding="same"), kl.Flatten(), kl.Dense(2, "relu")]
    return keras.Sequential(net)


def without_biases():
    # All units of a layer are 0 where those before are: with one they switch together.
    keras.utils.set_random_seed(1)
    net = [keras.Input((2,), dtype="float64"), kl.Dense(7, "relu"), kl.Dense(6, "relu")]
    return keras.Sequential([*net, kl.Dense(4, "relu"), kl.Dense(2)])


def equal_units():
    net = dense_net(2, 6, 6, 2)
    kernel, bias = net.layers[0].get_weights()
    kernel[:, 1], bias[1] = 2 * kernel[:, 0], 2 * bias[0]
    kernel[:, 2], bias[2] = -kernel[:, 0], -bias[0]
    net.layers[0].set_weights([kernel, bias])
    return net


def bent_back():
    net = [keras.Input((2,), dtype="float64"), kl.Dense(5, bias_initializer="normal")]
    net += [kl.PReLU(keras.initializers.Constant(-0.5)), kl.Dense(4, "relu"), kl.Dense(2)]
    return keras.Sequential(net)


NETS = {
    "deep": lambda: dense_net(2, 8, 6, 4, 3),
    "leaky": lambda: dense_net(2, 7, 7, 2, negative_slope=0.2),
    "negative slopes": bent_back,
    "max pooling": pooled,
    "residual, two kinks, maximum of branches": residual,
    "convolution": convolutional,
    "without biases": without_biases,
    "equal units": equal_units,
}


@cache
def explored(name):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    keras.utils.set_random_seed(0)
    net = NETS[name]()
    keras.config.set_dtype_policy(policy)
    return net, geometry.explore(net, [0.3, 0.2], 5000, bounds=BOX)


@pytest.mark.parametrize("name", NETS)
def test_all_regions_of_a_square_are_those_of_planes(name):
    net, found = explored(name)
    plane = geometry.plane_regions(net, [0.0, 0.0], [1, 0], [0, 1], 1.0, region="linear")
    assert found.is_complete and len(found) == plane.n_regions > 15
    # A maximum of several cuts a region's polygon in more than one.
    _, first = np.unique(plane.regions, return_index=True)
    assert sorted(map(bytes, found.codes().to_bits())) == sorted(
        map(bytes, plane.codes().to_bits()[first])
    )
    pairs = np.sort(plane.regions[plane.neighbors()[0]], axis=1)
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    assert found.adjacency.sum() == 2 * len(pairs)
    assert (found.adjacency != found.adjacency.T).nnz == 0
    areas, points, ours = [], [], []
    for region in found.regions:
        rows, offsets = with_box(region)
        corners = HalfspaceIntersection(np.column_stack([rows, -offsets]), region.center)
        areas.append(ConvexHull(corners.intersections).volume)
        z = region.center + 0.9 * region.radius * np.array([[0, 0], [1, 0], [-0.6, 0.8]])
        points.append(z)
        ours.append(z @ region.weights.T + region.bias)
    np.testing.assert_allclose(
        np.concatenate(ours), np.asarray(net(np.concatenate(points))), atol=1e-10
    )
    theirs = np.bincount(plane.regions, plane.areas)
    np.testing.assert_allclose(sorted(areas), sorted(theirs), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", ("max pooling", "residual, two kinks, maximum of branches"))
@pytest.mark.full
def test_passes_through_the_model_give_what_matrices_do(name, monkeypatch):
    net, found = explored(name)
    monkeypatch.setattr("tfhash.geometry.matrix_maps.MOST_NUMBERS", 0)
    part = geometry.explore(net, [0.3, 0.2], 6, bounds=BOX)
    assert [region.key for region in part.regions] == [r.key for r in found.regions[:6]]
    for ours, theirs in zip(part.regions, found.regions[:6], strict=True):
        for a, b in zip(ours.inequalities, theirs.inequalities, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-13)
        np.testing.assert_array_equal(ours.units, theirs.units)
        np.testing.assert_allclose(ours.weights, theirs.weights, atol=1e-13)
        np.testing.assert_allclose(ours.bias, theirs.bias, atol=1e-13)


@pytest.mark.parametrize("name", ("deep", "max pooling"))
def test_the_walk_goes_by_distance_and_goes_on(name):
    net, found = explored(name)
    assert (np.diff(found.distances) >= 0).all() and found.distances[0] == 0
    x = np.array([0.3, 0.2])
    for region, distance in list(zip(found.regions, found.distances, strict=True))[1:12]:
        assert region.distance == pytest.approx(distance, rel=1e-9)
        rows, offsets = with_box(region)
        nearest = minimize(
            lambda z: ((z - x) ** 2).sum(),
            region.center,
            jac=lambda z: 2 * (z - x),
            constraints={"type": "ineq", "fun": lambda z, a=rows, b=offsets: b - a @ z},
            method="SLSQP",
            options={"ftol": 1e-14},
        )
        assert np.sqrt(nearest.fun) == pytest.approx(distance, rel=1e-5)
    part = geometry.explore(net, x, 4, bounds=BOX)
    assert len(part) == 4 and not part.is_complete
    assert part.more(3) is part and len(part) == 7
    assert [region.key for region in part.regions] == [r.key for r in found.regions[:7]]


def test_distances_to_the_boundary_and_to_another_class():
    net, found = explored("leaky")
    here = found.regions[0]
    rows, offsets = here.inequalities
    slack = (offsets - rows @ [0.3, 0.2]) / np.linalg.norm(rows, axis=1)
    assert here.boundary_distance == pytest.approx(slack.min(), rel=1e-12)
    crossings = [region.decision_boundary for region in found.regions]
    nearest = min(crossings, key=lambda crossing: crossing.distance)
    assert np.isfinite(nearest.distance)
    logits = np.sort(np.asarray(net(nearest.point[None]))[0])
    assert logits[-1] - logits[-2] == pytest.approx(0, abs=1e-12)
    # Nothing nearer, of many points: all have the class of x.
    label = np.asarray(net(np.array([[0.3, 0.2]]))).argmax()
    angles = np.linspace(0, 2 * np.pi, 2000)
    around = np.column_stack([np.cos(angles), np.sin(angles)])
    inside = np.array([0.3, 0.2]) + 0.999 * nearest.distance * around
    assert (np.asarray(net(inside)).argmax(axis=1) == label).all()
    past = np.array([0.3, 0.2]) + 1.01 * nearest.distance * around
    assert (np.asarray(net(past)).argmax(axis=1) != label).any()


def test_a_boundary_of_which_the_nearest_point_is_outside_the_box():
    net = keras.Sequential([keras.Input((2,), dtype="float64"), kl.Dense(1, "relu", name="one")])
    net.layers[0].set_weights([np.array([[1.0], [1.0]]), np.array([-1.5])])
    here = geometry.region(net, [0.0, 0.9], bounds=(0, 1))
    assert here.boundary_distance == pytest.approx(np.hypot(0.5, 0.1))
    assert geometry.region(net, [0.0, 0.9]).boundary_distance == pytest.approx(0.6 / np.sqrt(2))
    assert geometry.region(net, [0.0, 0.4], bounds=(0, 0.7)).boundary_distance == np.inf


def test_what_cannot_be_is_named():
    net = dense_net(2, 3, 2)
    open_ = geometry.region(net, [0.3, 0.2])
    assert len(geometry.neighbors(net, [0.3, 0.2])) == len(open_.facets) > 0
    with pytest.raises(ValueError, match=r"unbounded one. Bound it: .*bounds=\(low, high\)"):
        print(open_.center)
    with pytest.raises(ValueError, match=r"Expected x within the bounds. Received: 0.3 at index 0"):
        geometry.region(net, [0.3, 0.2], bounds=(0, [0.25, 1]))
    with pytest.raises(ValueError, match="low below high"):
        geometry.region(net, [0.3, 0.2], bounds=(1, 0))
    with pytest.raises(ValueError, match=r"one input, of shape \(2,\). Received shape: \(3, 2\)"):
        geometry.region(net, np.zeros((3, 2)))
    with pytest.raises(ValueError, match="finite"):
        geometry.region(net, [np.nan, 0])
    with pytest.raises(ValueError, match=r"Expected a facet, one of .* Received: 99"):
        open_.neighbor(99)
    with pytest.raises(ValueError, match=r"whole number from 1 on\. Received: 0"):
        geometry.explore(net, [0.3, 0.2], 0)
    smooth = keras.Sequential([keras.Input((2,)), kl.Dense(3, "gelu", name="curved"), kl.ReLU()])
    with pytest.raises(ValueError, match=r"'curved' .*not piecewise linear"):
        geometry.region(smooth, [0.3, 0.2])


@pytest.mark.parametrize("d", (3, 5))
def test_facets_of_unbounded_regions(d):
    net = dense_net(d, 7, 5, 2, seed=1)
    found = geometry.explore(net, np.full(d, 0.2), 25)
    assert len(found) == 25
    for region in found.regions:
        rows, offsets = region.inequalities
        facets = []
        for i in range(len(rows)):
            others = np.arange(len(rows)) != i
            lp = linprog(-rows[i], rows[others], offsets[others], bounds=(None, None))
            if lp.status == 3 or -lp.fun > offsets[i] + 1e-7:
                facets.append(i)
        assert region.facets.tolist() == facets


def test_weights_that_are_zero_or_not_finite():
    net = dense_net(3, 4, 2)
    kernel, bias = net.layers[0].get_weights()
    net.layers[0].set_weights([0 * kernel, bias])
    for bounds in (None, BOX):
        here = geometry.region(net, np.zeros(3), bounds=bounds)
        assert len(here.facets) == 0 and here.boundary_distance == np.inf
        assert geometry.explore(net, np.zeros(3), 9, bounds=bounds).is_complete
    assert here.radius == pytest.approx(1)
    for bad in (np.nan, np.inf, 1e300):
        net.layers[0].set_weights([np.full_like(kernel, bad), bias])
        with pytest.raises(ValueError, match=r"finite pre-activations. Received: NaN"):
            geometry.region(net, np.zeros(3))
        if bad != 1e300:
            with pytest.raises(ValueError, match=r"finite pre-activations. Received: NaN"):
                geometry.box_regions(net, BOX)


def test_an_input_on_a_boundary_is_told_of():
    net = keras.Sequential([keras.Input((2,), dtype="float64"), kl.Dense(2, "relu", name="units")])
    net.layers[0].set_weights([np.eye(2), np.zeros(2)])
    with pytest.warns(UserWarning, match="exactly on a boundary: 'units' unit 0"):
        here = geometry.region(net, [0.0, 0.5], bounds=BOX)
    assert here.on_boundary.tolist() == [[0, 0]] and here.boundary_distance == 0
    assert here.code.to_bits().tolist() == [[0, 1]]  # off, on
    np.testing.assert_allclose(here.center, [-0.5, 0.5], atol=1e-9)
    net.layers[0].set_weights([np.array([[1.0, -1.0], [0.0, 0.0]]), np.zeros(2)])
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="region with an interior"):
        print(geometry.region(net, [0.0, 0.5], bounds=BOX).facets)


def test_a_walk_that_is_interrupted_keeps_what_it_found(monkeypatch):
    net = dense_net(2, 8, 2)
    found = geometry.explore(net, [0.3, 0.2], 3, bounds=BOX)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.warns(UserWarning, match="after 3 regions"):
        patch.setattr(geometry.Region, "facets", property(interrupted))
        assert len(found.more(5)) == 3
    whole = geometry.explore(net, [0.3, 0.2], 1000, bounds=BOX)
    assert found.more(1000).is_complete and len(found) == len(whole)
    np.testing.assert_array_equal(found.distances, whole.distances)


def test_wide_inputs_in_a_box():
    net = dense_net(60, 12, 5, 3)
    x = np.random.default_rng(0).uniform(-1, 1, 60).clip(-0.6, 1)
    here = geometry.region(net, x, bounds=BOX)
    rows, offsets = with_box(here)
    ball = linprog(
        [0.0] * 60 + [-1.0],
        A_ub=np.column_stack([rows, np.ones(len(rows))]),
        b_ub=offsets,
        bounds=(None, None),
    )
    assert here.radius == pytest.approx(ball.x[-1], rel=1e-7)
    facets = [i for i in range(len(here.units)) if face_center(rows, offsets, i)[1] > 1e-9]
    assert here.facets.tolist() == facets


@pytest.mark.parametrize("n", (2.5, 0, True, "3", None))
def test_counts_are_whole_numbers(n):
    net = dense_net(2, 3, 2)
    with pytest.raises(ValueError, match="Expected max_regions to be a whole number from 1 on"):
        geometry.explore(net, [0.3, 0.2], n)
    with pytest.raises(ValueError, match=r"Expected n \(regions\) to be a whole number"):
        geometry.explore(net, [0.3, 0.2], 1).more(n)
    with pytest.raises(ValueError, match="Expected max_regions to be a whole number from 1 on"):
        geometry.boundary_distances(net, [[0.3, 0.2]], n)
    with pytest.raises(ValueError, match="Expected max_regions to be a whole number from 1 on"):
        geometry.box_regions(net, (-1, 1), max_regions=n)
    if n is not None and n != 0:
        with pytest.raises(ValueError, match="Expected seed to be a whole number from 0 on"):
            geometry.stochastic_diameters(net, [[0.3, 0.2]], seed=n)
    if n in (0, "3", None):
        with pytest.raises(ValueError, match="Expected a limit above 0"):
            geometry.stochastic_diameters(net, [[0.3, 0.2]], limit=n)


def test_inputs_that_are_no_array_of_numbers():
    net = dense_net(2, 3, 2)
    with pytest.raises(ValueError, match="Received: lists of different lengths"):
        geometry.region(net, [[1.0, 2.0], [3.0]])
    with pytest.raises(ValueError, match="1 masked entries"):
        geometry.region(net, np.ma.masked_array([0.3, 0.2], [False, True]))


def test_parallel_units_of_which_some_are_the_same():
    net = keras.Sequential([keras.Input((2,), dtype="float64"), kl.Dense(5, "relu")])
    net.layers[0].set_weights(
        [np.array([[1, 1, 2, 1, -1], [0, 0, 0, 0, 0.0]]), np.array([-1, -2, -2, -3, 1.0])]
    )
    here = geometry.region(net, [0.0, 0.0], bounds=(-5, 5))
    assert here.facets.tolist() == [0] and here.boundary_distance == 1
    there = here.neighbor(0)  # across x = 1, where units 0, 2 and 4 switch together
    assert there.code.to_bits().tolist() == [[1, 0, 1, 0, 0]]
    assert here.code.to_bits().tolist() == [[0, 0, 0, 0, 1]]
    assert len(geometry.explore(net, [0.0, 0.0], 100, bounds=(-5, 5))) == 4
