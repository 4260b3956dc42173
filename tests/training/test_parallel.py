"""Networks that several processes train are those that one trains, stopped on the way or not."""

import json
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sweep_specs import spec
from tfhash import datasets, machine, metrics, runs, training
from tfhash.errors import InputError
from tfhash.runs import Runs, RunSpec
from tfhash.runs.trouble import log
from tfhash.training import ParallelTrainer, SweepTrainer, interrupts
from tfhash.training.interrupts import Interrupts
from tfhash.training.state import SweepState
from tfhash.training.worker import StoredDataset, Work, train_share

MNIST = runs.recipe("paper", "mnist")


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits").subset(300, 0)


class Bar:
    """A progress bar that does something when it first moves."""

    disable, n = True, 0

    def __init__(self, act=lambda: None):
        self.act = act

    def update(self, n=1):
        if not self.n:
            self.act()
        self.n += n

    def write(self, line, file=None):
        print(line, file=file)

    def set_description(self, text):
        pass


def seconds(share):
    return sum(one.width for one in {one.network: None for one in share})


@pytest.fixture
def mnist(monkeypatch):
    """What `ParallelTrainer` looks at of a dataset of that size, which takes no memory."""
    monkeypatch.setattr(machine, "memory", lambda: 16 << 30)
    monkeypatch.setattr("tfhash.backend.has_accelerator", lambda: False)
    train, test = (np.broadcast_to(np.float32(0), (n, 28, 28)) for n in (60_000, 10_000))
    return SimpleNamespace(x_train=train, x_test=test, input_shape=(28, 28), n_classes=10)


def mnist_specs(epochs, repeats=(1,)):
    return [
        RunSpec.from_recipe(MNIST, experiment="a", width=w, repeat=r, epochs=epochs)
        for r in repeats
        for w in MNIST.widths
    ]


@pytest.mark.parametrize("threads, n", ((1, 1), (2, 2), (3, 3), (100, 5)))
def test_a_core_has_a_share(mnist, tmp_path, monkeypatch, threads, n):
    """Of 16 GiB, which hold what five processes need twice."""
    monkeypatch.setattr(metrics, "get_num_threads", lambda: threads)
    specs = mnist_specs(300, repeats=(1, 2))
    also = [replace(one, experiment="b") for one in specs if one.width in (40, 50)]
    shares = ParallelTrainer().shares([*specs, *also], mnist, Runs(tmp_path))
    assert len(shares) == n
    assert Counter(one for share in shares for one in share) == Counter([*specs, *also])
    networks = [{one.network for one in share} for share in shares]
    assert sum(map(len, networks)) == len(specs)
    loads = [seconds(share) for share in shares]
    assert max(loads) < 1.05 * min(loads)
    for share in shares:  # repeats are shared alike: a program does for all
        first, second = ({one.width for one in share if one.repeat == r} for r in (1, 2))
        assert first == second


