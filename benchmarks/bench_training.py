"""Training sweeps side by side, against plain Keras fit, one network after another.

python -m benchmarks.bench_training --data_dir FOLDER --repeats 2

One epoch each, with what belongs to it: the batch order, the test set. Building and compiling come
once per run and are left out on both sides; a peer that takes minutes is timed once. The limit is
that of the arithmetic, at the rate of NumPy's product of large matrices, and of Adam's bytes, at
the rate of a copy. Memory is the peak of a process of its own that loads the data and trains an
epoch, less that of one that has used the framework and no more. Takes about 12 minutes on 2 cores.
KERAS_BACKEND=jax is measured likewise.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from benchmarks.harness import Options, Row, main
from tfhash import datasets, runs, training
from tfhash.datasets import Dataset
from tfhash.runs import RunSpec
from tfhash.studies.training_time import WIDTHS
from tfhash.training.packed_images import PackedImages
from tfhash.training.state import PARTS, SweepState
from tfhash.training.sweep_trainer import XLA_STEPS, CompiledLoopCache, groups, parts

PEER = "Keras fit one by one"
MINUTE = 60.0


def rows(options: Options) -> Iterator[Row]:
    """The sweeps of the paper, a group of one, and groups that grow."""
    mnist = _small(options, datasets.load("mnist", options.data_dir))
    recipe = runs.recipe("paper", "mnist")
    sweep = [_spec(recipe, width=w) for w in recipe.widths]
    row = compare(options, mnist, sweep, f"MNIST, {len(sweep)} widths", 5)
    before, after = _peak_memory(options, "0"), _peak_memory(options, "1")
    yield replace(row, note=f"{row.note}, {(after - before) / 1024:.2f} GiB of memory (< 2)")
    sizes = [n for n in datasets.record("mnist").sample_sizes if n <= len(mnist.x_train)]
    samples = [
        _spec(recipe, width=w, sample_size=n, epoch_size=len(mnist.x_train))
        for n in sizes
        for w in WIDTHS["mnist"]
    ]
    yield compare(options, mnist, samples, f"MNIST, 3 widths x {len(sizes)} sample sizes", 3)
    one = [_spec(recipe, width=50)]
    yield compare(options, mnist, one, "MNIST, width 50 alone", 1)
    yield from growth(options, mnist)
    cifar = _small(options, datasets.load("cifar10", options.data_dir))
    recipe = runs.recipe("paper", "cifar10")
    deep = [_spec(recipe, width=w) for w in recipe.widths]
    yield compare(options, cifar, deep, "CIFAR-10, 20 widths, 5 hidden layers", 1.8)


def compare(
    options: Options, dataset: Dataset, specs: Sequence[RunSpec], work: str, target: float | None
) -> Row:
    """One epoch of all of `specs`, side by side and one by one, turn by turn."""
    ours = _side_by_side(specs, dataset)
    theirs = _one_by_one(specs, dataset)
    times: list[list[float]] = [[], []]
    for turn in range(options.repeats + 1):
        for side, run in enumerate((ours, theirs)):
            if side and times[1] and times[1][-1] > MINUTE:
                continue
            start = time.perf_counter()
            run(turn + 1)
            if turn:
                times[side].append(time.perf_counter() - start)
    seconds = [statistics.median(t) for t in times]
    note = ""
    if len({spec.sample_size for spec in specs}) == 1:
        limit = _limit(specs, dataset)
        note = f"limit {limit:.2f} s, {limit / seconds[0]:.0%} of it reached"
    return Row(f"an epoch of {work}", PEER, seconds[0], seconds[1], target, note)


def growth(options: Options, dataset: Dataset) -> Iterator[Row]:
    """How cost per network falls as the group grows: width 20, from 1 to 32 networks."""
    recipe = runs.recipe("paper", "mnist")
    alone = None
    for n in (1, 4, 16, 32):
        run = _side_by_side([_spec(recipe, width=20)] * n, dataset)
        run(1)
        times = []
        for turn in range(options.repeats):
            start = time.perf_counter()
            run(turn + 2)
            times.append((time.perf_counter() - start) / n)
        alone = alone or statistics.median(times)
        yield Row(
            f"MNIST, width 20, per network, in a group of {n}",
            "a group of one",
            statistics.median(times),
            alone,
            None,
        )


def _peak_memory(options: Options, epochs: str) -> float:
    """Peak MiB of a process that trains "1" epoch of all widths, or, with "0", only could."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, epochs, str(options.data_dir or ""), str(options.quick)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


