"""Networks trained side by side come out as plain `fit` makes them, stopped on the way or not."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tfhash import datasets, results, training
from tfhash.training import Runs, RunSpec, SweepTrainer, fit_one_by_one
from tfhash.training.sweep import groups

HERE = Path(__file__).parent
FACTORS = {
    "nothing": {"depth": 1},
    "depth 5": {"depth": 5},
    "batch norm": {"batch_norm": True, "depth": 2},
    "l2": {"l2": 0.01, "depth": 2},
    "clipping": {"clip_norm": 0.5, "depth": 2},
    "schedule": {"decay": 0.1, "decay_every": 1},
    "sample": {"sample_size": 20, "epoch_size": 150},
    "all": {
        "batch_norm": True,
        "l2": 0.001,
        "clip_norm": 0.3,
        "decay": 0.5,
        "depth": 5,
        "hold_out": 0.2,
    },
}


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits").subset(300, 0)


def spec(**changes):
    given = {"experiment": "layer_width", "width": 6, "repeat": 1, "epochs": 1, **changes}
    return RunSpec.from_protocol(training.protocol("paper", "digits"), **given)


def run_of(root, one):
    return Runs(root).path(one)


def functions(run, epoch):
    """Weights by name, less what has no bearing on what the network computes.

    A bias before batch normalisation is taken off again by the mean. Its gradient is zero but for
    rounding, which Adam makes a step of full length in whatever direction.
    """
    import keras

    model = keras.saving.load_model(results.checkpoints(run)[epoch])
    found = {f"{v.path}": np.array(keras.ops.convert_to_numpy(v)) for v in model.variables}
    for layer in [layer for layer in model.layers if "batch_norm" in layer.name]:
        mean = next(name for name in found if name.endswith(f"{layer.name}/moving_mean"))
        dense = layer.name.replace("batch_norm", "dense")
        bias = next(name for name in found if name.endswith(f"{dense}/bias"))
        # After few steps the moving mean has only a part of the bias in it: 1 - 0.99 ** steps.
        del found[bias], found[mean]
    return found


@pytest.mark.parametrize("factor", FACTORS)
def test_as_fit(digits, tmp_path, factor):
    specs = [spec(width=w, checkpoint_epochs=(0,), **FACTORS[factor]) for w in (4, 8, 9)]
    training.train(specs, digits, tmp_path / "sweep", SweepTrainer())
    training.train(specs, digits, tmp_path / "fit", fit_one_by_one)
    for one in specs:
        ours, theirs = (run_of(tmp_path / root, one) for root in ("sweep", "fit"))
        assert sorted(os.listdir(ours)) == sorted(os.listdir(theirs))
        for epoch, tolerance in ((0, 0), (1, 1e-4)):
            a, b = functions(ours, epoch), functions(theirs, epoch)
            assert sorted(a) == sorted(b)
            for name in a:
                assert np.linalg.norm(a[name] - b[name]) <= tolerance * np.linalg.norm(b[name])
        a, b = (pd.read_csv(run / "history.csv") for run in (ours, theirs))
        assert list(a.columns) == list(b.columns) and a["epoch"].tolist() == [0, 1]
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert np.abs(a["train_loss"].diff()[1]) > 0.01  # something was learnt


def test_padded_networks_are_as_unpadded_ones(digits, tmp_path, monkeypatch):
    """Padding changes shapes alone: stacks of several widths, with every factor at once."""
    from tfhash.training import sweep

    specs = [spec(width=w, **FACTORS["all"]) for w in (3, 5, 6, 11)]
    training.train(specs, digits, tmp_path / "exact")
    monkeypatch.setattr(sweep, "MAX_PADDING", 0.5)
    training.train(specs, digits, tmp_path / "padded")
    for one in specs:
        a, b = (functions(run_of(tmp_path / root, one), 1) for root in ("exact", "padded"))
        for name in a:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-3, atol=1e-4)


def test_moving_statistics(digits, tmp_path):
    """Moving means and variances as Keras's, where the bias is known to be the same: one step."""
    import keras

    one = spec(batch_norm=True, batch_size=300)
    for root, trainer in (("sweep", SweepTrainer()), ("fit", fit_one_by_one)):
        training.train([one], digits, tmp_path / root, trainer)
    models = [
        keras.saving.load_model(run_of(tmp_path / root, one) / "epoch=0001.keras")
        for root in ("sweep", "fit")
    ]
    for name in ("moving_mean", "moving_variance", "gamma"):
        a, b = (
            keras.ops.convert_to_numpy(getattr(model.get_layer("batch_norm_1"), name))
            for model in models
        )
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7)
        assert np.abs(a - (name != "moving_mean")).max() > 1e-4