def test_short_trainings_stay_in_one_process(mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(metrics, "get_num_threads", lambda: 2)
    for epochs, n in ((5, 1), (500, 2)):
        assert len(ParallelTrainer().shares(mnist_specs(epochs), mnist, Runs(tmp_path))) == n
    monkeypatch.setattr("tfhash.backend.has_accelerator", lambda: True)
    assert len(ParallelTrainer().shares(mnist_specs(500), mnist, Runs(tmp_path))) == 1


def test_single_networks_are_shared_too(digits, tmp_path):
    specs = [spec(width=w, repeat=r) for w, r in ((3, 1), (6, 2), (9, 3), (20, 4))]
    shares = ParallelTrainer(workers=2).shares(specs, digits, Runs(tmp_path))
    assert [len(share) for share in shares] == [2, 2]
    assert sorted(one.width for share in shares for one in share) == [3, 6, 9, 20]


def test_networks_of_one_state_go_on_together(digits, tmp_path):
    specs = [spec(width=w) for w in (3, 4, 5, 6)]
    root = Runs(tmp_path)
    models = {one.network: one.build_model(digits) for one in specs[1:]}
    SweepState.start(models).save(root.states)
    shares = ParallelTrainer(workers=4).shares(specs, digits, root)
    assert sorted(sorted(one.width for one in share) for share in shares) == [[3], [4, 5, 6]]


def test_no_workers_at_all_are_refused():
    with pytest.raises(InputError, match="workers of at least 1"):
        ParallelTrainer(workers=0)


def test_datasets_are_mapped_whole(digits, tmp_path):
    found = StoredDataset.save(digits, tmp_path).load()
    assert type(found) is type(digits)
    assert isinstance(found.x_train.base, np.memmap)
    for name in ("x_train", "y_train", "x_test", "y_test"):
        assert np.array_equal(getattr(found, name), getattr(digits, name))
    assert (found.name, found.n_classes) == ("digits", 10)


def test_factors_are_made_in_workers_as_here(tmp_path):
    data = datasets.load("gaussian_factors")
    found = StoredDataset.save(data, tmp_path).load()
    ours, theirs = (one.with_factors(5) for one in (data, found))
    assert np.array_equal(ours.x_train, theirs.x_train)
    assert np.array_equal(ours.y_train, theirs.y_train)


@pytest.mark.full
def test_stopped_and_resumed_is_as_one_process(digits, tmp_path, monkeypatch, capsys):
    """Ctrl-C while two processes are at work; one process goes on from what both have saved."""
    specs = [spec(width=w, epochs=300, batch_size=100) for w in (5, 6)]
    specs.append(replace(specs[1], experiment="training_time", checkpoint_epochs=(2,)))
    whole, root = tmp_path / "whole", tmp_path / "stopped"
    training.train(specs, digits, whole)
    pressed = partial(signal.raise_signal, signal.SIGINT)
    bar: Any = Bar(pressed)
    before = dict(os.environ)
    with pytest.raises(KeyboardInterrupt):
        ParallelTrainer(workers=2)(specs, digits, Runs(root), bar)
    assert dict(os.environ) == before
    assert capsys.readouterr().err.count("Stopping after this epoch") == 1
    assert len(list((root / ".sweeps").glob("*.npz"))) == 2 and 0 < bar.n < 900
    done = 0
    for file in (root / ".sweeps").glob("*.npz"):
        with np.load(file) as state:
            done += json.loads(str(state["header"]))["epoch"]
    from tfhash.training.epoch_loop import EpochLoop  # not for the processes that load this file

    trained, epoch = [], EpochLoop.epoch

    def counted(self, *given):
        trained.append(given)
        return epoch(self, *given)

    monkeypatch.setattr(EpochLoop, "epoch", counted)
    report = training.train(specs, digits, root)
    assert report.trained == specs and not (root / ".sweeps").exists()
    assert done > 0 and len(trained) == 600 - done
    for one in specs:
        ours, theirs = (folder / one.directory / "history.csv" for folder in (root, whole))
        found, wanted = (np.genfromtxt(f, delimiter=",", skip_header=1) for f in (ours, theirs))
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=2e-2)
        np.testing.assert_allclose(found[:20], wanted[:20], rtol=1e-4, atol=1e-5)


@dataclass(frozen=True)
class Dies(SweepTrainer):
    """Kills its process where it has a network of width 3; elsewhere trains until it is stopped."""

    def __call__(self, specs, dataset, runs, progress):
        if specs[0].width == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        with Interrupts(print) as stopped:
            while not stopped.asked:
                time.sleep(0.01)
            (runs.root / "saved").touch()
            stopped.check()


@pytest.mark.full
@pytest.mark.skipif(os.name == "nt", reason="the process is sent a signal")
def test_a_killed_process_is_named_and_stops_the_others(digits, tmp_path):
    specs = [spec(width=w) for w in (3, 6)]
    with pytest.raises(ChildProcessError, match="exit code -9"):
        ParallelTrainer(Dies(), workers=2)(specs, digits, Runs(tmp_path), Bar())
    assert (tmp_path / "saved").exists()


@dataclass(frozen=True)
class Raises(SweepTrainer):
    """Raises what it is given."""

    error: BaseException = field(default_factory=AssertionError)

    def __call__(self, specs, dataset, runs, progress):
        progress.write("a line")
        raise self.error


class Unsendable(Exception):
    """What cannot be sent to another process."""

    def __reduce__(self):
        raise pickle.PicklingError


@pytest.fixture
def parent(digits, tmp_path, monkeypatch):
    """Its end of the connection to a worker, which is this process too."""
    monkeypatch.delattr(os, "setsid", raising=False)
    monkeypatch.setattr(interrupts, "_stop", threading.Event())
    monkeypatch.setattr(log, "propagate", log.propagate)
    monkeypatch.setattr(log, "handlers", [*log.handlers])
    exited = threading.Event()
    monkeypatch.setattr(os, "_exit", lambda status: exited.set())
    ours, theirs = multiprocessing.Pipe()
    dataset = StoredDataset.save(digits, tmp_path)

    def train(trainer):
        train_share(theirs, Work([spec()], trainer, dataset, tmp_path, None, 2))

    yield SimpleNamespace(connection=ours, train=train)
    ours.close()  # as a parent that was killed
    assert exited.wait(60)


@pytest.mark.parametrize(
    "error, kind, words",
    (
        (InputError("Expected more."), InputError, "Expected more."),
        (Unsendable("so"), RuntimeError, "Unsendable: so"),
        (KeyboardInterrupt(), type(None), "None"),
    ),
)
def test_errors_reach_the_parent(parent, error, kind, words):
    parent.train(Raises(error=error))
    assert parent.connection.recv().line == "a line"
    last = parent.connection.recv()
    assert last.ended and type(last.error) is kind and str(last.error) == words


def test_a_worker_stops_when_it_is_told(parent, tmp_path):
    parent.connection.send(None)
    parent.train(Dies())
    assert parent.connection.recv().ended and (tmp_path / "saved").exists()
