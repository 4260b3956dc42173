"""Line regions, against codes sampled along the segment and against rational arithmetic."""

from itertools import pairwise

import keras
import numpy as np
import pytest
from keras import layers as kl
from test_chords import codes_along, one_layer, pool_choices

import nets
import reference
from tfhash import geometry
from tfhash.geometry import line_sweep, local_network


@pytest.fixture(params=(*nets.NETS, nets.grouped), ids=lambda net: net.__name__)
def net(request):
    return request.param()


def segment(net, seed=0):
    x, directions = nets.points(net, 2, seed)
    return x[0], x[0] + 3 * directions[0]


def test_every_code_along_the_segment_is_that_of_its_region(net):
    start, stop = segment(net)
    regions = nets.regions_along(net, start, stop)
    edges, codes = regions.edges, regions.codes()
    assert len(regions) == regions.n_regions == len(codes) == len(edges) - 1 > 20
    assert edges[0] == 0 and edges[-1] == 1 and (np.diff(edges) > 0).all()
    ts = np.sort(np.concatenate([np.linspace(0, 1, 1200), (edges[1:] + edges[:-1]) / 2]))
    near = np.abs(ts - edges[np.searchsorted(edges, ts, side="right") - 1]) < 1e-9
    ts = ts[~near]
    sampled = codes_along(nets.activation_model(net), start[None], (stop - start)[None], ts[None])[
        0
    ]
    at = np.searchsorted(edges, ts, side="right") - 1
    np.testing.assert_array_equal(codes.to_bits()[at], sampled)
    names = [layer.name for layer in regions.layers if layer.is_pattern]
    assert [name for name, _, _ in codes.layers] == names


def test_neighboring_codes_differ_in_the_units_named(net):
    regions = nets.regions_along(net, *segment(net, seed=1))
    codes = regions.codes()
    starts = dict(zip((layer.name for layer in regions.layers), range(99), strict=False))
    first_bit = {starts[name]: start for name, start, _ in codes.layers}
    flipped = [
        (row + 1, bit) for row, bit in np.argwhere(np.diff(codes.to_bits().astype(int), axis=0))
    ]
    region = np.searchsorted(regions.edges, regions.breakpoints + 1e-13, side="right") - 1
    named = [
        (row, first_bit[layer] + unit)
        for row, (layer, unit) in zip(region, regions.units, strict=True)
    ]
    assert sorted(named) == flipped


@pytest.mark.parametrize("kind", ("activation", "linear"))
def test_chords_within_the_segment_are_its_regions(net, kind):
    start, stop = segment(net, seed=2)
    regions = nets.regions_along(net, start, stop, region=kind)
    edges = regions.edges
    wide = np.flatnonzero(np.diff(edges) > 1e-6)[:40]
    middle = ((edges[1:] + edges[:-1]) / 2)[wide]
    at = start + middle.reshape(-1, *(1,) * start.ndim) * (stop - start)
    chords = geometry.chords(net, at, stop - start, region=kind)
    inner = wide[(wide > 0) & (wide < len(edges) - 2)]
    assert len(inner) > 5
    for end, edge, unit, breakpoint_of in (
        (chords.lower, edges[:-1], chords.lower_unit, wide - 1),
        (chords.upper, edges[1:], chords.upper_unit, wide),
    ):
        use = np.isin(wide, inner)
        np.testing.assert_allclose((middle + end)[use], edge[wide][use], atol=1e-12)
        if len(regions.breakpoints) == len(edges) - 2:  # no two together
            np.testing.assert_array_equal(unit[use], regions.units[breakpoint_of[use]])


