"""A process that trains a share of a sweep's runs: told what to do, it tells how far it is."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfhash import metrics
from tfhash.datasets import Dataset
from tfhash.machine import backend_name, backend_variables
from tfhash.runs import Runs, RunSpec
from tfhash.runs.trouble import log
from tfhash.training.interrupts import request_stop
from tfhash.training.progress import ToldProgress, ToldWarnings
from tfhash.training.sweep_trainer import SweepTrainer

ARRAYS = ("x_train", "y_train", "x_test", "y_test")


class Message(NamedTuple):
    """What a worker tells: one of its fields, and at last `ended` with what ended it, or None."""

    done: int | None = None
    line: str | None = None
    warning: str | None = None
    ended: bool = False
    error: BaseException | None = None


@dataclass(frozen=True)
class StoredDataset:
    """A dataset in files, which processes map: they share its memory.

    Attributes
    ----------
    folder : Path
        Has the arrays.
    kind : type
        The class of the dataset, which may make its factors in a way of its own; `Dataset` for one
        that is not this package's, which a process may not be able to make.
    name : str
    n_classes : int
    """

    folder: Path
    kind: type[Dataset]
    name: str
    n_classes: int

    @classmethod
    def save(cls, dataset: Dataset, folder: Path) -> StoredDataset:
        """Write the arrays of `dataset` into `folder`."""
        for name in ARRAYS:
            np.save(folder / f"{name}.npy", getattr(dataset, name))
        kind = type(dataset)
        known = kind if kind.__module__.startswith("tfhash.") else Dataset
        return cls(folder, known, dataset.name, dataset.n_classes)

    def load(self) -> Dataset:
        """The dataset, its arrays read where they are looked at."""
        arrays = {name: np.load(self.folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        return self.kind(name=self.name, n_classes=self.n_classes, **arrays)


@dataclass(frozen=True)
class Work:
    """What a worker is given.

    Attributes
    ----------
    specs : sequence of RunSpec
        The runs that it trains.
    trainer : SweepTrainer
        What it trains them with.
    dataset : StoredDataset
    root, tensorboard : Path or None
        As of `Runs`.
    threads : int
        How many it may use.
    """

    specs: Sequence[RunSpec]
    trainer: SweepTrainer
    dataset: StoredDataset
    root: Path
    tensorboard: Path | None
    threads: int

    @property
    def environment(self) -> dict[str, str]:
        """Variables that backends read when they are loaded."""
        found = backend_variables(backend_name(), self.threads)
        if self.threads == 1:
            flags = (os.environ.get("XLA_FLAGS", ""), "--xla_cpu_multi_thread_eigen=false")
            found["XLA_FLAGS"] = " ".join(flags).strip()
        return found


def train_share(connection: Connection, work: Work) -> None:
    """Train the runs of `work`, in a process that is started for it."""
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C is the parent's, who tells us
    threading.Thread(target=_obey, args=(connection,), daemon=True).start()
    error: BaseException | None = None
    try:
        log.addHandler(ToldWarnings(lambda line: connection.send(Message(warning=line))))
        log.propagate = False
        metrics.set_num_threads(work.threads)
        progress: Any = ToldProgress(
            lambda done: connection.send(Message(done=done)),
            lambda line: connection.send(Message(line=line)),
        )
        runs = Runs(work.root, work.tensorboard)
        work.trainer(work.specs, work.dataset.load(), runs, progress)
    except KeyboardInterrupt:
        pass  # the parent asked for it, and says so itself
    except BaseException as raised:
        error = _portable(raised)
    connection.send(Message(ended=True, error=error))


def _obey(connection: Connection) -> None:
    """Stop when the parent asks, and end with it, as a killed process does, when it is killed."""
    try:
        while True:
            connection.recv()
            request_stop()
    except (EOFError, OSError):
        os._exit(1)


def _portable(error: BaseException) -> BaseException:
    """The error, or one with its words where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its class may raise
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
