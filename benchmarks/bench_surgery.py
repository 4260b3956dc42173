"""What surgery takes out of an MLP trained on MNIST with L1 on its activations, and of a ResNet-20.

    python -m benchmarks.bench_surgery --data_dir FOLDER [--units 256] [--epochs 4] [--l1 0.015]
        [--rate 0.003]
    python -m benchmarks.bench_surgery --data_dir FOLDER --resnet resnet20.keras [--images 2000]

FOLDER holds mnist.npz, and cifar-10-batches-py for the ResNet, which benchmarks.cifar_resnet
trains. About two minutes on 2 cores. Prints the report, the test errors, the largest difference of
outputs on the training images (60,000 for the MLP), and the time of `predict`, before and after.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import keras
import numpy as np

from tfhash import datasets, surgery


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--units", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--l1", type=float, default=0.015)
    parser.add_argument("--rate", type=float, default=0.003, help="Adam's learning rate")
    parser.add_argument("--resnet", help="a saved ResNet-20, instead of the MLP")
    parser.add_argument("--images", type=int, help="how many training and test images are used")
    asked = parser.parse_args()
    data = datasets.load("cifar10" if asked.resnet else "mnist", data_dir=asked.data_dir)
    model = keras.saving.load_model(asked.resnet) if asked.resnet else _mlp(asked)
    shape = (-1, *model.input_shape[1:])
    x, x_test = (part[: asked.images].reshape(shape) for part in (data.x_train, data.x_test))
    if not asked.resnet:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(asked.rate), loss)
        model.fit(x, data.y_train[: len(x)], 128, asked.epochs, verbose=2)
    ways: dict[str, dict[str, Any]] = {"x": {"x": x}, "bounds (0, 1)": {"bounds": (0, 1)}}
    for name, given in ways.items():
        started = time.perf_counter()
        small, report = surgery.simplify(model, **given)
        taken = time.perf_counter() - started
        print(f"\n== simplify with {name}: {taken:.1f} s\n{report}", flush=True)
        _compare(model, small, x, x_test, data.y_test[: len(x_test)])


def _mlp(asked: argparse.Namespace) -> keras.Model:
    keras.utils.set_random_seed(0)

    def hidden(name: str) -> Any:
        penalty = keras.regularizers.L1(asked.l1)
        kind = keras.layers.Dense
        return kind(asked.units, "relu", activity_regularizer=penalty, name=name)

    layers = [hidden("hidden_1"), hidden("hidden_2"), keras.layers.Dense(10, name="logits")]
    return keras.Sequential([keras.Input((784,)), *layers], name="mlp")


def _compare(
    model: keras.Model, small: keras.Model, x: np.ndarray, x_test: np.ndarray, y: np.ndarray
) -> None:
    hidden = [sum(layer.units for layer in net.layers[:-1] if isinstance(layer, keras.layers.Dense))
              for net in (model, small)]  # fmt: skip
    if hidden[0]:
        print(f"hidden units: {hidden[0]}, {hidden[1]} after; {1 - hidden[1] / hidden[0]:.1%} gone")
    ends = []
    for name, net in (("before", model), ("after", small)):
        error = np.mean(net.predict(x_test, batch_size=1000, verbose=0).argmax(1) != y)
        times = []
        for _ in range(3):
            started = time.process_time()
            outputs = net.predict(x, batch_size=1000, verbose=0)
            times.append(time.process_time() - started)
        ends.append(outputs)
        print(f"{name}: test error {error:.4f} of {len(x_test):,}, {net.count_params():,} numbers, "
              f"predict {min(times):.2f} s of processor time, the least of 3")  # fmt: skip
    worst = np.abs(ends[0] - ends[1]).max() / np.abs(ends[0]).max()
    print(f"largest relative difference on {len(x):,} images: {worst:.2e}", flush=True)


if __name__ == "__main__":
    main()
