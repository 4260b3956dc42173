"""Networks that are measured on the same examples: their codes and outputs from one pass."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tfhash.codes import Codes
from tfhash.datasets import Dataset

if TYPE_CHECKING:
    import keras

# Examples per step of `predict`: it decides nothing but speed.
PREDICT_AT_ONCE = 2048


class Split(NamedTuple):
    """Something of the training examples, and of the test examples."""

    train: Any
    test: Any


class SharedPass:
    """Codes and outputs of networks for the same examples.

    All networks are branches of one model, so that the examples are converted, and a program is
    compiled, once for all of them. Each network's numbers are those that it gives alone.

    Parameters
    ----------
    networks
        With one input, of the same shape, and one output each. Their names are changed where there
        are several.
    data
        The examples.
    encode_at_once
        Examples that are encoded at once; None for the encoder's own number.
    """

    def __init__(
        self, networks: Sequence[keras.Model], data: Dataset, encode_at_once: int | None
    ) -> None:
        self.data = data
        self._encode_at_once = encode_at_once
        self._names = [f"network_{i}" for i in range(len(networks))]
        self._model = networks[0] if len(networks) == 1 else _joined(networks, self._names)

    @cached_property
    def codes(self) -> list[Split]:
        """Neural codes of each network."""
        from tfhash.encoder import Encoder

        encoder = Encoder(self._model)
        both = [
            self._apart(encoder.encode(x, batch_size=self._encode_at_once))
            for x in (self.data.x_train, self.data.x_test)
        ]
        return [Split(*one) for one in zip(*both, strict=True)]

    def _apart(self, codes: Codes) -> list[Codes]:
        """The codes of each network, of those of all."""
        if len(self._names) == 1:
            return [codes]
        found = []
        for name in self._names:
            start = f"{name}/"
            chosen = [layer.name for layer in codes.layers if layer.name.startswith(start)]
            own = codes.select(chosen)
            layers = [(one.name.removeprefix(start), one.start, one.stop) for one in own.layers]
            found.append(Codes(own.words, own.n_bits, layers))
        return found

    @cached_property
    def outputs(self) -> list[Split]:
        """Outputs float32 [n, n_classes] of each network."""
        at_once = self._encode_at_once or PREDICT_AT_ONCE
        both: list[list[np.ndarray]] = []
        for x in (self.data.x_train, self.data.x_test):
            found = self._model.predict(x, batch_size=at_once, verbose=0)
            both.append([found] if len(self._names) == 1 else found)
        return [Split(*one) for one in zip(*both, strict=True)]


def _joined(networks: Sequence[keras.Model], names: Sequence[str]) -> keras.Model:
    """One model with the outputs of all; each network gets a name of its own in it."""
    import keras

    inputs = keras.Input(networks[0].input_shape[1:], dtype=networks[0].inputs[0].dtype)
    for network, name in zip(networks, names, strict=True):
        network.name = name
    return keras.Model(inputs, [network(inputs) for network in networks])
