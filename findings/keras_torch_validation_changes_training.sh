#!/usr/bin/env bash
# On the PyTorch backend a Keras network trains to other weights when validation data is given.
#
# Keras 3.15.1, PyTorch 2.13.0.
# Guess: validation data is looked at, not trained on; from one seed, on a processor, a network
# without Dropout has the same weights after training, with it and without, as on TensorFlow and
# JAX.
# Seen: after one epoch they are the same, after two they are not, and of 256 inputs some are on
# other sides of the first layer's hyperplanes. steps_per_epoch does it too, given the number of
# batches that there are anyway. On TensorFlow 2.21.0 and JAX 0.10.2 the weights are equal to the
# bit in all cases.
# Source: PyTorch's DataLoader takes a seed from the global generator each time that it is gone
# through (_base_seed in torch/utils/data/dataloader.py), also when it does not shuffle; the order
# of the next epoch's examples is drawn from the same generator. Two runs of one seed, one of which
# was watched, are runs of two seeds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "torch==2.13.0" "numpy==2.4.6"
KERAS_BACKEND=torch "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
x, y = rng.normal(size=(256, 20)).astype("float32"), rng.integers(0, 3, 256)


def trained(epochs, **options):
    """The first layer's kernel, after so many epochs from one seed."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((20,)), layers.Dense(64, "relu"), layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0, **options)
    return keras.ops.convert_to_numpy(model.layers[0].kernel)


seen = {}
for epochs in (1, 2):
    plain = trained(epochs)
    for name, options in (
        ("again", {}),
        ("validation", {"validation_data": (x, y)}),
        ("steps", {"steps_per_epoch": 8}),
    ):
        kernel = trained(epochs, **options)
        seen[name, epochs] = float(np.abs(kernel - plain).max())
        bits = int(((x @ kernel > 0) != (x @ plain > 0)).sum())
        print(f"{epochs} epochs, {name}: weights {seen[name, epochs]:.1e} apart, {bits} bits")
assert seen["again", 1] == seen["again", 2] == seen["validation", 1] == 0
assert seen["validation", 2] > 1e-5 and seen["steps", 2] > 1e-5, "the behavior has changed"
PYTHON
