"""A run in the making: what training hands over, written so that it is whole or not there."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from tfhash.files import FileLock, named, write_json, write_text
from tfhash.runs.cnn_spec import CnnSpec
from tfhash.runs.event_file import EventFile
from tfhash.runs.layout import (
    HISTORY_FILE,
    SPEC_FILE,
    broken_state_of,
    checkpoint_file,
    checkpoints,
    partial_of,
    state_of,
)
from tfhash.runs.spec import RunSpec
from tfhash.runs.states import StateFile

if TYPE_CHECKING:
    import keras

HISTORY_COLUMNS = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy")


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
    state : StateFile
        For the state of a training that is resumed.
    """

    def __init__(
        self,
        path: Path,
        spec: RunSpec | CnnSpec,
        lock: FileLock,
        resume: bool = False,
        tensorboard: Path | None = None,
    ) -> None:
        self.path = path
        self._events = None if tensorboard is None else EventFile(tensorboard)
        self.spec = spec
        self._lock = lock
        self.partial = partial_of(path)
        self.state = StateFile(state_of(path), broken_state_of(path))
        self._resume = resume
        if self.partial.is_symlink() or self.partial.is_file():
            # Not ours: writing through a link would end up outside the folder of the runs.
            self.partial.unlink()
        if not resume:
            self.clear()

    def clear(self) -> None:
        """Start with an empty folder."""
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
                if f"{split}_{measure}" in row
            }
            self._events.write(int(row["epoch"]), values)

    def save_history(self, rows: Iterable[dict[str, float]]) -> None:
        """Keep one row per epoch, with the keys of `HISTORY_COLUMNS`.

        The training columns are means over the epoch's steps, as Keras reports them (epoch 0 is
        evaluated); the test columns are evaluated at the end of the epoch, and left out of rows of
        epochs without (`RunSpec.tests_after`).
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.partial / HISTORY_FILE, text.getvalue())

    def finish(self) -> None:
        """Make the run appear under its name, all at once."""
        self.state.path.unlink(missing_ok=True)
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
