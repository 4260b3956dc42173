"""Inputs of every kind, as batches of one size."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

Batch = list[NDArray[Any]]  # an array for each input of the model


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
    """

    def __init__(self, symbols: Any) -> None:
        self.struct = symbols
        self._flat = keras.tree.flatten(symbols)
        if isinstance(symbols, dict) and len(symbols) == len(self._flat):
            self.names = sorted(symbols)
        else:
            self.names = [symbol.name for symbol in self._flat]
        self.shapes = [tuple(symbol.shape[1:]) for symbol in self._flat]

    @property
    def batch_size(self) -> int | None:
        """The only batch size that the model takes, where there is one."""
        return self._flat[0].shape[0]

    def packed(self, arrays: Batch) -> Any:
        """Arrays, or tensors, in the structure in which the model takes them."""
        return keras.tree.pack_sequence_as(self.struct, arrays)

    def flat(self, x: Any) -> Batch:
        """An array for each input.

        Raises ValueError where they are not as many, of these shapes and of one length.
        """
        arrays = [
            np.asarray(part, None if hasattr(part, "__array__") else symbol.dtype)
            for part, symbol in zip(self._parts(x), self._flat, strict=True)
        ]
        for name, array, shape in zip(self.names, arrays, self.shapes, strict=True):
            if array.ndim != len(shape) + 1 or any(
                size not in (None, got) for size, got in zip(shape, array.shape[1:], strict=True)
            ):
                which = f" for {name!r}" if len(self.names) > 1 else ""
                raise ValueError(
                    f"Expected inputs of shape {('n', *shape)}{which}. "
                    f"Received shape: {array.shape}."
                )
        if len({len(array) for array in arrays}) > 1:
            raise ValueError(
                f"Expected inputs of one length, {self.names}. Received lengths: "
                f"{[len(array) for array in arrays]}."
            )
        return arrays

    def _parts(self, x: Any) -> list[Any]:
        if isinstance(x, Mapping):
            own = [symbol.name for symbol in self._flat]
            for names in (self.names, own):
                if set(x) == set(names):
                    return [x[name] for name in names]
            raise ValueError(f"Expected inputs named {self.names}. Received: {sorted(x)}.")
        if len(self.names) == 1:
            alone = isinstance(x, list | tuple) and len(x) == 1
            return [x[0] if alone and np.ndim(x[0]) == len(self.shapes[0]) + 1 else x]
        parts = keras.tree.flatten(x) if isinstance(x, list | tuple) else [x]
        if len(parts) != len(self.names):
            raise ValueError(
                f"Expected {len(self.names)} inputs, {self.names}, as a list or a dict. "
                f"Received: {len(parts)}."
            )
        return parts


class Source:
    """What is to be encoded, read once, from the first row on.

    Parameters
    ----------
    inputs : Inputs
    x : arrays; or batches, alone or with labels: a ``tf.data.Dataset``, a ``keras`` ``PyDataset``,
        any iterable

    Attributes
    ----------
    n : int or None
        How many rows there are, where that is known.
    """

    def __init__(self, inputs: Inputs, x: Any) -> None:
        self._inputs = inputs
        self._batches = _batches(x)
        self._arrays = inputs.flat(x) if self._batches is None else []
        self.n = len(self._arrays[0]) if self._batches is None else None

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the arrays, without their rows. Raises ValueError where batches are to come."""
        if self._batches is not None:
            raise ValueError(
                "Expected arrays, as this model leaves its input shape open. Received: batches: "
                "give the encoder their shape with inputs=keras.Input(...)."
            )
        return tuple(array.shape[1:] for array in self._arrays)

    def blocks(self, size: int, start: int, crc: InputsChecksum | None) -> Iterator[Batch]:
        """Blocks of ``size`` rows from row ``start`` on, the last one shorter.

        ``crc``, where there is one, is brought up to ``start`` before the first block comes.
        """
        if self._batches is None:
            if crc is not None:
                for row in range(0, start, size):
                    crc.update([a[row : min(start, row + size)] for a in self._arrays])
            for row in range(start, len(self._arrays[0]), size):
                yield [array[row : row + size] for array in self._arrays]
            return
        held: list[Batch] = []  # parts of batches that are not handed on yet
        n_held, skip = 0, start
        for part in self._parts(self._batches):
            if skip > 0:
                head, part = [a[:skip] for a in part], [a[skip:] for a in part]
                skip -= len(head[0])
                if crc is not None:
                    crc.update(head)
            held.append(part)
            n_held += len(part[0])
            while n_held >= size:
                joined = [_join(arrays) for arrays in zip(*held, strict=True)]
                yield [array[:size] for array in joined]
                held, n_held = [[array[size:] for array in joined]], n_held - size
        if skip > 0:
            raise ValueError(
                f"Expected at least the {start} inputs that are encoded already. Received: "
                f"{start - skip}."
            )
        if n_held > 0:
            yield [_join(arrays) for arrays in zip(*held, strict=True)]

    def _parts(self, batches: Callable[[], Iterator[Any]]) -> Iterator[Batch]:
        for batch in batches():
            yield self._inputs.flat(keras.utils.unpack_x_y_sample_weight(batch)[0])


class InputsChecksum:
    """The checksum of inputs, whatever the blocks are in which they come."""

    def __init__(self) -> None:
        self._each: list[int] = []

    def update(self, arrays: Batch) -> None:
        """Take the next rows in."""
        before = self._each or [0] * len(arrays)
        self._each = [
            zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, crc)
            for array, crc in zip(arrays, before, strict=True)
        ]

    @property
    def value(self) -> int:
        """Of all rows so far, 32 bits."""
        return zlib.crc32(np.array(self._each, "<u4").tobytes())


def _batches(x: Any) -> Callable[[], Iterator[Any]] | None:
    """How to go through the batches of ``x``; None where it is made of arrays."""
    if isinstance(x, keras.utils.PyDataset):
        n = x.num_batches
        if n is None:
            raise ValueError("Expected a PyDataset that ends. Received: one of None batches.")
        return lambda: (x[i] for i in range(n))
    if hasattr(x, "as_numpy_iterator"):
        if int(x.cardinality()) == -1:
            raise ValueError("Expected a dataset that ends. Received: an infinite one: use take().")
        return lambda: iter(x.as_numpy_iterator())
    if isinstance(x, list | tuple | Mapping) or hasattr(x, "__array__"):
        return None
    if hasattr(x, "__iter__"):
        return lambda: iter(x)
    return None


def _join(arrays: tuple[NDArray[Any], ...]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
