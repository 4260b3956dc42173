"""Measuring one trained network: from its checkpoint to its encoding properties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfhash import results
from tfhash.datasets import Dataset
from tfhash.errors import InputError
from tfhash.files import write_json
from tfhash.training import CnnSpec, RunSpec

if TYPE_CHECKING:
    import keras

BATCH_SIZE = 2048
# What each choice of --metrics writes.
PROPERTIES = {
    "redundancy": ("train_redundancy_ratio", "test_redundancy_ratio"),
    "kmeans": ("train_kmeans_accuracy", "test_kmeans_accuracy"),
    "knn": ("knn_accuracy",),
    "logistic": ("logistic_accuracy",),
}
# The network's own, measured with any of them.
ACCURACIES = ("train_accuracy", "test_accuracy")


class BrokenCheckpoint(Exception):
    """A checkpoint that does not load."""


def trained_runs(paths: Sequence[Path]) -> list[Path]:
    """Those of `paths` that hold a finished run.

    Raises
    ------
    InputError
        None does.
    """
    found = [path for path in paths if (path / results.SPEC_FILE).is_file()]
    if not found:
        raise InputError(
            f"Expected trained networks such as {paths[0]}. Received: none of the {len(paths)} "
            f"asked for. Train them first, with the same flags, or name their folder with "
            f"--load_path."
        )
    return found


def load_network(file: Path) -> keras.Model:
    """The network in a checkpoint.

    Raises
    ------
    InputError
        The file does not load.
    """
    import keras

    try:
        return keras.saving.load_model(file, compile=False)
    except Exception as error:  # a damaged file can raise nearly anything
        raise InputError(
            f"Expected a network in {file}. Received: {error}. Remove its folder and train it "
            "again."
        ) from error


def choose_checkpoint(run: Path, epoch: int | None) -> int:
    """The epoch of the last checkpoint of `run`, or of the last one up to `epoch`.

    Raises
    ------
    InputError
        There is none that early.
    """
    there = list(results.checkpoints(run))
    fitting = [e for e in there if epoch is None or e <= epoch]
    if not there:
        raise BrokenCheckpoint("there is no checkpoint")
    if not fitting:
        raise InputError(
            f"Expected a checkpoint of epoch {epoch} or before in {run}. "
            f"Received: {', '.join(map(str, there))}."
        )
    return fitting[-1]


def is_measured(run: Path, epoch: int, metrics: tuple[str, ...]) -> bool:
    """Whether `properties.json` of `run` has all of `metrics` at `epoch`."""
    have = results.read_properties(run).get(epoch, {})
    return all(name in have for metric in metrics for name in (*PROPERTIES[metric], *ACCURACIES))


def measure(
    run: Path,
    spec: RunSpec | CnnSpec,
    epoch: int,
    dataset: Dataset,
    metrics: tuple[str, ...],
    batch_size: int | None = None,
) -> None:
    """Measure `metrics` at `epoch`, and write them to `properties.json` beside what is there.

    Raises
    ------
    BrokenCheckpoint
        The checkpoint does not load.
    """
    import keras

    file = results.checkpoints(run)[epoch]
    try:
        model = load_network(file)
    except InputError as error:
        raise BrokenCheckpoint(f"checkpoint {file.name} does not load") from error
    values = properties(
        model, spec.training_data(dataset), metrics, spec.repeat, batch_size or BATCH_SIZE
    )
    keras.utils.clear_session()
    known = results.read_properties(run)
    known[epoch] = {**known.get(epoch, {}), **values}
    write_json(run / results.PROPERTIES_FILE, {"epochs": {str(e): known[e] for e in sorted(known)}})


def properties(
    model: keras.Model,
    data: Dataset,
    metrics: tuple[str, ...],
    seed: int,
    batch_size: int = BATCH_SIZE,
) -> dict[str, float]:
    """Encoding properties of a classifier that gives logits or probabilities.

    Parameters
    ----------
    model
        Its ReLU-like units form the codes.
    data
        Fitted on its training examples, scored on its test examples (K-Means: on each by itself).
    metrics
        Out of "redundancy", "kmeans", "knn" and "logistic".
    seed
        Of K-Means' starting points.
    batch_size
        Examples encoded at once.

    Returns
    -------
    dict
        The chosen ones of `PROPERTIES`, and the network's own accuracies: all shares, 0 to 1.
    """
    from tfhash.encoder import Encoder
    from tfhash.metrics import encoding_properties

    encoder = Encoder(model)
    measured = encoding_properties(
        encoder.encode(data.x_train, batch_size=batch_size),
        data.y_train,
        encoder.encode(data.x_test, batch_size=batch_size),
        data.y_test,
        families=metrics,
        random_state=seed,
    )
    values = {name: value for name, value in asdict(measured).items() if value is not None}
    return {
        **values,
        "train_accuracy": _accuracy(model, data.x_train, data.y_train, batch_size),
        "test_accuracy": _accuracy(model, data.x_test, data.y_test, batch_size),
    }


def _accuracy(model: keras.Model, x: np.ndarray, y: np.ndarray, batch_size: int) -> float:
    """Share of examples whose largest output is that of their label."""
    outputs = model.predict(x, batch_size=batch_size, verbose=0)
    return float(np.mean(outputs.argmax(axis=1) == y))
