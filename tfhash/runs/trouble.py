"""Saying what is wrong with a file of a run: once, on standard error, and going on."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

log = logging.getLogger("tfhash")
_said: set[tuple[object, ...]] = set()


def say_once(path: Path, reason: str) -> None:
    """Warn that `path` is left out and why; not again while its content stays as it is.

    A command reads the files of a run more than once, and has to be told of each one once.
    """
    reason = " ".join(reason.split())
    with contextlib.suppress(OSError):
        status = os.stat(path)
        key = (str(path), status.st_mtime_ns, status.st_size, reason)
        if key in _said:
            return
        _said.add(key)
    log.warning("%s: %s", path, reason)
