"""From a Keras model and inputs to neural codes."""

import difflib
import math
from collections.abc import Container, Sequence
from itertools import count
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from tfhash import graph
from tfhash.codes import Codes, CodesBuilder

# Both pieces of these are linear and the bit "output > 0" says which one an input is on.
RELU_LAYERS = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU)
RELU_FUNCTIONS = (keras.activations.relu, keras.activations.leaky_relu, keras.activations.relu6)
RELU_OPERATIONS = ("Relu", "Relu6", "LeakyRelu")  # keras.ops called on symbolic tensors


class Encoder:
    """Reads the neural code of inputs off a Keras model, which it never changes.

    The code of an input has one bit for each ReLU-like unit, in the order in which the model
    computes them: 1 where the unit's output is > 0 (He et al., Section 3). Units are the outputs
    of ``ReLU``, ``LeakyReLU`` and ``PReLU`` layers and of any layer (``Dense``, ``Conv2D``,
    ``Activation``, ...) whose ``activation`` is ``relu``, ``leaky_relu`` or ``relu6``, in
    Sequential and Functional models and in models nested in them. A layer called several times
    is encoded at each call.

    Parameters
    ----------
    model : keras.Model
        Sequential or Functional, built, with one input and a fixed input shape. Its current
        weights are used, at inference (no dropout, moving batch statistics).
    layers : sequence of str, optional
        Encode these layers alone, by name as in :attr:`layer_names`. A layer in a nested model is
        named ``"model/layer"``, the second call of a layer ``"layer#2"``.

    Raises
    ------
    ValueError
        Where the model cannot be traced, has several inputs, has no ReLU-like unit, has a layer
        of unknown size, or a layer asked for is not there (near matches are named).

    Examples
    --------
    >>> codes = tfhash.Encoder(model).encode(x_test)
    >>> tfhash.metrics.redundancy_ratio(codes)
    """

    def __init__(self, model: keras.Model, layers: Sequence[str] | None = None) -> None:
        _check_model(model)
        inputs = keras.Input(batch_shape=model.inputs[0].shape, dtype=model.inputs[0].dtype)
        units = _Units(model)
        found = units(inputs)  # before its names, which it notes as it runs
        outputs = dict(zip(units.names, found, strict=True))
        if not outputs:
            kinds = ", ".join(sorted({type(layer).__name__ for layer in model.layers}))
            raise ValueError(
                f"Expected a model with ReLU-like units. Received: {model.name!r}, made of {kinds}."
            )
        names = list(outputs) if layers is None else _checked_choice(layers, list(outputs))
        self._layers = [(name, _n_units(name, outputs[name].shape)) for name in names]
        self._activation_model = keras.Model(
            inputs, [outputs[name] for name in names], name=f"{model.name}_units"
        )

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
        return [name for name, _ in self._layers]

    @property
    def n_bits(self) -> int:
        """Bits of a code: the number of units encoded."""
        return sum(n_units for _, n_units in self._layers)

    def encode(self, x: ArrayLike, batch_size: int = 1024) -> Codes:
        """The neural codes of inputs.

        Memory: the codes and the activations of one batch. A progress bar appears on a terminal
        after two seconds.

        Parameters
        ----------
        x : [n, ...], of the model's input shape
        batch_size : int

        Returns
        -------
        Codes
            ``n`` codes of :attr:`n_bits` bits, with :attr:`Codes.layers` named.

        Raises
        ------
        ValueError
            Where ``x`` has another shape than the model's input, or inputs, weights or activations
            are NaN or infinite (the row, the weight, or the layer and row are named).
        """
        inputs = np.asarray(x)
        expected = self._activation_model.inputs[0].shape
        if inputs.ndim != len(expected) or any(
            size not in (None, got)
            for size, got in zip(expected[1:], inputs.shape[1:], strict=True)
        ):
            raise ValueError(
                f"Expected inputs of shape {('n', *expected[1:])}. Received shape: {inputs.shape}."
            )
        if batch_size < 1:
            raise ValueError(f"Expected a batch size of at least 1. Received: {batch_size}.")
        _check_weights(self._activation_model)
        n = len(inputs)
        builder = CodesBuilder(n, self._layers)
        # Batches of one size: each other size would be compiled anew.
        n_batches = -(-n // batch_size)
        size = -(-n // max(1, n_batches))
        starts = range(0, n, max(1, size))
        for start in tqdm(starts, "encoding", delay=2, disable=None, unit="batch"):
            batch = inputs[start : start + size]
            _check_inputs(batch, start)
            outputs = self._activation_model.predict_on_batch(_pad(batch, size))
            for layer, output in enumerate(keras.tree.flatten(outputs)):
                units = np.asarray(output).reshape(size, -1)[: len(batch)]
                builder.write(start, layer, units)
        return builder.finish()


class _Units(keras.layers.Layer):
    """Runs a model and returns the outputs of its ReLU-like operations, as a list."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__(name="units")
        self.model = model
        self.names: tuple[str, ...] = ()  # of the outputs; known after the first call

    def call(self, inputs: Any) -> list[Any]:
        found: dict[str, Any] = {}

        def record(path: str, operation: Any, output: Any) -> None:
            if is_relu_like(operation):
                found[_numbered(path, found)] = output

        graph.run(self.model, inputs, record)
        self.names = tuple(found)
        return list(found.values())


def is_relu_like(operation: Any) -> bool:
    """Whether the output of a layer or operation is that of ReLU-like units."""
    if isinstance(operation, keras.layers.RNN):
        return False  # its activation is applied at every step; the output is the last one's
    return (
        isinstance(operation, RELU_LAYERS)
        or getattr(operation, "activation", None) in RELU_FUNCTIONS
        or (not isinstance(operation, keras.Layer) and type(operation).__name__ in RELU_OPERATIONS)
    )


def _check_model(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise ValueError(f"Expected a keras.Model. Received: {type(model).__name__}.")
    if isinstance(model, keras.Sequential) and not model.built:
        raise ValueError(
            f"Expected a built model. Received: {model.name!r}, whose input shape is not known: "
            "give it a keras.Input or call it once."
        )
    if not graph.is_traceable(model):
        raise ValueError(
            f"Expected a Sequential or Functional model. Received: {model.name!r} of class "
            f"{type(model).__name__}, whose calls cannot be traced: build it as "
            "keras.Model(inputs, outputs) to expose its layers."
        )
    if len(model.inputs) != 1:
        raise ValueError(
            f"Expected a model with one input. Received: {model.name!r} with {len(model.inputs)}."
        )


def _checked_choice(wanted: Sequence[str], known: Sequence[str]) -> list[str]:
    if isinstance(wanted, str) or not wanted or len(set(wanted)) != len(wanted):
        raise ValueError(f"Expected a list of different layer names. Received: {wanted!r}.")
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known
            raise ValueError(
                f"Expected names of layers with ReLU-like units, such as {', '.join(near)}. "
                f"Received: {name!r}."
            )
    return [name for name in known if name in wanted]


def _numbered(path: str, taken: Container[str]) -> str:
    """The path, or ``path#2``, ``path#3``, ... for later calls of the same layer."""
    if path not in taken:
        return path
    return next(f"{path}#{call}" for call in count(2) if f"{path}#{call}" not in taken)


def _n_units(name: str, shape: tuple[int | None, ...]) -> int:
    sizes = [size for size in shape[1:] if size is not None]
    if len(sizes) != len(shape) - 1:
        raise ValueError(
            f"Expected layers of a known size. Received: {name!r} of shape {shape}: give the model "
            "a fixed input shape."
        )
    return math.prod(sizes)


def _check_weights(model: keras.Model) -> None:
    # Here and not in the activations: the ReLU of some backends turns a NaN into 0.
    for variable in model.variables:
        values = variable.numpy()
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(
                f"Expected finite weights. Received: NaN or infinity in {variable.path!r}; the "
                "model has diverged in training or its file is damaged."
            )


def _check_inputs(batch: NDArray[Any], row_base: int) -> None:
    if batch.dtype.kind != "f":
        return
    wrong = ~np.isfinite(batch)
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0])
        raise ValueError(
            f"Expected finite inputs. Received: {batch[at]} in row {row_base + at[0]}."
        )


def _pad(batch: NDArray[Any], size: int) -> NDArray[Any]:
    """The batch with its last row repeated up to ``size`` rows."""
    if len(batch) == size:
        return batch
    return np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])
