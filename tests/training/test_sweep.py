"""Networks trained side by side come out as plain `fit` makes them, stopped on the way or not.

On whatever backend KERAS_BACKEND says; where TensorFlow runs and JAX is installed, the comparisons
with `fit` run once more on JAX, in a process of its own.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from folders import contents
from sweep_specs import spec
from tfhash import cli, datasets, results, training
from tfhash.runs import Runs, RunWriter
from tfhash.training import SweepTrainer, epoch_loop, fit_one_by_one, interrupts
from tfhash.training import sweep_trainer as sweep
from tfhash.training.interrupts import Interrupts
from tfhash.training.state import SweepState, saved_networks
from tfhash.training.sweep_trainer import groups, parts

HERE = Path(__file__).parents[1]
# Networks that are trained at once, as one program; but those with L2 are one of their own, and so
# are those that are clipped.
FACTORS: dict[str, list[dict[str, Any]]] = {
    "nothing, l2, clipping": [
        {"width": 4},
        {"width": 9, "l2": 0.01},
        {"width": 5, "l2": 0.01, "l2_layers": "hidden"},
        {"width": 6, "clip_norm": 0.5},
    ],
    "schedule": [{"width": w, "epochs": 2, "decay": 0.1} for w in (4, 9)],
    "batch norm, sample": [
        {"width": w, "batch_norm": True, "sample_size": 20, "epoch_size": 150} for w in (4, 9)
    ],
}
ALL = {"batch_norm": True, "l2": 0.001, "clip_norm": 0.3, "decay": 0.5, "depth": 2, "hold_out": 0.2}
CASES = {
    **{
        f"{name}, depth {depth}": [{**one, "depth": depth} for one in FACTORS[name]]
        for name, depth in zip(FACTORS, (2, 1, 2), strict=True)
    },
    "all": [{"width": w, **ALL} for w in (4, 9)],
}


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits").subset(300, 0)


def run_of(root, one):
    return Runs(root).path(one)


def functions(run, epoch):
    """Weights by name, less what has no bearing on what the network computes.

    A bias before batch normalization is taken off again by the mean. Its gradient is zero but for
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


@pytest.mark.full
@pytest.mark.parametrize("case", CASES)
def test_as_fit(digits, tmp_path, monkeypatch, case):
    if case == "all":
        monkeypatch.setattr(sweep, "XLA_STEPS", 0)
    specs = [spec(checkpoint_epochs=(0, 1), **one) for one in CASES[case]]
    programs = {(one.l2 > 0, one.clip_norm is None) for one in specs}
    assert len(list(groups(specs, digits))) == len(programs)
    training.train(specs, digits, tmp_path / "sweep", SweepTrainer())
    training.train(specs, digits, tmp_path / "fit", fit_one_by_one)
    for one in specs:
        ours, theirs = (run_of(tmp_path / root, one) for root in ("sweep", "fit"))
        assert sorted(os.listdir(ours)) == sorted(os.listdir(theirs))
        found = [functions(ours, epoch) for epoch in range(one.epochs + 1)]
        for epoch, a in enumerate(found):
            b = functions(theirs, epoch)
            assert sorted(a) == sorted(b)
            for name in a:
                apart = np.linalg.norm(a[name] - b[name])
                assert apart <= (1e-4 if epoch else 0) * np.linalg.norm(b[name]), name
        assert_same_history(ours, theirs, digits)
        history = pd.read_csv(ours / "history.csv")
        assert history["epoch"].tolist() == list(range(one.epochs + 1))
        start, end = found[0], found[-1]
        assert all(np.abs(end[n] - start[n]).max() > 1e-3 for n in end if "kernel" in n)


def assert_same_history(ours, theirs, data, rtol=1e-4):
    a, b = (pd.read_csv(run / "history.csv") for run in (ours, theirs))
    assert list(a.columns) == list(b.columns) and len(a) == len(b)
    for split in ("train", "test"):
        np.testing.assert_allclose(a[f"{split}_loss"], b[f"{split}_loss"], rtol)
        # One example may lie so near a boundary that rounding decides.
        n = len(getattr(data, f"x_{split}"))
        np.testing.assert_allclose(a[f"{split}_accuracy"], b[f"{split}_accuracy"], atol=1.01 / n)


