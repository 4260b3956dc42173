"""Training many runs as one compiled program, many times faster than one after another.

The runs of one repeat share their batches: they are trained side by side (`SideBySide`), an epoch
per call into the backend. Weights come out as `fit` gives them, to rounding.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash.datasets import Dataset
from tfhash.training.placement import Placement
from tfhash.training.runs import Runs, RunWriter
from tfhash.training.side_by_side import SideBySide
from tfhash.training.spec import RunSpec
from tfhash.training.state import SweepState, find_state

if TYPE_CHECKING:
    from tqdm import tqdm

    from tfhash.backend import EpochLoop

# Padding pays where starting an operation costs more than its arithmetic; on CPUs it does not.
MAX_PADDING = 0.0


@dataclass(frozen=True)
class SweepTrainer:
    """Trains groups of runs, each group as one program. A `Trainer`.

    Attributes
    ----------
    group_size : int or None
        Most runs that are trained side by side; None for as many as a quarter of the memory holds.
    save_every : float
        Seconds between savings of a group's state, from which a killed command goes on.
    """

    group_size: int | None = None
    save_every: float = 120.0

    def __call__(
        self, specs: Sequence[RunSpec], dataset: Dataset, runs: Runs, progress: tqdm[Any]
    ) -> None:
        import keras

        for group in groups(specs, dataset, self.group_size):
            with contextlib.ExitStack() as stack:
                writers = {}
                for spec in group:
                    writer = runs.claim(spec, resume=True)
                    if writer is None:
                        progress.update(spec.epochs)
                    else:
                        writers[spec] = stack.enter_context(writer)
                if writers:
                    _Group(writers, dataset, runs, progress).train(self.save_every)
            # Keras keeps what was built until told otherwise.
            keras.utils.clear_session()


def groups(
    specs: Sequence[RunSpec], dataset: Dataset, group_size: int | None = None
) -> Iterator[list[RunSpec]]:
    """`specs` in groups that can be trained as one program, by width.

    What differs in a group is width and what belongs to single networks (L2, clipping,
    checkpoints); batches, data and everything else are common. Runs of the same network, for
    different experiments, are next to each other.
    """
    together: dict[RunSpec, list[RunSpec]] = {}
    for spec in specs:
        common = replace(spec.network, width=1, l2=0.0, clip_norm=None)
        together.setdefault(common, []).append(spec)
    n_inputs = int(np.prod(dataset.input_shape))
    budget = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4
    for alike in together.values():
        group: list[RunSpec] = []
        size = 0
        for spec in sorted(alike, key=lambda spec: (spec.width, spec.directory)):
            # Weights, two moments, gradients and their temporaries; activations both ways.
            n_weights = spec.width * (n_inputs + spec.depth * (spec.width + 4) + 16)
            needed = 4 * (6 * n_weights + 8 * spec.depth * spec.width * spec.batch_size)
            if group and (len(group) == group_size or size + needed > budget):
                yield group
                group, size = [], 0
            group.append(spec)
            size += needed
        yield group


class _Group:
    """Runs that are being trained side by side.

    `state.specs` are the networks in the program; `writers` has the runs that are not finished,
    one or more for each network.
    """

    def __init__(
        self,
        writers: dict[RunSpec, RunWriter],
        dataset: Dataset,
        runs: Runs,
        progress: tqdm[Any],
    ) -> None:
        self.writers = writers
        self.progress = progress
        self.folder = runs.root / ".sweeps"
        first = next(iter(writers))
        self.dataset = dataset
        self.data = first.training_data(dataset)
        # L2 pulls at all weights, those of pixels that are always zero too.
        self.pixels = Pixels.of(self.data, leave_out=not any(spec.l2 for spec in writers))
        self.models = {spec.network: spec.build_model(dataset) for spec in writers}
        state = find_state(self.folder, list(self.models))
        if state is None or not all(
            writer.has_checkpoints(state.epoch) for writer in writers.values()
        ):
            for writer in writers.values():
                writer.clear()
            state = SweepState.start(self.models)
        self.state = state

    def train(self, save_every: float) -> None:
        """Train all runs to their end, and finish them."""
        state = self.state
        loop = self._compile()
        self.progress.update(state.epoch * len(self.writers))
        if state.epoch == 0:
            both = [self._measured(loop, split) for split in ("train", "test")]
            state.history.append(np.concatenate(both))
            self._keep(loop)
        saved = time.monotonic()
        while self.writers:
            at_work = sorted({state.index(spec) for spec in self.writers})
            if len(at_work) <= len(state.specs) // 2:
                # Early stopping has left half of them or fewer.
                state.update(loop.read(), self.placement)
                state.keep(at_work)
                loop = self._compile()
            if time.monotonic() - saved > save_every:
                state.update(loop.read(), self.placement)
                state.save(self.folder)
                saved = time.monotonic()
            one = next(iter(self.writers))
            epoch = state.epoch + 1
            self._describe(epoch, one.epochs)
            order = one.batch_order(epoch, len(self.data.x_train))
            trained = loop.epoch(order, one.rate(epoch)) / len(order)
            state.epoch = epoch
            state.history.append(np.concatenate([trained, self._measured(loop, "test")]))
            self.progress.update(len(self.writers))
            self._keep(loop)
        state.remove(self.folder)

    def _compile(self) -> EpochLoop:
        from tfhash import backend

        specs = self.state.specs
        networks = SideBySide(
            widths=tuple(spec.width for spec in specs),
            depth=specs[0].depth,
            n_inputs=len(self.pixels.order),
            n_classes=self.data.n_classes,
            n_live=self.pixels.n_live,
            batch_norm=specs[0].batch_norm,
            l2=tuple(spec.l2 for spec in specs),
            clip_norm=tuple(spec.clip_norm or np.inf for spec in specs),
            max_padding=MAX_PADDING,
        )
        self.placement = Placement(networks, self.pixels.order)
        step = backend.Step(len(specs), networks.loss, networks.gradients, networks.measure)
        data = {
            "train": (self.pixels.train, self.data.y_train),
            "test": (self.pixels.test, self.data.y_test),
        }
        return backend.epoch_loop(
            step, data, specs[0].batch_size, self.state.placed(self.placement)
        )

    def _measured(self, loop: EpochLoop, split: str) -> np.ndarray:
        """Loss and accuracy on "train" or "test", float64 [2, n_models]."""
        return loop.measure(split) / len(getattr(self.data, f"y_{split}"))

    def _keep(self, loop: EpochLoop) -> None:
        """Write the checkpoints of this epoch, and finish the runs that end with it."""
        state = self.state
        ended = [
            spec for spec in self.writers if state.epoch == spec.epochs or state.has_stalled(spec)
        ]
        kept = [s for s in self.writers if state.epoch in s.checkpoint_epochs or s in ended]
        if kept:
            state.update(loop.read(), self.placement)
        for spec in kept:
            model = self.models[spec.network]
            state.assign(model, spec)
            self.writers[spec].save_checkpoint(state.epoch, model)
        if ended and len(ended) < len(self.writers):
            # Should we be killed now, the finished ones are left out of what goes on.
            state.save(self.folder)
        for spec in ended:
            writer = self.writers.pop(spec)
            writer.save_history(state.rows(spec))
            writer.finish()
            self.progress.update(spec.epochs - state.epoch)

    def _describe(self, epoch: int, epochs: int) -> None:
        widths = [spec.width for spec in self.writers]
        span = f"width {min(widths)}" + (f"-{max(widths)}" if len(widths) > 1 else "")
        self.progress.set_description(
            f"{len(widths)} model{'s' if len(widths) > 1 else ''}, {span}, epoch {epoch}/{epochs}"
        )


@dataclass(frozen=True)
class Pixels:
    """Images as rows of pixels, in the least memory.

    Attributes
    ----------
    order : numpy.ndarray
        int64 [n_pixels], the pixels in the order they are in: those that are zero in all training
        images come last.
    n_live : int
        Number of the others.
    train, test : numpy.ndarray
        [n_train, n_live] and [n_test, n_pixels]: bytes where all pixels are whole 255ths, float32
        otherwise.
    """

    order: np.ndarray
    n_live: int
    train: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, data: Dataset, leave_out: bool) -> Pixels:
        """The images of `data`; with `leave_out`, all are live unless they are always zero."""
        train, test = (_bytes(x.reshape(len(x), -1)) for x in (data.x_train, data.x_test))
        if train.dtype != test.dtype:
            train, test = (x.reshape(len(x), -1) for x in (data.x_train, data.x_test))
        live = train.any(axis=0) | (not leave_out)
        order = np.argsort(~live, kind="stable")
        n_live = int(live.sum())
        return cls(order, n_live, train[:, order[:n_live]], test[:, order])


def _bytes(x: np.ndarray) -> np.ndarray:
    whole = np.round(x * 255).astype(np.uint8)
    return whole if np.array_equal(whole.astype(np.float32) / np.float32(255), x) else x
