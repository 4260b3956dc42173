"""What an encoder refuses: each check raises ValueError, saying what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import backend
from tfhash.encoder.activation_tracer import ActivationSite
from tfhash.encoder.activations import name_of
from tfhash.encoder.batches import InputsChecksum
from tfhash.encoder.inputs import Batch


def nothing_to_encode(model: keras.Model, sites: Sequence[ActivationSite]) -> str:
    kinds = ", ".join(sorted({type(layer).__name__ for layer in model.layers}))
    found = [f"{site.name} ({name_of(site.activation)}): {site.reason}" for site in sites]
    return (
        f"Expected a model with units to encode. Received: {model.name!r}, made of {kinds}"
        + (f", with {'; '.join(found[:10])}" if found else "")
        + "."
    )


def is_finite(array: NDArray[Any]) -> bool:
    """Whether all numbers of an array of floats are finite.

    Their sum is not, where one of them is not; where the sum alone overflows, each is looked at.
    """
    with np.errstate(all="ignore"):
        return bool(np.isfinite(array.sum()) or np.isfinite(array).all())


class WeightsCheck:
    """`check_weights` of one model, to be repeated: quick where all is well.

    Parameters
    ----------
    model : keras.Model
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        floats = [v for v in model.variables if keras.backend.is_float_dtype(v.dtype)]
        self._known_finite = backend.compiled_finite_check(floats)

    def __call__(self) -> None:
        """Raise ValueError where a weight is NaN or infinite, naming it."""
        if not self._known_finite():
            check_weights(self._model)


def check_weights(model: keras.Model) -> None:
    # Here and not in the activations: the ReLU of some backends turns a NaN into 0.
    for variable in model.variables:
        if not keras.backend.is_float_dtype(variable.dtype):
            continue
        if not is_finite(backend.variable_values(variable)):
            raise ValueError(
                f"Expected finite weights. Received: NaN or infinity in {variable.path!r}; the "
                "model has diverged in training or its file is damaged."
            )


def check_inputs(batch: Batch, names: Sequence[str], row_base: int) -> None:
    for name, array in zip(names, batch, strict=True):
        if array.dtype.kind == "f" and not is_finite(array):
            at = tuple(np.argwhere(~np.isfinite(array))[0])
            which = f" for {name!r}" if len(names) > 1 else ""
            raise ValueError(
                f"Expected finite inputs{which}. Received: {array[at]} in row {row_base + at[0]}."
            )


def check_same_inputs(path: Path, checksum: InputsChecksum, n: int, expected: int) -> None:
    if n > 0 and checksum.value != expected:
        raise ValueError(
            f"{path}: Expected the inputs that the store was begun with, whose first {n} have "
            f"checksum {expected:08x}. Received: inputs of checksum {checksum.value:08x}: give "
            "them in the same order each time, or choose another path."
        )