@pytest.mark.full
def test_padded_networks_are_as_unpadded_ones(digits, tmp_path, monkeypatch):
    """Padding changes shapes alone: stacks of several widths, with every factor at once."""
    specs = [spec(width=w, **ALL) for w in (3, 5, 6, 11)]
    with monkeypatch.context() as exact:
        exact.setattr(sweep, "LOGITS_PADDING", 0.0)
        training.train(specs, digits, tmp_path / "exact")
    monkeypatch.setattr(sweep, "MAX_PADDING", 0.5)
    training.train(specs, digits, tmp_path / "padded")
    for one in specs:
        a, b = (functions(run_of(tmp_path / root, one), 1) for root in ("exact", "padded"))
        for name in a:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-3, atol=1e-4)


@pytest.mark.full
def test_moving_statistics_of_a_whole_epoch(digits, tmp_path):
    """At a rate at which the biases, which rounding drives, go nowhere to speak of."""
    import keras

    one = spec(batch_norm=True, depth=3, learning_rate=1e-8)
    assert len(digits.x_train) % one.batch_size  # the last step counts for less
    found = []
    for root, trainer in (("sweep", SweepTrainer()), ("fit", fit_one_by_one)):
        training.train([one], digits, tmp_path / root, trainer)
        model = keras.saving.load_model(run_of(tmp_path / root, one) / "epoch=0001.keras")
        found.append(model.non_trainable_weights)
    assert len(found[0]) == 2 * one.depth
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        assert np.abs(np.asarray(a) - ("variance" in b.path)).max() > 1e-3  # they moved


@pytest.mark.full
def test_early_stopping_as_fit(digits, tmp_path):
    """Whether a loss is lower than the lowest is clear here, far beyond rounding."""
    factors = {"early_stopping": 1, "learning_rate": 0.1, "epochs": 8}
    specs = [spec(width=w, **factors) for w in (4, 9, 12)]
    training.train(specs, digits, tmp_path / "sweep", SweepTrainer())
    training.train(specs, digits, tmp_path / "fit", fit_one_by_one)
    lasts: list[int] = []
    for one in specs:
        ours, theirs = (run_of(tmp_path / root, one) for root in ("sweep", "fit"))
        assert list(results.checkpoints(ours)) == list(results.checkpoints(theirs))
        assert_same_history(ours, theirs, digits, rtol=0.01)
        lasts += results.checkpoints(ours)
    assert min(lasts) < 8 and len(set(lasts)) > 1


@pytest.mark.full
def test_three_seeds_as_fit(digits, tmp_path):
    """After 12 epochs rounding has grown, and is nothing beside what a seed makes."""
    specs = [spec(width=12, repeat=r, epochs=12, learning_rate=0.01) for r in (1, 2, 3)]
    columns = ["train_loss", "train_accuracy", "test_loss", "test_accuracy"]
    ends = []
    for root, trainer in (("sweep", SweepTrainer()), ("fit", fit_one_by_one)):
        training.train(specs, digits, tmp_path / root, trainer)
        runs = [run_of(tmp_path / root, one) for one in specs]
        ends.append(np.array([pd.read_csv(r / "history.csv")[columns].iloc[-1] for r in runs]))
    spread = ends[1].std(axis=0, ddof=1)
    assert (spread > 1e-4).all()
    assert (np.abs(ends[0].mean(axis=0) - ends[1].mean(axis=0)) <= 0.1 * spread).all()
    # Seed by seed too, so that it is the same seed that does well.
    assert (np.abs(ends[0] - ends[1]).max(axis=0) <= 0.5 * spread).all()


@pytest.mark.full
@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") == "jax", reason="this is the run on JAX")
def test_on_jax():
    pytest.importorskip("jax", reason="JAX is not installed: pip install jax")
    chosen = "(as_fit and all) or whole_epoch or stopping_as"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", __file__),
            *("--full", "-n", "0", "-k", chosen),
        ],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        cwd=HERE,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


