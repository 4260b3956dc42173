"""What a measure is, and the network that it measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tfhash.codes import Codes
from tfhash.datasets import Dataset
from tfhash.runs import AnySpec, RunSpec
from tfhash.runs.records import LayerRecord, Record

if TYPE_CHECKING:
    import keras

    from tfhash.encoder import Encoder

# Examples per step of `predict`: it decides nothing but speed.
PREDICT_AT_ONCE = 2048


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
        What of a `Subject` the function is handed, by keyword: "codes", "outputs", "model", ...
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


class Split(NamedTuple):
    """Something of the training examples, and of the test examples."""

    train: Any
    test: Any


class Subject:
    """A trained network that is measured. What several measures need is computed once.

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
    """

    def __init__(
        self, model: keras.Model, spec: AnySpec, dataset: Dataset, encode_at_once: int | None
    ) -> None:
        self.model = model
        self.spec = spec
        self.dataset = dataset
        self.encode_at_once = encode_at_once

    @cached_property
    def data(self) -> Dataset:
        """The training and test examples that it is measured on."""
        return self.spec.measured_data(self.dataset)

    @cached_property
    def trained_labels(self) -> np.ndarray:
        """int64 [n], the labels that it was trained with, of the training examples in `data`."""
        return self.spec.training_data(self.dataset).y_train

    @cached_property
    def encoder(self) -> Encoder:
        """Its encoder."""
        from tfhash.encoder import Encoder

        return Encoder(self.model)

    @property
    def encode(self) -> Callable[[np.ndarray], Codes]:
        """From inputs to their codes."""
        if self.encode_at_once is None:
            return self.encoder.encode
        return partial(self.encoder.encode, batch_size=self.encode_at_once)

    @cached_property
    def codes(self) -> Split:
        """Neural codes of the training and of the test examples."""
        return Split(self.encode(self.data.x_train), self.encode(self.data.x_test))

    @cached_property
    def representation(self) -> np.ndarray:
        """Activations of an MLP's last hidden layer float32 [n, units] for the test examples."""
        import keras

        assert isinstance(self.spec, RunSpec)
        given = self.model.get_layer(self.spec.last_layer).output
        read = keras.Model(self.model.inputs, given)
        at_once = self.encode_at_once or PREDICT_AT_ONCE
        return np.asarray(read.predict(self.data.x_test, batch_size=at_once, verbose=0))

    @cached_property
    def outputs(self) -> Split:
        """Outputs float32 [n, n_classes] for the training and for the test examples."""
        at_once = self.encode_at_once or PREDICT_AT_ONCE
        return Split(
            *(
                self.model.predict(x, batch_size=at_once, verbose=0)
                for x in (self.data.x_train, self.data.x_test)
            )
        )