def test_linear_regions_end_where_a_pool_chooses_another():
    net = nets.pooled()
    start, stop = segment(net, seed=3)
    linear = nets.regions_along(net, start, stop, region="linear")
    activation = nets.regions_along(net, start, stop)
    assert linear.n_regions > activation.n_regions
    pools = np.array(["pool" in layer.name for layer in linear.layers])[linear.units[:, 0]]
    np.testing.assert_allclose(linear.breakpoints[~pools], activation.breakpoints, atol=1e-12)
    np.testing.assert_array_equal(linear.units[~pools], activation.units)
    edges = linear.edges
    wide = np.diff(edges) > 1e-7
    inside = np.linspace(edges[:-1][wide], edges[1:][wide], 7)[1:-1]  # [5, n]
    at = start + inside.reshape(*inside.shape, 1, 1, 1) * (stop - start)
    choices = pool_choices(net, at.reshape(-1, *start.shape)).reshape(*inside.shape, -1)
    assert (choices == choices[0]).all()
    assert (choices[0, 1:] != choices[0, :-1]).any(axis=1).sum() > 10


def relu_net(layers):
    parts = [keras.Input((len(layers[0][0]),), dtype="float64")]
    dense = [kl.Dense(len(bias), activation="relu", dtype="float64") for _, bias in layers]
    net = keras.Sequential([*parts, *dense, kl.Dense(1, dtype="float64")])
    for layer, weights in zip(dense, layers, strict=True):
        layer.set_weights(weights)
    return net


@pytest.mark.parametrize("depth", (1, 2, 3))
@pytest.mark.parametrize("coarse", (False, True), ids=("generic", "ties"))
@pytest.mark.parametrize("seed", range(4))
def test_tiny_nets_agree_with_rational_arithmetic(depth, coarse, seed):
    rng = np.random.default_rng(seed)
    widths = [3, 6, 5, 4][: depth + 1]
    layers = [(rng.normal(size=shape), rng.normal(size=shape[1])) for shape in pairwise(widths)]
    start, stop = rng.normal(scale=3, size=(2, 3))
    if coarse:  # small whole numbers: units that switch together, or where another one does
        layers = [(np.round(kernel), np.round(bias)) for kernel, bias in layers]
        start, stop = np.round(start), np.round(stop) + np.array([1, 0, 0])
    expected = reference.exact_line_regions(layers, start, stop)
    regions = nets.regions_along(relu_net(layers), start, stop)
    np.testing.assert_allclose(regions.breakpoints, [float(t) for t, _, _ in expected], atol=1e-12)
    assert regions.n_regions == len({t for t, _, _ in expected}) + 1
    exact = sorted((round(float(t), 9), layer, unit) for t, layer, unit in expected)
    got = zip(np.round(regions.breakpoints, 9), *regions.units.T, strict=True)
    assert sorted(got) == exact


@pytest.mark.full
@pytest.mark.parametrize(
    "build, n_bytes", ((nets.mlp, 1 << 11), (nets.conv, 1 << 14), (nets.pooled, 1 << 16))
)
@pytest.mark.parametrize("kind", ("activation", "linear"))
def test_little_memory_gives_the_same(build, n_bytes, kind, monkeypatch):
    start, stop = segment(build(), seed=4)
    whole = nets.regions_along(build(), start, stop, region=kind)
    cuts = []
    cut, in_parts = line_sweep._cut, local_network.LocalNetwork._in_parts

    def counted(*given):
        cuts.append(given)
        return in_parts(*given) if len(given) > 1 else cut(*given)

    monkeypatch.setattr(line_sweep, "_cut", counted)
    monkeypatch.setattr(local_network.LocalNetwork, "_in_parts", counted)
    monkeypatch.setattr(line_sweep, "SWEEP_BYTES", n_bytes)
    monkeypatch.setattr(local_network, "STEPS_HELD", 1)
    parts = nets.regions_along(build(), start, stop, region=kind)
    assert cuts
    np.testing.assert_allclose(parts.breakpoints, whole.breakpoints, atol=1e-12)
    assert parts.n_regions == whole.n_regions
    np.testing.assert_array_equal(parts.codes().words, whole.codes().words)


