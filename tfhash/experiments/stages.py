"""The two stages that every experiment has: training networks, and measuring their codes."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tfhash import results, training
from tfhash.datasets import Dataset
from tfhash.errors import InputError
from tfhash.experiments import encoding
from tfhash.experiments.options import Options
from tfhash.files import FileLock
from tfhash.training import RunSpec

log = logging.getLogger("tfhash")


def train(specs: Sequence[RunSpec], options: Options) -> None:
    """Train what is not there yet, and say what was done and where it is."""
    training.Runs(options.path).check_writable()
    started = time.monotonic()
    print(
        f"{options.dataset}: {len(specs)} networks of {specs[0].epochs} epochs, "
        f"{specs[0].protocol} protocol, into {options.path}",
        flush=True,
    )
    report = training.train(specs, options.load_dataset(), options.path)
    print(
        f"Trained {len(report.trained)} networks in {_duration(time.monotonic() - started)}"
        f"{_also(len(report.skipped), 'were there already')}"
        f"{_also(len(report.elsewhere), 'are being trained by another process')}. "
        f"They are in {options.path / specs[0].directory.parts[0] / options.dataset}",
        flush=True,
    )


def encoding_properties(specs: Sequence[RunSpec], options: Options) -> None:
    """Measure the finished runs among `specs`, and say what was done and where it is."""
    from tqdm import tqdm

    paths = [training.Runs(options.path).path(spec) for spec in specs]
    found = [path for path in paths if (path / results.SPEC_FILE).is_file()]
    if not found:
        raise InputError(
            f"Expected trained networks such as {paths[0]}. Received: none of the {len(paths)} "
            f"asked for. Train them first, with the same flags, or name their folder with "
            f"--load_path."
        )
    started = time.monotonic()
    print(
        f"{options.dataset}: measuring {', '.join(options.metrics)} of {len(found)} networks"
        f"{_also(len(paths) - len(found), 'are not trained yet')}",
        flush=True,
    )
    dataset = options.load_dataset()
    outcomes: Counter[str] = Counter()
    with tqdm(found, unit="model", disable=None) as progress:
        for path in progress:
            progress.set_description("/".join(path.parts[-2:]))
            outcomes[_measure(path, dataset, options)] += 1
    print(
        f"Measured {outcomes['measured']} networks in {_duration(time.monotonic() - started)}"
        f"{_also(outcomes['there'], 'were measured already')}"
        f"{_also(outcomes['elsewhere'], 'are in the hands of another process')}. The numbers are "
        f"in {results.PROPERTIES_FILE} of each run under {options.path}; draw_figures.py draws "
        f"them.",
        flush=True,
    )


def _measure(path: Path, dataset: Dataset, options: Options) -> str:
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
                epoch = encoding.choose_checkpoint(path, options.epoch)
                if encoding.is_measured(path, epoch, options.metrics):
                    return "there"
                encoding.measure(path, spec, epoch, dataset, options.metrics, options.batch_size)
                return "measured"
            except encoding.BrokenCheckpoint as error:
                log.warning("%s: %s. The run is trained again.", path, error)
                training.set_aside(path)
        training.train([spec], dataset, options.path)


def _also(count: int, what: str) -> str:
    return f" ({count} {what})" if count else ""


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
