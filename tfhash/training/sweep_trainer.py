"""Training many runs as one compiled program, many times faster than one after another.

The runs of one repeat share their batches: they are trained side by side (`BatchedMLPs`), an epoch
per call into the backend. Weights come out as `fit` gives them, to rounding.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash import machine
from tfhash.datasets import Dataset
from tfhash.runs import Runs, RunSpec, RunWriter
from tfhash.training.batched_mlps import BatchedMLPs
from tfhash.training.batched_penalties import NOTHING, Penalty
from tfhash.training.fit import fit_one_by_one
from tfhash.training.interrupts import Interrupts
from tfhash.training.packed_images import PackedImages
from tfhash.training.progress import skip
from tfhash.training.state import SweepState, find_state, saved_networks
from tfhash.training.weight_layout import WeightLayout

if TYPE_CHECKING:
    from tqdm import tqdm

    from tfhash.training.epoch_loop import EpochLoop

# Padding pays where starting an operation costs more than its arithmetic; on CPUs it does not.
MAX_PADDING = 0.0
# Logits are small: stacking those of networks of unlike widths saves more than their padding costs,
# a twelfth of a step of 12 networks on one thread, and half of the time that compiling takes.
LOGITS_PADDING = 1.0
# On CPUs a program has about so many units: what a step reads then stays in the caches. On MNIST
# two programs of 260 units take 0.87 times as long as one of 520, on one thread, and three of 350
# take 0.88 times as long as one of 1,040, on two. The size hardly matters to five-layer networks of
# CIFAR-10.
UNITS = 300
# On TensorFlow XLA takes as long to compile as it saves in 900 steps of MNIST's 23 networks (4 s),
# in 2,500 of the digits' 10 (1.5 s).
XLA_STEPS = 1_000
# Of the time, for saving the state.
SAVING_SHARE = 0.05


@dataclass(frozen=True)
class SweepTrainer:
    """Trains groups of runs, each group as one program or, on CPUs, as a few. A `Trainer`.

    Runs that no such program is for (`RunSpec.fits_alone`) are trained by `fit_one_by_one`.

    Attributes
    ----------
    group_size : int or None
        Most runs that are trained side by side; None for as many as the memory holds, or, on CPUs,
        as are trained fastest.
    save_every : float
        Seconds between savings of a group's state, from which a killed command goes on; longer
        where saving would take more than a twentieth of the time.
    memory_share : float
        Of the memory, the accelerator's where JAX has one, for the networks of a group.
    """

    group_size: int | None = None
    save_every: float = 120.0
    memory_share: float = 0.25

    def groups(self, specs: Sequence[RunSpec], dataset: Dataset) -> list[list[RunSpec]]:
        """The runs that are trained side by side; one group does not depend on another."""
        alone = [[spec] for spec in specs if spec.fits_alone]
        together = [spec for spec in specs if not spec.fits_alone]
        return [*groups(together, dataset, self.group_size, self.memory_share), *alone]

    def _programs(
        self, specs: Sequence[RunSpec], dataset: Dataset, runs: Runs
    ) -> Iterator[list[RunSpec]]:
        """The runs of each program: the groups, or parts of them.

        Those that are alike come one after another, and so are compiled once. Networks
        whose state was saved together go on together.
        """
        from tfhash import backend

        whole = self.group_size is not None or backend.has_accelerator()
        saved = saved_networks(runs.states)
        alike: dict[Any, list[list[RunSpec]]] = {}
        for group in self.groups(specs, dataset):
            programs: dict[Path | int, list[RunSpec]] = {}
            for i, part in enumerate([group] if whole else parts(group)):
                for spec in part:
                    programs.setdefault(saved.get(spec.network, i), []).append(spec)
            for program in programs.values():
                key = program[0].l2 > 0, tuple(spec.width for spec in program)
                alike.setdefault(key, []).append(program)
        yield from chain.from_iterable(alike.values())

    def __call__(
        self, specs: Sequence[RunSpec], dataset: Dataset, runs: Runs, progress: tqdm[Any]
    ) -> None:
        machine.load_keras()
        import keras

        loops = CompiledLoopCache(dataset)
        for group in self._programs(specs, dataset, runs):
            if group[0].fits_alone:
                fit_one_by_one(group, dataset, runs, progress)
                continue
            with contextlib.ExitStack() as stack:
                writers = {}
                for spec in group:
                    writer = runs.claim(spec, resume=True)
                    if writer is None:
                        progress.update(spec.epochs)
                    else:
                        writers[spec] = stack.enter_context(writer)
                if writers:
                    _Group(writers, dataset, loops, runs, progress).train(self.save_every)
            # Keras keeps what was built until told otherwise.
            keras.utils.clear_session()


def groups(
    specs: Sequence[RunSpec],
    dataset: Dataset,
    group_size: int | None = None,
    memory_share: float = 0.25,
) -> Iterator[list[RunSpec]]:
    """`specs` in groups that can be trained as one program, by width.

    What differs in a group is width and what belongs to single networks (weight of L2, the norm
    that gradients are clipped to, regularizers but batch normalization, checkpoints); batches, data
    and everything else are common. Networks with L2 are groups of their own, and so are those whose
    gradients are clipped: they alone need more passes over all weights, and with L2 the weights of
    pixels that are always zero. Runs of the same network, for different experiments, are next to
    each other.
    """
    together: dict[RunSpec, list[RunSpec]] = {}
    for spec in specs:
        common = replace(
            spec.network,
            width=1,
            l2=float(spec.l2 > 0),
            l2_layers="all",
            clip_norm=None if spec.clip_norm is None else 1.0,
            # It has weights of its own.
            regularizer="bn" if spec.regularizer == "bn" else "none",
            regularizer_weight=0.0,
            regularizer_normalized=False,
        )
        together.setdefault(common, []).append(spec)
    n_inputs = int(np.prod(dataset.input_shape))
    budget = machine.memory() * memory_share
    # Those with batch normalization last: groups after one another then share a program.
    for alike in sorted(together.values(), key=lambda alike: alike[0].regularizer == "bn"):
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


def parts(group: Sequence[RunSpec]) -> list[list[RunSpec]]:
    """A group in parts of about as many units each, which CPUs train faster than all at once."""
    networks = list(dict.fromkeys(spec.network for spec in group))
    widths = np.array([network.width for network in networks])
    n = -(-int(widths.sum()) // UNITS)
    middles = np.cumsum(widths) - widths / 2
    numbers = dict(zip(networks, (middles * n / widths.sum()).astype(int).tolist(), strict=True))
    found: dict[int, list[RunSpec]] = {}
    for spec in group:
        found.setdefault(numbers[spec.network], []).append(spec)
    return list(found.values())


def _regularizers(specs: Sequence[RunSpec]) -> tuple[Penalty, ...]:
    """Of each network, what `BatchedMLPs` takes; empty for nothing in all of them."""
    found = tuple(
        Penalty(one.regularizer, one.regularizer_weight, one.regularizer_normalized)
        if one.regularizer != "bn"
        else NOTHING
        for one in specs
    )
    return found if any(one != NOTHING for one in found) else ()


class CompiledLoopCache:
    """The images on the device, and the last program that was compiled for them.

    Groups of the same widths share both, whatever rows of the images they train on.

    Parameters
    ----------
    dataset
        The dataset of all runs.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = self._pool = dataset
        self._pixels: dict[bool, PackedImages] = {}
        self._last: tuple[Any, EpochLoop] | None = None

    def rows(self, spec: RunSpec) -> np.ndarray:
        """Select the images of `spec`, and return the rows int64 [n] that it trains on."""
        pool, rows = spec.pool(self._dataset)
        if pool is not self._pool:
            self._pool, self._pixels, self._last = pool, {}, None
        return rows

    @property
    def n_test(self) -> int:
        """Test examples beside the images that `rows` selected."""
        return len(self._pool.x_test)

    def load(self, state: SweepState, n_steps: int) -> tuple[EpochLoop, WeightLayout]:
        """A loop that goes on from `state`, and where in it the weights are.

        `n_steps` is the length of the whole training, which decides whether compiling pays.
        """
        from tfhash.training.epoch_loop import EpochLoop, Step

        specs = state.specs
        # L2 pulls at all weights, those of pixels that are always zero too.
        leave_out = not any(spec.l2 for spec in specs)
        if leave_out not in self._pixels:
            self._pixels = {leave_out: PackedImages.of(self._pool, leave_out)}
            self._last = None
        images = self._pixels[leave_out]
        networks = BatchedMLPs(
            widths=tuple(spec.width for spec in specs),
            depth=specs[0].depth,
            n_inputs=len(images.order),
            n_classes=self._pool.n_classes,
            n_live=images.n_live,
            norm_layers=specs[0].norm_layers,
            last_linear=specs[0].last_activation == "linear",
            l2=tuple(spec.l2 for spec in specs),
            l2_logits=tuple(spec.l2 if spec.l2_layers == "all" else 0.0 for spec in specs),
            clip_norm=tuple(spec.clip_norm for spec in specs if spec.clip_norm),
            regularizers=_regularizers(specs),
            max_padding=MAX_PADDING,
            logits_padding=LOGITS_PADDING,
        )
        key = (networks, specs[0].batch_size, n_steps >= XLA_STEPS)
        if self._last is None or self._last[0] != key:
            self._last = None  # its memory goes before the next one's comes
            data = {
                "train": (images.train, self._pool.y_train),
                "test": (images.test, self._pool.y_test),
            }
            step = Step(len(specs), networks.loss, networks.gradients, networks.measure)
            self._last = key, EpochLoop(step, data, *key[1:])
        loop, layout = self._last[1], WeightLayout(networks, images.order)
        loop.load(state.placed(layout))
        return loop, layout


