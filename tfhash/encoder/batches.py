"""Inputs of every kind, as batches of one size."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash.encoder.arrays import is_array
from tfhash.encoder.inputs import Arrays, Batch, Inputs
from tfhash.encoder.samples import Sample


class Source:
    """What is to be encoded, read once, from the first row on.

    Parameters
    ----------
    inputs : Inputs
    x : arrays; or batches, alone or with labels: a `tf.data.Dataset`, a `keras` `PyDataset`,
        any iterable

    Attributes
    ----------
    n : int or None
        How many rows there are, where that is known.
    sample : Sample
        Some of the rows whose codes are there already: those that `blocks` skips are added.
    """

    def __init__(self, inputs: Inputs, x: Any) -> None:
        self._inputs = inputs
        self.sample = Sample()
        self._batches = _batches(x)
        self._arrays: Arrays = inputs.flat(x) if self._batches is None else []
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
        """Blocks of `size` rows from row `start` on, the last one shorter.

        Where batches come in several lengths, each block is of one, and those before a change are
        shorter too.

        `crc`, where there is one, is brought up to `start` before the first block comes.
        """
        if self._batches is None:
            for row in range(0, start, size):
                self._skip([a[row : min(start, row + size)] for a in self._arrays], crc)
            for row in range(start, len(self._arrays[0]), size):
                yield [array[row : row + size] for array in self._arrays]
            return
        held: list[Batch] = []  # parts of batches that are not handed on yet
        n_held, skip = 0, start
        for part in self._parts(self._batches):
            if skip > 0:
                head, part = [a[:skip] for a in part], [a[skip:] for a in part]
                skip -= len(head[0])
                self._skip(head, crc)
            if n_held == 0:
                held = []
            elif any(a.shape[1:] != b.shape[1:] for a, b in zip(held[0], part, strict=True)):
                yield [_join(arrays) for arrays in zip(*held, strict=True)]
                held, n_held = [], 0
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

    def _skip(self, block: Batch, crc: InputsChecksum | None) -> None:
        if crc is not None:
            crc.update(block)
        self.sample.update(block)

    def _parts(self, batches: Callable[[], Iterator[Any]]) -> Iterator[Batch]:
        batch = None
        for batch in batches():
            whole = [array[:] for array in self._inputs.flat(_without_labels(batch))]
            if len(whole[0]) > 0:
                yield whole
        if batch is None:
            raise ValueError(
                "Expected batches. Received: none; an iterator can be gone through only once: "
                "make it anew."
            )


class InputsChecksum:
    """A checksum of inputs that does not depend on how they are divided into blocks."""

    def __init__(self) -> None:
        self._each: list[int] = []

    def update(self, arrays: Batch) -> None:
        """Add the next rows."""
        before = self._each or [0] * len(arrays)
        self._each = [
            zlib.crc32(_bytes_of(array), crc) for array, crc in zip(arrays, before, strict=True)
        ]

    @property
    def value(self) -> int:
        """The checksum of all rows so far, 32 bits."""
        return zlib.crc32(np.array(self._each, "<u4").tobytes())


def _batches(x: Any) -> Callable[[], Iterator[Any]] | None:
    """How to go through the batches of `x`; None where it is made of arrays."""
    if isinstance(x, str | bytes | os.PathLike):
        raise ValueError(
            f"Expected arrays or batches. Received: {x!r}, a {type(x).__name__}: load the file "
            "first, with numpy.load(path, mmap_mode='r') for instance."
        )
    if isinstance(x, keras.utils.PyDataset):
        n = x.num_batches
        if n is None:
            raise ValueError("Expected a PyDataset that ends. Received: one of None batches.")
        return lambda: (x[i] for i in range(n))
    if hasattr(x, "as_numpy_iterator"):
        if int(x.cardinality()) == -1:
            raise ValueError("Expected a dataset that ends. Received: an infinite one: use take().")
        return lambda: iter(x.as_numpy_iterator())
    if isinstance(x, list | tuple | Mapping) or is_array(x):
        return None
    if hasattr(x, "__iter__") and not isinstance(x, type):
        return lambda: iter(x)
    return None


def _without_labels(batch: Any) -> Any:
    """The inputs of a batch that may have labels and weights beside them, as for `fit`."""
    if isinstance(batch, list | tuple) and len(batch) > 3:
        raise ValueError(
            f"Expected batches of inputs, (inputs, labels) or (inputs, labels, weights). Received: "
            f"a {type(batch).__name__} of {len(batch)}: several inputs come as ((a, b, ...),)."
        )
    return keras.utils.unpack_x_y_sample_weight(batch)[0]


def _bytes_of(array: NDArray[Any]) -> bytes | memoryview:
    if array.dtype.kind in "OUST":  # strings, which blocks may hold at other widths
        parts = [part if isinstance(part, bytes) else str(part).encode() for part in array.flat]
        return b"".join(len(part).to_bytes(8, "little") + part for part in parts)
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _join(arrays: tuple[NDArray[Any], ...]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
