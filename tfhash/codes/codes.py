"""Neural codes: one bit per unit and example, packed 64 to a word."""

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash import _native, _store
from tfhash.codes.packing import native_floats
from tfhash.errors import near_layers


class LayerSpan(NamedTuple):
    """The bits ``[start, stop)`` of a code that belong to one layer."""

    name: str
    start: int
    stop: int


class Codes:
    """``n`` neural codes of ``n_bits`` bits, packed and immutable.

    Make them with :meth:`from_bits`, :meth:`from_activations`, :meth:`load` or
    :meth:`tfhash.Encoder.encode`.

    Parameters
    ----------
    words : uint64 [n, ceil(n_bits / 64)]
        Bit ``j`` of code ``i`` is ``words[i, j // 64] >> (j % 64) & 1``; bits past ``n_bits`` are
        0. Kept, not copied, where it is C-contiguous.
    n_bits : int
    layers : sequence of (name, start, stop), optional
        Spans of bits, in order, without gaps, that together are the whole code; names differ.

    Raises
    ------
    ValueError
        Where the shape, dtype, padding bits or spans are not as stated.
    """

    __slots__ = ("_layers", "_n_bits", "_words")
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        words: NDArray[np.uint64],
        n_bits: int,
        layers: Iterable[tuple[str, int, int]] = (),
    ) -> None:
        n_words = -(-n_bits // 64)
        if words.dtype != np.uint64 or words.ndim != 2 or words.shape[1] != n_words:
            raise ValueError(
                f"Expected uint64 words of shape [n, {n_words}] for codes of {n_bits} bits. "
                f"Received: {words.dtype} of shape {words.shape}."
            )
        padding = 64 * n_words - n_bits
        if padding and (words[:, -1] >> np.uint64(64 - padding)).any():
            raise ValueError(
                f"Expected 0 in the {padding} padding bits after bit {n_bits - 1}. Received: "
                "words where some are 1."
            )
        self._set(words, n_bits, _checked_layers(layers, n_bits))

    def _set(
        self, words: NDArray[np.uint64], n_bits: int, layers: tuple[LayerSpan, ...]
    ) -> "Codes":
        self._words = np.ascontiguousarray(words).view()
        self._words.flags.writeable = False
        self._n_bits = n_bits
        self._layers = layers
        return self

    @classmethod
    def _trusted(
        cls, words: NDArray[np.uint64], n_bits: int, layers: tuple[LayerSpan, ...]
    ) -> "Codes":
        """Without the checks: they would read words that may lie on disk."""
        return cls.__new__(cls)._set(words, n_bits, layers)

    @classmethod
    def from_bits(cls, bits: ArrayLike, layers: Iterable[tuple[str, int, int]] = ()) -> "Codes":
        """Pack a matrix of bits.

        Parameters
        ----------
        bits : [n, n_bits], bool or numbers that are all 0 or 1
            A ``uint8`` matrix too is one bit per byte, never taken to be packed.
        layers : see :class:`Codes`.

        Raises
        ------
        ValueError
            Where it is no matrix, or holds anything but 0 and 1.
        """
        matrix = np.asarray(bits)
        _check_matrix(matrix, "bits")
        if matrix.dtype == np.bool_:
            matrix = np.ascontiguousarray(matrix).view(np.uint8)
        elif matrix.dtype != np.uint8:
            matrix = _zeros_and_ones(matrix)
        return cls._packed(matrix, layers)

    @classmethod
    def from_activations(
        cls, activations: ArrayLike, layers: Iterable[tuple[str, int, int]] = ()
    ) -> "Codes":
        """Pack a matrix of activations: the bit is 1 where the activation is > 0.

        Parameters
        ----------
        activations : float [n, n_bits]
            Outputs (or pre-activations) of the units; any floating-point type.
        layers : see :class:`Codes`.

        Raises
        ------
        ValueError
            Where it is no matrix of floating-point numbers, or holds a NaN or an infinity (a
            network that has diverged has no code); the row and column are named.
        """
        matrix = np.asarray(activations)
        _check_matrix(matrix, "activations")
        return cls._packed(native_floats(matrix), layers)

    @classmethod
    def _packed(cls, matrix: NDArray[Any], layers: Iterable[tuple[str, int, int]]) -> "Codes":
        n, n_bits = matrix.shape
        words = np.zeros((n, -(-n_bits // 64)), np.uint64)
        _native.pack(np.ascontiguousarray(matrix), words, 0, 0)
        return cls(words, n_bits, layers)

    @classmethod
    def concatenate(cls, parts: Sequence["Codes"], axis: int = 0) -> "Codes":
        """Join codes.

        Parameters
        ----------
        parts : sequence of Codes, at least one
        axis : 0 or 1
            0 joins examples: all parts have the same bits and layers. 1 joins bits: all parts
            have the same number of examples; layers keep their names, which must differ.

        Raises
        ------
        ValueError
            Where the parts do not fit together.
        """
        if not parts:
            raise ValueError("Expected at least one Codes to concatenate. Received: none.")
        first = parts[0]
        if axis == 0:
            for part in parts:
                if (part.n_bits, part.layers) != (first.n_bits, first.layers):
                    raise ValueError(
                        "Expected codes of the same bits and layers to concatenate. Received: "
                        f"{_outline(first)} and {_outline(part)}."
                    )
            return cls(np.concatenate([p.words for p in parts]), first.n_bits, first.layers)
        if axis != 1:
            raise ValueError(f"Expected axis 0 (examples) or 1 (bits). Received: {axis!r}.")
        lengths = sorted({len(part) for part in parts})
        if len(lengths) > 1:
            raise ValueError(f"Expected parts of one length. Received lengths: {lengths}.")
        spans = [(part, 0, part.n_bits) for part in parts]
        named = all(part.layers or part.n_bits == 0 for part in parts)
        names = [layer for part in parts for layer in part.layers] if named else []
        return cls._joined(spans, names)

    @classmethod
    def _joined(
        cls, spans: Sequence[tuple["Codes", int, int]], layers: Sequence[LayerSpan]
    ) -> "Codes":
        """Spans ``(codes, start, stop)`` of bits side by side; layers are laid end to end."""
        n, n_bits = len(spans[0][0]), sum(stop - start for _, start, stop in spans)
        words = np.zeros((n, -(-n_bits // 64)), np.uint64)
        at = 0
        for codes, start, stop in spans:
            _native.copy_bits(codes.words, codes.n_bits, start, stop - start, words, at)
            at += stop - start
        moved, at = [], 0
        for layer in layers:
            moved.append((layer.name, at, at + layer.stop - layer.start))
            at = moved[-1][2]
        return cls(words, n_bits, moved)

    @property
    def words(self) -> NDArray[np.uint64]:
        """uint64 [n, ceil(n_bits / 64)], read-only."""
        return self._words

    @property
    def packed_bytes(self) -> NDArray[np.uint8]:
        """uint8 [n, 8 * n_words], the same memory: what FAISS's binary indexes take.

        ``np.unpackbits(packed_bytes, axis=1, count=n_bits, bitorder="little")`` gives the bits.
        """
        return self._words.view(np.uint8)

    @property
    def n_bits(self) -> int:
        """Bits of one code: the number of units encoded."""
        return self._n_bits

    @property
    def layers(self) -> tuple[LayerSpan, ...]:
        """Which bits belong to which layer; empty where that was not said."""
        return self._layers

    @property
    def nbytes(self) -> int:
        """Bytes of the words."""
        return self._words.nbytes

    def __len__(self) -> int:
        return len(self._words)

    def __getitem__(self, rows: int | slice | ArrayLike) -> "Codes":
        """The codes of some examples: an index (giving one code), slice, indices or bool mask.

        A slice shares memory (and stays on disk where these codes are memory-mapped).
        """
        if isinstance(rows, int | np.integer):
            if not -len(self) <= rows < len(self):
                raise IndexError(f"Expected a row of {len(self)} codes. Received: {rows}.")
            rows = [int(rows)]
        chosen = rows if isinstance(rows, slice) else np.asarray(rows)
        if isinstance(chosen, np.ndarray) and chosen.size == 0 and chosen.dtype != np.bool_:
            chosen = chosen.astype(np.int64)  # NumPy reads an empty list as float64
        words = self._words[chosen]
        if words.ndim != 2:
            raise IndexError("Expected one index, a slice, indices or a mask over the codes.")
        return Codes._trusted(words, self._n_bits, self._layers)

    def select(self, layers: str | Sequence[str]) -> "Codes":
        """The codes of some layers alone, in the order given.

        Parameters
        ----------
        layers : name or sequence of names from :attr:`layers`

        Raises
        ------
        ValueError
            Where a name is unknown or given twice.
        """
        wanted = [layers] if isinstance(layers, str) else list(layers)
        known = {layer.name: layer for layer in self._layers}
        for name in wanted:
            if name not in known:
                raise ValueError(
                    f"Expected names among the {len(known)} layers of these codes, such as "
                    f"{near_layers(name, known)}. Received: {name!r}."
                )
        if not wanted:
            raise ValueError("Expected at least one layer to select. Received: none.")
        return self._of([known[name] for name in wanted])

    def first_layers(self, k: int) -> "Codes":
        """The codes of the first ``k`` of :attr:`layers`; ``k`` from 1 to their number."""
        return self._of(self._layers[: self._checked_count(k)])

    def last_layers(self, k: int) -> "Codes":
        """The codes of the last ``k`` of :attr:`layers`; ``k`` from 1 to their number."""
        return self._of(self._layers[len(self._layers) - self._checked_count(k) :])

    def _checked_count(self, k: int) -> int:
        if not 1 <= k <= len(self._layers):
            raise ValueError(
                f"Expected a number of layers from 1 to {len(self._layers)}. Received: {k}."
            )
        return k

    def _of(self, layers: Sequence[LayerSpan]) -> "Codes":
        spans: list[tuple[int, int]] = []
        for layer in layers:
            if spans and spans[-1][1] == layer.start:  # adjoining spans are copied as one
                spans[-1] = (spans[-1][0], layer.stop)
            else:
                spans.append((layer.start, layer.stop))
        return Codes._joined([(self, start, stop) for start, stop in spans], layers)

    def to_bits(self) -> NDArray[np.uint8]:
        """Unpack to uint8 [n, n_bits] of 0 and 1."""
        return np.unpackbits(self.packed_bytes, axis=1, count=self._n_bits, bitorder="little")

    def save(self, path: str | PathLike[str]) -> None:
        """Write to one file, atomically: an existing file is replaced only by a whole new one.

        ``docs/code_file.md`` describes the format.
        """
        _store.write(Path(path), self._words, self._n_bits, self._layers)

    @classmethod
    def load(cls, path: str | PathLike[str], mmap: bool = False) -> "Codes":
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        path : file
        mmap : bool
            Leave the words on disk and read them as they are needed. The header and the size are
            checked either way; the words themselves (checksum, padding) only without ``mmap``.

        Raises
        ------
        FileNotFoundError
        ValueError
            Where the file is no file of codes, of a later version, cut short or damaged.
        """
        words, n_bits, layers = _store.read(Path(path), mmap)
        if mmap:
            return cls._trusted(words, n_bits, _checked_layers(layers, n_bits))
        return cls(words, n_bits, layers)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Codes):
            return NotImplemented
        same_form = (self._n_bits, self._layers) == (other._n_bits, other._layers)
        return same_form and np.array_equal(self._words, other._words)

    def __repr__(self) -> str:
        return f"Codes(n={len(self)}, {_outline(self)}, nbytes={self.nbytes})"


def _check_matrix(matrix: NDArray[Any], what: str) -> None:
    if matrix.ndim != 2:
        raise ValueError(
            f"Expected a matrix of {what}, one row an example. Received shape: {matrix.shape}."
        )


def _zeros_and_ones(matrix: NDArray[Any]) -> NDArray[np.uint8]:
    if matrix.dtype.kind not in "iuf":
        raise ValueError(f"Expected bits that are 0 or 1. Received dtype: {matrix.dtype}.")
    wrong = ~((matrix == 0) | (matrix == 1))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            "Expected bits that are 0 or 1. "
            f"Received: {matrix[row, column]} at row {row}, column {column}."
        )
    return matrix.astype(np.uint8)


def _checked_layers(layers: Iterable[tuple[str, int, int]], n_bits: int) -> tuple[LayerSpan, ...]:
    spans = tuple(LayerSpan(str(name), int(start), int(stop)) for name, start, stop in layers)
    ends = [0, *(span.stop for span in spans)]
    if spans and (
        any(span.start != end or span.stop < end for span, end in zip(spans, ends, strict=False))
        or ends[-1] != n_bits
    ):
        raise ValueError(
            f"Expected layers that follow one another and cover {n_bits} bits. "
            f"Received: {[tuple(span) for span in spans]}."
        )
    if len({span.name for span in spans}) != len(spans):
        raise ValueError(
            f"Expected layers of different names. Received: {[span.name for span in spans]}."
        )
    return spans


def _outline(codes: Codes) -> str:
    names = ", ".join(layer.name for layer in codes.layers[:8])
    more = ", ..." if len(codes.layers) > 8 else ""
    return f"n_bits={codes.n_bits}" + (f", layers=[{names}{more}]" if names else "")
