"""Networks that are measured on the same examples: their codes and outputs from one pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tfhash.datasets import Dataset
from tfhash.studies.networks import Branches


class Split(NamedTuple):
    """Something of the training examples, and of the test examples."""

    train: Any
    test: Any


class SharedPass:
    """Codes and outputs of networks for the same examples, computed when first asked for.

    Parameters
    ----------
    networks
        Their weights must stay what they are meanwhile.
    data
        The examples.
    encode_at_once
        Examples that are encoded at once; None for the encoder's own number.
    """

    def __init__(self, networks: Branches, data: Dataset, encode_at_once: int | None) -> None:
        self.data = data
        self._networks = networks
        self._at_once = encode_at_once

    @cached_property
    def codes(self) -> list[Split]:
        """Neural codes of each network."""
        return self._of_both(self._networks.codes)

    @cached_property
    def outputs(self) -> list[Split]:
        """Outputs float32 [n, n_classes] of each network."""
        return self._of_both(self._networks.outputs)

    def _of_both(self, function: Callable[[np.ndarray, int | None], list[Any]]) -> list[Split]:
        both = [function(x, self._at_once) for x in (self.data.x_train, self.data.x_test)]
        return [Split(*one) for one in zip(*both, strict=True)]