@pytest.mark.full
def test_early_stopping_leaves_the_others(digits, tmp_path):
    """Networks stop at different epochs, each where it does by itself, with the same weights."""
    factors = {"early_stopping": 1, "learning_rate": 0.3, "epochs": 30, "checkpoint_epochs": (1,)}
    specs = [spec(width=w, **factors) for w in (3, 5, 6, 9)]
    training.train(specs, digits, tmp_path / "together")
    training.train(specs, digits, tmp_path / "apart", SweepTrainer(group_size=1))
    lasts: list[int] = []
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


def test_killed_when_runs_were_to_be_finished_they_end_where_they_did(
    digits, tmp_path, monkeypatch
):
    factors = {"early_stopping": 1, "learning_rate": 0.3, "epochs": 30, "checkpoint_epochs": (1,)}
    specs = [spec(width=w, **factors) for w in (3, 5, 6, 9)]
    training.train(specs, digits, tmp_path / "whole")
    with monkeypatch.context() as patched:
        patched.setattr(RunWriter, "finish", lambda self: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            training.train(specs, digits, tmp_path / "killed")
    training.train(specs, digits, tmp_path / "killed")
    for one in specs:
        a, b = (run_of(tmp_path / root, one) for root in ("whole", "killed"))
        assert list(results.checkpoints(a)) == list(results.checkpoints(b))
        assert len(pd.read_csv(a / "history.csv")) == len(pd.read_csv(b / "history.csv"))
    assert not (tmp_path / "whole" / ".sweeps").exists()
    assert not (tmp_path / "killed" / ".sweeps").exists()


def test_more_examples_than_the_classes_have_are_refused_before_training(digits, tmp_path):
    specs = [spec(n_classes=2, sample_size=n) for n in (10, 1000)]
    with pytest.raises(datasets.DatasetError, match="Received: 1000"):
        training.train(specs, digits, tmp_path)
    assert not results.find_runs(tmp_path)


@pytest.mark.full
def test_states_of_networks_that_are_not_asked_for_stay(digits, tmp_path, monkeypatch):
    specs = [spec(width=w, epochs=4) for w in (3, 4, 5, 6)]
    pressed = partial(signal.raise_signal, signal.SIGINT)
    with monkeypatch.context() as patched:
        patched.setattr(
            epoch_loop.EpochLoop, "epoch", _pressing(epoch_loop.EpochLoop.epoch, pressed)
        )
        with pytest.raises(KeyboardInterrupt):
            training.train(specs, digits, tmp_path)
    assert len(saved_networks(tmp_path / ".sweeps")) == 4
    training.train(specs[:2], digits, tmp_path)
    assert {one.width for one in saved_networks(tmp_path / ".sweeps")} >= {5, 6}


def _pressing(epoch, press):
    def pressed(self, *args):
        found = epoch(self, *args)
        press()
        return found

    return pressed


def test_nothing_is_better_than_a_loss_that_is_no_number():
    """As Keras's `EarlyStopping` has it: the first is the best until one is lower."""
    one = spec(early_stopping=2, epochs=9)
    state = SweepState([one.network], 0, 0, {}, [np.zeros((4, 1))])
    ends = []
    for epoch in range(1, 5):
        state.epoch = epoch
        state.history.append(np.full((4, 1), np.nan))
        ends.append(state.has_stalled(one))
    assert ends == [False, False, True, True]


def test_groups(digits):
    specs = [spec(width=w, repeat=r) for r in (1, 2) for w in (9, 3, 5)]
    widths = [[(one.repeat, one.width) for one in group] for group in groups(specs, digits)]
    assert widths == [[(1, 3), (1, 5), (1, 9)], [(2, 3), (2, 5), (2, 9)]]
    assert [len(group) for group in groups(specs, digits, 2)] == [2, 1, 2, 1]
    assert [len(group) for group in groups(specs, digits, 1)] == [1] * 6
    # What L2 weighs and what clipping clips to is each network's own; a rate or a sample is not.
    clipped = [spec(clip_norm=1.0), spec(clip_norm=2.0)]
    mixed = [spec(), spec(l2=0.1), spec(l2=0.2), *clipped, spec(learning_rate=0.5)]
    found = [[mixed.index(one) for one in group] for group in groups(mixed, digits)]
    assert sorted(map(sorted, found)) == [[0], [1, 2], [3, 4], [5]]


def test_groups_keep_within_the_memory(digits, monkeypatch):
    specs = [spec(width=w) for w in (50, 100, 100, 100)]
    monkeypatch.setattr("tfhash.machine.memory", lambda: 1 << 40)
    assert [len(group) for group in groups(specs, digits)] == [4]
    monkeypatch.setattr("tfhash.machine.memory", lambda: 4 * 800_000)
    assert [len(group) for group in groups(specs, digits)] == [2, 1, 1]
    monkeypatch.setattr("tfhash.machine.memory", lambda: 4)
    assert [len(group) for group in groups(specs, digits)] == [1] * 4


@pytest.fixture
def compiled(monkeypatch):
    """The number of networks in each program that is compiled."""
    made = []

    class Counted(epoch_loop.EpochLoop):
        def __init__(self, step, *given):
            made.append(step.n_models)
            super().__init__(step, *given)

    monkeypatch.setattr(epoch_loop, "EpochLoop", Counted)
    return made


def test_parts_have_about_as_many_units(monkeypatch):
    monkeypatch.setattr(sweep, "UNITS", 300)
    mixed = [3, 10, 40, 60, 100, 200, 300]
    for widths in ([5], [100] * 3, [1] * 301, mixed, [500, 500], range(1, 60)):
        group = [spec(width=w) for w in widths]
        found = parts(group)
        assert [one for part in found for one in part] == group
        units = [sum(one.width for one in part) for part in found]
        assert len(units) <= -(-sum(widths) // 300)
        assert max(units) - min(units) <= 2 * max(widths)
    # Runs of one network, which is trained once, are in one part.
    twice = [spec(width=w, experiment=e) for w in (200, 300, 400) for e in ("a", "b")]
    assert [{one.width for one in part} for part in parts(twice)] == [{200}, {300}, {400}]


@pytest.mark.full
def test_parts_train_as_the_whole_does(digits, tmp_path, monkeypatch, compiled):
    """Each part is a program, compiled once for all repeats and conditions that share it."""
    specs = [spec(width=w, repeat=r) for r in (1, 2) for w in (3, 5, 9, 12)]
    training.train(specs, digits, tmp_path / "whole")
    assert compiled == [4]
    monkeypatch.setattr(sweep, "UNITS", 20)
    training.train(specs, digits, tmp_path / "parts")
    assert compiled == [4, 3, 1]
    for one in specs:
        whole, part = (functions(run_of(tmp_path / root, one), 1) for root in ("whole", "parts"))
        for name in whole:
            np.testing.assert_allclose(whole[name], part[name], rtol=1e-3, atol=1e-5)


def test_the_latest_state_of_a_network_is_gone_on_from(digits, tmp_path):
    networks = [spec(width=w).network for w in (3, 4, 5, 6)]
    files = {}
    for epoch, chosen in ((2, networks[:3]), (5, networks[1:2]), (1, networks[2:])):
        state = SweepState.start({one: one.build_model(digits) for one in chosen})
        state.epoch = epoch
        before = set(tmp_path.glob("*.npz"))
        state.save(tmp_path)
        (files[epoch],) = set(tmp_path.glob("*.npz")) - before
    found = saved_networks(tmp_path)
    assert [found[one] for one in networks] == [files[epoch] for epoch in (2, 5, 2, 1)]


@pytest.mark.full
def test_groups_alike_are_compiled_once(digits, tmp_path, compiled):
    sizes = [{"sample_size": n, "epoch_size": 64} for n in (10, 50)]
    specs = [spec(width=w, repeat=r, **n) for r in (1, 2) for n in sizes for w in (3, 5)]
    training.train(specs, digits, tmp_path)
    assert len(compiled) == 1 and len(results.find_runs(tmp_path)) == 8


@pytest.mark.full
def test_made_up_inputs_are_each_repeats_own(digits, tmp_path):
    specs = [spec(repeat=r, inputs="uniform", sample_size=40) for r in (1, 2)]
    for root, trainer in (("sweep", SweepTrainer()), ("fit", fit_one_by_one)):
        training.train(specs, digits, tmp_path / root, trainer)
    for one in specs:
        assert_same_history(
            *(run_of(tmp_path / root, one) for root in ("sweep", "fit")), one.training_data(digits)
        )


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
sys.path.insert(0, "training")  # this file's folder
from tfhash import datasets, runs, training
from tfhash.training import SweepTrainer
from tfhash.training import sweep_trainer as sweep
from processes import kill_this_process_once
from test_sweep import LONG, spec
kill_this_process_once(sys.argv[2])
sweep.XLA_STEPS, sweep.SAVING_SHARE = 0, 1e9
digits = datasets.load("digits").subset(300, 0)
print("ready", flush=True)
specs = [spec(**LONG, width=w) for w in (3, 6)]
training.train(specs, digits, sys.argv[1], SweepTrainer(save_every=0.0))
"""
LONG = {"epochs": 40, "checkpoint_epochs": (0, 2, 20), "batch_norm": True, "l2": 1e-3}


@pytest.mark.full
def test_killed_and_resumed_is_bit_for_bit(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "XLA_STEPS", 0)
    specs = [spec(**LONG, width=w) for w in (3, 6)]
    training.train(specs, digits, tmp_path / "whole")
    root = tmp_path / "killed"
    kept = run_of(root, specs[1]).parent / ".repeat=1.partial" / "epoch=0002.keras"
    killed = subprocess.run([sys.executable, "-c", KILLED, root, kept], cwd=HERE)
    assert killed.returncode == -signal.SIGKILL
    assert list((root / ".sweeps").glob("*.npz")) and not results.find_runs(root)
    monkeypatch.setattr(sweep, "UNITS", 1)  # what was saved together goes on together
    report = training.train(specs, digits, root)
    assert report.trained == specs
    assert not (root / ".sweeps").exists()
    for one in specs:
        a, b = (run_of(folder, one) for folder in (tmp_path / "whole", root))
        assert (a / "history.csv").read_text() == (b / "history.csv").read_text()
        for epoch in (0, 2, 20, 40):
            ours, theirs = functions(a, epoch), functions(b, epoch)
            assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.full
def test_damaged_state_and_missing_checkpoints_start_again(digits, tmp_path):
    one = spec(epochs=2, checkpoint_epochs=(1,))
    folder = tmp_path / ".sweeps"
    folder.mkdir()
    (folder / "0.npz").write_bytes(b"not a state")
    run = run_of(tmp_path, one)
    left = run.parent / ".repeat=1.partial"  # by a process that was killed
    left.mkdir(parents=True)
    (left / "epoch=0001.keras").write_bytes(b"a part")
    training.train([one], digits, tmp_path)
    assert list(results.checkpoints(run)) == [1, 2]
    start, end = functions(run, 1), functions(run, 2)
    assert any(not np.array_equal(start[name], end[name]) for name in end)
    assert not left.exists()


@pytest.mark.full
def test_a_run_without_its_last_checkpoint_is_done_again(digits, tmp_path, caplog):
    one = spec(epochs=2, checkpoint_epochs=(1, 2))
    training.train([one], digits, tmp_path)
    (run_of(tmp_path, one) / "epoch=0002.keras").unlink()
    assert training.train([one], digits, tmp_path).trained == [one]
    assert "checkpoint epoch=0002.keras is missing. The run is done again." in caplog.text
    assert list(results.checkpoints(run_of(tmp_path, one))) == [1, 2]


@pytest.mark.full
def test_ctrl_c_saves_first(digits, tmp_path, monkeypatch, capsys):
    """Ctrl-C in the middle of epoch 3 of 5: nothing that was done is done again."""
    specs = [spec(width=w, epochs=5, checkpoint_epochs=(1,)) for w in (3, 6)]
    training.train(specs, digits, tmp_path / "whole")
    root, done = tmp_path / "stopped", []
    epoch = epoch_loop.EpochLoop.epoch

    def interrupted(self, *given):
        found = epoch(self, *given)
        done.append(given)
        if len(done) == 3:
            signal.raise_signal(signal.SIGINT)
        return found

    monkeypatch.setattr(epoch_loop.EpochLoop, "epoch", interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        training.train(specs, digits, root)
    assert signal.getsignal(signal.SIGINT) is before and len(done) == 3
    assert capsys.readouterr().err.count("Stopping after this epoch") == 1
    training.train(specs, digits, root)
    assert len(done) == 5
    for one in specs:
        a, b = (run_of(folder, one) / "history.csv" for folder in (tmp_path / "whole", root))
        assert a.read_text() == b.read_text()


@pytest.mark.full
def test_stopped_before_the_first_epoch(digits, tmp_path, monkeypatch):
    """As where Ctrl-C comes while the program is built: values before training are there once."""
    one = spec(width=3)
    monkeypatch.setattr(interrupts, "_stop", threading.Event())
    interrupts.request_stop()
    with pytest.raises(KeyboardInterrupt):
        training.train([one], digits, tmp_path)
    assert list((tmp_path / ".sweeps").glob("*.npz"))
    interrupts._stop.clear()
    training.train([one], digits, tmp_path)
    history = pd.read_csv(run_of(tmp_path, one) / "history.csv")
    assert history["epoch"].tolist() == [0, 1]


@pytest.mark.full
def test_ctrl_c_in_the_last_epoch_of_a_group_stops_before_the_next(digits, tmp_path, monkeypatch):
    specs = [spec(width=3, repeat=repeat, epochs=1) for repeat in (1, 2)]
    epoch = epoch_loop.EpochLoop.epoch

    def interrupted(self, *given):
        signal.raise_signal(signal.SIGINT)
        return epoch(self, *given)

    monkeypatch.setattr(epoch_loop.EpochLoop, "epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        training.train(specs, digits, tmp_path)
    assert [Runs(tmp_path).is_finished(one) for one in specs] == [True, False]


def test_ctrl_c_twice_stops_at_once(capsys):
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt), Interrupts(told.append) as interrupts:
        signal.raise_signal(signal.SIGINT)
        assert interrupts.asked and len(told) == 1
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("went on")


@contextmanager
def files_end_at(limit):
    """In this process: as on a disk that is full."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_full_disk_leaves_earlier_runs(tmp_path, capsys):
    """Files end in the first checkpoint, then in that of a wider network; then there is room."""
    flags = ["t.py", "--dataset=digits", "--repeat=1", "--epoch=1", f"--save_path={tmp_path}"]
    assert cli.run("layer_width_train", "", [*flags, "--widths=3"]) == 0
    earlier = contents(tmp_path)
    for limit in (4_000, 35_000):
        capsys.readouterr()
        with files_end_at(limit):
            assert cli.run("layer_width_train", "", [*flags, "--widths=2,3,90"]) == 1
        error = capsys.readouterr().err
        lines = [line for line in error.splitlines() if line.startswith("t.py: ")]
        assert len(lines) == 1 and "epoch=0001.keras" in lines[0] and "Traceback" not in error
        assert all(path.read_bytes() == content for path, content in earlier.items())
        assert len(results.find_runs(tmp_path)) == 1
    assert cli.run("layer_width_train", "", [*flags, "--widths=2,3,90"]) == 0
    assert len(results.find_runs(tmp_path)) == 3


@pytest.mark.full
def test_full_disk_in_saving_the_state(digits, tmp_path, monkeypatch):
    """The state that was there stays, and nothing half-written."""
    one = spec(epochs=10)
    monkeypatch.setattr(sweep, "SAVING_SHARE", 1e9)
    savez = np.savez

    def full(file, **arrays):
        if int(json.loads(arrays["header"])["epoch"]) == 2:
            file.write(b"a part")
            raise OSError(28, "No space left on device")
        savez(file, **arrays)

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        training.train([one], digits, tmp_path, SweepTrainer(save_every=0.0))
    assert [path.suffix for path in (tmp_path / ".sweeps").iterdir()] == [".npz"]
    monkeypatch.setattr(np, "savez", savez)
    assert training.train([one], digits, tmp_path).trained == [one]


@pytest.mark.full
def test_saving_takes_a_small_share_of_the_time(digits, tmp_path, monkeypatch):
    """A clock that is a second further whenever it is read: saving takes a second."""
    ticks = iter(range(10_000))
    saved = []
    monkeypatch.setattr(sweep, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    monkeypatch.setattr(SweepState, "save", lambda self, folder: saved.append(self.epoch))
    training.train([spec(epochs=50)], digits, tmp_path, SweepTrainer(save_every=3.0))
    assert saved[0] < 5 and np.diff(saved).min() >= 15 and len(saved) > 1
