"""Run directories: one run, one model, one directory that is whole or not there.

    root/layer_width/mnist/depth=1/width=100/repeat=1/
        spec.json  epoch=2000.keras  history.csv  properties.json (later, by the encoding stage)

A run is written to a hidden directory beside it and renamed when it is finished; a lock beside it
says that somebody is at work on it, and goes when they do, however they go.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from tfhash.errors import InputError
from tfhash.files import FileLock, named, write_json, write_text
from tfhash.results import HISTORY_COLUMNS, HISTORY_FILE, SPEC_FILE, checkpoint_file, checkpoints
from tfhash.training.cnn_spec import CnnSpec
from tfhash.training.event_file import EventFile
from tfhash.training.spec import RunSpec, SpecError

if TYPE_CHECKING:
    import keras

log = logging.getLogger("tfhash")
AnySpec = RunSpec | CnnSpec
Spec = TypeVar("Spec", bound=RunSpec | CnnSpec)


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
        """Meet folders that cannot be written to before training does.

        Raises
        ------
        RunError
            The root or TensorBoard's folder cannot be made or written to.
        """
        for folder, what, flag in (
            (self.root, "runs", "save_path"),
            (self.tensorboard, "TensorBoard's files", "tensorboard"),
        ):
            if folder is None:
                continue
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                raise RunError(
                    f"Expected a folder that {what} can be written to at {folder}. Received: "
                    f"{error.strerror or error}. Name another one with --{flag}."
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
            there = read_spec_as(type(spec), path)
        except RunError:
            return False
        differences = spec.differences(there)  # type: ignore[arg-type]
        if differences:
            raise RunError(
                f"Expected {path} to be empty or a run of the same spec. Received a run made under "
                f"another one ({'; '.join(differences)}). Give another --save_path, or remove it."
            )
        return not self._damage(path, spec)

    def claim(self, spec: AnySpec, resume: bool = False) -> RunWriter | None:
        """Take on the run of `spec`: a writer, or None where it is finished or in other hands.

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
            lock = FileLock(path.parent / f".{path.name}.lock")
            if not lock.acquire():
                return None
        except OSError as error:
            raise RunError(f"Expected to write {path}. Received: {error}.") from error
        try:
            if self.is_finished(spec):
                lock.release()
                return None
            if path.is_dir():
                reason = self._damage(path, spec) or "its spec.json cannot be read"
                log.warning("%s: %s. The run is done again.", path, reason)
                set_aside(path)
            folder = None if self.tensorboard is None else self.tensorboard / spec.directory
            return RunWriter(path, spec, lock, resume, folder)
        except BaseException:
            lock.release()
            raise

    @staticmethod
    def _damage(path: Path, spec: AnySpec) -> str:
        """What is wrong with the checkpoints in `path`, or nothing.

        A `.keras` file is a zip archive with checksums: reading it finds what is cut short or
        flipped at a thousandth of the cost of loading it.
        """
        there = checkpoints(path)
        # Early stopping may end a run before its last epochs.
        needed = [e for e in spec.checkpoint_epochs if not there or e <= max(there)]
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


class RunWriter:
    """A run in the making. Leaving the `with` block without `finish` leaves nothing behind,
    unless it was claimed to be resumed.

    `Runs.claim` makes these.

    Attributes
    ----------
    path, partial : pathlib.Path
        Where the run will be, and where it is in the making.
    spec
        What is trained.
    """

    def __init__(
        self,
        path: Path,
        spec: AnySpec,
        lock: FileLock,
        resume: bool = False,
        tensorboard: Path | None = None,
    ) -> None:
        self.path = path
        self._events = None if tensorboard is None else EventFile(tensorboard)
        self.spec = spec
        self._lock = lock
        self.partial = path.parent / f".{path.name}.partial"
        self._resume = resume
        if not resume:
            self.clear()

    def clear(self) -> None:
        """Begin with nothing."""
        # Left by a run that was killed: the lock says that nobody is at work on it.
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir()

    def has_checkpoints(self, epoch: int) -> bool:
        """Whether the checkpoints that are asked for up to `epoch` are written."""
        there = checkpoints(self.partial)
        return self.partial.is_dir() and all(
            e in there for e in self.spec.checkpoint_epochs if e <= epoch
        )

    def save_checkpoint(self, epoch: int, model: keras.Model) -> None:
        """Keep `model`, uncompiled, as it is after `epoch` epochs (0: before training)."""
        path = self.partial / checkpoint_file(epoch)
        try:
            model.save(path)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise named(error, path) from error

    def show(self, row: Mapping[str, float]) -> None:
        """Let TensorBoard see an epoch, a row as `save_history` takes it, if it was asked for."""
        if self._events is not None:
            values = {
                f"{measure}/{split}": row[f"{split}_{measure}"]
                for measure in ("loss", "accuracy")
                for split in ("train", "test")
            }
            self._events.write(int(row["epoch"]), values)

    def save_history(self, rows: Iterable[dict[str, float]]) -> None:
        """Keep one row per epoch, with the keys of `results.HISTORY_COLUMNS`.

        The training columns are means over the epoch's steps, as Keras reports them (epoch 0 is
        evaluated); the test columns are evaluated at the end of the epoch.
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.partial / HISTORY_FILE, text.getvalue())

    def finish(self) -> None:
        """Make the run appear under its name, all at once."""
        write_json(self.partial / SPEC_FILE, self.spec.to_json())
        os.rename(self.partial, self.path)

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._resume or kind is None:
            shutil.rmtree(self.partial, ignore_errors=True)
        if self._events is not None:
            self._events.close()
        self._lock.release()


def read_spec(path: Path) -> RunSpec:
    """The spec of the multi-layer perceptron's run in directory `path`.

    Raises
    ------
    RunError
        Its `spec.json` is missing or is not one.
    """
    return read_spec_as(RunSpec, path)


def read_spec_as(kind: type[Spec], path: Path) -> Spec:
    """The spec, of a class such as `RunSpec`, of the run in directory `path`.

    Raises
    ------
    RunError
        Its `spec.json` is missing or is not one.
    """
    try:
        content = json.loads((path / SPEC_FILE).read_text(encoding="utf-8"))
        return kind.from_json(content)  # type: ignore[return-value]
    except (OSError, ValueError, SpecError) as error:
        raise RunError(f"Expected a run's spec in {path / SPEC_FILE}. Received: {error}") from error


def set_aside(path: Path) -> Path:
    """Rename the run in `path` to `.NAME.broken`, where nothing looks for it, and return that."""
    aside = path.parent / f".{path.name}.broken"
    shutil.rmtree(aside, ignore_errors=True)
    return path.rename(aside)
