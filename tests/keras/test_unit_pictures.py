"""Units of a layer as tables and in pictures, of one's own model."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from tfhash import Encoder, figures, representation
from tfhash.figures import style

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    layers = [kl.Conv2D(4, 3, activation="relu", name="channels"), kl.Flatten()]
    return keras.Sequential([keras.Input((6, 6, 1)), *layers, kl.Dense(5, name="linear")])


X = RNG.normal(size=(30, 6, 6, 1)).astype(np.float32)
Y = np.arange(30) % 3


def activations(network, name):
    return keras.Model(network.inputs, network.get_layer(name).output).predict(X, verbose=0)


def test_a_histogram_counts_what_is_not_zero(network):
    z = activations(network, "channels")[..., 2].reshape(30, -1)
    found = representation.unit_tables(network, "channels", X, Y, units=(2, 0)).histogram
    assert sorted(set(found["label"])) == [0, 1, 2]
    for label, bins in found.groupby("label"):
        of_class = z[label == Y]
        edges = [*bins["left"], bins["right"].iloc[-1]]
        assert edges[0] == 0 and edges[-1] == pytest.approx(z.max())
        wanted = np.histogram(of_class[of_class != 0], edges)[0]
        assert bins["count"].tolist() == wanted.tolist() and wanted.sum() < of_class.size


def test_points_are_activations_of_both_units(network):
    """Positions of a convolution are samples, in the order of the inputs."""
    z = activations(network, "channels").reshape(-1, 4)
    found = representation.unit_tables(network, "channels", X, Y, units=(3, 1), batch_size=7)
    assert len(found.points) == len(z) < 2000
    np.testing.assert_allclose(found.points[["first", "second"]], z[:, [3, 1]], atol=1e-6)
    assert found.points["label"].tolist() == np.repeat(Y, 16).tolist()
    many = np.tile(X, (10, 1, 1, 1))
    drawn = representation.unit_tables(network, "channels", many, np.tile(Y, 10)).points
    assert len(drawn) == 2000


def test_linear_units_have_negative_values(network):
    z = activations(network, "linear")
    found = representation.unit_tables(network, "linear", X, units=(4, 4))
    assert set(found.histogram["label"]) == {"all"} == set(found.points["label"])
    assert z[:, 4].min() < 0
    assert found.histogram["left"].min() == pytest.approx(z[:, 4].min())
    assert found.histogram["count"].sum() == 30


def test_one_call_draws_both(network):
    figure = figures.unit_pictures(network, "channels", X, Y, units=(2, 0))
    assert isinstance(figure, style.Figure)
    histogram, scatter = figure.axes
    assert (scatter.get_xlabel(), scatter.get_ylabel()) == ("unit 2", "unit 0")
    assert len(histogram.patches) == len(scatter.collections) == 3
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["0", "1", "2"]
    without = figures.unit_pictures(Encoder(network), "channels", X)
    assert not without.legends


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": "chanels"}, "channels"),
        ({"units": (0, 4)}, "a unit of 'channels' to be a whole number from 0 to 3. Received: 4"),
        ({"units": (0.5, 1)}, "Received: 0.5"),
        ({"units": (0, 1, 2)}, "units as a pair"),
        ({"units": 3}, "units as a pair of whole numbers. Received: 3"),
        ({"y": Y[:-1]}, "30 labels"),
        ({"y": np.eye(3)[Y]}, "argmax"),
        ({"x": X[:0], "y": None}, "at least one input"),
    ],
)
def test_what_is_wrong_is_named(network, change, message):
    asked = {"layer": "channels", "x": X, "y": Y, **change}
    with pytest.raises(ValueError, match=message):
        representation.unit_tables(network, **asked)


def test_activations_that_are_no_numbers_are_named():
    """A number that float32 does not hold; the inputs and weights are finite."""
    layer = keras.layers.Dense(2, use_bias=False, name="hidden")
    model = keras.Sequential([keras.Input((1,)), layer])
    layer.set_weights([np.array([[1.0, 3e38]])])
    with pytest.raises(ValueError, match=r"layer 'hidden', inputs from row 0 on.*inf of unit 1"):
        representation.unit_tables(model, "hidden", np.full((3, 1), 2.0))
