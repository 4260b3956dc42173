"""The one runner of all studies: trains their networks, measures them, and says what it did."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

from tfhash import training
from tfhash.errors import InputError
from tfhash.machine import load_keras
from tfhash.runs import AnySpec, RunError, Runs, read_spec
from tfhash.runs.limits import check_fits
from tfhash.runs.records import PROPERTIES
from tfhash.runs.trouble import say_once
from tfhash.studies.definition import Study
from tfhash.studies.jobs import Job, Outcome, do, jobs, together
from tfhash.studies.networks import Networks
from tfhash.studies.options import Options

# What measures jobs: the results of all of them, each as soon as it is there.
Measurer = Callable[[Sequence[Job], Options], Iterator[Outcome]]


def run(
    study: Study,
    options: Options,
    trainer: training.Trainer | None = None,
    measurer: Measurer | None = None,
) -> None:
    """Train the networks of a study that are missing, and measure what is missing of all.

    `trainer` and `measurer` do it elsewhere than here, as on a cluster.
    """
    train(study.specs(options), options, trainer)
    measure(study, options, measurer)


def train(
    specs: Sequence[AnySpec], options: Options, trainer: training.Trainer | None = None
) -> None:
    """Train what is not there yet, and say what was done and where it is.

    Raises
    ------
    InputError
        A network asks for more than its dataset has: none is trained then.
    """
    for spec in specs:
        check_fits(spec)
    Runs(options.path, options.tensorboard).check_writable()
    started = time.monotonic()
    print(
        f"{options.dataset}: {_networks(len(specs))} of {specs[0].epochs} "
        f"epoch{'s' if specs[0].epochs != 1 else ''}, "
        f"{specs[0].protocol} protocol, into {options.path}",
        flush=True,
    )
    folders = dict.fromkeys(str(options.path / spec.experiment / options.dataset) for spec in specs)
    report = training.train(
        specs,
        options.load_dataset(),
        options.path,
        trainer or options.trainer,
        options.tensorboard,
    )
    print(
        f"Trained {_networks(len(report.trained))} in {_duration(time.monotonic() - started)}"
        f"{_also(len(report.skipped), 'there already')}"
        f"{_also(len(report.elsewhere), 'being trained by another process')}. "
        f"They are in {' and '.join(folders)}",
        flush=True,
    )


def measure(study: Study, options: Options, measurer: Measurer | None = None) -> None:
    """Measure the finished runs of a study, and say what was done and where it is.

    Raises
    ------
    InputError
        None of them is trained; or as `jobs.do` raises.
    """
    asked = jobs(study, options)
    found = [job for job in asked if job.wanted and _is_trained(job)]
    n_missing = sum(1 for job in asked if job.wanted) - len(found)
    if not found:
        raise InputError(
            f"Expected trained networks such as {asked[0].path}. Received: none of the "
            f"{len(asked)} asked for. Train them first, with the same flags, or name their folder "
            f"with --load_path."
        )
    names = dict.fromkeys(one.choice or one.measure for job in found for one in job.wanted)
    started = time.monotonic()
    print(
        f"{options.dataset}: measuring {', '.join(names)} of {_networks(len(found))}"
        f"{_also(n_missing, 'not trained yet')}",
        flush=True,
    )
    outcomes = []
    with training.progress_bar(len(found), "model") as progress:
        for outcome in (measurer or _outcomes)(found, options):
            progress.set_description("/".join(outcome.path.parts[-2:]))
            progress.update()
            outcomes.append(outcome)
            if outcome.elsewhere:
                progress.write(f"{outcome.path} is in the hands of another process.")
            elif study.shows_values:
                progress.write(_values(outcome))
    _report(outcomes, study, options, time.monotonic() - started)


def _is_trained(job: Job) -> bool:
    """Whether there is a run that can be measured; one with a bad spec is named."""
    if not job.path.is_dir():
        return False
    try:
        read_spec(job.path)
    except RunError as error:
        say_once(job.path, f"the run is left out. {error}")
        return False
    return True


def _report(outcomes: Sequence[Outcome], study: Study, options: Options, seconds: float) -> None:
    measured = [one for one in outcomes if one.epochs]
    there = [one for one in outcomes if not one.epochs and not one.elsewhere]
    elsewhere = [one for one in outcomes if one.elsewhere]
    n_epochs = sum(len(one.epochs) for one in measured)
    at = f" at {n_epochs} checkpoints" if n_epochs > len(measured) else ""
    figures = ",".join(study.figures_of(options.dataset))
    command = f"tfhash draw --load_path {options.path} --dataset {options.dataset}"
    draw = f" To draw what they allow: {command} --figures {figures}" if figures else ""
    print(
        f"Measured {_networks(len(measured))}{at} in {_duration(seconds)}"
        f"{_also(len(there), 'measured already')}"
        f"{_also(sum(one.there for one in measured), 'of their checkpoints measured already')}"
        f"{_also(len(elsewhere), 'in the hands of another process')}. The numbers are beside the "
        f"checkpoints of each run under {options.path}.{draw}",
        flush=True,
    )


def _outcomes(found: Sequence[Job], options: Options) -> Iterator[Outcome]:
    """The result of each job, as soon as it is done."""
    groups = together(found)
    workers = min(options.workers or 1, len(found))
    if workers == 1:
        dataset = options.load_dataset()
        networks = Networks()
        for group in groups:
            yield from do(group, dataset, options, networks)
        return
    groups = shares(groups, workers)
    # Started anew: a process that is copied with TensorFlow's threads in it may hang.
    with ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(options, workers),
    ) as pool:
        futures = [pool.submit(_do_in_worker, group, options) for group in groups]
        try:
            for future in as_completed(futures):
                yield from future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def shares(groups: Sequence[list[Job]], n: int) -> list[list[Job]]:
    """The groups for `n` processes: each gets a share of every group."""
    return [group[start::n] for group in groups for start in range(min(n, len(group)))]


# Of this process, where it is a worker: the data, and what checkpoints were loaded into.
_in_worker: dict[str, Any] = {}


def _start_worker(options: Options, workers: int) -> None:
    """Load the data once for each process, and share the cores among them."""
    from tfhash import metrics

    load_keras()
    _in_worker.update(dataset=options.load_dataset(), networks=Networks())
    metrics.set_num_threads(max(1, metrics.get_num_threads() // workers))


def _do_in_worker(group: Sequence[Job], options: Options) -> list[Outcome]:
    return do(group, _in_worker["dataset"], options, _in_worker["networks"])


def _values(outcome: Outcome) -> str:
    """The numbers of a run at its last measured epoch."""
    known = PROPERTIES.read(outcome.path)
    epoch = max(outcome.epochs or known)
    lines = [f"  {name.replace('_', ' ')}: {value:.4f}" for name, value in known[epoch].items()]
    already = "" if outcome.epochs else " (measured already)"
    return "\n".join([f"{outcome.path}, epoch {epoch}{already}:", *lines])


def _networks(count: int) -> str:
    return f"{count} network" if count == 1 else f"{count} networks"


def _also(count: int, what: str) -> str:
    return f" ({count} {what})" if count else ""


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
