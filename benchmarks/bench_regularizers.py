"""Twelve regularizers x five trials side by side, against Keras fit, one network after another.

python -m benchmarks.bench_regularizers --data_dir FOLDER --repeats 1

The second paper's MNIST network (five hidden layers of 100 units) on 3,000 examples: 30 steps of
100 for each of the 60 networks, and 1,000 test examples. Side by side are the networks of a trial,
those with batch normalization apart; the five trials use one program. Building and compiling come
once per run and are left out on both sides. Takes about 5 minutes on 2 cores.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.bench_training import _side_by_side
from benchmarks.harness import Options, Row, main
from tfhash import datasets, runs
from tfhash.datasets import Dataset
from tfhash.runs import RunSpec
from tfhash.runs.representation import DROPOUT_RATE, TITLES, WITHOUT_WEIGHT

EXAMPLES, TESTS, TRIALS = 3_000, 1_000, 5


def rows(options: Options) -> Iterator[Row]:
    """All 60 networks, and the twelve of one trial."""
    mnist = datasets.load("mnist", options.data_dir).draw(EXAMPLES, 0)
    mnist = replace(mnist, x_test=mnist.x_test[:TESTS], y_test=mnist.y_test[:TESTS])
    for trials in (1, TRIALS):
        specs = [_spec(name, trial) for trial in range(1, trials + 1) for name in TITLES]
        # As in training, where each program is compiled once and trains its networks to the end.
        parts = [
            _side_by_side([spec for spec in specs if (spec.regularizer == "bn") == apart], mnist)
            for apart in (False, True)
        ]
        sides = (partial(_all, parts), _one_by_one(specs, mnist))
        yield _row(options, sides, f"30 steps of 12 regularizers x {trials} trials")


def _all(parts: Sequence[Callable[[int], None]], number: int) -> None:
    for part in parts:
        part(number)


def _row(options: Options, sides: Sequence[Callable[[int], None]], work: str) -> Row:
    times: list[list[float]] = [[], []]
    for turn in range(options.repeats + 1):
        for side, run in enumerate(sides):
            start = time.perf_counter()
            run(turn + 1)
            if turn:
                times[side].append(time.perf_counter() - start)
    ours, theirs = (statistics.median(t) for t in times)
    return Row(work, "Keras fit one by one", ours, theirs, 4.0)


def _spec(name: str, trial: int) -> RunSpec:
    weight = 0.0 if name in WITHOUT_WEIGHT else DROPOUT_RATE if name == "dropout" else 0.01
    return RunSpec.from_recipe(
        runs.recipe("representations", "mnist"),
        experiment="benchmark",
        width=100,
        repeat=trial,
        hold_out=0.0,
        regularizer=name,
        regularizer_weight=weight,
    )


def _one_by_one(specs: Sequence[RunSpec], dataset: Dataset) -> Callable[[int], None]:
    """What fits one epoch of each of `specs`, and evaluates it, as a user of Keras would."""
    import keras

    from tfhash import models, regularizers

    fitted: list[Any] = []
    for spec in specs:
        mlp = models.mlp(
            dataset.input_shape,
            spec.width,
            spec.depth,
            dataset.n_classes,
            seed=[spec.seed, spec.repeat],
        )
        at = "dense" if spec.regularizer in ("l1w", "l2w", "bn") else "relu"
        weight = spec.regularizer_weight or None
        model = regularizers.apply(mlp, f"{at}_{spec.depth}", spec.regularizer, weight)
        model.compile(
            optimizer=keras.optimizers.Adam(spec.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        fitted.append((model, spec.batch_size))

    def epoch(_: int) -> None:
        for model, batch_size in fitted:
            model.fit(dataset.x_train, dataset.y_train, batch_size, epochs=1, verbose=0)
            model.evaluate(dataset.x_test, dataset.y_test, batch_size=TESTS, verbose=0)

    return epoch


main(__name__, rows, __doc__)
