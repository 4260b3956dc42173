"""Neural codes: one bit per unit and example, packed 64 to a word."""

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tfhash import _native, _store
from tfhash.codes.html import codes_html
from tfhash.codes.indexing import chosen_rows
from tfhash.codes.layers import LayerSpan, adjoined, checked_layers, end_to_end, short_list
from tfhash.codes.packing import bit_matrix, join_bits, matrix_of, native_floats
from tfhash.codes.words import frozen, own_words, whole_number
from tfhash.errors import near_layers


class Codes:
    """`n` neural codes of `n_bits` bits, packed and immutable.

    Make them with `from_bits`, `from_activations`, `load` or
    `tfhash.Encoder.encode`.

    Codes are what scikit-learn's splitters and searches take as X, beside the estimators of
    `tfhash.metrics`: they have a `shape`, are indexed by rows, pickle and copy.
    `np.asarray(codes)` unpacks the bits, as `to_bits`, which takes 8 times their memory.

    Parameters
    ----------
    words : uint64 [n, ceil(n_bits / 64)]
        Bit `j` of code `i` is `words[i, j // 64] >> (j % 64) & 1`; bits past `n_bits` are
        0. Copied, so that nobody else can write to them, unless the array is read-only, and what
        it is a view of too (a file mapped with mode "r" stays mapped).
    n_bits : int
    layers : sequence of (name, start, stop), optional
        Spans of bits, in order, without gaps, that together are the whole code; names differ.

    Raises
    ------
    ValueError
        Where the shape, dtype, padding bits or spans are not as stated.
    """

    __slots__ = ("_layers", "_n_bits", "_stored", "_words")
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        words: NDArray[np.uint64],
        n_bits: int,
        layers: Iterable[tuple[str, int, int]] = (),
    ) -> None:
        n_bits = whole_number(n_bits, "n_bits", 0)
        self._set(own_words(words, n_bits), n_bits, checked_layers(layers, n_bits), None)

    def _set(
        self,
        words: NDArray[np.uint64],
        n_bits: int,
        layers: tuple[LayerSpan, ...],
        stored: _store.StoredCodes | _store.StoredShards | None,
    ) -> "Codes":
        # A view of a read-only array: its flag cannot be set back.
        self._words = frozen(np.ascontiguousarray(words)).view()
        self._n_bits = n_bits
        self._layers = layers
        self._stored = stored  # the file that the words are mapped from
        return self

    @classmethod
    def _trusted(
        cls,
        words: NDArray[np.uint64],
        n_bits: int,
        layers: tuple[LayerSpan, ...],
        stored: _store.StoredCodes | _store.StoredShards | None = None,
    ) -> "Codes":
        """Codes of words that need no check: nothing else refers to them, or they are mapped."""
        return cls.__new__(cls)._set(words, n_bits, layers, stored)

    @classmethod
    def from_bits(cls, bits: ArrayLike, layers: Iterable[tuple[str, int, int]] = ()) -> "Codes":
        """Pack a matrix of bits.

        Parameters
        ----------
        bits : [n, n_bits], bool or numbers that are all 0 or 1
            A `uint8` matrix too is one bit per byte, never taken to be packed.
        layers : see `Codes`.

        Raises
        ------
        ValueError
            Where it is no matrix, or holds anything but 0 and 1.
        """
        return cls._packed(bit_matrix(matrix_of(bits, "bits")), layers)

    @classmethod
    def from_activations(
        cls, activations: ArrayLike, layers: Iterable[tuple[str, int, int]] = ()
    ) -> "Codes":
        """Pack a matrix of activations: the bit is 1 where the activation is > 0.

        Parameters
        ----------
        activations : float [n, n_bits]
            Outputs (or pre-activations) of the units: float16, bfloat16, float32 or float64.
        layers : see `Codes`.

        Raises
        ------
        ValueError
            Where it is no matrix of floating-point numbers, or holds a NaN or an infinity (a
            network that has diverged has no code); the row and column are named.
        """
        return cls._packed(native_floats(matrix_of(activations, "activations")), layers)

    @classmethod
    def _packed(cls, matrix: NDArray[Any], layers: Iterable[tuple[str, int, int]]) -> "Codes":
        n, n_bits = matrix.shape
        words = np.zeros((n, -(-n_bits // 64)), np.uint64)
        spans = checked_layers(layers, n_bits)
        _native.pack(np.require(matrix, requirements=["C", "A"]), words, 0, 0)
        return cls._trusted(words, n_bits, spans)

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
        parts = list(parts)
        if not parts:
            raise ValueError("Expected at least one Codes to concatenate. Received: none.")
        for part in parts:
            if not isinstance(part, Codes):
                raise ValueError(
                    f"Expected Codes to concatenate. Received: {type(part).__name__}; "
                    "make codes of bits with Codes.from_bits."
                )
        first = parts[0]
        if axis == 0:
            for part in parts:
                if (part.n_bits, part.layers) != (first.n_bits, first.layers):
                    raise ValueError(
                        "Expected codes of the same bits and layers to concatenate. Received: "
                        f"{_outline(first)} and {_outline(part)}."
                    )
            words = np.concatenate([part.words for part in parts])
            return cls._trusted(words, first.n_bits, first.layers)
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
        """Spans `(codes, start, stop)` of bits side by side; layers are laid end to end."""
        words, n_bits = join_bits([(c.words, c.n_bits, start, stop) for c, start, stop in spans])
        return cls._trusted(words, n_bits, end_to_end(layers))

    @property
    def words(self) -> NDArray[np.uint64]:
        """uint64 [n, ceil(n_bits / 64)], read-only."""
        return self._words

    @property
    def packed_bytes(self) -> NDArray[np.uint8]:
        """uint8 [n, 8 * n_words], the same memory: what FAISS's binary indexes take.

        `np.unpackbits(packed_bytes, axis=1, count=n_bits, bitorder="little")` gives the bits.
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
    def shape(self) -> tuple[int, int]:
        """`(n, n_bits)`, the shape of the matrix of bits."""
        return len(self), self._n_bits

    @property
    def ndim(self) -> int:
        """2, of the matrix of bits."""
        return 2

    @property
    def source(self) -> dict[str, Any] | None:
        """What memory-mapped codes were encoded from, where an encoder wrote their file.

        `model`, its fingerprint, and `inputs_crc32`, a checksum of all inputs in the file. None
        for codes in memory.
        """
        return None if self._stored is None else self._stored.source

    @property
    def nbytes(self) -> int:
        """Bytes of the words."""
        return self._words.nbytes

    def __len__(self) -> int:
        return len(self._words)

    def __getitem__(self, rows: Any) -> "Codes":
        """The codes of some examples: an index (giving one code), slice, indices or bool mask.

        A slice shares memory (and stays on disk where these codes are memory-mapped).
        `codes[rows, :]` and `codes[rows, ...]` are `codes[rows]`.

        Raises
        ------
        IndexError
            Where a row is not there, or bits are asked for.
        """
        words = self._words[chosen_rows(rows, len(self))]
        is_mapped = np.may_share_memory(words, self._words) and words.flags.c_contiguous
        stored = self._stored if is_mapped else None
        return Codes._trusted(words, self._n_bits, self._layers, stored)

    def select(self, layers: str | Sequence[str]) -> "Codes":
        """The codes of some layers alone, in the order given.

        Parameters
        ----------
        layers : name or sequence of names from `layers`

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
        """The codes of the first `k` of `layers`; `k` from 1 to their number."""
        return self._of(self._layers[: self._checked_count(k)])

    def last_layers(self, k: int) -> "Codes":
        """The codes of the last `k` of `layers`; `k` from 1 to their number."""
        return self._of(self._layers[len(self._layers) - self._checked_count(k) :])

    def _checked_count(self, k: int) -> int:
        return whole_number(k, "the number of layers", 1, len(self._layers))

    def _of(self, layers: Sequence[LayerSpan]) -> "Codes":
        return Codes._joined([(self, start, stop) for start, stop in adjoined(layers)], layers)

    def to_bits(self) -> NDArray[np.uint8]:
        """Unpack to uint8 [n, n_bits] of 0 and 1."""
        return np.unpackbits(self.packed_bytes, axis=1, count=self._n_bits, bitorder="little")

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """The bits, uint8 [n, n_bits] unless `dtype` is given; what `np.asarray(codes)` calls."""
        if copy is False:
            raise ValueError(
                "Expected copy to be None or True: codes are packed, and their bits an array of "
                "their own. Received: copy=False."
            )
        bits = self.to_bits()
        return bits if dtype is None else bits.astype(dtype, copy=False)

    def save(self, path: str | PathLike[str]) -> None:
        """Write to one file, atomically: an existing file is replaced only by a whole new one.

        `docs/code_file.md` describes the format. An existing file keeps its permissions; where
        `path` is a symbolic link, the file that it points to is written.

        Raises
        ------
        OSError
            Where the folder cannot be written, the disk is full, or `path` is a folder or device.
        ValueError
            Where these codes are memory-mapped and their own file is damaged.
        """
        self.verify(again=False)  # not to write damaged words with checksums that are right
        _store.write(Path(path), self._words, self._n_bits, self._layers)

    @classmethod
    def load(cls, path: str | PathLike[str], mmap: bool = False) -> "Codes":
        """Read what `save` wrote.

        Parameters
        ----------
        path : file, or folder of shards that `tfhash.distributed.encode` wrote
            Of a folder all shards are read as one, in the order of the inputs; with `mmap` they
            are mapped one behind the other (on Linux; elsewhere they are read).
        mmap : bool
            Leave the words on disk and read them as they are needed. The header, the size and the
            table of checksums are checked either way; the words themselves (checksums, padding)
            only without `mmap`, or by `verify`, which says when.

        Raises
        ------
        OSError
            Where there is no such file, or it cannot be read.
        ValueError
            Where the file is no file of codes, of a later version, cut short or damaged; or the
            folder has no manifest or another shard than that lists, which is named.
        """
        is_folder = Path(path).is_dir()
        stored = (_store.read_shards if is_folder else _store.read)(Path(path), mmap)
        try:
            layers = checked_layers(stored.layers, stored.n_bits)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        return cls._trusted(stored.words, stored.n_bits, layers, stored if mmap else None)

    def verify(self, again: bool = True) -> None:
        """Read the words and compare them with the checksums of their file.

        Codes that are memory-mapped are verified without being asked only where that costs little
        beside the rest: when an estimator is fitted to them, when an encoder returns them from a
        finished `out=` file, and when they are saved. Other codes were checked when they were
        made; for them nothing is done.

        Parameters
        ----------
        again : bool
            Whether to read blocks, of about 1 MiB, that were found undamaged before.

        Raises
        ------
        ValueError
            Where words are not those that were written, or a bit past `n_bits` is 1; the file
            and the codes are named.
        """
        if self._stored is None or self._words.size == 0:
            return
        self._stored.verify(self._first, self._first + len(self), again)

    def release(self) -> None:
        """Let the system take back the memory of words that are memory-mapped.

        They are read from their file again when they are needed. For a reader of many codes, in
        order, that is to stay within a limit; nothing is done for other codes.
        """
        if self._stored is not None and self._words.size:
            self._stored.release(self._first, self._first + len(self))

    @property
    def _first(self) -> int:
        """Where these codes begin in the file that they are mapped from."""
        assert self._stored is not None
        start = self._words.ctypes.data - self._stored.words.ctypes.data
        return int(start // self._words.strides[0])

    def __reduce__(self) -> tuple[Any, ...]:
        # Words of mapped codes are copied: the file may be elsewhere, or another one, by then.
        return _unpickled, (self._words, self._n_bits, [tuple(layer) for layer in self._layers])

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        # Of codes pickled by tfhash 0.1.
        parts = state[1]
        self.__init__(parts["_words"], parts["_n_bits"], parts["_layers"])  # type: ignore[misc]

    def __copy__(self) -> "Codes":
        return self  # immutable

    def __deepcopy__(self, memo: dict[int, Any]) -> "Codes":
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Codes):
            return NotImplemented
        same_form = (self._n_bits, self._layers) == (other._n_bits, other._layers)
        return same_form and np.array_equal(self._words, other._words)

    def __repr__(self) -> str:
        return f"Codes(n={len(self)}, {_outline(self)}, nbytes={self.nbytes})"

    def _repr_html_(self) -> str:
        return codes_html(self)


def _unpickled(
    words: NDArray[np.uint64], n_bits: int, layers: Iterable[tuple[str, int, int]]
) -> Codes:
    # An array that owns its memory was made by the unpickling.
    return Codes(frozen(words) if words.base is None else words, n_bits, layers)


def _outline(codes: Codes) -> str:
    layers = f", layers={short_list(layer.name for layer in codes.layers)}" if codes.layers else ""
    return f"n_bits={codes.n_bits}{layers}"
