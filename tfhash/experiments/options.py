"""What a user may ask of an experiment, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tfhash import datasets, training
from tfhash.errors import InputError

METRICS = ("redundancy", "kmeans", "knn", "logistic")


def check_metrics(metrics: tuple[str, ...]) -> None:
    """Meet a choice of metrics that are not all known, or none, with an `InputError`."""
    unknown = [name for name in metrics if name not in METRICS]
    if unknown or not metrics:
        raise InputError(
            f"Expected metrics among {', '.join(METRICS)}. "
            f"Received: {', '.join(unknown) or 'none'}."
        )


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the scripts' flags say. None stands for what the protocol says.

    Attributes
    ----------
    dataset : str
        Name of a dataset.
    protocol : str or None
        "paper" or "released"; None for "paper" where networks are trained, and for whatever they
        were trained under where they are measured.
    depth : int or None
        Hidden layers.
    widths : tuple of int or None
        Units per hidden layer, increasing.
    begin_repeat, repeat : int, int or None
        Number of the first repeat, and how many there are: 3 and 2 make repeats 3 and 4.
    epoch, batch_size : int or None
        Length of training and examples per step. For measuring: the latest checkpoint up to that
        epoch, and examples encoded at once.
    seed : int
        Base seed.
    path : pathlib.Path
        Folder of all runs.
    data_dir, mnist_path, cifar10_path : str or None
        Where the data are, see `datasets.load`.
    metrics : tuple of str
        Which encoding properties to measure, out of `METRICS`.
    sample_sizes : tuple of int or None
        Training examples, increasing, where the experiment varies them.
    batch_norm : bool or None
        Batch normalisation before each ReLU.
    one_by_one : bool
        Train with plain Keras `fit`, one network after another.
    group_size : int or None
        Most networks that are trained side by side; None for what fits in memory.
    tensorboard : pathlib.Path or None
        Folder for what TensorBoard shows of the training.
    workers : int
        Networks that are measured at once, in processes of their own.
    """

    dataset: str
    path: Path
    protocol: str | None = None
    depth: int | None = None
    widths: tuple[int, ...] | None = None
    begin_repeat: int = 1
    repeat: int | None = None
    epoch: int | None = None
    batch_size: int | None = None
    seed: int = 0
    data_dir: str | None = None
    mnist_path: str | None = None
    cifar10_path: str | None = None
    metrics: tuple[str, ...] = METRICS
    sample_sizes: tuple[int, ...] | None = None
    batch_norm: bool | None = None
    one_by_one: bool = False
    group_size: int | None = None
    tensorboard: Path | None = None
    workers: int = 1

    def __post_init__(self) -> None:
        for name in ("widths", "sample_sizes"):
            values = getattr(self, name)
            if values is not None and (
                not values or values[0] < 1 or any(b <= a for a, b in pairwise(values))
            ):
                raise InputError(
                    f"Expected {name.replace('_', ' ')} of at least 1, increasing, as "
                    f"--{name} 10,20,40. Received: {','.join(map(str, values)) or 'none'}."
                )
        check_metrics(self.metrics)

    @property
    def recipe(self) -> training.Protocol:
        """The protocol for the dataset."""
        return training.protocol(self.protocol or "paper", self.dataset)

    @property
    def repeats(self) -> range:
        """Numbers of the repeats."""
        count = self.recipe.repeats if self.repeat is None else self.repeat
        return range(self.begin_repeat, self.begin_repeat + count)

    def spec(self, experiment: str, **rest: Any) -> training.RunSpec:
        """The spec of one run, with `rest` over what the options and the protocol say."""
        given = {
            "depth": self.depth,
            "epochs": self.epoch,
            "batch_size": self.batch_size,
            "batch_norm": self.batch_norm,
        }
        asked = {name: value for name, value in given.items() if value is not None}
        return training.RunSpec.from_protocol(
            self.recipe, experiment=experiment, seed=self.seed, **{**asked, **rest}
        )

    @property
    def trainer(self) -> training.Trainer:
        """What trains the networks."""
        if self.one_by_one:
            return training.fit_one_by_one
        return training.SweepTrainer(group_size=self.group_size)

    def load_dataset(self) -> datasets.Dataset:
        """The dataset, from where the options say it is."""
        return datasets.load(self.dataset, self.data_dir, self.mnist_path, self.cifar10_path)
