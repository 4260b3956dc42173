"""A short name for what makes codes: two encoders of one fingerprint give the same.

Every fingerprint is made of the model's configuration, its weights, the states of its recurrent
layers and the units that are encoded; what training alone moves or looks at (`trainable`, the
states of dropout's seeds) is not in it. Where the model is made of Keras's own layers and functions
that is all there is to know, and the fingerprint is the same on every machine and backend.

A configuration does not hold code: subclassed models, layers and functions of a user's own,
lambdas, what they keep in attributes, networks of other libraries in a layer. The fingerprint of a
model with such parts adds what it computes: the activations of 16 fixed inputs, projected to 8
numbers, each to a step of 0.02 of their length. Models that differ in them by a hundredth or more
get other fingerprints; a difference that is smaller, or that these inputs do not show, is not seen
(`encode(out=)` therefore encodes rows of the inputs themselves again before it trusts a file).
The steps are wide, so that rounding on other devices seldom changes a fingerprint; it can.
"""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Callable, Container, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import backend
from tfhash.encoder import activations
from tfhash.encoder.activation_tracer import ActivationSite
from tfhash.encoder.inputs import Batch, Inputs
from tfhash.graph import is_foreign, kind

PROBES = 16  # inputs
PROBE_BYTES = 64 << 20  # of inputs, and of activations: fewer probes where each is large
PROBED_UNITS = 1024  # of each layer
PROJECTIONS = 8
STEP = 0.02


def fingerprint(
    model: keras.Model,
    sites: Sequence[ActivationSite],
    moved: Container[int],
    probe: Callable[[], bytes],
) -> str:
    """16 hexadecimal digits of a model and the units encoded.

    Parameters
    ----------
    model : keras.Model
    sites : sequence of ActivationSite
    moved : container of int
        Ids of the variables that a call at inference would assign to.
    probe : function that gives bytes
        What the model computes; called where it has parts that its configuration does not hold.
    """
    digest = hashlib.sha256()
    configuration = _configuration(model)
    if configuration is None:
        digest.update(" ".join(type(layer).__name__ for layer in model._flatten_layers()).encode())
    else:
        digest.update(json.dumps(configuration, sort_keys=True).encode())
    for site in sites:
        described = (site.name, kind(site.operation), *site.shape, site.threshold)
        digest.update(repr(described).encode())
        if _reads_output_as_asked(site):
            digest.update(b"output")
    seeds = {
        id(generator.state)
        for layer in model._flatten_layers()
        for generator in layer._seed_generators
        if id(generator.state) not in moved
    }
    for variable in (*model.variables, *backend.recurrent_states(model)):
        if id(variable) in seeds:
            continue
        values = np.ascontiguousarray(keras.ops.convert_to_numpy(variable.value))
        digest.update(repr((values.shape, values.dtype.name)).encode())
        digest.update(values.reshape(-1).view(np.uint8).data)
    for layer in model._flatten_layers():
        if hasattr(layer, "get_vocabulary"):  # which is no weight, and no configuration either
            digest.update(json.dumps([str(word) for word in layer.get_vocabulary()]).encode())
    if not _is_all(model, configuration):
        digest.update(b"computes" + probe())
    return digest.hexdigest()[:16]


def _reads_output_as_asked(site: ActivationSite) -> bool:
    """Whether the bit is of the output because the user said so, and not of the pre-activation."""
    return (
        site.reads_output
        and activations.of_hidden_state(site.operation) is None
        and not activations.is_exact(site.activation, site.operation)
    )


