"""A batch through the network and into words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import backend
from tfhash.codes import Packer
from tfhash.encoder.activation_tracer import ActivationSite
from tfhash.encoder.inputs import Batch, Inputs

PACKINGS = ("auto", "graph", "native")


class Forward:
    """Runs a model, compiled once, and packs what comes out.

    On an accelerator the bits are packed in the compiled graph, so that 1 bit a unit comes back
    from it and not 32. On a CPU the graph gives the activations and the kernels of
    `tfhash.codes` pack them, at the speed of memory.

    Parameters
    ----------
    model : keras.Model
        Its outputs are, for each unit, its output where that is read, else its pre-activation.
    inputs : Inputs
    sites : list of ActivationSite
    packing : "auto", "graph" or "native"

    Attributes
    ----------
    in_graph : bool
        Whether the bits are packed in the compiled graph.
    compiles_each_size : bool
        Whether another number of rows costs a compilation.
    """

    def __init__(
        self, model: keras.Model, inputs: Inputs, sites: Sequence[ActivationSite], packing: str
    ) -> None:
        self._inputs, self._sites = inputs, sites
        self._cuts = [site.threshold if site.reads_output else 0.0 for site in sites]
        self._packer = Packer((site.name, site.n_units) for site in sites)
        accelerated = backend.has_accelerator()
        self.in_graph = packing == "graph" or (packing == "auto" and accelerated)
        self.compiles_each_size = accelerated or backend.compiles_each_shape()
        self._call = backend.compiled_model(
            model, self._pack_in_graph if self.in_graph else self._signed, accelerated
        )

    @property
    def spans(self) -> list[tuple[str, int, int]]:
        """(name, start, stop) of the bits of each layer."""
        return self._packer.spans

    def run(self, batch: Batch) -> list[Any]:
        """What the compiled graph gives; on some backends while it is still computing.

        Raises ValueError where a layer has not one output for each row: rows were folded into
        others, or others into them.
        """
        outputs = self._call(self._inputs.packed(batch))
        for (name, _, _), output in zip(self.spans, outputs, strict=False):
            if output.shape[0] != len(batch[0]):
                raise ValueError(
                    f"layer {name!r}: Expected one output for each of {len(batch[0])} inputs. "
                    f"Received: {output.shape[0]}, as the model changes the number of rows on the "
                    "way to it: leave the layer out with layers=[...]."
                )
        return outputs

    def words(self, outputs: Sequence[Any], rows: int, row_base: int) -> NDArray[np.uint64]:
        """The words of the first `rows` of what `run` gave.

        Raises ValueError, naming layer and row (of all inputs: `row_base` is the first of the
        batch), where an activation is NaN or infinite.
        """
        arrays = [backend.to_numpy(output)[:rows] for output in outputs]
        if not self.in_graph:
            return self._packer.pack([array.reshape(rows, -1) for array in arrays], row_base)
        *parts, finite = arrays
        if not finite.all():
            row, layer = np.argwhere(~finite)[0]
            raise ValueError(
                f"layer {self.spans[layer][0]!r}: Expected finite activations. Received: NaN or "
                f"infinity at row {row_base + row}."
            )
        return self._packer.join(parts)

    def _signed(self, outputs: Any) -> list[Any]:
        """Numbers > 0 where the bit is 1."""
        return [
            output if not cut else _wide(output) - cut
            for cut, output in zip(self._cuts, keras.tree.flatten(outputs), strict=True)
        ]

    def _pack_in_graph(self, outputs: Any) -> list[Any]:
        """uint8 [rows, 8 * ceil(n_units / 64)] for each layer; bool [rows, n_layers], finite."""
        ops = keras.ops
        parts, finite = [], []
        for site, output in zip(self._sites, self._signed(outputs), strict=True):
            output = ops.reshape(output, (-1, site.n_units))
            finite.append(ops.all(ops.isfinite(output), axis=1))
            bits = ops.cast(backend.is_positive(output), "uint8")
            bits = ops.pad(bits, ((0, 0), (0, -site.n_units % 64)))
            bits = ops.reshape(bits, (-1, -(-site.n_units // 64) * 8, 8))
            weights = np.array([1, 2, 4, 8, 16, 32, 64, 128], np.uint8)
            parts.append(ops.cast(ops.sum(bits * weights, axis=-1), "uint8"))
        return [*parts, ops.stack(finite, axis=1)]


def _wide(tensor: Any) -> Any:
    """In single precision at least, in which thresholds are compared."""
    if keras.backend.standardize_dtype(tensor.dtype) in ("float32", "float64"):
        return tensor
    return keras.ops.cast(tensor, "float32")
