"""The encoder: reads neural codes off a Keras model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash import _store, graph, progress
from tfhash.codes import Codes, frozen, whole_number
from tfhash.encoder import inference
from tfhash.encoder.activation_tracer import ActivationTracer, Choice
from tfhash.encoder.activations import Activations
from tfhash.encoder.batches import InputsChecksum, Source
from tfhash.encoder.checks import (
    WeightsCheck,
    check_inputs,
    check_same_inputs,
    nothing_to_encode,
)
from tfhash.encoder.choice import choose
from tfhash.encoder.fingerprint import Probe, fingerprint
from tfhash.encoder.finished import finished_codes
from tfhash.encoder.forward import PACKINGS, Forward
from tfhash.encoder.inputs import Inputs
from tfhash.encoder.samples import Sample, check_rows
from tfhash.encoder.summary import summary, warn_of_hidden
from tfhash.encoder.symbols import symbols_of

if TYPE_CHECKING:
    import pandas as pd

BATCH_BYTES = 256 << 20  # of inputs and activations, where the batch size is ours to choose
LARGEST_BATCH = 8192


class Encoder:
    """Reads the neural code of inputs off a Keras model, which it never changes.

    The code of an input has one bit for each unit, in the order in which the model computes them:
    1 where the unit's pre-activation is > 0 (He et al., Section 3), whatever the activation's
    slopes and parameters. The pre-activation itself is read, or for a plain ReLU its output, which
    is > 0 where that is. Units are the outputs of activations, whether given as
    layers, as `activation=` of any layer, or as functions (`keras.activations`, `keras.ops`,
    `ops.maximum(x, 0)`), in Sequential, Functional and subclassed models, in models nested in
    them or in `TimeDistributed`, and in layers of your own. A layer called several times is
    encoded at each call, within `TimeDistributed` at each step. `summary` says what is
    encoded, what is not, and why; of layers that cannot be looked into a warning tells at once.

    Codes are those of what `model.predict` computes: at inference, also where a layer in the
    model's graph is called with `training=True`. The model is left bit for bit as it is: every
    batch is computed from its present state (of stateful recurrent layers, of seeds), and what a
    call would assign to its variables is dropped. A warning names the layers that are random at
    inference all the same, or whose results depend on the rows that share a batch.

    Parameters
    ----------
    model : keras.Model
        Built. Its current weights are used.
    layers : str, class, layer or int, or a sequence of them, optional
        Encode these alone: names as in `layer_names`, patterns (`"block*_relu"`),
        classes (`keras.layers.ReLU`), layers of the model, or indices in `model.layers`. A
        layer in a nested model is named `"model/layer"`, the second call of a layer
        `"layer#2"`. A layer that is left out otherwise is encoded where it is given by its very
        name, as a layer or by its index.
    activations : sequence of str, or dict from str or function to float, optional
        Encode these alone. By default: `relu`, `relu6`, `leaky_relu`, `prelu`, `elu`,
        `selu`, `celu`, `gelu`, `silu`, `hard_silu`, `mish`, `softplus`,
        `squareplus` and `sparse_plus`. Others that have a sign for each unit: `sigmoid`,
        `tanh`, `softsign` and more. A dict gives thresholds of outputs: the bit is then
        "output > threshold"; so functions of your own can be encoded too. Outputs of the model
        are not encoded where they are sigmoid, tanh or the like, unless `layers` names them.
    inputs : keras.Input, or a structure of them, optional
        Shapes to encode at, where the model leaves sizes open. Without them arrays are encoded at
        their own shape, and streams of batches not at all.
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
        layers: Choice | Sequence[Choice] | None = None,
        activations: Activations | None = None,
        inputs: Any = None,
        packing: str = "auto",
    ) -> None:
        if packing not in PACKINGS:
            raise ValueError(f"Expected packing to be one of {PACKINGS}. Received: {packing!r}.")
        graph.check_built(model)
        self._model, self._packing = model, packing
        self._fixed: dict[Any, Encoder] = {}  # for each shape of inputs, where that is open
        self._inputs = Inputs(symbols_of(model, inputs))
        tracer = ActivationTracer(model)
        try:
            outputs, before = tracer(self._inputs.struct)
        except graph.NotTraced:
            raise ValueError(
                f"Expected a model whose calls can be traced. Received: {model.name!r} of class "
                f"{type(model).__name__}, whose call is not written with layers and keras.ops "
                f"alone ({tracer.trace.untraced}). Write it so, or build it as "
                "keras.Model(inputs, outputs), to expose its layers."
            ) from None
        self._trace = tracer.trace
        self._trace.close(outputs)
        self._sites = choose(model, self._trace.sites, layers, activations)
        if not self._sites:
            raise ValueError(nothing_to_encode(model, self._trace.sites))
        tensors = list(zip(self._trace.sites, outputs, before, strict=True))
        chosen = {site.name for site in self._sites}
        self._activation_model = keras.Model(
            self._inputs.struct,
            [output for site, output, _ in tensors if site.name in chosen],
            name=f"{model.name}_units",
        )
        self._sign_model = keras.Model(
            self._inputs.struct,
            [output if u.reads_output else z for u, output, z in tensors if u.name in chosen],
            name=f"{model.name}_signs",
        )
        inference.warn_of_movers(model, self._trace.moved)
        if layers is None:
            warn_of_hidden(model.name, self._trace)
        # By name from here on: a copy of this encoder has other layer objects.
        self._choice = ([site.name for site in self._sites], activations)
        self._forward: Forward | None = None
        self._probe: Probe | None = None
        self._weights_check: WeightsCheck | None = None

    def __repr__(self) -> str:
        names = self.layer_names
        shown = ", ".join(names if len(names) <= 8 else [*names[:4], "...", *names[-3:]])
        is_open = any(site.is_open for site in self._sites)
        return (
            f"Encoder({self._model.name!r}, n_bits={'open' if is_open else self.n_bits}, "
            f"layers=[{shown}])"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # As the model is copied or pickled, so is its encoder.
        symbols = keras.tree.map_structure(
            lambda symbol: keras.KerasTensor(symbol.shape, dtype=symbol.dtype, name=symbol.name),
            self._inputs.struct,
        )
        return Encoder, (self._model, *self._choice, symbols, self._packing)

    @property
    def model(self) -> keras.Model:
        """The model that it was made of."""
        return self._model

    @property
    def activation_model(self) -> keras.Model:
        """The model whose outputs are those of the encoded layers.

        As with every Keras model, `predict` gives a list where there are several, and the one
        array where there is one.
        """
        return self._activation_model

    @property
    def layer_names(self) -> list[str]:
        """The encoded layers, in the order of their bits."""
        return [site.name for site in self._sites]

    @property
    def n_bits(self) -> int:
        """Bits of a code: the number of units encoded.

        Raises ValueError where it depends on the shape of the inputs, which the model leaves open.
        """
        return sum(site.n_units for site in self._sites)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the model's configuration, its weights and what is encoded.

        Where the model has code of a user's own, which no configuration holds, also of what it
        computes of 16 fixed inputs: see `tfhash.encoder.fingerprint`.
        """

        def probe() -> bytes:
            if self._probe is None:
                self._probe = Probe(self._activation_model, self._inputs, self._sites)
            return self._probe()

        return fingerprint(self._model, self._sites, self._trace.moved, probe)

    def summary(self, print_fn: Callable[[str], Any] | None = None) -> None:
        """Print what is encoded, and what is left out and why; `print_fn` is given each line."""
        for line in summary(self._model.name, self._trace, self._sites):
            (print_fn or print)(line)

    def encode(
        self,
        x: Any,
        batch_size: int | None = None,
        out: str | PathLike[str] | None = None,
    ) -> Codes:
        """The neural codes of inputs.

        Memory: the codes, or with `out` none of them, and the activations of one batch. A
        progress bar appears on a terminal after two seconds.

        Parameters
        ----------
        x : [n, ...], of the model's input shape
            An array, or a list or dict of arrays as the model takes them (memory-mapped ones are
            read as they are needed); or batches, alone or with labels as for `fit`: a
            `tf.data.Dataset`, a Keras `PyDataset`, or any iterable.
        batch_size : int, optional
            By default as many as give 256 MiB of inputs and activations, at most 8192. Batches
            that come in other sizes are cut and joined.
        out : path, optional
            Write the codes to this file (`Codes.load` reads it) as they are made, and
            return them memory-mapped. The file appears when it is whole. Where the same was cut
            off before, it goes on there, skipping the inputs that are encoded; where the file is
            there already, nothing is done but to check that it is undamaged and the inputs are
            the same; a damaged one is encoded again, with a warning. In both cases up to 16 rows
            are encoded again and compared with the file. A symbolic link stands for what it
            points to.

        Returns
        -------
        Codes
            `n` codes of `n_bits` bits, with `Codes.layers` named.

        Raises
        ------
        ValueError
            Where inputs have another shape than the model's; where inputs, weights or activations
            are NaN or infinite (the row, the weight, or the layer and row are named); where
            `out` is no file of codes, or holds those of another model or of other inputs.
        OSError
            Where the disk is full; what was written is kept, to go on from.
        """
        if batch_size is not None:
            batch_size = whole_number(batch_size, "batch_size", 1)
        source = Source(self._inputs, x)
        if any(site.is_open for site in self._sites):
            return self._at(source.shapes).encode(x, batch_size, out)
        self._check_weights()
        size = self.batch_of(source.n, batch_size)
        if out is not None:
            return self._encode_to(Path(out), source, size)
        words = _Rows(source.n, -(-self.n_bits // 64))
        for block, _ in self._blocks(source, size, 0, None):
            words.append(block)
        return Codes(frozen(words.finish()), self.n_bits, self._spans)

    def batch_of(self, n: int | None, batch_size: int | None = None) -> int:
        """The rows that `encode` computes at once, of `n` rows and with that `batch_size`.

        All batches but the last have one size, as each other size would be compiled anew.
        """
        size = self._inputs.batch_size or batch_size or self._fitting_batch()
        if not n or self._inputs.batch_size:
            return size
        return -(-n // -(-n // size))

    def encode_part(self, x: Any, size: int, out: str | PathLike[str]) -> Codes:
        """A part of a larger `encode`: as that, but with batches of exactly `size` rows.

        Of inputs that are cut at multiples of `size` each part has the batches that the whole has.
        """
        source = Source(self._inputs, x)
        if any(site.is_open for site in self._sites):
            return self._at(source.shapes).encode_part(x, size, out)
        self._check_weights()
        return self._encode_to(Path(out), source, size)

    def characteristics(self, x: Any, y: ArrayLike | None = None, **options: Any) -> pd.DataFrame:
        """What the representations of the encoded layers are like: correlation, rank and so on.

        The same as `representation.characteristics(model, x, y, ...)` of the layers that this
        encoder encodes; see there for the options `mutual_information`, `batch_size` and `flatten`.
        """
        from tfhash.representation.layers import characteristics

        return characteristics(self, x, y, **options)

    def _at(self, shapes: tuple[tuple[int, ...], ...]) -> Encoder:
        """The encoder of the same units for inputs of these shapes."""
        if shapes not in self._fixed:
            given = keras.tree.flatten(self._inputs.struct)
            symbols = [
                keras.KerasTensor((None, *shape), dtype=symbol.dtype, name=symbol.name)
                for shape, symbol in zip(shapes, given, strict=True)
            ]
            self._fixed[shapes] = Encoder(
                self._model, *self._choice, self._inputs.packed(symbols), self._packing
            )
        return self._fixed[shapes]

    @property
    def _spans(self) -> list[tuple[str, int, int]]:
        return self._compiled().spans

    def _compiled(self) -> Forward:
        if self._forward is None:
            self._forward = Forward(self._sign_model, self._inputs, self._sites, self._packing)
        return self._forward

    def _check_weights(self) -> None:
        if self._weights_check is None:
            self._weights_check = WeightsCheck(self._activation_model)
        self._weights_check()

    def _fitting_batch(self) -> int:
        """A power of two: what fits of inputs and activations, the encoded ones and the others."""
        shapes = [*self._inputs.shapes, *(site.shape for site in self._trace.sites)]
        numbers = sum(math.prod(size or 1 for size in shape) for shape in shapes)
        fitting = max(1, BATCH_BYTES // (4 * numbers))
        return min(LARGEST_BATCH, 1 << (fitting.bit_length() - 1))

    def _encode_to(self, path: Path, source: Source, size: int) -> Codes:
        checksum, model = InputsChecksum(), self.fingerprint
        if path.exists():
            codes = finished_codes(path, model, source, size)
            if codes is not None:
                self._check_rows(path, source.sample, size, codes.words.__getitem__)
                return codes
        with _store.GrowingStore(path, self.n_bits, self._spans, model) as store:
            if source.n is not None:
                store.reserve(source.n)
            begun, crc32 = store.rows, store.inputs_crc32

            def check_begun() -> None:
                check_same_inputs(path, checksum, begun, crc32)
                if begun > 0:
                    self._check_rows(path, source.sample, size, store.words_of)

            for block, inputs_crc32 in self._blocks(source, size, begun, checksum, check_begun):
                store.append(block, inputs_crc32)
            store.finish()
        return Codes.load(path, mmap=True)

    def _check_rows(
        self,
        path: Path,
        sample: Sample,
        size: int,
        stored: Callable[[NDArray[np.int64]], NDArray[np.uint64]],
    ) -> None:
        """Raises ValueError where the rows of a sample have other codes than those stored."""
        if self._trace.moved:
            return  # the codes of a row depend on its batch
        forward, parts = self._compiled(), []
        for start in range(0, len(sample.rows), size):
            batch = [array[start : start + size] for array in sample.arrays]
            outputs = forward.run([_pad(array, size) for array in batch])
            parts.append(forward.words(outputs, len(batch[0]), 0))
        if parts:
            again = Codes(np.concatenate(parts), self.n_bits)
            known = Codes(stored(sample.rows), self.n_bits)
            dtypes = {output.dtype for output in self._activation_model.outputs}
            check_rows(path, sample.rows, again, known, dtypes)

    def _blocks(
        self,
        source: Source,
        size: int,
        start: int,
        checksum: InputsChecksum | None,
        check_begun: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[NDArray[np.uint64], int]]:
        """Words of one batch after the other, each with the checksum of the inputs up to it.

        `check_begun` is called when the rows before `start` have gone by.
        """
        forward, row, number = self._compiled(), start, start // size
        fills = bool(self._inputs.batch_size) or (
            forward.compiles_each_size and self._trace.keeps_rows_apart
        )
        total = None if source.n is None else -(-source.n // size)
        batches = source.blocks(size, start, checksum)
        for batch in progress.bar(batches, "encoding", "batch", total=total, initial=number):
            if row == start:
                check_begun()
            rows = len(batch[0])
            check_inputs(batch, self._inputs.names, row)
            padded = [_pad(a, size) for a in batch] if fills else batch
            try:
                words = forward.words(forward.run(padded), rows, row)
            except ValueError as error:
                raise ValueError(f"batch {number}, {error}") from None
            if row == start and self._trace.opaque:
                again = forward.words(forward.run(padded), rows, row)
                inference.warn_unless_repeated(words, again, self._spans, self._trace.opaque)
            if checksum is not None:
                checksum.update(batch)
            yield words, 0 if checksum is None else checksum.value
            row, number = row + rows, number + 1
        if row == start:
            check_begun()


def encoder_of(model: keras.Model | Encoder) -> Encoder:
    """An encoder of the model: `model` itself where it is one, with the layers it was asked for."""
    return model if isinstance(model, Encoder) else Encoder(model)


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


def _pad(batch: NDArray[Any], size: int) -> NDArray[Any]:
    """The batch with its last row repeated up to `size` rows."""
    if len(batch) == size:
        return batch
    return np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])