def test_early_stopping_leaves_the_others(digits, tmp_path):
    """Networks stop at different epochs, each where it does by itself, with the same weights."""
    factors = {"early_stopping": 1, "learning_rate": 0.3, "epochs": 30, "checkpoint_epochs": (1,)}
    specs = [spec(width=w, **factors) for w in (3, 5, 6, 9)]
    training.train(specs, digits, tmp_path / "together")
    training.train(specs, digits, tmp_path / "apart", SweepTrainer(group_size=1))
    lasts = []
    for one in specs:
        runs = [run_of(tmp_path / root, one) for root in ("together", "apart")]
        history = pd.read_csv(runs[0] / "history.csv")
        losses = history["train_loss"][1:].to_numpy()
        waits = [i - np.argmin(losses[: i + 1]) for i in range(len(losses))]
        assert waits[-1] == 1 and max(waits[:-1]) == 0
        lasts.append(len(losses))
        assert list(results.checkpoints(runs[0])) == [1, lasts[-1]]
        # Far into a training that goes up and down, rounding has grown: the beginning is compared.
        alone = pd.read_csv(runs[1] / "history.csv")
        np.testing.assert_allclose(history[:3], alone[:3], rtol=1e-3, atol=1e-3)
    assert len(set(lasts)) > 1 and max(lasts) < 30
    assert training.train(specs, digits, tmp_path / "together").skipped == specs


def test_groups(digits):
    specs = [spec(width=w, repeat=r) for r in (1, 2) for w in (9, 3, 5)]
    widths = [[(one.repeat, one.width) for one in group] for group in groups(specs, digits)]
    assert widths == [[(1, 3), (1, 5), (1, 9)], [(2, 3), (2, 5), (2, 9)]]
    assert [len(group) for group in groups(specs, digits, 2)] == [2, 1, 2, 1]
    assert [len(group) for group in groups(specs, digits, 1)] == [1] * 6
    # L2 and clipping are each network's own; a rate or a sample is not.
    mixed = [spec(), spec(l2=0.1), spec(clip_norm=1.0), spec(learning_rate=0.5)]
    assert [len(group) for group in groups(mixed, digits)] == [3, 1]


def test_one_network_for_two_experiments(digits, tmp_path):
    one = spec(epochs=2)
    other = replace(one, experiment="training_time", checkpoint_epochs=(0, 1))
    training.train([one, other], digits, tmp_path)
    assert list(results.checkpoints(run_of(tmp_path, one))) == [2]
    assert list(results.checkpoints(run_of(tmp_path, other))) == [0, 1, 2]
    a, b = (functions(run_of(tmp_path, s), 2) for s in (one, other))
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert not list((tmp_path / ".sweeps").glob("*"))


KILLED = """
import sys
from tfhash import datasets, training
from tfhash.training import SweepTrainer
from test_sweep import LONG, spec
digits = datasets.load("digits").subset(300, 0)
print("ready", flush=True)
specs = [spec(**LONG, width=w) for w in (3, 6)]
training.train(specs, digits, sys.argv[1], SweepTrainer(save_every=0.0))
"""
LONG = {"epochs": 40, "checkpoint_epochs": (0, 2, 20), "batch_norm": True, "l2": 1e-3}


def test_killed_and_resumed_is_bit_for_bit(digits, tmp_path):
    specs = [spec(**LONG, width=w) for w in (3, 6)]
    training.train(specs, digits, tmp_path / "whole")
    root = tmp_path / "killed"
    with subprocess.Popen([sys.executable, "-c", KILLED, root], cwd=HERE) as process:
        kept = run_of(root, specs[1]).parent / ".repeat=1.partial" / "epoch=0002.keras"
        deadline = time.monotonic() + 120
        while not kept.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert list((root / ".sweeps").glob("*.npz")) and not results.find_runs(root)
    report = training.train(specs, digits, root)
    assert report.trained == specs
    assert not (root / ".sweeps").exists()
    for one in specs:
        a, b = (run_of(folder, one) for folder in (tmp_path / "whole", root))
        assert (a / "history.csv").read_text() == (b / "history.csv").read_text()
        for epoch in (0, 2, 20, 40):
            ours, theirs = functions(a, epoch), functions(b, epoch)
            assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_damaged_state_and_missing_checkpoints_start_again(digits, tmp_path):
    one = spec(epochs=2, checkpoint_epochs=(1,))
    folder = tmp_path / ".sweeps"
    folder.mkdir()
    (folder / "0.npz").write_bytes(b"not a state")
    training.train([one], digits, tmp_path)
    assert list(results.checkpoints(run_of(tmp_path, one))) == [1, 2]
