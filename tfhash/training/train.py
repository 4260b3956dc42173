"""Training the runs of some specs with any `Trainer`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfhash.datasets import Dataset, DatasetError
from tfhash.datasets.dataset import n_kept
from tfhash.runs import AnySpec, Runs, RunSpec
from tfhash.training.progress import progress_bar
from tfhash.training.sweep_trainer import SweepTrainer

if TYPE_CHECKING:
    from tqdm import tqdm

Trainer = Callable[[Sequence[Any], Dataset, Runs, "tqdm[Any]"], None]
"""What trains: it claims each of the specs with `runs.claim`, one at a time or many at once, hands
checkpoints and history to the writers it gets, calls their `finish`, and moves the progress bar by
`spec.epochs` for every spec. Where `claim` gives None, the run is done or in other hands.

One that counts its work otherwise has `unit`, its name, and `work(spec, dataset)`, its amount. One
that trains many at once has `groups(specs, dataset)`, the specs of each program."""


@dataclass(frozen=True)
class TrainingReport:
    """The result of training a list of specs.

    Attributes
    ----------
    trained : list of RunSpec or CnnSpec
        Finished by this call.
    skipped : list of RunSpec or CnnSpec
        Finished before it.
    elsewhere : list of RunSpec or CnnSpec
        Not finished: another process is at work on them.
    """

    trained: list[AnySpec]
    skipped: list[AnySpec]
    elsewhere: list[AnySpec]


def train(
    specs: Sequence[AnySpec],
    dataset: Dataset,
    root: str | os.PathLike[str],
    trainer: Trainer | None = None,
    tensorboard: str | os.PathLike[str] | None = None,
) -> TrainingReport:
    """Train what is not there yet.

    Parameters
    ----------
    specs
        Runs to be had, each in a directory of its own.
    dataset
        What they train on.
    root
        Folder of all runs.
    trainer
        What does the training; None for a `SweepTrainer`.
    tensorboard
        Folder for what TensorBoard shows: loss and accuracy of every run, epoch by epoch.

    Raises
    ------
    RunError
        A folder cannot be written, or the root holds a run of another spec in one of the
        directories; then nothing is trained.
    DatasetError
        There are fewer examples of the classes that are kept than a run asks for; as before.
    """
    runs = Runs(root, tensorboard)
    runs.check_writable()
    finished = {spec: runs.is_finished(spec) for spec in specs}
    pending = [spec for spec in specs if not finished[spec]]
    _check_sizes(pending, dataset)
    if pending:
        train_all: Any = trainer or SweepTrainer()
        work = getattr(train_all, "work", lambda spec, dataset: spec.epochs)
        amount = sum(work(spec, dataset) for spec in pending)
        with progress_bar(amount, getattr(train_all, "unit", "epoch")) as progress:
            train_all(pending, dataset, runs, progress)
    now = {spec: runs.is_finished(spec) for spec in pending}
    return TrainingReport(
        trained=[spec for spec in pending if now[spec]],
        skipped=[spec for spec in specs if finished[spec]],
        elsewhere=[spec for spec in pending if not now[spec]],
    )


def _check_sizes(specs: Sequence[AnySpec], dataset: Dataset) -> None:
    """Raise DatasetError where a run asks for more examples than its classes have.

    How many they are is known from the labels alone; of all classes `check_fits` knows it before.
    """
    for one in specs:
        if isinstance(one, RunSpec) and one.n_classes and one.sample_size:
            there = n_kept(int((dataset.y_train < one.n_classes).sum()), one.hold_out)
            if one.sample_size > there:
                raise DatasetError(
                    f"Expected a sample size from 1 to {there}, the training examples of "
                    f"{one.n_classes} classes of {dataset.name}. Received: {one.sample_size}."
                )