class _Group:
    """Runs that are being trained side by side.

    `state.specs` are the networks in the program; `writers` has the runs that are not finished,
    one or more for each network.
    """

    def __init__(
        self,
        writers: dict[RunSpec, RunWriter],
        dataset: Dataset,
        loops: CompiledLoopCache,
        runs: Runs,
        progress: tqdm[Any],
    ) -> None:
        self.writers = writers
        self.loops = loops
        self.progress = progress
        self.folder = runs.states
        one = next(iter(writers))
        self.rows = loops.rows(one)
        self.n_steps = one.epochs * one.steps_per_epoch(len(self.rows))
        self.models = {spec.network: spec.build_model(dataset) for spec in writers}
        state = find_state(self.folder, self.models)
        if state is None or not all(
            writer.has_checkpoints(state.epoch) for writer in writers.values()
        ):
            for writer in writers.values():
                writer.clear()
            state = SweepState.start(self.models)
        self.state = state
        self.loop, self.layout = loops.load(state, self.n_steps)

    def train(self, save_every: float) -> None:
        """Train all runs to their end, and finish them."""
        state = self.state
        skip(self.progress, state.epoch * len(self.writers))
        if not state.history:
            self._record(self.loop.measure("train", self.rows))
        elif ended := self._ended():  # killed when they were to be finished
            self._keep(ended)
            self._finish(ended)
        saved, pause = time.monotonic(), save_every
        with Interrupts(partial(self.progress.write, file=sys.stderr)) as interrupts:
            while self.writers:
                self._leave_out_finished()
                if interrupts.asked or time.monotonic() - saved > pause:
                    started = time.monotonic()
                    state.update(self.loop.read(), self.layout)
                    state.save(self.folder)
                    saved = time.monotonic()
                    pause = max(save_every, (saved - started) / SAVING_SHARE)
                interrupts.check()
                self._train_epoch()
        state.remove(self.folder)
        interrupts.check()  # pressed in the last epoch: no other group is begun

    def _train_epoch(self) -> None:
        state, one = self.state, next(iter(self.writers))
        epoch = state.epoch + 1
        self._describe(epoch, one.epochs)
        order = self.rows[one.batch_order(epoch, len(self.rows))]
        trained = self.loop.epoch(order, one.rate(epoch)) / len(order)
        state.epoch = epoch
        self.progress.update(len(self.writers))
        self._record(trained)

    def _leave_out_finished(self) -> None:
        """Go on with a smaller program where early stopping has left half of it or less."""
        at_work = sorted({self.state.index(spec) for spec in self.writers})
        if len(at_work) <= len(self.state.specs) // 2:
            self.state.update(self.loop.read(), self.layout)
            left_out = [s for i, s in enumerate(self.state.specs) if i not in at_work]
            # Those of an earlier command that were not asked for now are not finished yet.
            finished = all(network in self.models for network in left_out)
            self.state.keep(at_work, self.folder if finished else None)
            self.loop, self.layout = self.loops.load(self.state, self.n_steps)

    def _record(self, trained: np.ndarray) -> None:
        """Keep what this epoch leaves behind, and finish the runs that end with it."""
        state = self.state
        state.history.append(np.concatenate([trained, np.full_like(trained, np.nan)]))
        ended = self._ended()
        kept = [s for s in self.writers if state.epoch in s.checkpoint_epochs or s in ended]
        sizes = len(self.rows), self.loops.n_test
        tested = {
            state.index(s) for s in self.writers if s in ended or s.tests_after(state.epoch, *sizes)
        }
        if tested:
            chosen = sorted(tested)
            state.history[-1][len(trained) :, chosen] = self.loop.measure("test")[:, chosen]
        if kept:
            state.update(self.loop.read(), self.layout)
        self._keep(kept)
        if ended and len(ended) < len(self.writers):
            # Should we be killed now, the finished ones are left out of what goes on.
            state.save(self.folder)
        for spec, writer in self.writers.items():
            writer.show(state.rows(spec, first=state.epoch)[0])
        self._finish(ended)

    def _ended(self) -> list[RunSpec]:
        """The runs that end with this epoch."""
        state = self.state
        return [s for s in self.writers if state.epoch == s.epochs or state.has_stalled(s)]

    def _keep(self, specs: Sequence[RunSpec]) -> None:
        """Write checkpoints of the state."""
        for spec in specs:
            model = self.models[spec.network]
            self.state.assign(model, spec)
            self.writers[spec].save_checkpoint(self.state.epoch, model)

    def _finish(self, specs: Sequence[RunSpec]) -> None:
        for spec in specs:
            writer = self.writers.pop(spec)
            writer.save_history(self.state.rows(spec))
            writer.finish()
            self.progress.update(spec.epochs - self.state.epoch)

    def _describe(self, epoch: int, epochs: int) -> None:
        widths = [spec.width for spec in self.writers]
        span = f"width {min(widths)}" + (f"-{max(widths)}" if len(widths) > 1 else "")
        self.progress.set_description(
            f"{len(widths)} model{'s' if len(widths) > 1 else ''}, {span}, epoch {epoch}/{epochs}"
        )
