"""The inputs that a model takes, and arrays in the shapes in which it takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from numpy.typing import NDArray

from tfhash.encoder.arrays import Converted, array_of, shape_of
from tfhash.errors import shape_of_rows
from tfhash.model_inputs import named_parts, names_of

Batch = list[NDArray[Any]]  # an array for each input of the model
Arrays = list[NDArray[Any] | Converted]


class Inputs:
    """The inputs that a model takes.

    Parameters
    ----------
    symbols : symbolic tensors in the structure in which the model takes them

    Attributes
    ----------
    struct : the symbolic tensors
    names : list of str
        For each, its key where the model takes a dict, else its own name.
    shapes : list of tuples
        Without the batch.
    dtypes : list of str
    """

    def __init__(self, symbols: Any) -> None:
        self.struct = symbols
        self._flat = keras.tree.flatten(symbols)
        self.names = names_of(symbols)
        self.shapes = [tuple(symbol.shape[1:]) for symbol in self._flat]
        self.dtypes = [keras.backend.standardize_dtype(symbol.dtype) for symbol in self._flat]

    @property
    def batch_size(self) -> int | None:
        """The only batch size that the model takes, where there is one."""
        return self._flat[0].shape[0]

    def packed(self, arrays: Any) -> Any:
        """Arrays, or tensors, in the structure in which the model takes them."""
        return keras.tree.pack_sequence_as(self.struct, arrays)

    def flat(self, x: Any) -> Arrays:
        """Rows for each input, of its shape.

        As in Keras's `predict`, a last axis of one element may be left out or be too many:
        images [n, 28, 28] go into (28, 28, 1), labels [n, 1] into ().

        Raises ValueError where they are not as many, of these shapes and of one length.
        """
        arrays = []
        for part, name, shape, dtype in zip(
            self._parts(x), self.names, self.shapes, self.dtypes, strict=True
        ):
            which = f" for {name!r}" if len(self.names) > 1 else ""
            _check_no_batches(part, shape, which)
            array = array_of(part, dtype, which)
            fitted = _fitted(array.shape, shape)
            if fitted is None:
                raise ValueError(
                    f"Expected inputs of shape {shape_of_rows(shape)}{which}. Received shape: "
                    f"{array.shape}{_advice(array.shape, shape)}."
                )
            if fitted != array.shape:
                array = (
                    array.reshaped(fitted)
                    if isinstance(array, Converted)
                    else array[..., None]
                    if len(fitted) > array.ndim
                    else array[..., 0]
                )
            arrays.append(array)
        if len({len(array) for array in arrays}) > 1:
            raise ValueError(
                f"Expected inputs of one length, {self.names}. Received lengths: "
                f"{[len(array) for array in arrays]}."
            )
        return arrays

    def _parts(self, x: Any) -> list[Any]:
        if isinstance(x, Mapping):
            return named_parts(x, self.struct)
        if len(self.names) == 1:
            alone = isinstance(x, list | tuple) and len(x) == 1
            return [x[0] if alone and _fitted(shape_of(x[0]), self.shapes[0]) else x]
        parts = keras.tree.flatten(x) if isinstance(x, list | tuple) else [x]
        if len(parts) != len(self.names):
            raise ValueError(
                f"Expected {len(self.names)} inputs, {self.names}, as a list or a dict (in "
                f"batches too: ((a, b), labels), or ((a, b),) without). Received: {len(parts)}"
                + (": dict(x) gives the columns by name." if hasattr(x, "columns") else ".")
            )
        return parts


def _fitted(
    received: tuple[int | None, ...] | None, shape: tuple[int | None, ...]
) -> tuple[int, ...] | None:
    """The shape in which rows go into an input of `shape`; None where they do not."""
    if received is None or len(received) == 0:
        return None
    if len(received) == len(shape) + 2 and received[-1] == 1:
        received = received[:-1]
    elif len(received) == len(shape) and shape and shape[-1] == 1:
        received = (*received, 1)
    if len(received) != len(shape) + 1 or any(
        size not in (None, got) for size, got in zip(shape, received[1:], strict=True)
    ):
        return None
    return received  # type: ignore[return-value]


def _advice(received: tuple[int, ...], shape: tuple[int | None, ...]) -> str:
    if _fitted((1, *received), shape) and len(received) == len(shape):
        return ": one row; x[np.newaxis] is a batch of it, dataset.batch(32) makes batches"
    return ""


def _check_no_batches(x: Any, shape: tuple[int | None, ...], which: str) -> None:
    """Raises ValueError where a list holds batches, or inputs and their labels."""
    if not isinstance(x, list | tuple) or len(x) == 0:
        return
    first = x[0]
    if (
        isinstance(first, list | tuple)
        and len(first) in (2, 3)
        and hasattr(first[0], "shape")
        and _fitted(shape_of(first[0]), shape)
    ):
        raise ValueError(
            f"Expected arrays{which}. Received: a list of batches with labels: iter(x) is gone "
            "through batch by batch."
        )
    if not hasattr(first, "shape") or _fitted(shape_of(first), shape) is None:
        return
    if _fitted((len(x), *(shape_of(first) or ())), shape) is not None:
        return  # rows all the same: of an input that leaves its sizes open
    shapes = [shape_of(part) for part in x]
    if isinstance(x, tuple) or (len(x) == 2 and _fitted(shapes[1], shape) is None):
        raise ValueError(
            f"Expected the inputs alone{which}. Received: a {type(x).__name__} of {len(x)} arrays "
            f"of shapes {', '.join(map(str, shapes[:3]))}, as of inputs and labels: give x[0]."
        )
    raise ValueError(
        f"Expected one array{which}. Received: a list of {len(x)} batches: iter(x) is gone through "
        "batch by batch, np.concatenate(x) is one array."
    )
