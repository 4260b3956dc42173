"""Label noise: which labels are replaced, what is trained with them, and what is measured."""

import numpy as np
import pytest

from tfhash import cli, datasets, results, runs
from tfhash.runs import RunSpec, SpecError


def spec(**changes):
    given = {"experiment": "label_noise", "width": 4, "repeat": 1, "epochs": 1, **changes}
    return RunSpec.from_recipe(runs.recipe("paper", "digits"), **given)


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


def test_labels_are_replaced_as_the_protocol_says(digits):
    """Drawn without replacement from one seed a repeat, each replaced by one uniform over all."""
    true = digits.y_train
    n = len(true)
    changed = {}
    for rate in (0.1, 0.2, 0.3, 0.99):
        data = spec(label_noise=rate).training_data(digits)
        assert np.array_equal(data.x_train, digits.x_train)
        assert np.array_equal(data.y_test, digits.y_test)
        changed[rate] = data.y_train != true
        k = round(rate * n)  # replaced; each keeps its label with a chance of one in ten
        deviation = np.sqrt(k * 0.9 * 0.1)
        assert abs(changed[rate].sum() - 0.9 * k) < 4 * deviation
        other = spec(label_noise=rate, width=9).training_data(digits).y_train
        assert np.array_equal(other, data.y_train)  # the same for all networks of a repeat
        assert not np.array_equal(
            spec(label_noise=rate, repeat=2).training_data(digits).y_train, data.y_train
        )
    assert not (changed[0.1] & ~changed[0.2]).any() and not (changed[0.2] & ~changed[0.3]).any()
    counts = np.bincount(spec(label_noise=0.99).training_data(digits).y_train, minlength=10)
    expected = n / 10
    assert ((counts - expected) ** 2 / expected).sum() < 27.9  # chi squared, 9 degrees, 0.1%
    assert np.array_equal(spec(label_noise=0.3).measured_data(digits).y_train, true)


def test_without_noise_nothing_changes(digits):
    one = spec()
    assert one == spec(label_noise=0.0) and "label_noise=" not in one.directory.as_posix()
    data, rows = one.pool(digits)
    assert data is digits and np.array_equal(rows, np.arange(len(digits.y_train)))
    content = one.to_json()
    del content["label_noise"]  # as in a file from before the field was there
    assert RunSpec.from_json(content) == one
    noisy = spec(label_noise=0.1, sample_size=50)
    assert noisy.directory.parts[-3:] == ("sample_size=50", "label_noise=0.1", "repeat=1")
    for bad in (-0.1, 1.0, 1.5, float("nan")):
        with pytest.raises(SpecError, match="Expected label_noise"):
            spec(label_noise=bad)


@pytest.mark.full
def test_study(tmp_path, digits):
    """Measured against the true labels, and against those trained with, named apart."""
    import keras

    flags = ("--dataset=digits", "--widths=6", "--repeat=1", "--epoch=2", "--metrics=redundancy")
    command = ["tfhash", "run", "label_noise", *flags, "--save_path", str(tmp_path)]
    assert cli.tfhash(command) == 0
    table = results.load(tmp_path, history=False)
    assert sorted(set(table["label_noise"])) == [0.0, 0.1, 0.2, 0.3]
    values = table.set_index(["label_noise", "metric", "split"])["value"]
    for rate in (0.0, 0.3):
        one = spec(width=6, epochs=2, label_noise=rate)
        path = runs.Runs(tmp_path).path(one)
        model = keras.saving.load_model(path / "epoch=0002.keras")
        predicted = model.predict(digits.x_train, verbose=0).argmax(axis=1)
        noisy = one.training_data(digits).y_train
        assert values[rate, "accuracy", "train"] == pytest.approx(
            np.mean(predicted == digits.y_train)
        )
        assert values[rate, "noisy_accuracy", "train"] == pytest.approx(np.mean(predicted == noisy))
    gap = values[0.3, "accuracy", "train"] - values[0.3, "noisy_accuracy", "train"]
    assert gap > 0.05 and values[0.0, "accuracy", "train"] == values[0.0, "noisy_accuracy", "train"]
