"""The second paper's regularizers in training: side by side as `fit` trains them, one by one."""

import numpy as np
import pandas as pd
import pytest

from tfhash import datasets, regularizers, results, runs, training
from tfhash.runs import Runs, RunSpec, SpecError
from tfhash.runs.representation import TITLES
from tfhash.training import SweepTrainer, fit_one_by_one
from tfhash.training.batched_penalties import Penalty, dropped, penalties
from tfhash.training.sweep_trainer import groups

WEIGHTS = {"l1r": 0.01, "l1w": 0.01, "rr": 1.0, "cw_rr": 1.0}


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits").subset(150, 0)


def spec(name="none", **changes):
    weight = 0.0 if name in ("none", "bn") else WEIGHTS.get(name, 0.5)
    given = {
        "experiment": "regularized",
        "width": 7,
        "depth": 3,
        "repeat": 1,
        "epochs": 2,
        "regularizer": name,
        "regularizer_weight": weight,
        **changes,
    }
    return RunSpec.from_recipe(runs.recipe("paper", "digits"), **given)


def test_names():
    assert tuple(TITLES) == regularizers.NAMES


@pytest.mark.parametrize("normalized", [False, True])
def test_penalties_are_the_librarys(normalized):
    """In value and gradient: a class is missing, a batch is filled up, networks are padded."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    names = [name for name in regularizers.names.OF_REPRESENTATIONS]
    z = np.maximum(rng.normal(size=(2 * len(names), 5, 12)), 0).astype(np.float32)
    widths = (5, 4) * len(names)
    z[1::2, 4] = 0
    y = np.array([0, 2, 2, 3, 0, 0, 2, 3, 3, 2, 0, 0], np.int32)
    valid = (np.arange(12) < 9).astype(np.float32)
    weights = [0.5, 2.0] * len(names)
    asked = [
        Penalty(name, weight, normalized)
        for name, weight in zip(np.repeat(names, 2).tolist(), weights, strict=True)
    ]
    tensor = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        found = penalties(asked, z=tensor, y=y, valid=tf.constant(valid), n=4, widths=widths)
        total = tf.reduce_sum(found)
    gradient = np.asarray(tape.gradient(total, tensor))
    assert np.abs(gradient[:, :, 9:]).max() == 0
    for i, (one, width) in enumerate(zip(asked, widths, strict=True)):
        alone = tf.constant(z[i, :width, :9].T)
        with tf.GradientTape() as tape:
            tape.watch(alone)
            value = one.weight * regularizers.penalty(one.name, alone, y[:9], normalized)
        np.testing.assert_allclose(found[i], value, rtol=1e-5)
        expected = np.asarray(tape.gradient(value, alone)).T
        np.testing.assert_allclose(gradient[i, :width, :9], expected, rtol=1e-4, atol=1e-6)


def test_dropout_keeps_the_mean_and_each_networks_rate():
    import tensorflow as tf

    ones = tf.ones((4, 100, 100))
    rates = [Penalty("dropout", 0.5), Penalty("cr", 0.5), Penalty("dropout", 0.2), Penalty()]
    steps = {"seed": tf.constant([0, 1]), "steps": tf.constant(3)}
    found = np.asarray(dropped(ones, rates, steps))
    assert (found[1] == 1).all() and (found[3] == 1).all()
    for row, rate in ((0, 0.5), (2, 0.2)):
        values = set(np.unique(found[row]).tolist())
        assert values == {0.0, float(np.float32(1 / np.float32(1 - rate)))}
        # Four standard deviations of a mean of 10,000 draws.
        assert abs(np.mean(found[row] == 0) - rate) < 4 * np.sqrt(rate * (1 - rate) / 1e4)
    again = np.asarray(dropped(ones, rates, steps))
    other = np.asarray(dropped(ones, rates, {**steps, "steps": tf.constant(4)}))
    assert (found == again).all() and (found != other).any()
    assert dropped(ones, [Penalty("cr", 1.0)] * 4, steps) is ones


@pytest.mark.full
def test_side_by_side_as_fit(digits, tmp_path):
    """Not with dropout, whose draws are the trainer's own. Each penalty for itself is compared
    above: here are one of each kind, what they are of and how they are told of a batch."""
    given = {"batch_size": 40, "depth": 2}
    specs = [spec(name, **given) for name in ("l1w", "bn", "cw_cr", "l1r")]
    specs.append(spec("cw_vr", **given, regularizer_weight=2.0, regularizer_normalized=True))
    for root, trainer in (("sweep", SweepTrainer()), ("fit", fit_one_by_one)):
        training.train(specs, digits, tmp_path / root, trainer)
    ends = set()
    for one in specs:
        ours, theirs = (Runs(tmp_path / root).path(one) for root in ("sweep", "fit"))
        a, b = (pd.read_csv(run / "history.csv") for run in (ours, theirs))
        for name in ("train_loss", "test_loss"):
            np.testing.assert_allclose(a[name], b[name], rtol=2e-4, err_msg=str(one.directory))
        ends.add(round(float(a["test_loss"].iloc[-1]), 6))
        for v, w in zip(kernels(ours), kernels(theirs), strict=True):
            assert np.linalg.norm(v - w) <= 2e-3 * np.linalg.norm(w), one.regularizer
    assert len(ends) == len(specs)  # each of them did something of its own


def kernels(run):
    """Of biases some are rounding: Adam makes a whole step of a gradient of 1e-9."""
    import keras

    model = keras.saving.load_model(list(results.checkpoints(run).values())[-1])
    assert not isinstance(model, regularizers.RegularizedModel)
    return [np.array(keras.ops.convert_to_numpy(v)) for v in model.variables if "kernel" in v.path]


def test_one_program_for_all_but_batch_normalization(digits):
    specs = [spec(name, repeat=r) for r in (1, 2) for name in TITLES]
    assert sorted(len(group) for group in groups(specs, digits)) == [1, 1, 11, 11]


def test_directories_tell_them_apart_and_older_ones_stay():
    directories = [spec(name).directory for name in TITLES]
    directories += [spec("cr", regularizer_weight=1.0).directory]
    directories += [spec("cr", regularizer_normalized=True).directory]
    assert len(set(directories)) == len(directories)
    assert spec().directory.as_posix() == "regularized/digits/depth=3/width=7/repeat=1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regularizer": "cwvr"}, "a regularizer among"),
        ({"regularizer": "cr", "regularizer_weight": -1.0}, "regularizer_weight"),
        ({"regularizer": "dropout", "regularizer_weight": 1.0}, "in .0, 1"),
        ({"regularizer": "none", "regularizer_weight": 1.0}, "no weight"),
        ({"regularizer": "l1w", "depth": 1}, "depth of at least 2"),
        ({"regularizer": "bn", "regularizer_weight": 0.0, "batch_norm": True}, "batch_norm or"),
    ],
)
def test_specs_that_say_nothing(changes, message):
    with pytest.raises(SpecError, match=message):
        spec("cr", **changes)
