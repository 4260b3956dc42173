"""A short name for what makes codes: two encoders of one fingerprint give the same."""

import hashlib
import json
import warnings
from collections.abc import Sequence

import keras
import numpy as np

from tfhash.encoder.survey import Unit
from tfhash.graph import kind


def fingerprint(model: keras.Model, units: Sequence[Unit]) -> str:
    """16 hexadecimal digits of the model's configuration and weights, and the units encoded."""
    digest = hashlib.sha256()
    digest.update(_configuration(model).encode())
    for unit in units:
        described = (unit.name, kind(unit.operation), *unit.shape, unit.threshold)
        digest.update(repr(described).encode())
    for variable in model.variables:
        values = np.ascontiguousarray(keras.ops.convert_to_numpy(variable.value))
        digest.update(repr((values.shape, values.dtype.name)).encode())
        digest.update(values.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:16]


def _configuration(model: keras.Model) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of lambdas, which are only read
            return json.dumps(
                keras.saving.serialize_keras_object(model.get_config()), sort_keys=True
            )
    except (NotImplementedError, TypeError, ValueError):
        # A subclassed model without get_config: its classes, weights and units have to do.
        return " ".join(type(layer).__name__ for layer in model._flatten_layers())
