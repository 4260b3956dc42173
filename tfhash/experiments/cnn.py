"""Encoding properties of convolutional networks (Tables 1 and 2)."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tfhash import datasets, models, results, training
from tfhash.errors import InputError
from tfhash.experiments import encoding
from tfhash.experiments.options import METRICS, check_metrics
from tfhash.figures import tables
from tfhash.files import FileLock, write_text
from tfhash.training import CnnSpec

NAME = "cnn"
PRECISIONS = ("auto", "float32", "mixed_bfloat16")
# Examples that are encoded at once: a network may have half a million units.
BATCH_SIZE = 128
TABLES = {"mnist": 1, "cifar10": 2}  # the paper's, by dataset


@dataclass(frozen=True, kw_only=True)
class CnnOptions:
    """What the scripts' flags say. None stands for what the protocol says.

    Attributes
    ----------
    dataset, architecture : str
        Which network, as in `models.ARCHITECTURES`.
    protocol : str
        "paper" or "released".
    begin_repeat, repeat : int
        Number of the first repeat, and how many there are.
    epoch, batch_size : int or None
        Length of training and examples per step. For measuring: the latest checkpoint up to that
        epoch, and examples encoded at once.
    learning_rate, decay_every : float or None
        The rate in the beginning, and epochs (or a part of one) from one decay of it to the next.
    precision : str
        One of `PRECISIONS`; "auto" for whichever the device is made for.
    examples : int or None
        Training and test examples that are drawn at random; None for all.
    seed : int
        Base seed.
    path : pathlib.Path
        Folder of all runs.
    data_dir, mnist_path, cifar10_path : str or None
        Where the data are, see `datasets.load`.
    metrics : tuple of str
        Which encoding properties to measure, out of `METRICS`.
    """

    dataset: str
    architecture: str
    path: Path
    protocol: str = "paper"
    begin_repeat: int = 1
    repeat: int = 1
    epoch: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    decay_every: float | None = None
    precision: str = "auto"
    examples: int | None = None
    seed: int = 0
    data_dir: str | None = None
    mnist_path: str | None = None
    cifar10_path: str | None = None
    metrics: tuple[str, ...] = METRICS

    def __post_init__(self) -> None:
        name = models.check_architecture(self.architecture, self.dataset)
        object.__setattr__(self, "architecture", name)
        check_metrics(self.metrics)

    def specs(self) -> list[CnnSpec]:
        """One run for each repeat."""
        recipe = training.cnn_protocol(self.protocol, self.dataset)
        given = {
            "epochs": self.epoch,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "decay_every": self.decay_every,
        }
        asked = {name: value for name, value in given.items() if value is not None}
        return [
            CnnSpec.from_protocol(
                recipe,
                experiment=NAME,
                architecture=self.architecture,
                repeat=repeat,
                seed=self.seed,
                examples=self.examples,
                precision=self._precision(),
                **asked,
            )
            for repeat in range(self.begin_repeat, self.begin_repeat + self.repeat)
        ]

    def _precision(self) -> str:
        if self.precision != "auto":
            return self.precision
        from tfhash import backend

        return "mixed_bfloat16" if backend.has_bfloat16() else "float32"

    def load_dataset(self) -> datasets.Dataset:
        """The dataset, from where the options say it is."""
        return datasets.load(self.dataset, self.data_dir, self.mnist_path, self.cifar10_path)


def train(options: CnnOptions) -> None:
    """Train the network of all repeats that are not there yet."""
    runs = training.Runs(options.path)
    runs.check_writable()
    specs = options.specs()
    finished = [runs.is_finished(spec) for spec in specs]
    dataset = options.load_dataset()
    for spec, there in zip(specs, finished, strict=True):
        path = runs.path(spec)
        if there:
            print(f"{path} is there already.", flush=True)
            continue
        steps = training.steps_per_epoch(spec, len(spec.training_data(dataset).x_train))
        print(
            f"{options.dataset}: {models.TITLES[spec.architecture]}, {spec.epochs} epochs of "
            f"{steps} steps, rate {spec.learning_rate:g} x {spec.decay:g} every "
            f"{spec.decay_every:g} epochs, {spec.protocol} protocol, {spec.precision}, into {path}",
            flush=True,
        )
        started = time.monotonic()
        with training.progress_bar(spec.epochs * steps, "step") as progress:
            done = training.train_cnn(spec, dataset, runs, progress)
        if done:
            print(f"Trained in {(time.monotonic() - started) / 60:.1f} min: {path}", flush=True)
        else:
            print(f"{path} is being trained by another process.", flush=True)


def encoding_properties(options: CnnOptions) -> None:
    """Measure the codes of the networks that are trained."""
    runs = training.Runs(options.path)
    found = encoding.trained_runs([runs.path(spec) for spec in options.specs()])
    dataset = options.load_dataset()
    for path in found:
        spec = training.read_spec_as(CnnSpec, path)
        with FileLock(path.parent / f".{path.name}.lock") as held:
            if not held:
                print(f"{path} is in the hands of another process.", flush=True)
                continue
            try:
                epoch = encoding.choose_checkpoint(path, options.epoch)
                if encoding.is_measured(path, epoch, options.metrics):
                    print(f"{path} is measured already.", flush=True)
                    continue
                started = time.monotonic()
                batch_size = options.batch_size or BATCH_SIZE
                encoding.measure(path, spec, epoch, dataset, options.metrics, batch_size)
            except encoding.BrokenCheckpoint as error:
                # Not trained again as it is: that may take days.
                raise InputError(
                    f"Expected a checkpoint that loads in {path}. Received: {error}. Remove the "
                    "folder and train the network again."
                ) from error
        values = results.read_properties(path)[epoch]
        print(f"{path}, epoch {epoch} ({(time.monotonic() - started) / 60:.1f} min):", flush=True)
        for name, value in values.items():
            print(f"  {name.replace('_', ' ')}: {value:.4f}", flush=True)


def draw(path: Path, figures_path: Path, datasets: Collection[str] | None = None) -> list[str]:
    """Write Tables 1 and 2 for what was measured, the paper's numbers beside ours.

    Runs with `examples` are for trying things, and left out; so are datasets other than
    `datasets`, if any are given. Returns the names of the files.
    """
    table = results.load(path, history=False)
    if "architecture" not in table:
        return []
    table = table[(table["experiment"] == NAME) & table["examples"].isna()]
    table = results.last_epoch(table[table["stage"] == "encoding"])
    names = []
    for dataset, ours in table.groupby("dataset"):
        if datasets is not None and dataset not in datasets:
            continue
        name = f"table_{TABLES[dataset]}" if dataset in TABLES else f"table_cnn_{dataset}"
        paper = results.paper_tables()
        paper = paper[(paper["dataset"] == dataset) & (paper["table"] == TABLES.get(dataset))]
        written = tables.cnn_table(ours, paper, models.TITLES)
        csv = written.round(6).to_csv(index=False, lineterminator="\n")
        write_text(figures_path / f"{name}.csv", csv)
        text = tables.markdown(written)
        write_text(figures_path / f"{name}.md", text)
        print(f"\n{name}:\n{text}", flush=True)
        names.append(f"{name}.md")
    return names
