"""Keras's backend and its memory, told without loading it; how it is loaded, here and elsewhere."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path


def backend_name() -> str:
    """The name of Keras's backend, as Keras finds it: "tensorflow", "jax" or "torch".

    That of the Keras which is loaded; else `KERAS_BACKEND`, else what the file `keras.json` of the
    user says, else TensorFlow.
    """
    if "keras" in sys.modules:
        import keras

        return str(keras.backend.backend())
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"]
    folder = os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()
    try:
        content = json.loads((Path(folder) / "keras.json").read_text())
    except (OSError, ValueError):
        return "tensorflow"
    name = content.get("backend") if isinstance(content, dict) else None
    return str(name or "tensorflow")


def memory() -> int:
    """Bytes of the memory in which models are trained: the accelerator's where JAX has one."""
    if backend_name() == "jax":
        import jax

        # CPUs have no such statistics.
        limit = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
        if limit:
            return int(limit)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # Windows
        return 8 << 30


def load_keras() -> None:
    """Import Keras, so that no later import of it says anything."""
    if "keras" in sys.modules:
        return
    with _quiet_native_stderr():
        import keras  # noqa: F401
    # Its advice on retracing is for one model called again and again; we call many models once.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def backend_variables(backend: str, threads: int) -> dict[str, str]:
    """What a process has in its environment to load `backend` with so many threads, in silence."""
    return {
        "KERAS_BACKEND": backend,
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
    }


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Processes started within it have these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


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
