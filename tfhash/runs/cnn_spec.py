"""The spec of a convolutional network's run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfhash.datasets import Dataset, family
from tfhash.models import check_architecture, cnn
from tfhash.runs.spec_json import Spec, SpecError

if TYPE_CHECKING:
    import keras

OPTIMIZERS = ("adam", "sgd")
PRECISIONS = ("float32", "mixed_bfloat16")


@dataclass(frozen=True, kw_only=True)
class CnnSpec(Spec):
    """Everything that defines one convolutional network; see `RunSpec` for that of an MLP.

    Attributes
    ----------
    experiment : str
        What the run belongs to: the first part of its directory.
    dataset, protocol, architecture : str
        Names of all three, the last as in `models.ARCHITECTURES`.
    repeat, seed : int
        Number of the repeat, from 1, and base seed: they decide weights, batches, augmentation.
    epochs, batch_size : int
        Length of training and examples per step; the last step of an epoch takes what is left.
    optimizer, momentum, augment, l2, hold_out
        As in `CnnRecipe`.
    learning_rate, decay, decay_every
        The rate is `learning_rate * decay ** (epochs done // decay_every)`, where the epochs done
        are not whole within an epoch: `decay_every` may be 0.5.
    examples : int or None
        Training examples, and test examples, that are drawn at random to try things on; None for
        all of them.
    precision : str
        Of the arithmetic in training: "float32" or "mixed_bfloat16". Weights, and what is kept,
        are float32 in any case.
    checkpoint_epochs : tuple of int
        Epochs whose weights are kept, increasing. The last one is kept in any case.
    """

    experiment: str = "cnn"
    dataset: str
    protocol: str
    architecture: str
    repeat: int
    seed: int = 0
    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    decay: float = 1.0
    decay_every: float = 1.0
    momentum: float = 0.0
    augment: bool = False
    l2: float = 0.0
    hold_out: float = 0.0
    examples: int | None = None
    precision: str = "float32"
    checkpoint_epochs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.check_fields()
        check_architecture(self.architecture, family(self.dataset))
        self.check_least(repeat=1, batch_size=1, examples=1, epochs=0, seed=0)
        self.check_training()
        for name, known in (("optimizer", OPTIMIZERS), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise SpecError(
                    f"Expected {name} among {', '.join(known)}. Received: {getattr(self, name)!r}."
                )

    @property
    def directory(self) -> Path:
        """Where the run is kept, relative to the root of all runs."""
        parts = [self.experiment, self.dataset, f"architecture={self.architecture}"]
        if self.examples is not None:
            parts.append(f"examples={self.examples}")
        return Path(*parts, f"repeat={self.repeat}")

    def rate(self, step: int, steps: int) -> float:
        """The learning rate after `step` training steps, where an epoch has `steps`."""
        # The rounding of a decay_every such as 0.3 must not delay a decay by a step.
        return self.learning_rate * self.decay ** int(step / (steps * self.decay_every) + 1e-9)

    def batch_order(self, epoch: int, n: int) -> np.ndarray:
        """Order int64 [n] in which `epoch` (from 1) goes through n examples."""
        return np.random.default_rng([self.seed, self.repeat, epoch]).permutation(n)

    def training_data(self, dataset: Dataset) -> Dataset:
        """The training subset of `dataset`, with its test set."""
        if self.hold_out:
            dataset = dataset.hold_out(self.hold_out)
        if self.examples is not None:
            dataset = dataset.draw(self.examples, [self.seed, self.repeat])
        return dataset

    def measured_data(self, dataset: Dataset) -> Dataset:
        """The training subset and the test set, as the finished network is measured on them."""
        return self.training_data(dataset)

    @property
    def same_examples(self) -> None:
        """None: a convolutional network is measured in a pass of its own, for its memory."""
        return None

    @property
    def architecture_key(self) -> None:
        """None: a convolutional network is not kept to load others into, for its memory."""
        return None

    def build_model(self, dataset: Dataset) -> keras.Model:
        """The network before training, uncompiled."""
        return cnn(
            self.architecture,
            family(self.dataset),
            dataset.input_shape,
            dataset.n_classes,
            l2=self.l2,
            seed=[self.seed, self.repeat],
        )
