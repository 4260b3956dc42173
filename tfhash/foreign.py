"""What is given in the place of a Keras model, and what to do about it."""

from __future__ import annotations

import os
from typing import Any


def not_a_model(given: Any) -> str:
    """What is received that is no `keras.Model`, for an error: what it is and what to do.

    Nothing is imported for it: classes are known by the modules that they and their bases are of.
    """
    if isinstance(given, str | bytes | os.PathLike):
        return f"the path {given!r}: load it first, keras.models.load_model({given!r})"
    if isinstance(given, type):
        return f"the class {given.__name__}: make a model of it first, {given.__name__}(...)"
    name = type(given).__name__
    roots = {base.__module__.split(".")[0] for base in type(given).__mro__}
    if "tf_keras" in roots:
        return (
            f"{name} of tf_keras (Keras 2): save it, model.save('model.h5'), and load it with "
            "Keras 3, keras.models.load_model('model.h5', compile=False)"
        )
    if "keras" in roots:
        return (
            f"{name} of Keras, which is no model: keras.Sequential([keras.Input(shape), layer]) "
            "makes one of a layer"
        )
    if "torch" in roots or "sklearn" in roots or "flax" in roots:
        whose = next(root for root in ("torch", "sklearn", "flax") if root in roots)
        return (
            f"{name} of {whose}, whose layers are not Keras's: read its activations yourself, and "
            "make codes of the array [n, units], tfhash.Codes.from_activations(array)"
        )
    return f"{name}"
