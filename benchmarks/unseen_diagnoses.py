"""What `tfhash.diagnose` says of digits networks that its chart has not seen, and what is true.

python -m benchmarks.unseen_diagnoses [--out figures/unseen_diagnoses_digits.csv]

Networks of other widths, seeds, optimizers, depths, of other regularizers, and a convolutional one
are trained with plain Keras. What is true of each is found without the chart: the same network is
trained at half, equal and double its width, number of steps and sample size, with two seeds each
(54 networks and lengths of training), and their regime is that of the middle of this grid by the
definition of `tfhash.phases.regimes`, with the chart's plateau. Half an hour on 2 cores.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import layers

import tfhash
from tfhash import datasets, metrics, phases

BATCH = 32
FACTORS = (0.5, 1, 2)
SEEDS = (101, 102)


@dataclass(frozen=True)
class Unseen:
    """A network that is diagnosed.

    Attributes
    ----------
    name : str
        What is unlike the chart's networks.
    build : callable
        From a width and a seed to the compiled network.
    width, steps, size : int
        Units of a hidden layer (channels), training steps of 32 examples, training examples.
    """

    name: str
    build: Callable[[int, int], keras.Model]
    width: int
    steps: int
    size: int


def dense(
    depth: int = 1,
    optimizer: Callable[[], keras.Optimizer] = lambda: keras.optimizers.Adam(1e-3),
    batch_norm: bool = False,
    dropout: float = 0.0,
) -> Callable[[int, int], keras.Model]:
    """Builds networks of dense layers, each followed by ReLU."""

    def build(width: int, seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten()])
        for _ in range(depth):
            model.add(layers.Dense(width))
            if batch_norm:
                model.add(layers.BatchNormalization())
            model.add(layers.ReLU())
        if dropout:
            model.add(layers.Dropout(dropout))
        model.add(layers.Dense(10, activation="softmax"))
        model.compile(optimizer(), "sparse_categorical_crossentropy")
        return model

    return build


def convolutional(channels: int, seed: int) -> keras.Model:
    """One strided convolution, 16 positions a channel, and a dense layer."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(channels, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    return model


NETWORKS = (
    Unseen("width 12", dense(), 12, 500, 700),
    Unseen("width 28, other steps", dense(), 28, 300, 700),
    Unseen("width 6, few examples", dense(), 6, 160, 100),
    Unseen("width 64, many steps", dense(), 64, 600, 700),
    Unseen("width 70, hardly trained", dense(), 70, 10, 700),
    Unseen(
        "SGD with momentum", dense(optimizer=lambda: keras.optimizers.SGD(0.05, 0.9)), 50, 400, 600
    ),
    Unseen("RMSprop", dense(optimizer=lambda: keras.optimizers.RMSprop(1e-3)), 24, 200, 400),
    Unseen("two hidden layers", dense(depth=2), 18, 400, 700),
    Unseen("batch normalization", dense(batch_norm=True), 30, 300, 700),
    Unseen("dropout", dense(dropout=0.5), 36, 400, 700),
    Unseen("convolutional", convolutional, 4, 300, 700),
    Unseen("width 300, outside of the chart", dense(), 300, 300, 700),
)


def train(model: keras.Model, data: datasets.Dataset, steps: int, seed: int) -> None:
    """Train for `steps` steps on batches drawn with replacement."""
    rows = np.random.default_rng([seed, steps]).integers(0, len(data.x_train), steps * BATCH)
    model.fit(data.x_train[rows], data.y_train[rows], batch_size=BATCH, shuffle=False, verbose=0)


def truth(one: Unseen, data: datasets.Dataset, plateau: float) -> pd.Series:
    """The middle of the grid around a network, a row of `phases.regimes`."""
    points = []
    for seed in SEEDS:
        for width in (round(f * one.width) for f in FACTORS):
            for size in (min(round(f * one.size), len(data.x_train)) for f in FACTORS):
                sample = data.take(data.sample(size, [seed]))
                model = one.build(width, seed)
                done = 0
                for steps in (round(f * one.steps) for f in FACTORS):
                    train(model, sample, steps - done, seed)
                    done = steps
                    encoder = tfhash.Encoder(model)
                    codes, test = encoder.encode(sample.x_train), encoder.encode(sample.x_test)
                    near = metrics.HammingKNeighborsClassifier().fit(codes, sample.y_train)
                    points.append(
                        {
                            "width": width,
                            "steps": steps,
                            "sample_size": size,
                            "repeat": seed,
                            "redundancy": metrics.redundancy_ratio(test),
                            "accuracy": near.score(test, sample.y_test),
                        }
                    )
                keras.utils.clear_session()
    table = pd.DataFrame(points)
    highest = table.groupby(list(phases.AXES))["accuracy"].mean().max()
    chart = phases.regimes(table, plateau=max(plateau, highest))
    return chart[(chart["width"] == one.width) & (chart["steps"] == one.steps)].iloc[1]


def main() -> None:
    """Diagnose each network, find out what is true of it, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("figures/unseen_diagnoses_digits.csv"))
    given = parser.parse_args()
    data = datasets.load("digits")
    plateau = phases.shipped_chart().plateau
    rows = []
    for one in NETWORKS:
        sample = data.take(data.sample(one.size, [SEEDS[0]]))
        model = one.build(one.width, SEEDS[0])
        train(model, sample, one.steps, SEEDS[0])
        found = tfhash.diagnose(
            model, (sample.x_train, sample.y_train), (sample.x_test, sample.y_test)
        )
        true = truth(one, data, plateau)
        rows.append(
            {
                "network": one.name,
                "width": one.width,
                "steps": one.steps,
                "sample_size": one.size,
                "redundancy": found.properties["test_redundancy_ratio"],
                "accuracy": found.properties["knn_accuracy"],
                "said": found.regime or f"none: {'; '.join(found.reasons)}",
                "confidence": found.confidence,
                "advice": found.axis,
                "true": true["regime"],
                "true_axis": true["axis"],
            }
        )
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    table.round(4).to_csv(given.out, index=False, lineterminator="\n")
    named = table[table["confidence"].notna()]
    print(f"{(named['said'] == named['true']).sum()} of {len(named)} regimes are right")


if __name__ == "__main__":
    main()
