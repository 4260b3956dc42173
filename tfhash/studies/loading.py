"""Loading Keras and its backend without their greetings, and models of a user's."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tfhash.errors import InputError

if TYPE_CHECKING:
    import keras


def load_keras() -> None:
    """Import Keras, so that no later import of it says anything."""
    with _quiet_native_stderr():
        import keras  # noqa: F401
    # Its advice on retracing is for one model called again and again; we call many models once.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


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


@contextlib.contextmanager
def _quiet_native_stderr() -> Iterator[None]:
    """Keeps TensorFlow's library from greeting the user: it writes past Python and its levels."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
