"""Measuring networks at the epochs that were kept of them, one run after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfhash import results, training
from tfhash.datasets import Dataset
from tfhash.experiments import encoding
from tfhash.experiments.options import Options
from tfhash.files import FileLock, write_json
from tfhash.training import RunSpec

if TYPE_CHECKING:
    import keras

# From a network, what it was trained on, its spec and the epoch: by file, what is to be kept of
# that epoch. In `results.PROPERTIES_FILE` these are numbers by name.
Measure = Callable[["keras.Model", Dataset, RunSpec, int], Mapping[str, Any]]


def measure(
    specs: Sequence[RunSpec],
    options: Options,
    what: str,
    files: Mapping[str, Sequence[str]],
    one: Measure,
    epochs: Sequence[int] | None = None,
) -> None:
    """Measure what is not measured yet, and write it beside the checkpoints.

    Parameters
    ----------
    specs
        Runs that are trained.
    options
        Where they are and what they were trained on.
    what
        Names what is measured.
    files
        By name of a file, the names that it has for an epoch that is measured.
    one
        Measures one network at one epoch.
    epochs
        Leave out the others; None for all that were kept.
    """
    runs = training.Runs(options.path)
    pending = []
    n_there = 0
    for spec in specs:
        path = runs.path(spec)
        for epoch in results.checkpoints(path):
            if epochs is None or epoch in epochs:
                if _is_measured(path, epoch, files):
                    n_there += 1
                else:
                    pending.append((path, spec, epoch))
    print(f"{options.dataset}: measuring {what} of {len(pending)} checkpoints", flush=True)
    if pending:
        dataset = options.load_dataset()
        with training.progress_bar(len(pending), "checkpoint") as progress:
            for path, spec, epoch in pending:
                progress.set_description("/".join(path.parts[-2:]))
                # The same lock as training's: a run is in one pair of hands at a time.
                with FileLock(path.parent / f".{path.name}.lock") as held:
                    if held and not _is_measured(path, epoch, files):
                        _measure(path, spec, epoch, dataset, one)
                progress.update()
    print(
        f"Measured {what} of {len(pending)} checkpoints ({n_there} measured already). The numbers "
        f"are in {', '.join(files)} of each run under {options.path}; draw_figures.py draws them.",
        flush=True,
    )


def _is_measured(path: Path, epoch: int, files: Mapping[str, Sequence[str]]) -> bool:
    return all(
        name in results.read_epochs(path / file).get(epoch, {})
        for file, names in files.items()
        for name in names
    )


def _measure(path: Path, spec: RunSpec, epoch: int, dataset: Dataset, one: Measure) -> None:
    import keras

    model = encoding.load_network(results.checkpoints(path)[epoch])
    found = one(model, spec.training_data(dataset), spec, epoch)
    keras.utils.clear_session()
    for name, values in found.items():
        known = results.read_epochs(path / name)
        known[epoch] = {**known.get(epoch, {}), **values}
        write_json(path / name, {"epochs": {str(e): known[e] for e in sorted(known)}})
