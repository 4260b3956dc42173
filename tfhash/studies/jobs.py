"""Measuring one run: what is there is skipped by measure and epoch; what is broken is retrained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfhash import training
from tfhash.datasets import Dataset
from tfhash.errors import InputError
from tfhash.runs import AnySpec, Runs, checkpoints, read_spec, set_aside
from tfhash.runs.trouble import log
from tfhash.studies.definition import Measured, Study
from tfhash.studies.loading import load_model
from tfhash.studies.measure import Subject
from tfhash.studies.measures import Measure, measure
from tfhash.studies.options import Options

if TYPE_CHECKING:
    import keras


class BrokenCheckpoint(Exception):
    """A checkpoint that does not load, or is of another network."""


@dataclass(frozen=True)
class Job:
    """A run that is to be measured.

    Attributes
    ----------
    path : pathlib.Path
        Its directory.
    wanted : tuple of Measured
        What is to be measured, and at which checkpoints.
    encode_at_once : int or None
        Examples that are encoded at once.
    """

    path: Path
    wanted: tuple[Measured, ...]
    encode_at_once: int | None


@dataclass(frozen=True)
class Outcome:
    """The result of a job.

    Attributes
    ----------
    path : pathlib.Path
        Directory of the run.
    epochs : tuple of int
        Checkpoints that were measured now.
    there : int
        Checkpoints at which everything was measured already.
    elsewhere : bool
        Whether another process is at work on the run.
    """

    path: Path
    epochs: tuple[int, ...] = ()
    there: int = 0
    elsewhere: bool = False


def jobs(study: Study, options: Options) -> list[Job]:
    """All runs of a study with what is to be measured of them, trained or not."""
    runs = Runs(options.path)
    wanted: dict[Path, list[Measured]] = {}
    for grid in study.grids:
        specs = grid.specs(study.directory, options)
        for spec in specs:
            wanted.setdefault(runs.path(spec), [])
        for one in grid.measures:
            if one.choice is None or one.choice in options.metrics:
                for spec in one.specs(specs):
                    wanted[runs.path(spec)].append(one)
    at_once = options.encode_batch_size or study.encode_at_once
    return [Job(path, tuple(measured), at_once) for path, measured in wanted.items()]


def do(job: Job, dataset: Dataset, options: Options) -> Outcome:
    """Measure what is missing of one run, training it again where a checkpoint is broken.

    Raises
    ------
    InputError
        The run was trained under another protocol than the one asked for, has no checkpoint as
        early as is asked for, or has a broken one even after it was trained again.
    """
    runs = Runs(options.path)
    trained_again = False
    while True:
        with runs.hold(job.path) as held:
            if not held:
                return Outcome(job.path, elsewhere=True)
            spec = read_spec(job.path)
            if options.protocol not in (None, spec.protocol):
                raise InputError(
                    f"Expected {job.path} to be trained under the {options.protocol} protocol. "
                    f"Received: {spec.protocol}. Leave --protocol out, or name another folder."
                )
            try:
                return _measure(job, spec, dataset, options.epoch)
            except BrokenCheckpoint as error:
                if trained_again:
                    raise InputError(
                        f"Expected a checkpoint of the run's own network in {job.path}. Received: "
                        f"{error}, also after training it again."
                    ) from error
                log.warning("%s: %s. The run is trained again.", job.path, error)
                set_aside(job.path)
        report = training.train([spec], dataset, options.path, options.trainer)
        if report.elsewhere:
            return Outcome(job.path, elsewhere=True)
        trained_again = True


def _measure(job: Job, spec: AnySpec, dataset: Dataset, until: int | None) -> Outcome:
    kept = _checkpoints(job.path, until)
    pending: dict[int, list[Measure]] = {}
    asked = set()
    for wanted in job.wanted:
        one = measure(wanted.measure)
        for epoch in wanted.epochs(list(kept)):
            asked.add(epoch)
            if not all(r.has(job.path, epoch, columns) for r, columns in one.columns.items()):
                pending.setdefault(epoch, []).append(one)
    for epoch in sorted(pending):
        _measure_epoch(job, spec, dataset, epoch, kept[epoch], pending[epoch])
    return Outcome(job.path, tuple(sorted(pending)), len(asked) - len(pending))


def _measure_epoch(
    job: Job, spec: AnySpec, dataset: Dataset, epoch: int, file: Path, measures: Sequence[Measure]
) -> None:
    import keras

    model = _load(file, spec, dataset)
    subject = Subject(model, spec, dataset, job.encode_at_once)
    for one in measures:
        for record, values in one.of(subject).items():
            record.add(job.path, epoch, values)
    keras.utils.clear_session()


def _checkpoints(run: Path, until: int | None) -> dict[int, Path]:
    """Checkpoints of `run` up to epoch `until`, by epoch.

    Raises
    ------
    InputError
        There is none that early.
    """
    there = checkpoints(run)
    if not there:
        raise BrokenCheckpoint("there is no checkpoint")
    fitting = {e: file for e, file in there.items() if until is None or e <= until}
    if not fitting:
        raise InputError(
            f"Expected a checkpoint of epoch {until} or before in {run}. "
            f"Received: {', '.join(map(str, there))}."
        )
    return fitting


def _load(file: Path, spec: AnySpec, dataset: Dataset) -> keras.Model:
    """The network in a checkpoint, which is that of `spec`."""
    try:
        model = load_model(file)
    except InputError as error:
        raise BrokenCheckpoint(f"checkpoint {file.name} does not load") from error
    wanted = [tuple(weight.shape) for weight in spec.build_model(dataset).weights]
    there = [tuple(weight.shape) for weight in model.weights]
    if wanted != there:
        raise BrokenCheckpoint(f"checkpoint {file.name} is of another network than its spec says")
    return model
