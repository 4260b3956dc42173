"""Loading models of a user's."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from tfhash.errors import InputError

if TYPE_CHECKING:
    import keras


def load_model(path: Path) -> keras.Model:
    """The model in a file, uncompiled. Raises InputError where it cannot be loaded."""
    import keras

    if path.suffix == ".keras" and path.is_file() and not zipfile.is_zipfile(path):
        raise InputError(
            f"Expected a Keras model in {path}. Received: a file that is no .keras archive."
        )
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # a damaged file can raise nearly anything
        raise InputError(f"Expected a Keras model in {path}. Received: {error}") from error