class Probe:
    """What a model computes of a few fixed inputs, as bytes.

    Parameters
    ----------
    model : keras.Model
        Its outputs are those of the units.
    inputs : Inputs
    sites : sequence of ActivationSite
    """

    def __init__(self, model: keras.Model, inputs: Inputs, sites: Sequence[ActivationSite]) -> None:
        self._inputs = inputs
        row_bytes = 4 * max(
            sum(map(_size, inputs.shapes)), sum(_size(site.shape) for site in sites)
        )
        fitting = max(1, min(PROBES, PROBE_BYTES // max(1, row_bytes)))
        self._rows = inputs.batch_size or fitting
        self._is_open = any(None in shape for shape in inputs.shapes)
        self._call = backend.compiled_model(model, keras.tree.flatten, backend.has_accelerator())

    def __call__(self) -> bytes:
        """Empty where the model leaves its input shape open, or takes none of the inputs tried."""
        if self._is_open:
            return b""
        for spread in ("wide", "bits", "zeros"):  # tokens, say, must be small and whole
            rng = np.random.default_rng(0)
            batch = [
                _drawn(rng, (self._rows, *shape), dtype, spread)
                for shape, dtype in zip(self._inputs.shapes, self._inputs.dtypes, strict=True)
            ]
            try:
                outputs = [backend.to_numpy(z) for z in self._call(self._inputs.packed(batch))]
            except Exception:  # whatever a user's own code says of inputs it does not know
                continue
            if all(np.isfinite(z.astype(np.float64)).all() for z in outputs):
                return _projected(outputs).tobytes()
        return b""


def _drawn(
    rng: np.random.Generator, shape: tuple[int | None, ...], dtype: str, spread: str
) -> NDArray[Any]:
    fixed = [size or 1 for size in shape]
    if dtype == "string":
        return np.array(["", "a", "the", "1"])[rng.integers(0, 4, fixed)]
    if spread == "zeros":
        return np.zeros(fixed, dtype)
    if spread == "wide" and "float" in dtype:
        # Some in the range of standardized features, some in that of pixels.
        values = rng.standard_normal(fixed)
        values[3::4] *= 100
        return values.astype("float32")
    return rng.integers(0, 10 if spread == "wide" and dtype != "bool" else 2, fixed).astype(dtype)


def _projected(outputs: Batch) -> NDArray[np.int64]:
    """int64 [8]: random sums of the outputs, each layer's scaled to length 1, in steps."""
    sums = np.zeros(PROJECTIONS)
    for index, output in enumerate(outputs):
        units = output.reshape(len(output), -1).astype(np.float64)
        flat = units[:, :: -(-units.shape[1] // PROBED_UNITS)].reshape(-1)
        signs = np.random.default_rng(index).choice([-1.0, 1.0], (PROJECTIONS, flat.size))
        sums += signs @ flat / (np.linalg.norm(flat) or 1.0)
    return np.floor(sums / math.sqrt(len(outputs)) / STEP + 0.5).astype("<i8")


def _size(shape: tuple[int | None, ...]) -> int:
    return math.prod(size or 1 for size in shape)


def _configuration(model: keras.Model) -> Any:
    """The model's configuration; None where it has none, or holds what is no configuration."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of lambdas, which are only read
            configuration = _frozen_or_not(keras.saving.serialize_keras_object(model.get_config()))
            json.dumps(configuration, sort_keys=True)
            return configuration
    except Exception:  # of get_config, which may be a user's own
        return None


def _frozen_or_not(part: Any) -> Any:
    """A configuration in which all is trainable: the outputs are the same if it is not."""
    if isinstance(part, dict):
        return {
            name: True if name == "trainable" and value is False else _frozen_or_not(value)
            for name, value in part.items()
        }
    return [_frozen_or_not(one) for one in part] if isinstance(part, list | tuple) else part


def _is_all(model: keras.Model, configuration: Any) -> bool:
    """Whether the configuration and the weights say all that the model computes."""
    return (
        configuration is not None
        and _is_kerases(configuration)
        and type(model).__module__.startswith("keras.src.")
        and not any("call" in vars(layer) or is_foreign(layer) for layer in model._flatten_layers())
    )


def _is_kerases(part: Any) -> bool:
    """Whether all classes and functions that are named in a configuration are Keras's own."""
    if isinstance(part, dict):
        name, module = part.get("class_name"), part.get("module")
        if isinstance(name, str) and "config" in part:
            special = name.startswith("__") and name != "__lambda__"
            if not special and (module or "").split(".")[0] != "keras":
                return False
        return all(map(_is_kerases, part.values()))
    return all(map(_is_kerases, part)) if isinstance(part, list | tuple) else True