def test_units_that_are_zero_at_an_end_touch_zero_or_stay_there():
    # Along t: rising from 0; falling to 0 at the end; 0 throughout; |t - 1/2| touching 0; and
    # two that switch at 1/4 together.
    hidden = np.array([[1, -1, 0, 1, -1, 1, -2]]), np.array([0, 1, 0, -0.5, 0.5, -0.25, 0.5])
    touching = np.zeros((7, 1))
    touching[3:5] = 1
    net = relu_net([hidden, (touching, np.zeros(1))])
    regions = nets.regions_along(net, [0], [1])
    assert regions.breakpoints.tolist() == [0.25, 0.25, 0.5, 0.5]
    assert regions.units.tolist() == [[0, 5], [0, 6], [0, 3], [0, 4]]
    assert regions.edges.tolist() == [0, 0.25, 0.5, 1]
    assert regions.codes().to_bits().tolist() == [
        [1, 1, 0, 0, 1, 0, 1, 1],
        [1, 1, 0, 0, 1, 1, 0, 1],
        [1, 1, 0, 1, 0, 1, 0, 1],
    ]
    assert regions.length == 1 and regions.density == 3


def test_units_with_two_kinks_have_two_bits():
    net = one_layer([[1.0, -1.0]], [0, 2], "relu6")
    regions = nets.regions_along(net, [-1], [9])
    layers = [layer.name for layer in regions.layers]
    assert layers == [net.layers[0].name, f"{net.layers[0].name}>6"]
    np.testing.assert_allclose(regions.breakpoints, [0.1, 0.3, 0.7])
    assert regions.units.tolist() == [[0, 0], [0, 1], [1, 0]]
    assert regions.codes().to_bits().tolist() == [
        [0, 1, 0, 0],
        [1, 1, 0, 0],
        [1, 0, 0, 0],
        [1, 0, 1, 0],
    ]


def test_several_segments_at_once():
    net = nets.mlp()
    x, directions = nets.points(net, 4)
    several = geometry.line_regions(net, x, x + directions)
    assert isinstance(several, list)
    for regions, start, direction in zip(several, x, directions, strict=True):
        alone = nets.regions_along(net, start, start + direction)
        np.testing.assert_allclose(regions.breakpoints, alone.breakpoints, atol=1e-14)
        assert regions.length == pytest.approx(np.linalg.norm(direction))


@pytest.mark.parametrize(
    "start, stop, message",
    (
        ([0, 0], [0, 0], "start and stop to differ"),
        ([0, 0, 0], [1, 1], "start of shape"),
        ([0, 0], [[1, 1], [2, 2]], "stop of shape|as many ends"),
        ([[0, 0]], [[1, 1], [2, 2]], "as many ends of segments as beginnings"),
        ([0, np.nan], [1, 1], "start to be finite"),
        ([0, 0], [1, np.inf], "stop to be finite"),
    ),
)
def test_bad_input(start, stop, message):
    with pytest.raises(ValueError, match=message):
        geometry.line_regions(one_layer(np.eye(2), [1, 1]), start, stop)


def test_a_wide_last_layer_is_not_cut(monkeypatch):
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(8, 3000)), 0.1 * rng.normal(size=3000)
    net = keras.Sequential([keras.Input((8,), dtype="float64")])
    net.add(kl.Dense(3000, activation="relu6", dtype="float64"))  # no kernel takes it
    net.layers[0].set_weights([kernel, bias])
    cuts = []
    monkeypatch.setattr(line_sweep, "_cut", lambda stretch: cuts.append(stretch))
    monkeypatch.setattr(line_sweep, "SWEEP_BYTES", 1 << 20)
    start, stop = 2 * rng.normal(size=(2, 8))
    regions = nets.regions_along(net, start, stop)
    z = start @ kernel + bias, stop @ kernel + bias
    places = [(kink - z[0]) / (z[1] - z[0]) for kink in (0, 6)]
    expected = np.sort([t for each in places for t in each if 0 < t < 1])
    np.testing.assert_allclose(regions.breakpoints, expected, atol=1e-12)
    assert len(expected) > 1000 and not cuts
