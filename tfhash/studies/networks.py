"""Networks in memory that checkpoints are read into, one after the other and several at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash.codes import Codes
from tfhash.datasets import Dataset
from tfhash.errors import InputError
from tfhash.runs import AnySpec
from tfhash.studies.loading import load_model

if TYPE_CHECKING:
    import keras

    from tfhash.encoder import Encoder

# Examples per step of `predict`: it decides nothing but speed.
PREDICT_AT_ONCE = 2048
KEPT = 4  # models of branches that are kept, to be used for other weights


class BrokenCheckpoint(Exception):
    """A checkpoint that does not load, or is of another network."""


class Networks:
    """Loads checkpoints. A network of the same architecture as one before is not built anew."""

    def __init__(self) -> None:
        self._built: dict[Hashable, list[keras.Model]] = defaultdict(list)
        self._used: dict[Hashable, int] = {}
        self._joined: list[Branches] = []  # those used last come last
        self._is_alone = False
        self._n_named = 0

    def load(self, file: Path, spec: AnySpec, dataset: Dataset) -> keras.Model:
        """The network in a checkpoint, which is that of `spec`.

        It is the caller's until `release`.

        Raises
        ------
        BrokenCheckpoint
            It does not load, or is of another network.
        """
        key = spec.architecture_key
        if key is None:
            self._is_alone = True
            return self._named(_loaded(file, spec, dataset))
        built, used = self._built[key], self._used.get(key, 0)
        if used == len(built):
            built.append(self._named(spec.build_model(dataset)))
        self._used[key] = used + 1
        try:
            built[used].load_weights(file)
        except Exception:  # a damaged file can raise nearly anything
            return self._named(_loaded(file, spec, dataset))
        return built[used]

    def _named(self, model: keras.Model) -> keras.Model:
        """The model, with a name that no other one has: by it branches are told apart, for good."""
        model.name = f"network_{self._n_named}"
        self._n_named += 1
        return model

    def joined(self, networks: Sequence[keras.Model]) -> Branches:
        """Networks that `load` gave, as branches of one model."""
        known = [one for one in self._joined if one.are(networks)]
        self._joined = [one for one in self._joined if one not in known][1 - KEPT :]
        self._joined += known or [Branches(networks)]
        return self._joined[-1]

    def release(self) -> None:
        """What was loaded so far is no longer used."""
        import keras

        self._used.clear()
        if self._is_alone:  # its memory may be large
            self._joined.clear()
            keras.utils.clear_session()


class Branches:
    """Networks with one input, of the same shape, and one output each, as one model.

    The examples are converted, and a program is compiled, once for all of them. Each gives the
    numbers that it gives alone. Their names must differ, and stay what they are.
    """

    def __init__(self, networks: Sequence[keras.Model]) -> None:
        self._networks = list(networks)
        self._names = [one.name for one in networks]

    def are(self, networks: Sequence[keras.Model]) -> bool:
        """Whether these are the networks."""
        return list(map(id, self._networks)) == list(map(id, networks))

    @cached_property
    def _model(self) -> keras.Model:
        import keras

        first = self._networks[0]
        if len(self._networks) == 1:
            return first
        inputs = keras.Input(first.input_shape[1:], dtype=first.inputs[0].dtype)
        return keras.Model(inputs, [network(inputs) for network in self._networks])

    @cached_property
    def _encoder(self) -> Encoder:
        from tfhash.encoder import Encoder

        return Encoder(self._model)

    def codes(self, x: np.ndarray, at_once: int | None) -> list[Codes]:
        """The codes of each network of inputs [n, ...], `at_once` of them encoded at once."""
        codes = self._encoder.encode(x, batch_size=at_once)
        if len(self._names) == 1:
            return [codes]
        found = []
        for name in self._names:
            start = f"{name}/"
            own = codes.select([one.name for one in codes.layers if one.name.startswith(start)])
            layers = [(one.name.removeprefix(start), one.start, one.stop) for one in own.layers]
            found.append(Codes(own.words, own.n_bits, layers))
        return found

    def outputs(self, x: np.ndarray, at_once: int | None) -> list[np.ndarray]:
        """Outputs float32 [n, n_classes] of each network of inputs [n, ...]."""
        found: Any = self._model.predict(x, batch_size=at_once or PREDICT_AT_ONCE, verbose=0)
        return [found] if len(self._names) == 1 else list(found)


def _loaded(file: Path, spec: AnySpec, dataset: Dataset) -> keras.Model:
    """A new network from a checkpoint, which is that of `spec`."""
    try:
        model = load_model(file)
    except InputError as error:
        raise BrokenCheckpoint(f"checkpoint {file.name} does not load") from error
    wanted = [tuple(weight.shape) for weight in spec.build_model(dataset).weights]
    there = [tuple(weight.shape) for weight in model.weights]
    if wanted != there:
        raise BrokenCheckpoint(f"checkpoint {file.name} is of another network than its spec says")
    return model


def activations(
    model: keras.Model, layer: str, x: np.ndarray, at_once: int | None = None
) -> np.ndarray:
    """Outputs float32 [n, ...] of a layer for inputs [n, ...]."""
    import keras

    read = keras.Model(model.inputs, model.get_layer(layer).output)
    return np.asarray(read.predict(x, batch_size=at_once or PREDICT_AT_ONCE, verbose=0))
