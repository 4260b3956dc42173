"""What a user may ask of a study. Each option is written once: flags are made from the fields.

`tfhash.cli` reads the help, the bounds and the stages that `option` keeps with a field.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfhash import datasets
from tfhash.datasets.dataset import n_kept
from tfhash.errors import InputError, unknown_name
from tfhash.models import check_architecture
from tfhash.properties import FAMILIES
from tfhash.runs import (
    CNN_RECIPES,
    RECIPES,
    CnnRecipe,
    CnnSpec,
    Recipe,
    RunSpec,
    cnn_recipe,
    recipe,
)
from tfhash.runs.representation import TITLES, WEIGHTS
from tfhash.runs.spec import OPTIMIZERS
from tfhash.studies.option import MEASURE, TRAIN, option

if TYPE_CHECKING:
    from tfhash.training import Trainer

PROTOCOLS = tuple(dict.fromkeys(name for name, _ in (*RECIPES, *CNN_RECIPES)))
PRECISIONS = ("auto", "float32", "mixed_bfloat16")


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Which dataset, and where it is: see `datasets.load`."""

    dataset: str = option("mnist", "The dataset.", choices=datasets.NAMES)
    data_dir: str | None = option(
        None,
        "Folder of the datasets as they are published, as mnist.npz, cifar-10-batches-py/ or "
        "kmnist/ (else Keras's own).",
    )
    dataset_path: str | None = option(
        None, "File or folder of the dataset itself, whatever it is called."
    )
    mnist_path: str | None = option(None, "mnist.npz, or its folder.")
    cifar10_path: str | None = option(None, "cifar-10-batches-py/, or its folder.")

    def load_dataset(self) -> datasets.Dataset:
        """The dataset, from where the options say it is."""
        return datasets.load(
            self.dataset,
            self.data_dir,
            self.mnist_path,
            self.cifar10_path,
            path=self.dataset_path,
        )


@dataclass(frozen=True, kw_only=True)
class RunOptions(DataOptions):
    """What all studies that train networks take.

    `path`, the folder of all runs, is the flag --save_path where networks are trained and
    --load_path where they are measured alone.
    """

    path: Path
    protocol: str | None = option(
        None,
        "How to train: as the paper says (paper, the default), as its released scripts do, or as "
        "the second paper says (representations, the default of its studies). Where networks are "
        "measured alone: refuse those that were trained otherwise.",
        choices=PROTOCOLS,
    )
    begin_repeat: int = option(1, "Number of the first repeat.", least=1)
    repeat: int | None = option(
        None, "Networks of each kind, from different seeds (the protocol's).", least=1
    )
    batch_size: int | None = option(
        None, "Training examples per step (the protocol's).", stages=(TRAIN,), least=1
    )
    encode_batch_size: int | None = option(
        None,
        "Examples encoded at once when networks are measured: it decides speed and memory alone.",
        stages=(MEASURE,),
        least=1,
    )
    epoch: int | None = option(
        None, "Epochs (the protocol's); for measuring, the latest checkpoint up to it.", least=0
    )
    seed: int = option(0, "Base seed.", least=0)
    workers: int | None = option(
        None,
        "Processes among which the networks to be measured are shared (1).",
        stages=(MEASURE,),
        least=1,
    )
    metrics: tuple[str, ...] = option(
        FAMILIES,
        f"What to measure, out of {', '.join(FAMILIES)}.",
        stages=(MEASURE,),
        axis="measures",
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))  # a string is a path as well
        for name in self.metrics:
            if name not in FAMILIES:
                raise unknown_name("metrics", name, FAMILIES)
        if not self.metrics:
            raise InputError(f"Expected metrics among {', '.join(FAMILIES)}. Received: none.")

    @property
    def repeats(self) -> range:
        """Numbers of the repeats."""
        count = self.default_repeats if self.repeat is None else self.repeat
        return range(self.begin_repeat, self.begin_repeat + count)

    @property
    def default_repeats(self) -> int:
        """Number of repeats where none is asked for."""
        return 1


