"""Training in several processes, each with a share of the networks and of the cores.

The products of small networks are too short to be shared between cores: two programs on a core each
train MNIST's 23 networks in 0.7 to 0.8 times the time of one program on two cores.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash import machine, metrics
from tfhash.datasets import Dataset
from tfhash.errors import InputError
from tfhash.runs import Runs, RunSpec
from tfhash.runs.trouble import log
from tfhash.training.interrupts import Interrupts
from tfhash.training.progress import show_done
from tfhash.training.state import saved_networks
from tfhash.training.sweep_trainer import SweepTrainer
from tfhash.training.worker import Message, StoredDataset, Work, train_share

if TYPE_CHECKING:
    from tqdm import tqdm

# What one core does of a sweep, about: networks are shared by it.
MULTIPLICATIONS_A_SECOND = 20e9
SECONDS_A_STEP = 5e-5
# Seconds on one core from which processes are worth their start, which takes each some 12 s.
PAYS_FROM = 120.0
# Of a process: its backend, and how often it has the dataset.
MEMORY, COPIES = 1 << 30, 2
TICK = 1.0  # seconds


@dataclass(frozen=True)
class ParallelTrainer:
    """Shares runs among processes, each of which trains its own side by side. A `Trainer`.

    Runs that `fit_one_by_one` trains are trained in this process, after the others. Processes are
    spawned: a script that trains with them starts under `if __name__ == "__main__":`.

    Attributes
    ----------
    trainer : SweepTrainer
        What trains in each process.
    workers : int or None
        Processes, each with its share of the cores (`metrics.get_num_threads`); None for one a core
        where that is faster: without an accelerator, and for minutes of training.

    Raises
    ------
    InputError
        `workers` is below 1.
    ChildProcessError
        A process was killed, as for lack of memory. The others have saved what they had.
    """

    trainer: SweepTrainer = field(default_factory=SweepTrainer)
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise InputError(f"Expected workers of at least 1. Received: {self.workers}.")

    def __call__(
        self, specs: Sequence[RunSpec], dataset: Dataset, runs: Runs, progress: tqdm[Any]
    ) -> None:
        alone = [spec for spec in specs if spec.fits_alone]
        shares = self.shares([spec for spec in specs if not spec.fits_alone], dataset, runs)
        if len(shares) > 1:
            _train(shares, self.trainer, dataset, runs, progress)
        else:
            alone = list(specs)
        if alone:
            self.trainer(alone, dataset, runs, progress)

    def shares(self, specs: Sequence[RunSpec], dataset: Dataset, runs: Runs) -> list[list[RunSpec]]:
        """The runs of each process: of each group a share that takes about as long as the others.

        Runs of one network stay together, and so do those whose state was saved together: they go
        on from it. The same groups are shared alike, so that programs are compiled once.
        """
        saved = saved_networks(runs.states)
        groups = [
            _units(group, saved, partial(_seconds, dataset=dataset))
            for group in self.trainer.groups(specs, dataset)
        ]
        n = self._n_workers(sum(seconds for units in groups for seconds, _ in units), dataset)
        n = min(n, sum(len(units) for units in groups))
        shares: list[list[RunSpec]] = [[] for _ in range(n)]
        totals = np.zeros(n)
        for units in groups:
            order = np.argsort(totals, kind="stable") if len(units) < n else np.arange(n)
            loads = np.zeros(n)
            for seconds, unit in units:
                i = order[np.argmin(loads[order])]
                shares[i] += unit
                loads[i] += seconds
            totals += loads
        return [share for share in shares if share]

    def _n_workers(self, seconds: float, dataset: Dataset) -> int:
        """Processes for so many seconds of training on one core."""
        if self.workers is not None:
            return self.workers
        if seconds < PAYS_FROM:
            return 1
        from tfhash import backend

        if backend.has_accelerator():
            return 1
        room = machine.memory() // 2 // (MEMORY + COPIES * _bytes(dataset))
        return max(1, min(metrics.get_num_threads(), room))


def _units(
    group: Sequence[RunSpec],
    saved: Mapping[RunSpec, Path],
    seconds: Callable[[RunSpec], float],
) -> list[tuple[float, list[RunSpec]]]:
    """The runs of a group that one process must train together, and their time; longest first."""
    units: dict[RunSpec | Path, list[RunSpec]] = {}
    for spec in group:
        units.setdefault(saved.get(spec.network, spec.network), []).append(spec)
    timed = [
        (sum(seconds(network) for network in {spec.network: None for spec in unit}), unit)
        for unit in units.values()
    ]
    return sorted(timed, key=lambda one: -one[0])


def _seconds(spec: RunSpec, dataset: Dataset) -> float:
    """About how long the training of a network takes one core."""
    n_examples = spec.epoch_size or spec.sample_size or len(dataset.x_train)
    first = int(np.prod(dataset.input_shape)) * spec.width
    others = spec.width * ((spec.depth - 1) * spec.width + dataset.n_classes)
    multiplications = (2 * first + 3 * others) * n_examples  # no gradient goes to the inputs
    steps = spec.steps_per_epoch(n_examples)
    return spec.epochs * (multiplications / MULTIPLICATIONS_A_SECOND + steps * SECONDS_A_STEP)


def _bytes(dataset: Dataset) -> int:
    return dataset.x_train.nbytes + dataset.x_test.nbytes


def _train(
    shares: Sequence[Sequence[RunSpec]],
    trainer: SweepTrainer,
    dataset: Dataset,
    runs: Runs,
    progress: tqdm[Any],
) -> None:
    """Train each share in a process of its own."""
    n = len(shares)
    progress.set_description(f"{n} processes")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        work = Work(
            specs=(),
            trainer=replace(trainer, memory_share=trainer.memory_share / n),
            dataset=StoredDataset.save(dataset, Path(folder)),
            root=runs.root,
            tensorboard=runs.tensorboard,
            threads=max(1, metrics.get_num_threads() // n),
        )
        workers = [stack.enter_context(_Worker(replace(work, specs=share))) for share in shares]
        amounts = [sum(spec.epochs for spec in share) for share in shares]
        with Interrupts(partial(progress.write, file=sys.stderr)) as interrupts:
            _follow(workers, amounts, progress, interrupts)
            interrupts.check()


def _follow(
    workers: Sequence[_Worker], amounts: Sequence[int], progress: tqdm[Any], interrupts: Interrupts
) -> None:
    """Show how far the workers are until all have ended.

    Where one fails, or the user asks, all are told to stop.
    """
    asked = False
    while left := {one.connection: one for one in workers if not one.ended}:
        if not asked and (interrupts.asked or any(one.error for one in workers)):
            asked = True
            for one in left.values():
                one.stop()
        for connection in wait(list(left), TICK):
            left[connection].receive(progress)  # type: ignore[index]
        done = {i: one.done for i, one in enumerate(workers)}
        finished = [i for i, one in enumerate(workers) if one.ended and not asked]
        show_done(progress, amounts, done, finished)
    for one in workers:
        if one.error is not None:
            raise one.error


class _Worker:
    """The process of one share, and what it has told. Leaving the `with` block ends it.

    Attributes
    ----------
    connection : Connection
        It tells something where this is ready.
    done : int
        Epochs.
    ended : bool
        Whether it has ended, of itself or otherwise.
    error : BaseException or None
        What ended it before its work was done.
    """

    def __init__(self, work: Work) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.done, self.ended = 0, False
        self.error: BaseException | None = None
        self._process = context.Process(target=train_share, args=(theirs, work), daemon=True)
        with machine.environment(work.environment), _ignoring_ctrl_c():
            self._process.start()
        theirs.close()

    def receive(self, progress: tqdm[Any]) -> None:
        """Take note of the next message; lines and warnings are the user's."""
        try:
            message: Message = self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            self.ended, self.error = True, self._killed()
            return
        if message.done is not None:
            self.done = message.done
        if message.line is not None:
            progress.write(message.line, file=sys.stderr)
        if message.warning is not None:
            log.warning("%s", message.warning)
        self.ended, self.error = message.ended, message.error

    def _killed(self) -> ChildProcessError:
        return ChildProcessError(
            "Expected a process that trains networks to end by itself. Received: it was ended with "
            f"exit code {self._process.exitcode}, as for lack of memory. The same call goes on "
            "from what was saved; fewer workers need less memory."
        )

    def stop(self) -> None:
        """Ask it to save what is done, and end."""
        with suppress(OSError):  # it has just ended
            self.connection.send(None)

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.join()


@contextmanager
def _ignoring_ctrl_c() -> Iterator[None]:
    """Processes started within it leave Ctrl-C to this one."""
    if threading.current_thread() is not threading.main_thread():
        yield  # other threads can change nothing about it
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