PEAK = """
import resource, sys
from pathlib import Path
from benchmarks import bench_training as bench, harness
from tfhash import datasets, runs, training
import keras
keras.ops.matmul(keras.ops.ones((64, 64)), keras.ops.ones((64, 64)))
if sys.argv[1] == "1":
    folder = Path(sys.argv[2]) if sys.argv[2] else None
    options = harness.Options(quick=sys.argv[3] == "True")
    data = bench._small(options, datasets.load("mnist", folder))
    recipe = runs.recipe("paper", "mnist")
    bench._side_by_side([bench._spec(recipe, width=w) for w in recipe.widths], data)(1)
# The highest of this process alone: Linux hands ru_maxrss on from the one that started it.
status = Path("/proc/self/status")
if status.exists():
    lines = status.read_text().splitlines()
    print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20))
"""


def _small(options: Options, dataset: Dataset) -> Dataset:
    return dataset.subset(options.size(len(dataset.x_train)), 0) if options.quick else dataset


def _spec(recipe: training.Protocol, **rest: object) -> RunSpec:
    return RunSpec.from_recipe(recipe, experiment="benchmark", repeat=1, **rest)


def _side_by_side(specs: Sequence[RunSpec], dataset: Dataset) -> Callable[[int], None]:
    """What trains one epoch, by its number, of all of `specs`."""
    # A cache holds one program, and penalties are a part of it.
    programs: dict[tuple[Any, ...], tuple[CompiledLoopCache, list[SweepState]]] = {}
    for part in chain.from_iterable(map(parts, groups(specs, dataset))):
        each = [SweepState.start({spec: spec.build_model(dataset)}).models for spec in part]
        models = {kind: [of[kind][0] for of in each] for kind in PARTS}
        program = tuple(
            (spec.width, spec.regularizer, spec.regularizer_weight, spec.regularizer_normalized)
            for spec in part
        )
        _, states = programs.setdefault(program, (CompiledLoopCache(dataset), []))
        states.append(SweepState(list(part), 0, 0, models))

    def epoch(number: int) -> None:
        for cache, states in programs.values():
            for state in states:
                spec = state.specs[0]
                rows = cache.rows(spec)
                loop, placement = cache.load(state, XLA_STEPS)
                loop.epoch(rows[spec.batch_order(number, len(rows))], spec.rate(number))
                loop.measure("test")
                if len(states) > 1:
                    state.update(loop.read(), placement)

    return epoch


def _one_by_one(specs: Sequence[RunSpec], dataset: Dataset) -> Callable[[int], None]:
    """What fits one epoch of each of `specs`, and evaluates it, with compiled Keras models."""
    import keras

    fitted = []
    for spec in specs:
        data = spec.training_data(dataset)
        model = spec.build_model(dataset)
        model.compile(
            optimizer=keras.optimizers.Adam(spec.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        fitted.append((model, data, spec))

    def epoch(_: int) -> None:
        for model, data, spec in fitted:
            size = len(data.x_train)
            passes = 1 if spec.epoch_size is None else -(-spec.epoch_size // size)
            order = np.tile(np.arange(size), passes)[: spec.epoch_size]
            model.fit(
                data.x_train[order] if passes > 1 else data.x_train,
                data.y_train[order] if passes > 1 else data.y_train,
                batch_size=spec.batch_size,
                epochs=1,
                verbose=0,
            )
            model.evaluate(data.x_test, data.y_test, batch_size=1000, verbose=0)

    return epoch


def _limit(specs: Sequence[RunSpec], dataset: Dataset) -> float:
    """Seconds that an epoch's multiplications and Adam's bytes take at the machine's rates."""
    spec = specs[0]
    pixels = PackedImages.of(dataset, leave_out=True)
    units = sum(s.width for s in specs)
    hidden = sum((s.depth - 1) * s.width**2 + s.width * dataset.n_classes for s in specs)
    weights = pixels.n_live * units + hidden
    n = len(dataset.x_train)
    # 2 operations per weight and example, forward and for the weights' gradients, and once more
    # for the inputs' from the second layer on; the test set forward.
    operations = n * (4 * pixels.n_live * units + 6 * hidden)
    operations += 2 * len(dataset.x_test) * (len(pixels.order) * units + hidden)
    square = np.ones((2048, 2048), np.float32)
    rate = 2 * 2048**3 / _best(lambda: square @ square)
    source = np.ones(4 * weights, np.float32)
    target = np.empty_like(source)
    bandwidth = 2 * source.nbytes / _best(lambda: np.copyto(target, source))
    # Weight and two moments are read and written, the gradient is written and read.
    bytes_moved = 8 * 4 * weights * -(-n // spec.batch_size)
    return operations / rate + bytes_moved / bandwidth


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(20):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


main(__name__, rows, __doc__)
