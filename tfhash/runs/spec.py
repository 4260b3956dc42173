"""The spec of a run: all settings that determine the weights of one trained network."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash.datasets import Dataset
from tfhash.models import convolutional, mlp
from tfhash.models.mlp import L2_LAYERS, LAST_ACTIVATIONS
from tfhash.runs.recipes import RECIPES
from tfhash.runs.representation import OF_KERNELS, TITLES, WITHOUT_WEIGHT
from tfhash.runs.spec_json import Spec, SpecError

if TYPE_CHECKING:
    import keras

OPTIMIZERS = ("adam", "momentum", "rmsprop")

# Keep random images and labels apart from the random orders of the epochs.
_IMAGES, _LABELS = 1 << 32, (1 << 32) + 1


# Fields that `build_model` does not look at, or only for the first weights. A field that is not
# named here is taken to change the network.
_OF_TRAINING = {
    *("experiment", "protocol", "repeat", "seed", "epochs", "batch_size", "learning_rate"),
    *("decay", "decay_every", "clip_norm", "early_stopping", "hold_out", "sample_size"),
    *("epoch_size", "inputs", "n_factors", "label_noise", "checkpoint_epochs"),
    "optimizer",
}


@dataclass(frozen=True, kw_only=True)
class RunSpec(Spec):
    """Everything that defines one multi-layer perceptron: two equal specs give the same network.

    Convolutional layers may come before it (`convolutions`).

    Attributes
    ----------
    experiment : str
        What the run belongs to, as "layer_width": the first part of its directory.
    dataset, protocol : str
        Names of both.
    depth, width : int
        Hidden layers, and units of each.
    repeat : int
        Number of the repeat, from 1. With `seed` it decides the weights and the batch order.
    seed : int
        Base seed of the whole sweep.
    epochs, batch_size : int
        Length of training and examples per step; the last step of an epoch takes what is left.
    optimizer : str
        "adam" (0.9, 0.999), "momentum" (SGD, 0.9) or "rmsprop" (0.9).
    learning_rate, decay, decay_every
        The optimizer's rate is `learning_rate * decay ** (epochs done // decay_every)`.
    batch_norm, l2, early_stopping, hold_out
        As in `Recipe`.
    l2_layers : str
        The dense layers whose kernels `l2` penalizes: "all", or the "hidden" ones (all but the
        logits).
    clip_norm : float or None
        Largest global norm of the gradients; larger ones are scaled down. None for no clipping.
    sample_size : int or None
        Training examples drawn at random (after the hold-out), None for all.
    epoch_size : int or None
        Examples that an epoch goes through: a smaller sample is gone through again and again, so
        that all sample sizes are trained for the same number of steps. None for each once.
    inputs : str or None
        "uniform" to train on (and be measured against) pixels drawn from U(0, 1) in the place of
        the images, with the images' labels; None for the images.
    convolutions : bool
        Whether the four convolutional layers of `models.convolutional` come first.
    n_classes : int or None
        Number of the first classes whose examples alone there are; None for all classes.
    n_factors : int or None
        Factors that the inputs are left with, as `Dataset.with_factors` does it; None for the
        inputs as they are.
    label_noise : float
        Share of the training labels that is replaced before training, each by one drawn uniformly
        from all classes, so that some stay what they were. The test labels are never touched.
    last_activation : str
        "relu", or "linear" for a last hidden layer without a ReLU.
    regularizer : str
        One of the twelve of `tfhash.regularizers`, on the last hidden layer: its kernel for "l1w"
        and "l2w", else its activations. Dropout's draws are the trainer's own: `fit` and networks
        side by side do not make the same weights of it.
    regularizer_weight : float
        Its weight in the loss; of "dropout" the rate; 0 for "none" and "bn".
    regularizer_normalized : bool
        Whether a penalty is divided as in `tfhash.regularizers.get`.
    checkpoint_epochs : tuple of int
        Epochs whose weights are kept, increasing; 0 is before training. The last epoch that was
        trained is kept in any case.
    """

    experiment: str
    dataset: str
    protocol: str
    depth: int
    width: int
    repeat: int
    seed: int = 0
    epochs: int
    batch_size: int
    learning_rate: float
    decay: float = 1.0
    decay_every: int = 1
    batch_norm: bool = False
    l2: float = 0.0
    l2_layers: str = "all"
    clip_norm: float | None = None
    early_stopping: int | None = None
    hold_out: float = 0.0
    sample_size: int | None = None
    epoch_size: int | None = None
    inputs: str | None = None
    convolutions: bool = False
    optimizer: str = "adam"
    n_classes: int | None = None
    n_factors: int | None = None
    label_noise: float = 0.0
    last_activation: str = "relu"
    regularizer: str = "none"
    regularizer_weight: float = 0.0
    regularizer_normalized: bool = False
    checkpoint_epochs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.check_fields()
        self.check_least(depth=1, width=1, repeat=1, batch_size=1, seed=0, early_stopping=0)
        self.check_least(sample_size=1, epoch_size=1, n_factors=1, n_classes=2, epochs=0)
        self.check_training()
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise SpecError(f"Expected clip_norm above 0. Received: {self.clip_norm}.")
        if self.inputs not in (None, "uniform"):
            raise SpecError(f"Expected inputs 'uniform' or none. Received: {self.inputs!r}.")
        if self.optimizer not in OPTIMIZERS:
            raise SpecError(
                f"Expected an optimizer among {', '.join(OPTIMIZERS)}. "
                f"Received: {self.optimizer!r:.80}."
            )
        if self.l2_layers not in L2_LAYERS:
            raise SpecError(
                f"Expected l2_layers among {', '.join(L2_LAYERS)}. Received: {self.l2_layers!r}."
            )
        if self.last_activation not in LAST_ACTIVATIONS:
            raise SpecError(
                f"Expected last_activation among {', '.join(LAST_ACTIVATIONS)}. "
                f"Received: {self.last_activation!r:.80}."
            )
        self._check_regularizer()

    def _check_regularizer(self) -> None:
        name, weight = self.regularizer, self.regularizer_weight
        if name not in TITLES:
            raise SpecError(
                f"Expected a regularizer among {', '.join(TITLES)}. Received: {name!r:.80}."
            )
        if name in WITHOUT_WEIGHT and (weight or self.regularizer_normalized):
            raise SpecError(
                f"Expected no weight and no normalization of regularizer {name!r}, which has none. "
                f"Received: {weight}, {self.regularizer_normalized}."
            )
        if weight < 0 or (name == "dropout" and weight >= 1):
            bounds = "in [0, 1)" if name == "dropout" else "of at least 0"
            raise SpecError(f"Expected regularizer_weight {bounds}. Received: {weight}.")
        if name in OF_KERNELS and self.depth < 2 and not self.convolutions:
            raise SpecError(
                f"Expected a depth of at least 2 for regularizer {name!r}, as the first kernel is "
                f"trained for the inputs that are not always 0 alone. Received: {self.depth}."
            )
        if name == "bn" and self.batch_norm:
            raise SpecError(
                "Expected batch_norm or regularizer 'bn', which is the same of the last hidden "
                "layer. Received: both."
            )

    @property
    def last_layer(self) -> str:
        """Name of the layer that gives the activations of the last hidden one."""
        return f"{self.last_activation}_{self.depth}"

    @property
    def norm_layers(self) -> tuple[int, ...]:
        """Hidden layers, from 1, with batch normalization before their ReLU."""
        if self.batch_norm:
            return tuple(range(1, self.depth + 1))
        return (self.depth,) if self.regularizer == "bn" else ()

    @property
    def directory(self) -> Path:
        """Where the run is kept, relative to the root of all runs."""
        parts = [self.experiment, self.dataset, f"depth={self.depth}", f"width={self.width}"]
        if self.sample_size is not None:
            parts.append(f"sample_size={self.sample_size}")
        if self.inputs is not None:
            parts.append(f"inputs={self.inputs}")
        for name, usual in (
            *(("convolutions", False), ("optimizer", "adam")),
            *(("n_classes", None), ("n_factors", None)),
        ):
            value = getattr(self, name)
            if value != usual:
                parts.append(f"{name}={value}")
        parts += self._regularizers()
        if self.label_noise:
            parts.append(f"label_noise={float(self.label_noise)}")
        if self.last_activation != "relu":
            parts.append(f"last_activation={self.last_activation}")
        if self.regularizer != "none":
            parts.append(f"regularizer={self.regularizer}")
            if self.regularizer not in WITHOUT_WEIGHT:
                parts.append(f"regularizer_weight={float(self.regularizer_weight)}")
            if self.regularizer_normalized:
                parts.append("regularizer_normalized=True")
        return Path(*parts, f"repeat={self.repeat}")

    def _regularizers(self) -> list[str]:
        """The parts of the directory's name: each regularizer that differs from the recipe's."""
        usual = RECIPES.get((self.protocol, self.dataset))
        parts = []
        for name in ("batch_norm", "l2", "clip_norm"):
            value = getattr(self, name)
            if usual is not None and value != getattr(usual, name, None):
                is_number = value is not None and not isinstance(value, bool)
                parts.append(f"{name}={float(value) if is_number else value}")
        return parts

    @property
    def network(self) -> RunSpec:
        """This spec without its experiment and checkpoint epochs, which do not affect the weights.

        Two runs that have the same one have the same weights in every epoch.
        """
        return replace(self, experiment="", checkpoint_epochs=())

    def rate(self, epoch: int) -> float:
        """The learning rate while `epoch` (from 1) is trained."""
        return self.learning_rate * self.decay ** ((epoch - 1) // self.decay_every)

    def batch_order(self, epoch: int, n: int) -> np.ndarray:
        """Order int64 [epoch_size or n] in which `epoch` (from 1) goes through n examples.

        The same for every model of a repeat, however it is trained.
        """
        rng = np.random.default_rng([self.seed, self.repeat, epoch])
        if self.epoch_size is None:
            return rng.permutation(n)
        passes = [rng.permutation(n) for _ in range(-(-self.epoch_size // n))]
        return np.concatenate(passes)[: self.epoch_size]

    def steps_per_epoch(self, n: int) -> int:
        """Training steps of an epoch through n examples."""
        return -(-(self.epoch_size or n) // self.batch_size)

    def tests_after(self, epoch: int, n_train: int, n_test: int) -> bool:
        """Whether the history of a run has the test set after `epoch`.

        After those that are kept, and each time that about `n_test` examples were trained on (steps
        count as full batches): with few examples the tests would take most of the time otherwise.
        """
        if epoch in (0, self.epochs) or epoch in self.checkpoint_epochs:
            return True
        return epoch % -(-n_test // (self.steps_per_epoch(n_train) * self.batch_size)) == 0

    def whole(self, dataset: Dataset) -> Dataset:
        """All examples of `dataset` that this run may see, with as many factors as it has."""
        if self.n_factors is not None:
            dataset = dataset.with_factors(self.n_factors)
        return dataset if self.n_classes is None else dataset.with_classes(self.n_classes)

    @property
    def fits_alone(self) -> bool:
        """Whether it is trained by `fit` alone: no program trains many of its kind side by side."""
        return self.convolutions or self.optimizer != "adam"

    def training_data(self, dataset: Dataset) -> Dataset:
        """The training subset of `dataset`, with its test set."""
        data, rows = self.pool(dataset)
        return data.take(rows)

    def measured_data(self, dataset: Dataset) -> Dataset:
        """The training subset, with its true labels, and the test set."""
        return replace(self, label_noise=0.0).training_data(dataset)

    @property
    def same_examples(self) -> tuple[Any, ...] | None:
        """Equal for runs with the same `measured_data`, which are measured in one pass over it.

        None with convolutions: each is measured in a pass of its own, for its memory.
        """
        if self.convolutions:
            return None
        drawn = self.sample_size is not None or self.inputs is not None
        repeat = self.repeat if drawn else None
        of_dataset = self.dataset, self.n_classes, self.n_factors, self.hold_out
        return *of_dataset, self.sample_size, self.inputs, self.seed, repeat

    @property
    def architecture_key(self) -> tuple[Any, ...] | None:
        """Equal for runs whose `build_model` gives the same network but for its weights.

        None with convolutions: such a network is not kept to load others into.
        """
        if self.convolutions:
            return None
        return tuple(getattr(self, f.name) for f in fields(self) if f.name not in _OF_TRAINING)

    def pool(self, dataset: Dataset) -> tuple[Dataset, np.ndarray]:
        """A dataset and the rows of it, int64 [n], that are this run's training data.

        Where nothing but the rows is the run's own, the dataset is the `whole` one itself: runs on
        different samples can share the images.
        """
        dataset = self.whole(dataset)
        data = dataset.hold_out(self.hold_out) if self.hold_out else dataset
        rows = np.arange(len(data.x_train))
        if self.sample_size is not None:
            rows = data.sample(self.sample_size, [self.seed, self.repeat])
        if self.inputs is None and not self.label_noise:
            return dataset, rows
        data = dataset.take(rows)
        if self.inputs is not None:
            data = data.uniform([self.seed, self.repeat, _IMAGES])
        if self.label_noise:
            labels = self._noisy_labels(data.y_train, data.n_classes)
            data = replace(data, y_train=labels)
        return data, np.arange(len(rows))

    def _noisy_labels(self, labels: np.ndarray, n_classes: int) -> np.ndarray:
        """`labels` with noise; a higher rate replaces the same labels and further ones."""
        rng = np.random.default_rng([self.seed, self.repeat, _LABELS])
        drawn, order = rng.integers(0, n_classes, len(labels)), rng.permutation(len(labels))
        chosen = order[: round(self.label_noise * len(labels))]
        noisy = labels.copy()
        noisy[chosen] = drawn[chosen]
        return noisy

    def build_model(self, dataset: Dataset) -> keras.Model:
        """The network before training, uncompiled, without what acts in training alone."""
        build = convolutional if self.convolutions else mlp
        model = build(
            dataset.input_shape,
            self.width,
            self.depth,
            self.n_classes or dataset.n_classes,
            batch_norm=self.batch_norm,
            l2=self.l2,
            l2_layers=self.l2_layers,
            last_activation=self.last_activation,
            seed=[self.seed, self.repeat],
        )
        if self.regularizer not in (*OF_KERNELS, "bn"):
            return model
        from tfhash import regularizers

        weight = self.regularizer_weight if self.regularizer in OF_KERNELS else None
        return regularizers.apply(model, f"dense_{self.depth}", self.regularizer, weight)
