"""Where the compiled kernels come from when tfhash's source is imported without them."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NAME = "tfhash._native"


def use_installed(source: Path) -> None:
    """Where `source`, the package's folder, has no kernels, import those of the installed tfhash.

    That is how things are in a clone after `pip install .`, which compiles into the installed
    package alone.

    Raises
    ------
    ImportError
        No kernels are installed, or their interface (`_native.pyi`) is not the one that this
        source calls.
    """
    if PathFinder.find_spec(NAME, [str(source)]) is not None:
        return
    folders = [str(Path(entry) / "tfhash") for entry in sys.path]
    # The first finds what an editable installation of another folder offers, if there is one.
    spec = find_spec(NAME) or PathFinder.find_spec(NAME, folders)
    if spec is None or spec.loader is None or spec.origin is None:
        raise ImportError(
            f"Expected tfhash's compiled kernels in {source}, or installed elsewhere. Received: "
            "the source alone. Run 'pip install .' in the folder above it, or 'pip install -e .' "
            "to work on the source."
        )
    installed, ours = (
        Path(folder) / "_native.pyi" for folder in (Path(spec.origin).parent, source)
    )
    if not installed.is_file() or installed.read_bytes() != ours.read_bytes():
        raise ImportError(
            f"Expected compiled kernels that fit the source in {source}. Received: those of "
            f"another version, {spec.origin}. Run 'pip install .' in the folder above the source "
            "again."
        )
    sys.meta_path.insert(0, _Installed(spec))


class _Installed(MetaPathFinder):
    """Finds the kernels alone, when they are first asked for."""

    def __init__(self, spec: ModuleSpec) -> None:
        self._spec = spec

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Where the module is; None for every other module."""
        return self._spec if name == NAME else None
