"""Diagnoses: what is counted, where the chart holds and where it does not, what cannot be asked."""

import json
from dataclasses import asdict

import keras
import numpy as np
import pytest

import tfhash
from tfhash import datasets, metrics, phases
from tfhash.errors import InputError


@pytest.fixture(scope="module")
def data():
    digits = datasets.load("digits")
    return digits.x_train[:300], digits.y_train[:300], digits.x_test, digits.y_test


@pytest.fixture(scope="module")
def model(data):
    """Sixteen units of which the first is dead and the second always on, not trained."""
    keras.utils.set_random_seed(0)
    net = keras.Sequential(
        [keras.Input((8, 8)), keras.layers.Flatten(), keras.layers.Dense(16, activation="relu")]
    )
    kernel, bias = net.layers[-1].get_weights()
    bias[0], bias[1] = -1e6, 1e6
    net.layers[-1].set_weights([kernel, bias])
    return net


@pytest.fixture(scope="module")
def diagnosis(model, data):
    x, y, x_test, y_test = data
    return tfhash.diagnose(model, (x, y), (x_test, y_test))


def test_properties_and_layers(diagnosis, model, data):
    x, y, x_test, y_test = data
    codes, test_codes = (tfhash.Encoder(model).encode(inputs) for inputs in (x, x_test))
    expected = metrics.encoding_properties(codes, y, test_codes, y_test)
    assert diagnosis.properties == vars(expected)
    on = model.predict(x, verbose=0) > 0
    (row,) = diagnosis.layers.to_dict("records")
    assert row["n_units"] == 16
    assert row["dead"] == (~on.any(axis=0)).sum() >= 1
    assert row["always_on"] == on.all(axis=0).sum() >= 1
    assert row["mean_on"] == pytest.approx(on.mean(), abs=1e-6)


def test_regime_is_that_of_the_thresholds(diagnosis):
    chart = phases.shipped_chart()
    redundancy = diagnosis.properties["test_redundancy_ratio"]
    gap = chart.plateau - diagnosis.properties["knn_accuracy"]
    assert diagnosis.regime == chart.thresholds.regimes([redundancy], [gap])[0]
    named = [one.regimes([redundancy], [gap])[0] for one in chart.resampled]
    assert diagnosis.confidence == np.mean(np.array(named) == diagnosis.regime)
    assert diagnosis.reasons == () and len(diagnosis.nearest) == 5
    text = str(diagnosis)
    words = phases.chart.REGIME_TITLES[diagnosis.regime]
    assert f"Regime: {words} (confidence" in text and "Layers" in text
    assert "_expressive" not in text
    assert json.loads(json.dumps(diagnosis.to_dict()))["regime"] == diagnosis.regime
    axes = diagnosis.figure().axes[0]
    assert axes.get_ylabel() == "K-NN accuracy"
    assert axes.get_title(loc="left") == f"Chart of the digits: the model is {words}"


def test_the_chart_is_that_of_the_inputs_size(data):
    """Of several inputs, the numbers of all count."""
    charts = {name: phases.shipped_chart(name) for name in ("digits", "mnist")}
    assert charts["digits"].plateau < charts["mnist"].plateau
    rng = np.random.default_rng(0)
    x, y = rng.random((400, 784), np.float32), np.arange(400) % 10
    parts = [keras.Input((700,)), keras.Input((84,))]
    hidden = keras.layers.Dense(12, activation="relu")(keras.layers.Concatenate()(parts))
    net, both = keras.Model(parts, hidden), [x[:, :700], x[:, 700:]]
    found = tfhash.diagnose(net, (both, y), ([part[:200] for part in both], y[:200]))
    assert found.dataset == "mnist" and "inputs" not in "".join(found.reasons)
    assert found.regime == "under_expressive" and "chart of MNIST" in str(found)
    assert found.nearest["sample_size"].isin(charts["mnist"].points["sample_size"]).all()
    with pytest.raises(InputError, match="a chart's dataset among digits, mnist, cifar10"):
        phases.shipped_chart("cifar100")


