"""What surgery takes out of an MLP trained on MNIST with L1 on its activations, and of a ResNet.

    python -m benchmarks.bench_surgery --data_dir FOLDER [--units 256] [--epochs 5] [--l1 0.03]
    python -m benchmarks.bench_surgery --data_dir FOLDER --resnet_epochs 1

FOLDER holds mnist.npz. About two minutes on 2 cores; the ResNet, of 20 layers on 6,000 images at
28 x 28, takes some more. Prints the report, the test errors, the largest difference of
outputs on the 60,000 training images, and the time of `predict`, before and after.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import keras
import numpy as np

from tfhash import datasets, surgery


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--units", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--l1", type=float, default=3e-2)
    parser.add_argument("--resnet_epochs", type=int, default=0)
    asked = parser.parse_args()
    data = datasets.load("mnist", data_dir=asked.data_dir)
    keras.utils.set_random_seed(0)
    model, rows = (_mlp(asked), 60_000)
    if asked.resnet_epochs:
        model, rows = _resnet(), 6_000
    x = data.x_train.reshape(-1, *model.input_shape[1:])[:rows]
    x_test = data.x_test.reshape(-1, *model.input_shape[1:])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    model.fit(x, data.y_train[:rows], 128, asked.resnet_epochs or asked.epochs, verbose=2)
    ways: dict[str, dict[str, Any]] = {"x": {"x": x}, "bounds (0, 1)": {"bounds": (0, 1)}}
    for name, given in ways.items():
        started = time.perf_counter()
        small, report = surgery.simplify(model, **given)
        print(f"\n== simplify with {name}: {time.perf_counter() - started:.1f} s\n{report}")
        _compare(model, small, x, x_test, data.y_test)


def _mlp(asked: argparse.Namespace) -> keras.Model:
    def hidden(name: str) -> Any:
        penalty = keras.regularizers.L1(asked.l1)
        kind = keras.layers.Dense
        return kind(asked.units, "relu", activity_regularizer=penalty, name=name)

    layers = [hidden("hidden_1"), hidden("hidden_2"), keras.layers.Dense(10, name="logits")]
    return keras.Sequential([keras.Input((784,)), *layers], name="mlp")


def _resnet() -> keras.Model:
    from tfhash.models.resnet import CIFAR10_20, resnet

    return resnet((28, 28, 1), 10, CIFAR10_20)


def _compare(
    model: keras.Model, small: keras.Model, x: np.ndarray, x_test: np.ndarray, y: np.ndarray
) -> None:
    ends = [net.predict(x, batch_size=1000, verbose=0) for net in (model, small)]
    worst = np.abs(ends[0] - ends[1]).max() / np.abs(ends[0]).max()
    print(f"largest relative difference on {len(x):,} images: {worst:.2e}")
    for name, net in (("before", model), ("after", small)):
        error = np.mean(net.predict(x_test, batch_size=1000, verbose=0).argmax(1) != y)
        times = []
        for _ in range(3):
            started = time.perf_counter()
            net.predict(x, batch_size=1000, verbose=0)
            times.append(time.perf_counter() - started)
        size = 4 * net.count_params() / 1e6
        print(f"{name}: test error {error:.4f}, {size:.2f} MB, predict {min(times):.2f} s")


if __name__ == "__main__":
    main()
