"""The characteristics of a model's layers, in one pass over the inputs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash import backend, graph, progress, rebuilding
from tfhash._extras import named_if_missing
from tfhash.codes import whole_number
from tfhash.encoder import Encoder
from tfhash.encoder.activation_tracer import Choice
from tfhash.encoder.batches import Source
from tfhash.encoder.checks import check_inputs
from tfhash.encoder.inputs import Inputs
from tfhash.encoder.symbols import symbols_of
from tfhash.metrics._inputs import check_labels
from tfhash.representation.channels import axis_of_site
from tfhash.representation.information import MutualInformation, mutual_information
from tfhash.representation.statistics import Statistics

if TYPE_CHECKING:
    import pandas as pd

BATCH_BYTES = 64 << 20  # of activations, where the batch size is ours to choose
COLUMNS = (
    *("n_units", "amplitude", "covariance", "correlation", "sparsity", "dead_units"),
    "stable_rank",
)
BOUNDS = ("mi_x_lower", "mi_x_upper", "mi_y_lower", "mi_y_upper")


def characteristics(
    model: keras.Model,
    x: Any,
    y: ArrayLike | None = None,
    layers: Choice | Sequence[Choice] | None = None,
    mutual_information: bool = False,
    batch_size: int | None = None,
    flatten: bool = False,
) -> pd.DataFrame:
    """What the representations of a model's layers are like (Choi et al., Table 1).

    One pass over the inputs. The memory is that of a batch of activations and of the sums of
    `Statistics`; with `mutual_information` also all activations of the layers.

    Parameters
    ----------
    model : keras.Model or Encoder
        Built. Its current weights are used, at inference.
    x
        Inputs, as `tfhash.Encoder.encode` takes them.
    y : int [n], optional
        Classes, for `mi_y_lower` and `mi_y_upper`; not looked at without `mutual_information`.
    layers : optional
        Layers of a Sequential or Functional model, their names or indices in `model.layers`, with
        or without an activation; or what `tfhash.Encoder` takes as `layers`. By default the
        layers that an encoder reads codes of; of an encoder, those that it encodes. A layer that is
        called several times is a row for each call, "name" and "name#2", as in an encoder. Those
        inside nested models come behind the others.
    mutual_information : bool
        Add the bounds of `mutual_information` at a noise variance of 0.1. They are of the
        whole activations of an input, flattened, whatever `flatten` says.
    batch_size : int, optional
        By default as many as give 64 MiB of activations.
    flatten : bool
        What a unit of a layer with positions (convolutions, sequences) is. False: a channel, every
        position of every input being a sample; the channels lie along the axis that the layer's
        `data_format` says. True: each position of each channel; the memory is then that of
        `Statistics` of so many units, 14 GB for 16,000.

    Returns
    -------
    pandas.DataFrame
        One row a layer, its index their names: n_units, amplitude, covariance, correlation,
        sparsity, dead_units, stable_rank, as `Characteristics` defines them, then
        mi_x_lower, mi_x_upper, mi_y_lower and mi_y_upper (nats) where they are asked for.
        `attrs["units"]` says what a unit is, "channels" or "flattened"; `attrs["constant_units"]`
        gives for each layer the units that have one value alone where they are positive, which are
        left out of the correlation, and `attrs["dead_units"]` how many are 0 throughout. A warning
        says where there are constant units, and where samples are fewer than units.

    Raises
    ------
    ValueError
        Where there are fewer than 2 inputs, where a layer is not there (near matches are named),
        where inputs or activations are NaN or infinite, or `y` is of another length or has labels
        that are missing.

    Examples
    --------
    >>> table = representation.characteristics(model, x_test)
    >>> table.loc["dense_4", "correlation"]
    """
    with named_if_missing("characteristics"):
        import pandas as pd
    if batch_size is not None:
        batch_size = whole_number(batch_size, "batch_size", 1)
    names, read, inputs, whole_model = reader(model, layers)
    source = Source(inputs, x)
    if mutual_information and y is not None and source.n is not None:
        check_labels(y, source.n)  # now, and not after the pass
    kept: list[list[NDArray[Any]]] = [[] for _ in names]
    sums: list[Statistics | None] = [None] * len(names)
    axes = [
        axis_of_site(whole_model, name, output)
        for name, output in zip(names, keras.tree.flatten(read.outputs), strict=True)
    ]
    n = 0
    for arrays in batches(read, inputs, source, batch_size, names):
        for i, (name, array) in enumerate(zip(names, arrays, strict=True)):
            if mutual_information:
                kept[i].append(array.reshape(len(array), -1))
            z = as_units(array, axes[i], flatten)
            known = sums[i] or Statistics(z.shape[1])
            sums[i] = known
            try:
                known.update(z)
            except ValueError as error:
                raise ValueError(f"layer {name!r}, inputs from row {n} on: {error}") from None
        n += len(arrays[0])
    if n < 2:
        raise ValueError(f"Expected at least 2 inputs, as one has no covariance. Received: {n}.")
    rows, constant, dead, short = [], {}, {}, []
    for name, statistics, whole in zip(names, sums, kept, strict=True):
        assert statistics is not None  # there was a batch
        one = statistics.result()
        row = {column: getattr(one, column) for column in COLUMNS}
        if mutual_information:
            widths = sorted({part.shape[1] for part in whole})
            if len(widths) > 1:
                raise ValueError(
                    f"layer {name!r}: Expected as many activations of each input, for the mutual "
                    f"information. Received: from {widths[0]} to {widths[-1]} of them: pad the "
                    "inputs to one length."
                )
            row.update(zip(BOUNDS, _bounds(whole, y), strict=True))
            whole.clear()
        if one.n < one.n_units:
            short.append(name)
        constant[name] = one.constant_units.tolist()
        dead[name] = round(one.dead_units * one.n_units)
        rows.append(row)
    if left_out := {name: len(units) for name, units in constant.items() if units}:
        first = [f"{count} of {name!r}" for name, count in list(left_out.items())[:5]]
        warnings.warn(
            f"Units that have one value alone where they are positive have no correlation, and are "
            f"left out of it: {', '.join(first)}{', ...' if len(left_out) > 5 else ''}. "
            'attrs["constant_units"] of the table names them.',
            stacklevel=2,
        )
    if short:
        warnings.warn(
            f"There are fewer samples than units in {', '.join(map(repr, short[:5]))}"
            f"{', ...' if len(short) > 5 else ''}: their covariance has at most that rank.",
            stacklevel=2,
        )
    table = pd.DataFrame(rows, index=pd.Index(names, name="layer"))
    table.attrs.update(
        units="flattened" if flatten else "channels", constant_units=constant, dead_units=dead
    )
    return table


def _bounds(parts: list[NDArray[Any]], y: ArrayLike | None) -> MutualInformation:
    return mutual_information(np.concatenate(parts), y)


def reader(
    model: keras.Model | Encoder, layers: Choice | Sequence[Choice] | None
) -> tuple[list[str], keras.Model, Inputs, keras.Model]:
    """Names of the layers, a model that gives their outputs, what it takes, and the whole model.

    Parameters and errors are those of `characteristics`.
    """
    if isinstance(model, Encoder):
        if layers is None:
            read = model.activation_model
            return model.layer_names, read, Inputs(read.input), model.model
        model = model.model
    choices = list(layers) if isinstance(layers, list | tuple) else [layers]
    if layers is not None and choices and graph.is_traceable(model):
        graph.check_built(model)
        own = [_own_outputs(model, choice) for choice in choices]
        others = [choice for choice, found in zip(choices, own, strict=True) if not found]
        if len(others) < len(choices):
            if others:
                # Those of nested models and the like, which the graph does not have.
                encoder = Encoder(model, layers=others)
                outputs = keras.tree.flatten(encoder.activation_model(model.input))
                own.append(list(zip(encoder.layer_names, outputs, strict=True)))
            found = [one for of_one in own for one in of_one]
            names = [name for name, _ in found]
            if len(set(names)) < len(names):
                raise ValueError(f"Expected different layers. Received: {names}.")
            read = keras.Model(model.inputs, [output for _, output in found])
            return names, read, Inputs(symbols_of(model, None)), model
    encoder = Encoder(model, layers=layers)
    return encoder.layer_names, encoder.activation_model, Inputs(symbols_of(model, None)), model


def _own_outputs(model: keras.Model, choice: Any) -> list[tuple[str, Any]]:
    """Names and outputs of the calls of the layer that is meant.

    None at all where it is not there or has several: the encoder knows more of what may be meant.
    """
    if not isinstance(choice, str | int | keras.Layer):
        return []
    try:
        layer = rebuilding.layer_of(model, choice)
    except ValueError:
        return []
    calls = graph.calls_of(model, layer)
    if not calls or any(len(call.outputs) != 1 for call in calls):
        return []
    names = [layer.name, *(f"{layer.name}#{i}" for i in range(2, len(calls) + 1))]
    return [(name, call.outputs[0]) for name, call in zip(names, calls, strict=True)]


def batches(
    read: keras.Model,
    inputs: Inputs,
    source: Source,
    batch_size: int | None,
    names: list[str],
    work: str = "characteristics",
) -> Iterator[list[NDArray[Any]]]:
    """The outputs of a model, batch by batch; `work` is what the progress bar says."""
    call = backend.compiled_model(read, keras.tree.flatten, backend.has_accelerator())
    size = inputs.batch_size or batch_size or _fitting_batch(read)
    total = None if source.n is None else -(-source.n // size)
    row = 0
    blocks = source.blocks(size, 0, None)
    for batch in progress.bar(blocks, work, "batch", total=total):
        check_inputs(batch, inputs.names, row)
        arrays = [backend.to_numpy(output) for output in call(inputs.packed(batch))]
        for name, array in zip(names, arrays, strict=True):
            if array.ndim < 1 or len(array) != len(batch[0]):
                raise ValueError(
                    f"layer {name!r}: Expected one output for each of {len(batch[0])} inputs. "
                    f"Received shape: {array.shape}: leave the layer out with layers=[...]."
                )
        yield arrays
        row += len(batch[0])


def _fitting_batch(read: keras.Model) -> int:
    units = sum(
        int(np.prod([size or 64 for size in output.shape[1:]], dtype=np.int64))
        for output in keras.tree.flatten(read.outputs)
    )
    fitting = max(1, BATCH_BYTES // (4 * max(1, units)))
    return min(1024, 1 << (fitting.bit_length() - 1))


def as_units(array: NDArray[Any], channels: int, flatten: bool) -> NDArray[Any]:
    """Samples by units, which lie along the axis `channels` where they are not flattened."""
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32)
    if array.ndim <= 2 or flatten:
        return array.reshape(len(array), -1)
    array = np.moveaxis(array, channels, -1)
    return array.reshape(-1, array.shape[-1])
