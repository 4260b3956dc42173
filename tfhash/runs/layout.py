"""The layout of a folder of runs: every file name and path in it is spelled here and nowhere else.

    root/layer_width/mnist/depth=1/width=100/repeat=1/    one finished run
        spec.json  epoch=2000.keras  history.csv          written by training
        properties.json  layer_wise.csv  ...              written by measuring
    .../width=100/.repeat=1.partial/                      the run while it is trained
    .../width=100/.repeat=1.lock                          held by the process at work on it
    .../width=100/.repeat=1.broken/                       set aside: damaged
    root/.sweeps/HASH.npz                                 state of a group of runs in training

A run is written to the hidden directory and renamed when it is finished. The lock is released when
its process exits, even if killed.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from tfhash.files import FileLock
from tfhash.runs.trouble import log, say_once

SPEC_FILE = "spec.json"
HISTORY_FILE = "history.csv"
PROPERTIES_FILE = "properties.json"
LAYER_WISE_FILE = "layer_wise.csv"
DIAMETERS_FILE = "diameters.json"
PLANE_FILE = "plane.json"
_STATE_FILE = "state.npz"
_SWEEPS = ".sweeps"
_CHECKPOINT = re.compile(r"epoch=(\d{4,9})\.keras")


def checkpoint_file(epoch: int) -> str:
    """Name of the checkpoint of `epoch` in a run directory."""
    return f"epoch={epoch:04d}.keras"


def checkpoints(run: Path) -> dict[int, Path]:
    """Checkpoints of one run, by epoch, in order.

    What only looks like one, as `epoch=0001 (copy).keras`, is named and left out.
    """
    found = {}
    for path in run.glob("epoch=*.keras"):
        match = _CHECKPOINT.fullmatch(path.name)
        if match and path.name == checkpoint_file(int(match[1])) and path.is_file():
            found[int(match[1])] = path
        else:
            say_once(
                path,
                "left out: it is no checkpoint. Expected a file with a name such as "
                "epoch=0001.keras. Rename it or remove it.",
            )
    return dict(sorted(found.items()))


def run_directories(root: str | os.PathLike[str]) -> list[Path]:
    """Directories under `root` that hold a spec, whatever it says, in order of their names."""
    found = []
    for folder, inner, files in os.walk(Path(root).expanduser()):
        # Hidden folders are runs in the making, or set aside.
        inner[:] = [name for name in inner if not name.startswith(".")]
        if SPEC_FILE in files:
            found.append(Path(folder))
    return sorted(found, key=_natural)


def lock_of(path: Path) -> FileLock:
    """The lock of the run in directory `path`: a run is in one pair of hands at a time."""
    return FileLock(path.with_name(f".{path.name}.lock"))


def partial_of(path: Path) -> Path:
    """Where the run of directory `path` is written while it is trained."""
    return path.with_name(f".{path.name}.partial")


def state_of(path: Path) -> Path:
    """File with the training state of the one run of directory `path`."""
    return partial_of(path) / _STATE_FILE


def sweeps_of(root: Path) -> Path:
    """Folder with the training states of groups of runs."""
    return root / _SWEEPS


def set_aside(path: Path) -> Path:
    """Rename `path`, a run or a file of one, to `.NAME.broken`, where nothing looks for it.

    What was set aside under that name before is removed. Returns the new path.
    """
    aside = path.with_name(f".{path.name}.broken")
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside, ignore_errors=True)
    else:
        aside.unlink(missing_ok=True)
    return path.rename(aside)


def set_file_aside(path: Path, reason: str) -> None:
    """Set a damaged file aside and say so."""
    aside = set_aside(path)
    log.warning("%s: %s. It is set aside as %s.", path, " ".join(reason.split()), aside.name)


def _natural(path: Path) -> list[tuple[str, int]]:
    """Sorts width=7 before width=10."""
    parts = [(part.rstrip("0123456789"), part) for part in path.parts]
    return [(name, int(part[len(name) :][:18] or 0)) for name, part in parts]
