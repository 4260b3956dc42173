"""The two stages that every experiment has: training networks, and measuring their codes."""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tfhash import results, training
from tfhash.datasets import Dataset
from tfhash.errors import InputError
from tfhash.experiments import encoding
from tfhash.experiments.loading import load_keras
from tfhash.experiments.options import Options
from tfhash.files import FileLock
from tfhash.training import RunSpec

log = logging.getLogger("tfhash")


def train(specs: Sequence[RunSpec], options: Options) -> None:
    """Train what is not there yet, and say what was done and where it is."""
    training.Runs(options.path, options.tensorboard).check_writable()
    started = time.monotonic()
    print(
        f"{options.dataset}: {_networks(len(specs))} of {specs[0].epochs} epochs, "
        f"{specs[0].protocol} protocol, into {options.path}",
        flush=True,
    )
    folders = dict.fromkeys(str(options.path / spec.experiment / options.dataset) for spec in specs)
    report = training.train(
        specs, options.load_dataset(), options.path, options.trainer, options.tensorboard
    )
    print(
        f"Trained {_networks(len(report.trained))} in {_duration(time.monotonic() - started)}"
        f"{_also(len(report.skipped), 'there already')}"
        f"{_also(len(report.elsewhere), 'being trained by another process')}. "
        f"They are in {' and '.join(folders)}",
        flush=True,
    )


def encoding_properties(
    specs: Sequence[RunSpec], options: Options, every_epoch: bool = False
) -> None:
    """Measure the finished runs among `specs`, and say what was done and where it is.

    With `every_epoch`, at each epoch that a checkpoint was kept of, not the last one alone.
    """
    paths = [training.Runs(options.path).path(spec) for spec in specs]
    found = encoding.trained_runs(paths)
    started = time.monotonic()
    print(
        f"{options.dataset}: measuring {', '.join(options.metrics)} of {_networks(len(found))}"
        f"{_also(len(paths) - len(found), 'not trained yet')}",
        flush=True,
    )
    outcomes: Counter[str] = Counter()
    with training.progress_bar(len(found), "model") as progress:
        for path, outcome in _measured(found, options, every_epoch):
            progress.set_description("/".join(path.parts[-2:]))
            progress.update()
            outcomes[outcome] += 1
    print(
        f"Measured {_networks(outcomes['measured'])} in {_duration(time.monotonic() - started)}"
        f"{_also(outcomes['there'], 'measured already')}"
        f"{_also(outcomes['elsewhere'], 'in the hands of another process')}. The numbers are "
        f"in {results.PROPERTIES_FILE} of each run under {options.path}; draw_figures.py draws "
        f"them.",
        flush=True,
    )


def _measured(
    paths: Sequence[Path], options: Options, every_epoch: bool
) -> Iterator[tuple[Path, str]]:
    """Each run as soon as it is measured, and what came of it."""
    if options.workers == 1 or len(paths) == 1:
        dataset = options.load_dataset()
        for path in paths:
            yield path, _measure(path, dataset, options, every_epoch)
        return
    # Started anew: a process that is copied with TensorFlow's threads in it may hang.
    with ProcessPoolExecutor(
        min(options.workers, len(paths)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(options,),
    ) as pool:
        futures = {pool.submit(_measure_in_worker, p, options, every_epoch): p for p in paths}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_in_worker: dict[str, Dataset] = {}  # the data of this process, where it is a worker


def _start_worker(options: Options) -> None:
    """Load the data once for each process, and share the cores among them."""
    from tfhash import metrics

    load_keras()
    _in_worker["dataset"] = options.load_dataset()
    metrics.set_num_threads(max(1, metrics.get_num_threads() // options.workers))


def _measure_in_worker(path: Path, options: Options, every_epoch: bool) -> str:
    return _measure(path, _in_worker["dataset"], options, every_epoch)


def _measure(path: Path, dataset: Dataset, options: Options, every_epoch: bool) -> str:
    """Measure one run, training it again if it must be. Returns what came of it."""
    spec = training.read_spec(path)
    if options.protocol not in (None, spec.protocol):
        raise InputError(
            f"Expected {path} to be trained under the {options.protocol} protocol. Received: "
            f"{spec.protocol}. Leave --protocol out, or give another --load_path."
        )
    while True:
        # The same lock as training's: a run is in one pair of hands at a time.
        with FileLock(path.parent / f".{path.name}.lock") as held:
            if not held:
                return "elsewhere"
            try:
                last = encoding.choose_checkpoint(path, options.epoch)
                epochs = [
                    epoch
                    for epoch in (results.checkpoints(path) if every_epoch else [last])
                    if epoch <= last and not encoding.is_measured(path, epoch, options.metrics)
                ]
                for epoch in epochs:
                    encoding.measure(
                        path, spec, epoch, dataset, options.metrics, options.batch_size
                    )
                return "measured" if epochs else "there"
            except encoding.BrokenCheckpoint as error:
                log.warning("%s: %s. The run is trained again.", path, error)
                training.set_aside(path)
        training.train([spec], dataset, options.path, options.trainer)


def _networks(count: int) -> str:
    return f"{count} network" if count == 1 else f"{count} networks"


def _also(count: int, what: str) -> str:
    return f" ({count} {what})" if count else ""


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
