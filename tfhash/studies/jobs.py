"""Measuring runs: what is there is skipped by measure and epoch; what is broken is retrained."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash import training
from tfhash.datasets import Dataset
from tfhash.errors import InputError
from tfhash.runs import AnySpec, Runs, checkpoints, read_spec, set_aside
from tfhash.runs.trouble import log
from tfhash.studies.definition import Measured, Study
from tfhash.studies.measure import Subject
from tfhash.studies.measures import Measure, measure
from tfhash.studies.networks import BrokenCheckpoint, Networks
from tfhash.studies.options import Options
from tfhash.studies.shared_pass import SharedPass

if TYPE_CHECKING:
    import keras

# Networks that share a pass: their codes are in memory together.
AT_ONCE = 32


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


def together(found: Sequence[Job]) -> list[list[Job]]:
    """The jobs in groups: runs that are measured on the same examples share a pass over them."""
    groups: dict[Any, list[Job]] = {}
    for job in found:
        groups.setdefault(read_spec(job.path).same_examples or job.path, []).append(job)
    return [
        group[start : start + AT_ONCE]
        for group in groups.values()
        for start in range(0, len(group), AT_ONCE)
    ]


def do(
    group: Sequence[Job],
    dataset: Dataset,
    options: Options,
    networks: Networks,
    trained_again: bool = False,
) -> list[Outcome]:
    """Measure what is missing of runs on the same examples, training again what is broken.

    `networks` is what the groups before were loaded with.

    Raises
    ------
    InputError
        A run was trained under another protocol than the one asked for, has no checkpoint as
        early as is asked for, or has a broken one even after it was trained again.
    """
    runs = Runs(options.path)
    outcomes: list[Outcome] = []
    broken: dict[Job, BrokenCheckpoint] = {}
    specs: dict[Job, AnySpec] = {}
    with ExitStack() as locks:
        pending: dict[Job, list[_Pending]] = {}
        for job in group:
            if not locks.enter_context(runs.hold(job.path)):
                outcomes.append(Outcome(job.path, elsewhere=True))
                continue
            spec = specs[job] = read_spec(job.path)
            if options.protocol not in (None, spec.protocol):
                raise InputError(
                    f"Expected {job.path} to be trained under the {options.protocol} protocol. "
                    f"Received: {spec.protocol}. Leave --protocol out, or name another folder."
                )
            try:
                pending[job], n_asked = _missing(job, spec, options.epoch)
            except BrokenCheckpoint as error:
                broken[job] = error
                continue
            epochs = tuple(one.epoch for one in pending[job])
            outcomes.append(Outcome(job.path, epochs, n_asked - len(epochs)))
        found = [one for each in pending.values() for one in each]
        for start in range(0, len(found), AT_ONCE):
            broken |= _measure(found[start : start + AT_ONCE], dataset, networks)
        for job, reason in broken.items():
            if trained_again:
                raise InputError(
                    f"Expected a checkpoint of the run's own network in {job.path}. Received: "
                    f"{reason}, also after training it again."
                ) from reason
            log.warning("%s: %s. The run is trained again.", job.path, reason)
            set_aside(job.path)
    outcomes = [one for one in outcomes if one.path not in {job.path for job in broken}]
    for job in broken:
        report = training.train([specs[job]], dataset, options.path, options.trainer)
        if report.elsewhere:
            outcomes.append(Outcome(job.path, elsewhere=True))
        else:
            outcomes += do([job], dataset, options, networks, trained_again=True)
    return outcomes


@dataclass(frozen=True)
class _Pending:
    """A checkpoint that is to be measured, and what is missing of it."""

    job: Job
    spec: AnySpec
    epoch: int
    file: Path
    measures: Sequence[Measure]


def _missing(job: Job, spec: AnySpec, until: int | None) -> tuple[list[_Pending], int]:
    """What is missing of a run, by checkpoint; and how many checkpoints are asked for."""
    kept = _checkpoints(job.path, until)
    pending: dict[int, list[Measure]] = {}
    asked = set()
    for wanted in job.wanted:
        one = measure(wanted.measure)
        for epoch in wanted.epochs(list(kept)):
            asked.add(epoch)
            if not all(r.has(job.path, epoch, columns) for r, columns in one.columns.items()):
                pending.setdefault(epoch, []).append(one)
    found = [_Pending(job, spec, e, kept[e], measures) for e, measures in sorted(pending.items())]
    return found, len(asked)


def _measure(
    pending: Sequence[_Pending], dataset: Dataset, networks: Networks
) -> dict[Job, BrokenCheckpoint]:
    """Measure checkpoints on the same examples; those whose run is broken are left out."""
    broken: dict[Job, BrokenCheckpoint] = {}
    finite: list[tuple[_Pending, keras.Model]] = []
    # The encoder refuses weights that are not finite: alone, and after the others are measured.
    diverged: list[tuple[_Pending, keras.Model]] = []
    for one in pending:
        try:
            model = networks.load(one.file, one.spec, dataset)
        except BrokenCheckpoint as error:
            broken[one.job] = error
        else:
            (finite if _is_finite(model) else diverged).append((one, model))
    if finite:
        at_once = finite[0][0].job.encode_at_once
        data = finite[0][0].spec.measured_data(dataset)
        shared = SharedPass(networks.joined([model for _, model in finite]), data, at_once)
        for i, (one, model) in enumerate(finite):
            _record(one, Subject(model, one.spec, dataset, at_once, (shared, i)))
    for one, model in diverged:
        _record(one, Subject(model, one.spec, dataset, one.job.encode_at_once))
    networks.release()
    return broken


def _is_finite(model: keras.Model) -> bool:
    return all(np.isfinite(weight).all() for weight in model.get_weights())


def _record(pending: _Pending, subject: Subject) -> None:
    """Measure what is missing of a checkpoint, and write it beside it.

    Raises
    ------
    InputError
        The network cannot be measured, as one that has diverged.
    """
    for one in pending.measures:
        try:
            found = one.of(subject)
        except ValueError as error:
            raise InputError(f"{pending.job.path}, epoch {pending.epoch}: {error}") from error
        for record, values in found.items():
            record.add(pending.job.path, pending.epoch, values)


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
