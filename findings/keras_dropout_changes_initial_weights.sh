#!/usr/bin/env bash
# A Dropout layer changes the initial weights of all layers of a Keras network that come after it.
#
# Keras 3.15.1, JAX 0.10.2 (TensorFlow 2.21.0 and PyTorch 2.13.0 do the same).
# Guess: keras.utils.set_random_seed fixes the initial weights. Dropout has none, so a network with
# it and one without, made from the same seed, start from the same weights.
# Seen: the layers before it are equal, those behind it are not. GaussianNoise does it too, and so
# does either of them as a layer that is made and used nowhere. BatchNormalization, which has
# weights, Activation and a regularizer of a kernel do not.
# Source: each initializer without a seed, and each layer that draws at random, takes the next
# number of Python's generator when it is made (make_default_seed in
# keras/src/random/seed_generator.py). A comparison of networks with and without Dropout from equal
# seeds compares different initial weights too. Give each initializer a seed, or copy the weights.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
KERAS_BACKEND=jax JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np
from keras import layers


def kernels(between=None, used=True, seeds=(None, None, None)):
    """Of three dense layers made from one seed, with what `between` makes behind the first."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((20,))])
    for name, seed in zip("abc", seeds, strict=True):
        start = keras.initializers.GlorotUniform(seed=seed)
        model.add(layers.Dense(16, "relu", kernel_initializer=start, name=name))
        if between is not None and name == "a":
            extra = between()
            if used:
                model.add(extra)
    return [np.asarray(model.get_layer(name).kernel) for name in "abc"]


def equal(one, other):
    return [bool(np.array_equal(a, b)) for a, b in zip(one, other, strict=True)]


plain, seeded = kernels(), kernels(seeds=(1, 2, 3))
seen = {
    "nothing": equal(plain, kernels()),
    "BatchNormalization": equal(plain, kernels(layers.BatchNormalization)),
    "Activation": equal(plain, kernels(lambda: layers.Activation("relu"))),
    "Dropout": equal(plain, kernels(lambda: layers.Dropout(0.5))),
    "GaussianNoise": equal(plain, kernels(lambda: layers.GaussianNoise(0.1))),
    "unused Dropout": equal(plain, kernels(lambda: layers.Dropout(0.5), used=False)),
    "Dropout, seeds": equal(seeded, kernels(lambda: layers.Dropout(0.5), seeds=(1, 2, 3))),
}
for name, same in seen.items():
    print(f"{name} behind the first layer: the three kernels are the same: {same}")
for name in ("Dropout", "GaussianNoise", "unused Dropout"):
    assert seen.pop(name) == [True, False, False], "the behavior has changed"
assert all(same == [True, True, True] for same in seen.values())
PYTHON
