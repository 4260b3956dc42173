"""A ResNet-20 trained on CIFAR-10, which bench_surgery and bench_audit share.

TF_ENABLE_ONEDNN_OPTS=1 python -m benchmarks.cifar_resnet --data_dir FOLDER --out resnet20.keras
    [--epochs 5] [--images 50000]

Adam with a learning rate that falls to 0 along a cosine, batches of 128, random flips and shifts of
up to 4 pixels. An epoch of 50,000 images takes 6 to 10 minutes on two processors with AVX2, nearly
twice that without oneDNN. With fewer images or epochs than a published training has (200 epochs of
50,000), the error is higher, which is printed. After each epoch the state is kept in OUT.backup;
the same command goes on from there, and removes it at the end.
"""

import argparse
from pathlib import Path

import keras
import numpy as np

from tfhash import datasets
from tfhash.models.resnet import CIFAR10_20, resnet


class Shifted(keras.utils.PyDataset):
    """Batches of images, each flipped and shifted at random."""

    def __init__(self, x: np.ndarray, y: np.ndarray, batch: int = 128) -> None:
        super().__init__()
        self.x, self.y, self.batch = x, y, batch
        self.rng = np.random.default_rng(0)
        self.order = self.rng.permutation(len(x))

    def __len__(self) -> int:
        return len(self.x) // self.batch

    def __getitem__(self, at: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.order[at * self.batch : (at + 1) * self.batch]
        padded = np.pad(self.x[rows], ((0, 0), (4, 4), (4, 4), (0, 0)))
        made = np.empty_like(self.x[rows])
        places = self.rng.integers(0, 9, (len(rows), 2))
        for i, (top, left) in enumerate(places):
            image = padded[i, top : top + 32, left : left + 32]
            made[i] = image[:, ::-1] if self.rng.random() < 0.5 else image
        return made, self.y[rows]

    def on_epoch_end(self) -> None:
        self.order = self.rng.permutation(len(self.x))


def main() -> None:
    """Train and save it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data_dir", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--images", type=int, default=50_000)
    given = parser.parse_args()
    data = datasets.load("cifar10", data_dir=given.data_dir)
    keras.utils.set_random_seed(0)
    model = resnet(data.input_shape, 10, CIFAR10_20, seed=0)
    batches = Shifted(data.x_train[: given.images], data.y_train[: given.images])
    rate = keras.optimizers.schedules.CosineDecay(3e-3, given.epochs * len(batches))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    backup = keras.callbacks.BackupAndRestore(f"{given.out}.backup")
    model.fit(batches, epochs=given.epochs, callbacks=[backup], verbose=2)
    _, accuracy = model.evaluate(data.x_test, data.y_test, 500, verbose=0)
    print(f"test error {1 - accuracy:.4f} after {given.epochs} epochs of {given.images:,} images")
    model.save(given.out)


if __name__ == "__main__":
    main()
