"""What a measure is, and the network that it measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash.codes import Codes
from tfhash.datasets import Dataset
from tfhash.runs import AnySpec, RunSpec
from tfhash.runs.records import LayerRecord, Record
from tfhash.studies.networks import Branches, activations
from tfhash.studies.shared_pass import SharedPass, Split

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One thing that is measured of a trained network at one epoch.

    Attributes
    ----------
    name : str
        What it is called in `MEASURES`.
    columns : mapping
        By record, that is by file of a run, the columns that it gives.
    needs : tuple of str
        Attributes of a `Subject` that the function takes, by keyword: "codes", "outputs", "model"
        and so on.
    function : callable
        Gives by record what is to be kept of the epoch, at least `columns`.
    """

    name: str
    columns: Mapping[Record | LayerRecord, Sequence[str]]
    needs: tuple[str, ...]
    function: Callable[..., Mapping[Any, Any]]

    def of(self, subject: Subject) -> Mapping[Any, Any]:
        """Measure `subject`: by record, what is to be kept of its epoch."""
        return self.function(**{name: getattr(subject, name) for name in self.needs})


class Subject:
    """A trained network that is measured.

    Parameters
    ----------
    model
        The network.
    spec
        What it was trained as.
    dataset
        The whole dataset that its training examples are of.
    encode_at_once
        Examples that are encoded at once; None for the encoder's own number.
    shared
        The pass that it is measured in with others, and its number there; None where it is alone.
    """

    def __init__(
        self,
        model: keras.Model,
        spec: AnySpec,
        dataset: Dataset,
        encode_at_once: int | None,
        shared: tuple[SharedPass, int] | None = None,
    ) -> None:
        self.model = model
        self.spec = spec
        self.dataset = dataset
        self.encode_at_once = encode_at_once
        self._shared = shared

    @cached_property
    def data(self) -> Dataset:
        """The training and test examples that it is measured on."""
        return self._pass[0].data

    @cached_property
    def _pass(self) -> tuple[SharedPass, int]:
        if self._shared is not None:
            return self._shared
        data = self.spec.measured_data(self.dataset)
        return SharedPass(Branches([self.model]), data, self.encode_at_once), 0

    @cached_property
    def trained_labels(self) -> np.ndarray:
        """The labels that it was trained with, int64 [n], of the training examples in `data`."""
        return self.spec.training_data(self.dataset).y_train

    @cached_property
    def encode(self) -> Callable[[np.ndarray], Codes]:
        """From inputs to their codes."""
        from tfhash.encoder import Encoder

        return partial(Encoder(self.model).encode, batch_size=self.encode_at_once)

    @property
    def codes(self) -> Split:
        """Neural codes of the training and of the test examples."""
        shared, number = self._pass
        return shared.codes[number]

    @cached_property
    def representation(self) -> np.ndarray:
        """Activations of an MLP's last hidden layer float32 [n, units] for the test examples."""
        assert isinstance(self.spec, RunSpec)
        return activations(self.model, self.spec.last_layer, self.data.x_test, self.encode_at_once)

    @property
    def outputs(self) -> Split:
        """Outputs float32 [n, n_classes] for the training and for the test examples."""
        shared, number = self._pass
        return shared.outputs[number]
