"""Where the compiled kernels come from when tfhash's source is imported without them."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path

NAME = "tfhash._native"


def use_installed(source: Path) -> None:
    """Load the kernels of the installed tfhash where `source`, the package's folder, has none.

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
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[NAME] = module
    sys.modules["tfhash"]._native = module  # type: ignore[attr-defined]
