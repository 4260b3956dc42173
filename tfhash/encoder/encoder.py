"""The encoder: reads neural codes off a Keras model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tfhash import _store, graph
from tfhash.codes import Codes
from tfhash.encoder.activations import Activations, name_of
from tfhash.encoder.batches import Batch, Inputs, InputsChecksum, Source
from tfhash.encoder.fingerprint import fingerprint
from tfhash.encoder.forward import PACKINGS, Forward
from tfhash.encoder.summary import summary
from tfhash.encoder.survey import Choice, Survey, Unit, choose

BATCH_BYTES = 256 << 20  # of activations, where the batch size is ours to choose
LARGEST_BATCH = 1024


class Encoder:
    """Reads the neural code of inputs off a Keras model, which it never changes.

    The code of an input has one bit for each unit, in the order in which the model computes them:
    1 where the unit's pre-activation is > 0 (He et al., Section 3), which is read off its output:
    for ReLU and most others "output > 0". Units are the outputs of activations, whether given as
    layers, as ``activation=`` of any layer, or as functions (``keras.activations``, ``keras.ops``,
    ``ops.maximum(x, 0)``), in Sequential, Functional and subclassed models, in models nested in
    them, and in layers of your own. A layer called several times is encoded at each call.
    :meth:`summary` says what is encoded, what is not, and why.

    Parameters
    ----------
    model : keras.Model
        Built. Its current weights are used, at inference (no dropout, moving batch statistics).
    layers : sequence of str and classes, optional
        Encode these alone: names as in :attr:`layer_names`, patterns (``"block*_relu"``) or
        classes (``keras.layers.ReLU``). A layer in a nested model is named ``"model/layer"``, the
        second call of a layer ``"layer#2"``. A layer that is left out otherwise is encoded where
        it is given by its very name.
    activations : sequence of str, or dict from str or function to float, optional
        Encode these alone. By default: ``relu``, ``relu6``, ``leaky_relu``, ``prelu``, ``elu``,
        ``selu``, ``celu``, ``gelu``, ``silu``, ``hard_silu``, ``mish``, and, with thresholds that
        are their values at 0, ``softplus`` (ln 2), ``squareplus`` (1), ``sparse_plus`` (1/4). Of
        the others, ``tanh``, ``hard_tanh`` and ``softsign`` are cut at 0, ``sigmoid`` and
        ``hard_sigmoid`` at 1/2. A dict gives thresholds: the bit is "output > threshold"; so
        functions of your own can be encoded too. Outputs of the model are not encoded
        where they are sigmoid, tanh or the like, unless ``layers`` names them.
    inputs : keras.Input, or a structure of them, optional
        Shapes to encode at, without which a model that leaves sizes open cannot be encoded.
    packing : "auto", "graph" or "native"
        Where the bits are packed: in the compiled graph ("auto": on accelerators, so that 1 bit
        a unit comes back and not 32) or by the native kernels ("auto": on CPUs, where they cost
        next to nothing). The codes are the same.

    Raises
    ------
    ValueError
        Where the model is not built or cannot be traced, has no unit to encode or a layer of
        unknown size, or where what is asked for is not there (near matches are named).

    Examples
    --------
    >>> codes = tfhash.Encoder(model).encode(x_test)
    >>> tfhash.metrics.redundancy_ratio(codes)
    """

    def __init__(
        self,
        model: keras.Model,
        layers: Sequence[Choice] | None = None,
        activations: Activations | None = None,
        inputs: Any = None,
        packing: str = "auto",
    ) -> None:
        if packing not in PACKINGS:
            raise ValueError(f"Expected packing to be one of {PACKINGS}. Received: {packing!r}.")
        _check_model(model)
        self._model, self._packing = model, packing
        self._inputs = Inputs(_symbols(model, inputs))
        survey = Survey(model)
        try:
            outputs = survey(self._inputs.struct)
        except graph.NotTraced:
            raise ValueError(
                f"Expected a model whose calls can be traced. Received: {model.name!r} of class "
                f"{type(model).__name__}, whose call is not written with layers and keras.ops "
                f"alone ({survey.found.untraced}). Write it so, or build it as "
                "keras.Model(inputs, outputs), to expose its layers."
            ) from None
        self._findings = survey.found
        self._findings.close(outputs)
        self._units = choose(self._findings.units, layers, activations)
        if not self._units:
            raise ValueError(_nothing_to_encode(model, self._findings.units))
        named = {unit.name: out for unit, out in zip(self._findings.units, outputs, strict=True)}
        self._n_bits = sum(unit.n_units for unit in self._units)
        self._activation_model = keras.Model(
            self._inputs.struct,
            [named[unit.name] for unit in self._units],
            name=f"{model.name}_units",
        )
        self._forward: Forward | None = None

    @property
    def activation_model(self) -> keras.Model:
        """The model whose outputs are those of the encoded layers.

        As with every Keras model, ``predict`` gives a list where there are several, and the one
        array where there is one.
        """
        return self._activation_model

    @property
    def layer_names(self) -> list[str]:
        """The encoded layers, in the order of their bits."""
        return [unit.name for unit in self._units]

    @property
    def n_bits(self) -> int:
        """Bits of a code: the number of units encoded."""
        return self._n_bits

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the model's configuration, its weights and what is encoded."""
        return fingerprint(self._model, self._units)

    def summary(self, print_fn: Callable[[str], Any] | None = None) -> None:
        """Print what is encoded, and what is left out and why; ``print_fn`` is given each line."""
        for line in summary(self._model.name, self._findings, self._units):
            (print_fn or print)(line)

    def encode(
        self,
        x: Any,
        batch_size: int | None = None,
        out: str | PathLike[str] | None = None,
    ) -> Codes:
        """The neural codes of inputs.

        Memory: the codes, or with ``out`` none of them, and the activations of one batch. A
        progress bar appears on a terminal after two seconds.

        Parameters
        ----------
        x : [n, ...], of the model's input shape
            An array, or a list or dict of arrays as the model takes them (memory-mapped ones are
            read as they are needed); or batches, alone or with labels as for ``fit``: a
            ``tf.data.Dataset``, a Keras ``PyDataset``, or any iterable.
        batch_size : int, optional
            By default as many as give 256 MiB of activations, at most 1024. Batches that come in
            other sizes are cut and joined.
        out : path, optional
            Write the codes to this file (:meth:`Codes.load` reads it) as they are made, and
            return them memory-mapped. The file appears when it is whole. Where the same was cut
            off before, it goes on there, skipping the inputs that are encoded; where the file is
            there already, nothing is done but to check that the inputs are the same.

        Returns
        -------
        Codes
            ``n`` codes of :attr:`n_bits` bits, with :attr:`Codes.layers` named.

        Raises
        ------
        ValueError
            Where inputs have another shape than the model's; where inputs, weights or activations
            are NaN or infinite (the row, the weight, or the layer and row are named); where
            ``out`` holds the codes of another model or of other inputs.
        OSError
            Where the disk is full; what was written is kept, to go on from.
        """
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"Expected a batch size of at least 1. Received: {batch_size}.")
        source = Source(self._inputs, x)
        _check_weights(self._activation_model)
        size = self._inputs.batch_size or batch_size or self._fitting_batch()
        if source.n:
            # Batches of one size: each other size would be compiled anew.
            size = -(-source.n // -(-source.n // size)) if not self._inputs.batch_size else size
        if out is not None:
            return self._encode_to(Path(out), source, size)
        words = _Rows(source.n, -(-self._n_bits // 64))
        for block, _ in self._blocks(source, size, 0, None):
            words.append(block)
        return Codes(words.finish(), self._n_bits, self._spans)

    @property
    def _spans(self) -> list[tuple[str, int, int]]:
        return self._compiled().spans

    def _compiled(self) -> Forward:
        if self._forward is None:
            self._forward = Forward(
                self._activation_model, self._inputs, self._units, self._packing
            )
        return self._forward

    def _fitting_batch(self) -> int:
        """A power of two."""
        fitting = max(1, BATCH_BYTES // (4 * max(1, self._n_bits)))
        return min(LARGEST_BATCH, 1 << (fitting.bit_length() - 1))

    def _encode_to(self, path: Path, source: Source, size: int) -> Codes:
        checksum, model = InputsChecksum(), self.fingerprint
        if path.exists():
            _check_finished(path, model, source, size, checksum)
            return Codes.load(path, mmap=True)
        with _store.GrowingStore(path, self._n_bits, self._spans, model) as store:
            if source.n is not None:
                store.reserve(source.n)
            begun, crc32 = store.rows, store.inputs_crc32
            for block, inputs_crc32 in self._blocks(source, size, begun, checksum, crc32):
                store.append(block, inputs_crc32)
            store.finish()
        return Codes.load(path, mmap=True)

    def _blocks(
        self,
        source: Source,
        size: int,
        start: int,
        checksum: InputsChecksum | None,
        expected: int = 0,
    ) -> Iterator[tuple[NDArray[np.uint64], int]]:
        """Words of one batch after the other, each with the checksum of the inputs up to it.

        ``expected`` is what the checksum must be of the rows before ``start``.
        """
        forward, row, number = self._compiled(), start, start // size
        total = None if source.n is None else -(-source.n // size)
        bar = tqdm(
            source.blocks(size, start, checksum),
            "encoding",
            total=total,
            initial=number,
            delay=2,
            disable=None,
            unit="batch",
        )
        for batch in bar:
            if row == start and checksum is not None:
                _check_same_inputs(checksum, start, expected)
            rows = len(batch[0])
            _check_inputs(batch, self._inputs.names, row)
            try:
                words = forward.words(forward.run([_pad(a, size) for a in batch]), rows, row)
            except ValueError as error:
                raise ValueError(f"batch {number}, {error}") from None
            if checksum is not None:
                checksum.update(batch)
            yield words, 0 if checksum is None else checksum.value
            row, number = row + rows, number + 1
        if row == start and checksum is not None:
            _check_same_inputs(checksum, start, expected)


class _Rows:
    """Words that come block by block, in one array."""

    def __init__(self, n: int | None, n_words: int) -> None:
        self._whole = None if n is None else np.empty((n, n_words), np.uint64)
        self._blocks: list[NDArray[np.uint64]] = []
        self._n, self._n_words = 0, n_words

    def append(self, block: NDArray[np.uint64]) -> None:
        if self._whole is None:
            self._blocks.append(block)
        else:
            self._whole[self._n : self._n + len(block)] = block
        self._n += len(block)

    def finish(self) -> NDArray[np.uint64]:
        if self._whole is not None:
            return self._whole
        whole, at = np.empty((self._n, self._n_words), np.uint64), 0
        self._blocks.reverse()
        while self._blocks:  # each is let go of as soon as it is copied
            block = self._blocks.pop()
            whole[at : at + len(block)] = block
            at += len(block)
        return whole


def _check_model(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise ValueError(f"Expected a keras.Model. Received: {type(model).__name__}.")
    if not model.built:
        raise ValueError(
            f"Expected a built model. Received: {model.name!r}, whose input shape is not known: "
            "give it a keras.Input or call it once."
        )


def _symbols(model: keras.Model, inputs: Any) -> Any:
    """New symbolic inputs in the structure in which the model takes them."""
    if inputs is None and graph.is_traceable(model):
        inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
        if isinstance(inputs, list | tuple) and len(inputs) == 1:
            inputs = inputs[0]
    elif inputs is None:
        inputs = _built_with(model)
    return keras.tree.map_structure(
        lambda symbol: keras.Input(
            batch_shape=symbol.shape, dtype=symbol.dtype, name=getattr(symbol, "name", None)
        ),
        inputs,
    )


def _built_with(model: keras.Model) -> Any:
    """What a subclassed model was built with, as symbolic tensors."""
    shapes = (model.get_build_config() or {}).get("input_shape")
    if shapes is None:
        raise ValueError(
            f"Expected a model that knows its input shape. Received: {model.name!r} of class "
            f"{type(model).__name__}: call it once on inputs, or give the encoder their shape "
            "with inputs=keras.Input(...)."
        )
    return _tensors_of(shapes)


def _tensors_of(shapes: Any) -> Any:
    if isinstance(shapes, dict):
        return {
            name: keras.KerasTensor((None, *shape[1:]), name=name) for name, shape in shapes.items()
        }
    if all(size is None or isinstance(size, int) for size in shapes):
        return keras.KerasTensor((None, *shapes[1:]), dtype=keras.backend.floatx())
    return [_tensors_of(shape) for shape in shapes]


def _nothing_to_encode(model: keras.Model, units: Sequence[Unit]) -> str:
    kinds = ", ".join(sorted({type(layer).__name__ for layer in model.layers}))
    found = [f"{unit.name} ({name_of(unit.activation)}): {unit.reason}" for unit in units]
    return (
        f"Expected a model with units to encode. Received: {model.name!r}, made of {kinds}"
        + (f", with {'; '.join(found[:10])}" if found else "")
        + "."
    )


def _check_weights(model: keras.Model) -> None:
    # Here and not in the activations: the ReLU of some backends turns a NaN into 0.
    for variable in model.variables:
        values = variable.numpy()
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(
                f"Expected finite weights. Received: NaN or infinity in {variable.path!r}; the "
                "model has diverged in training or its file is damaged."
            )


def _check_inputs(batch: Batch, names: Sequence[str], row_base: int) -> None:
    for name, array in zip(names, batch, strict=True):
        if array.dtype.kind != "f":
            continue
        wrong = ~np.isfinite(array)
        if wrong.any():
            at = tuple(np.argwhere(wrong)[0])
            which = f" for {name!r}" if len(names) > 1 else ""
            raise ValueError(
                f"Expected finite inputs{which}. Received: {array[at]} in row {row_base + at[0]}."
            )


def _check_finished(
    path: Path, model: str, source: Source, size: int, checksum: InputsChecksum
) -> None:
    """Raises ValueError where a finished store is not what encoding would give again."""
    known = _store.read_source(path)
    if known is None or known["model"] != model:
        theirs = "no fingerprint" if known is None else f"fingerprint {known['model']}"
        raise ValueError(
            f"{path}: Expected codes of the model of fingerprint {model}. Received: codes of "
            f"{theirs}. Choose another path, or remove the file."
        )
    n = 0
    for batch in source.blocks(size, 0, None):
        checksum.update(batch)
        n += len(batch[0])
    if n != len(Codes.load(path, mmap=True)):
        raise ValueError(
            f"{path}: Expected codes of {n} inputs. Received: codes of "
            f"{len(Codes.load(path, mmap=True))}. Choose another path, or remove the file."
        )
    _check_same_inputs(checksum, n, known["inputs_crc32"])


def _check_same_inputs(checksum: InputsChecksum, n: int, expected: int) -> None:
    if n > 0 and checksum.value != expected:
        raise ValueError(
            f"Expected the inputs that the store was begun with, whose first {n} have checksum "
            f"{expected:08x}. Received: inputs of checksum {checksum.value:08x}: give them in the "
            "same order each time, or choose another path."
        )


def _pad(batch: NDArray[Any], size: int) -> NDArray[Any]:
    """The batch with its last row repeated up to ``size`` rows."""
    if len(batch) == size:
        return batch
    return np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])