def test_the_chart_of_networks_of_five_layers():
    """A network like the chart's own is placed at its own width, whatever is in a layer."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y = rng.random((400, 32, 32, 3), np.float32), np.arange(400) % 10
    dense = [keras.layers.Dense(n, activation="relu") for n in (20, 20, 30, 20, 10)]
    net = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten(), *dense])
    found = tfhash.diagnose(net, (x, y), (x[:200], y[:200]))
    assert found.dataset == "cifar10" and not found.reasons
    chart = phases.shipped_chart("cifar10")
    values = {"redundancy": found.properties["test_redundancy_ratio"]}
    values |= {"accuracy": found.properties["knn_accuracy"], "sample_size": 400}
    expected = chart.nearest(5, width=20, **values)
    assert found.nearest.index.equals(expected.index)
    assert "taken to be 20, for the 100 units of its code" in str(found)
    assert "5 hidden layers of equal width" in str(found)
    last = keras.layers.Dense(1400, activation="relu")
    wide = keras.Sequential([keras.Input((32, 32, 3)), *net.layers[:-1], last])
    reasons = tfhash.diagnose(wide, (x, y), (x[:200], y[:200])).reasons
    assert "width is 298; the chart has 10 to 200" in reasons


def test_the_width_of_several_layers_is_that_of_all(data):
    x, y, x_test, y_test = data
    keras.utils.set_random_seed(0)
    dense = [keras.layers.Dense(8, activation="relu") for _ in range(2)]
    net = keras.Sequential([keras.Input((8, 8)), keras.layers.Flatten(), *dense])
    found = tfhash.diagnose(net, (x, y), (x_test, y_test))
    assert found.regime is not None
    assert "taken to be 16, for the 16 units of its code" in str(found)


def test_an_encoder_says_which_units(data):
    x, y, x_test, y_test = data
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(n, activation="tanh", name=f"of_{n}") for n in (16, 5)]
    net = keras.Sequential([keras.Input((8, 8)), keras.layers.Flatten(), *layers])
    with pytest.raises(ValueError, match="activations=\\['tanh'\\]"):
        tfhash.diagnose(net, x)
    encoder = tfhash.Encoder(net, layers="of_16", activations=["tanh"])
    found = tfhash.diagnose(encoder, (x, y), (x_test, y_test))
    assert found.layers["layer"].tolist() == ["of_16"] and found.regime is not None
    codes = [encoder.encode(part) for part in (x, x_test)]
    expected = tfhash.metrics.encoding_properties(codes[0], y, codes[1], y_test)
    assert found.properties == pytest.approx(asdict(expected))


def test_no_regime_outside_of_the_chart(model, data):
    x, y, x_test, y_test = data
    cases = {
        "not measured": ((x, y), None),
        "classes": ((x[y < 5], y[y < 5]), (x_test[y_test < 5], y_test[y_test < 5])),
        "sample_size": ((x[:12], np.arange(12) % 10), (x_test, y_test)),
    }
    for reason, (train, test) in cases.items():
        found = tfhash.diagnose(model, train, test)
        assert found.regime is None and found.confidence is None and found.axis is None
        assert found.nearest.empty
        assert any(reason in line for line in found.reasons), reason
        assert "Regime: none" in str(found)
        json.dumps(found.to_dict())
    small = keras.Sequential([keras.Input((3,)), keras.layers.Dense(8, activation="relu")])
    rng = np.random.default_rng(0)
    points, labels = rng.random((200, 3), np.float32), np.arange(200) % 10
    found = tfhash.diagnose(small, (points, labels), (points[:50], labels[:50]))
    assert found.regime is None and found.reasons[0] == (
        "inputs have 3 numbers; those of the charts have 64 (digits), 784 (mnist), 3072 (cifar10)"
    )
    title = found.figure().axes[0].get_title(loc="left")
    assert title == "Chart of the digits, which does not hold for the model"


def test_examples_that_are_few_or_of_one_class_are_said(model, data):
    """What they are enough for is measured."""
    x, y, x_test, y_test = data
    found = tfhash.diagnose(model, (x[:8], y[:8]), (x_test, y_test))
    assert "train_kmeans_accuracy" in found.properties and found.regime is None
    assert "knn_accuracy" not in found.properties and "a vote of 9" in str(found)
    assert found.to_dict()["notes"] == list(found.notes) != []
    found = tfhash.diagnose(model, (x, y * 0), (x_test, y_test))
    assert "knn_accuracy" in found.properties and "of one class" in str(found)


def test_without_labels_redundancy_alone(model, data):
    x, _, x_test, _ = data
    found = tfhash.diagnose(model, x, x_test)
    assert sorted(found.properties) == ["test_redundancy_ratio", "train_redundancy_ratio"]
    assert found.regime is None and "no labels beside" in found.reasons[0]
    with pytest.raises(InputError, match="labeled test set"):
        found.figure()


def test_what_is_no_labeled_data_is_refused(model, data):
    x, y, _, _ = data
    with pytest.raises(InputError, match="3 parts"):
        tfhash.diagnose(model, (x, y, y))
    with pytest.raises(InputError, match=r"labels of train: .*np\.argmax\(y, axis=1\)"):
        tfhash.diagnose(model, (x, np.eye(10)[y]))
    with pytest.raises(InputError, match=r"labels of train: .*finite"):
        tfhash.diagnose(model, (x, np.where(y == 3, np.nan, y)))


def test_labels_in_a_column(diagnosis, model, data):
    x, y, x_test, y_test = data
    found = tfhash.diagnose(model, (x, y[:, None]), (x_test, y_test[:, None]))
    assert found.properties == diagnosis.properties and found.regime == diagnosis.regime


def test_inputs_in_batches(diagnosis, model, data):
    """They are measured, and it is said why there is no regime."""
    x, y, x_test, y_test = data
    batches = (x[start : start + 64] for start in range(0, len(x), 64))
    found = tfhash.diagnose(model, (batches, y), (x_test, y_test))
    assert found.properties == diagnosis.properties
    assert found.regime is None and found.reasons[0].startswith("the training inputs come in batch")
