"""Files with the state of a training: what a killed command needs to go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfhash.archives import check_arrays
from tfhash.files import replacing
from tfhash.runs.layout import set_file_aside

HEADER = "header"


class StateFile:
    """A JSON header and arrays by name, in one uncompressed `.npz` file.

    Parameters
    ----------
    path
        Where it is, or will be.
    aside
        Where it is put if it is damaged; None for a hidden file beside it.
    """

    def __init__(self, path: Path, aside: Path | None = None) -> None:
        self.path = path
        self._aside = aside

    def save(self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Write the file, whole or not at all."""
        content: dict[str, Any] = {HEADER: json.dumps(header), **arrays}
        with replacing(self.path) as file:
            np.savez(file, **content)

    def load(
        self, wanted: Callable[[dict[str, Any]], bool] = lambda header: True
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """The header and the arrays; None where there are none, or `wanted(header)` is false.

        A file that cannot be read is set aside, and a warning says so.
        """
        if not self.path.is_file():
            return None
        try:
            check_arrays(self.path)
            with np.load(self.path) as content:
                header = json.loads(str(content[HEADER]))
                if not wanted(header):
                    return None
                return header, {name: content[name] for name in content.files if name != HEADER}
        except Exception as error:  # a damaged archive can raise nearly anything
            self.set_aside(f"{type(error).__name__}: {error}")
            return None

    def set_aside(self, reason: str) -> None:
        """Rename a file that is not a state, and say so."""
        set_file_aside(
            self.path,
            f"Expected the state of a training. Received: {reason}. Training starts anew",
            self._aside,
        )
