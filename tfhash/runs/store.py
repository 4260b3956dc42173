"""The store of runs: what is finished, what can be taken on, what must be set aside."""

from __future__ import annotations

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfhash.errors import InputError, plain
from tfhash.runs.cnn_spec import CnnSpec
from tfhash.runs.layout import (
    SPEC_FILE,
    checkpoint_file,
    checkpoints,
    lock_of,
    run_directories,
    set_aside,
    sweeps_of,
)
from tfhash.runs.records import ResultsError, read_json
from tfhash.runs.spec import RunSpec
from tfhash.runs.trouble import log, say_once
from tfhash.runs.writer import RunWriter

AnySpec = RunSpec | CnnSpec


class RunError(InputError):
    """A run directory that cannot be written, or that holds something else than it should."""


class Runs:
    """All runs under one root.

    Parameters
    ----------
    root
        Folder of the runs; made when first written to.
    tensorboard
        Folder for what TensorBoard shows of each run, in the same directories as under `root`;
        None for nothing.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        tensorboard: str | os.PathLike[str] | None = None,
    ) -> None:
        self.root = Path(root).expanduser()
        self.tensorboard = None if tensorboard is None else Path(tensorboard).expanduser()

    def path(self, spec: AnySpec) -> Path:
        """Directory of the run of `spec`, finished or not."""
        return self.root / spec.directory

    def check_writable(self) -> None:
        """Check, before any training, that the folders of the runs can be written to.

        Raises
        ------
        RunError
            The root or TensorBoard's folder cannot be made or written to.
        """
        for folder, what in ((self.root, "runs"), (self.tensorboard, "TensorBoard's files")):
            if folder is None:
                continue
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                raise RunError(
                    f"Expected a folder that {what} can be written to at {folder}. Received: "
                    f"{error.strerror or error}. Name another folder."
                ) from error

    def is_finished(self, spec: AnySpec) -> bool:
        """Whether the run of `spec` is there, with every checkpoint it should have.

        Raises
        ------
        RunError
            The directory was made under another spec.
        """
        path = self.path(spec)
        if not path.is_dir():
            return False
        try:
            there = read_spec(path)
        except RunError:
            return False
        differences = spec.differences(there)
        if differences:
            raise RunError(
                f"Expected {path} to be empty or a run of the same spec. Received a run made under "
                f"another one ({'; '.join(differences)}). Keep these runs in another folder, or "
                "remove it."
            )
        return not self._damage(path, spec)

    def claim(self, spec: AnySpec, resume: bool = False) -> RunWriter | None:
        """Claim the run of `spec`: a writer, or None if it is finished or another process has it.

        With `resume`, what a killed run of the same spec has written is still there, and stays if
        this one is stopped too: see `RunWriter.has_checkpoints` and `clear`.

        A directory with a checkpoint that does not load is set aside (`.repeat=1.broken`), and a
        warning says so.

        Raises
        ------
        RunError
            The directory was made under another spec, or cannot be written.
        """
        path = self.path(spec)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = lock_of(path)
            if not lock.acquire():
                return None
        except OSError as error:
            raise RunError(f"Expected to write {path}. Received: {plain(error)}.") from error
        try:
            if self.is_finished(spec):
                lock.release()
                return None
            if os.path.lexists(path):
                log.warning("%s: %s. The run is done again.", path, self._reason(path, spec))
                set_aside(path)
            folder = None if self.tensorboard is None else self.tensorboard / spec.directory
            return RunWriter(path, spec, lock, resume, folder)
        except BaseException:
            lock.release()
            raise

    @contextlib.contextmanager
    def hold(self, path: Path) -> Iterator[bool]:
        """The lock of the run in `path`, as for training; False where another process has it."""
        with lock_of(path) as held:
            yield held

    @property
    def states(self) -> Path:
        """Folder with the states of groups of runs in training."""
        return sweeps_of(self.root)

    def _reason(self, path: Path, spec: AnySpec) -> str:
        """Why what is in `path` is no finished run."""
        try:
            read_spec(path)
        except RunError as error:
            return str(error)
        return self._damage(path, spec)

    @staticmethod
    def _damage(path: Path, spec: AnySpec) -> str:
        """What is wrong with the checkpoints in `path`, or nothing.

        A `.keras` file is a zip archive with checksums: reading it finds what is cut short or
        flipped at a thousandth of the cost of loading it.
        """
        there = checkpoints(path)
        needed = [*spec.checkpoint_epochs]
        if getattr(spec, "early_stopping", None) is not None and there:
            needed = [e for e in needed if e <= max(there)]  # it may end before its last epochs
        missing = [e for e in needed if e not in there]
        if missing or not there:
            return (
                f"checkpoint {checkpoint_file(missing[0] if missing else spec.epochs)} is missing"
            )
        for file in there.values():
            try:
                with zipfile.ZipFile(file) as archive:
                    bad = archive.testzip()
                    whole = bad is None and "model.weights.h5" in archive.namelist()
            except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError):
                whole = False
            if not whole:
                return f"checkpoint {file.name} does not load"
        return ""


@dataclass(frozen=True)
class StoredRun:
    """A finished run.

    Attributes
    ----------
    path : pathlib.Path
        Its directory.
    spec : RunSpec or CnnSpec
        What it was trained as; its `directory` is the end of `path`.
    """

    path: Path
    spec: AnySpec


def stored_runs(root: str | os.PathLike[str]) -> list[StoredRun]:
    """All finished runs under `root`, in order of their names.

    A directory whose spec cannot be read, or does not belong there, is named and left out.
    """
    found = []
    for path in run_directories(root):
        try:
            found.append(StoredRun(path, read_spec(path)))
        except RunError as error:
            say_once(path / SPEC_FILE, f"the run is left out. {error}")
    return found


def find_runs(root: str | os.PathLike[str]) -> list[Path]:
    """Directories of all finished runs under `root`, as `stored_runs` finds them."""
    return [run.path for run in stored_runs(root)]


def read_spec(path: Path) -> AnySpec:
    """The spec of the run in directory `path`.

    Raises
    ------
    RunError
        Its file is missing, is no spec, or is the spec of a run in another directory.
    """
    file = path / SPEC_FILE
    try:
        content = read_json(file)
        kind = CnnSpec if "architecture" in content else RunSpec
        spec = kind.from_json(content)
    except (ResultsError, InputError) as error:
        raise RunError(f"Expected a run's spec in {file}. Received: {error}") from error
    there = Path(os.path.abspath(path)).parts
    belongs = spec.directory.parts
    if not spec.experiment or there[-len(belongs) :] != belongs:
        raise RunError(
            f"Expected {file} to be the spec of the run in its directory. Received that of "
            f"{spec.directory.as_posix()}. Put the folder there, or train the run again."
        )
    return spec