@dataclass(frozen=True, kw_only=True)
class MlpOptions(RunOptions):
    """What the studies of multi-layer perceptrons take."""

    depth: int | None = option(None, "Hidden layers (the protocol's).", least=1)
    widths: tuple[int, ...] | None = option(
        None, "Units per hidden layer, as 10,20,40 (the protocol's).", axis="width"
    )
    sample_sizes: tuple[int, ...] | None = option(
        None, "Training examples, as 10,100 (the paper's).", axis="sample_size"
    )
    batch_norm: bool | None = option(
        None,
        "Batch normalization before each ReLU, or --nobatch_norm (the protocol's).",
        stages=(TRAIN,),
    )
    one_by_one: bool = option(
        False,
        "Train with plain Keras fit, one network after another, not side by side.",
        stages=(TRAIN,),
    )
    group_size: int | None = option(
        None,
        "Most networks that are trained side by side (what is fastest, and fits in memory).",
        stages=(TRAIN,),
        least=1,
    )
    workers: int | None = option(
        None,
        "Processes among which the networks are shared (to train, one for each core where that is "
        "faster; to measure, 1).",
        least=1,
    )
    tensorboard: Path | None = option(
        None,
        "Folder for TensorBoard: loss and accuracy of each network, epoch by epoch.",
        stages=(TRAIN,),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_increasing("widths", "sample_sizes")

    def _check_increasing(self, *names: str) -> None:
        for name in names:
            values = getattr(self, name)
            if values is not None and (
                not values or values[0] < 1 or any(b <= a for a, b in pairwise(values))
            ):
                raise InputError(
                    f"Expected {name} of at least 1, increasing, as --{name} 10,20,40. Received: "
                    f"{','.join(map(str, values)) or 'none'}."
                )

    @property
    def recipe(self) -> Recipe:
        """The recipe for the dataset."""
        return recipe(self.protocol or "paper", self.dataset)

    @property
    def default_repeats(self) -> int:
        """Number of repeats where none is asked for."""
        return self.recipe.repeats

    @property
    def available(self) -> int:
        """Training examples but for those that the recipe holds out."""
        return n_kept(datasets.record(self.dataset).n_train, self.recipe.hold_out)

    @property
    def given_axes(self) -> dict[str, tuple[int, ...] | None]:
        """Values that were asked for, by field of `RunSpec`."""
        return {"width": self.widths, "sample_size": self.sample_sizes}

    def spec(self, experiment: str, defaults: dict[str, Any], **rest: Any) -> RunSpec:
        """The spec of one run: `rest` over what is asked for, that over `defaults`, the recipe."""
        given = {
            "depth": self.depth,
            "epochs": self.epoch,
            "batch_size": self.batch_size,
            "batch_norm": self.batch_norm,
        }
        asked = {name: value for name, value in given.items() if value is not None}
        return RunSpec.from_recipe(
            self.recipe, experiment=experiment, seed=self.seed, **{**defaults, **asked, **rest}
        )

    @property
    def trainer(self) -> Trainer:
        """What trains the networks."""
        from tfhash.training import ParallelTrainer, SweepTrainer, fit_one_by_one

        if self.one_by_one:
            return fit_one_by_one
        trainer = SweepTrainer(group_size=self.group_size)
        return trainer if self.workers == 1 else ParallelTrainer(trainer, self.workers)


@dataclass(frozen=True, kw_only=True)
class SecondPaperOptions(MlpOptions):
    """What the studies of representations take, whose default recipe is the second paper's."""

    @property
    def recipe(self) -> Recipe:
        """The recipe for the dataset."""
        return recipe(self.protocol or "representations", self.dataset)


@dataclass(frozen=True, kw_only=True)
class FactorOptions(SecondPaperOptions):
    """What the study of independent factors takes."""

    n_factors: tuple[int, ...] | None = option(
        None,
        "Factors of the inputs, principal components where they are images (the paper's).",
        axis="n_factors",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_increasing("n_factors")

    @property
    def given_axes(self) -> dict[str, tuple[int, ...] | None]:
        """Values that were asked for, by field of `RunSpec`."""
        return {**super().given_axes, "n_factors": self.n_factors}


@dataclass(frozen=True, kw_only=True)
class RepresentationOptions(SecondPaperOptions):
    """What the study of regularizers of representations takes."""

    regularizers: tuple[str, ...] = option(
        tuple(TITLES), f"Regularizers, out of {', '.join(TITLES)}."
    )
    loss_weights: tuple[float, ...] = option(
        WEIGHTS, "Loss weights of the penalties that are tried, increasing (the paper's six)."
    )
    quick: bool = option(
        False,
        "Train at one stored loss weight (and normalization) a regularizer alone, instead of at "
        "all of --loss_weights.",
    )
    normalized: bool = option(
        False, "Divide penalties by the numbers of units, or pairs of them, and of classes."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.regularizers:
            if name not in TITLES:
                raise unknown_name("regularizers", name, TITLES)
        if not self.regularizers:
            raise InputError(f"Expected regularizers among {', '.join(TITLES)}. Received: none.")
        bounded = (0.0, *self.loss_weights, math.inf)
        if len(bounded) == 2 or not all(a < b for a, b in pairwise(bounded)):
            raise InputError(
                "Expected loss weights above 0, finite and increasing, as --loss_weights 0.1,1,10. "
                f"Received: {','.join(map(str, self.loss_weights)) or 'none'}."
            )


@dataclass(frozen=True, kw_only=True)
class RepresentationCnnOptions(RepresentationOptions):
    """What the study of regularizers behind convolutions takes."""

    optimizer: str = option("adam", "What trains.", choices=OPTIMIZERS)
    n_classes: int | None = option(
        None, "Keep the examples of so many classes, the first ones (all).", least=2
    )

    @property
    def recipe(self) -> Recipe:
        """The recipe for the dataset."""
        return recipe(self.protocol or "representations_cnn", self.dataset)


@dataclass(frozen=True, kw_only=True)
class CnnOptions(RunOptions):
    """What the study of convolutional networks takes."""

    architecture: str = option(
        "resnet18",
        "The network: vgg18, resnet18, resnet34, resnext26 or densenet28 for mnist and its like; "
        "vgg16, vgg19, resnet18, resnet20, resnet32 or resnet56 for cifar10 and its like.",
    )
    examples: int | None = option(
        None, "Train and test on so many only, drawn at random, to try things.", least=1
    )
    learning_rate: float | None = option(
        None, "The rate in the beginning (the protocol's).", stages=(TRAIN,)
    )
    decay_every: float | None = option(
        None,
        "Epochs, or a part of one, from one decay of the rate to the next (the protocol's); with "
        "--epoch, shorten it as much.",
        stages=(TRAIN,),
    )
    precision: str = option(
        "auto",
        "Arithmetic of training; auto is mixed where the device is made for it.",
        stages=(TRAIN,),
        choices=PRECISIONS,
    )
    tensorboard = None

    def __post_init__(self) -> None:
        super().__post_init__()
        name = check_architecture(self.architecture, datasets.family(self.dataset))
        object.__setattr__(self, "architecture", name)

    @property
    def recipe(self) -> CnnRecipe:
        """The recipe for the dataset."""
        return cnn_recipe(self.protocol or "paper", self.dataset)

    @property
    def given_axes(self) -> dict[str, tuple[int, ...] | None]:
        """Values that were asked for, by field of `CnnSpec`: none are varied."""
        return {}

    def spec(self, experiment: str, defaults: dict[str, Any], **rest: Any) -> CnnSpec:
        """The spec of one run: `rest` over what is asked for, that over `defaults`, the recipe."""
        given = {
            "epochs": self.epoch,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "decay_every": self.decay_every,
        }
        asked = {name: value for name, value in given.items() if value is not None}
        return CnnSpec.from_recipe(
            self.recipe,
            experiment=experiment,
            architecture=self.architecture,
            seed=self.seed,
            examples=self.examples,
            precision=self._precision(),
            **{**defaults, **asked, **rest},
        )

    @property
    def trainer(self) -> Trainer:
        """What trains the networks."""
        from tfhash.training import CnnTrainer

        return CnnTrainer()

    def _precision(self) -> str:
        if self.precision != "auto":
            return self.precision
        from tfhash import backend

        return "mixed_bfloat16" if backend.has_bfloat16() else "float32"


Options = MlpOptions | CnnOptions
