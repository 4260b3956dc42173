#!/usr/bin/env bash
# A Keras model that is saved and loaded draws the same Dropout masks once more, from the first on.
#
# Keras 3.15.1, JAX 0.10.2 (TensorFlow 2.21.0 and PyTorch 2.13.0 do the same).
# Guess: the state of Dropout's generator is a variable of the model (model.variables lists it), so
# a .keras file has it, and training that goes on from the file draws what it would have drawn
# without.
# Seen: a file holds no state. With Dropout(0.5, seed=1), after ten steps, a save and a load, the
# masks are those of steps 1, 2, 3; without a seed they are new ones. Two epochs, a save, a load and
# two more do not give the weights of four epochs, although the optimizer's state is restored and
# the examples come in one order; without Dropout they do, to the bit. A sweep that is killed and
# resumed each epoch trains with one epoch's masks.
# Source: Layer.save_own_variables writes weights; states of generators are in model.variables only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
KERAS_BACKEND=jax JAX_PLATFORMS=cpu "$folder/venv/bin/python" - "$folder/model.keras" <<'PYTHON'
import sys

import keras
import numpy as np
from keras import layers

path = sys.argv[1]
model = keras.Sequential([keras.Input((1000,)), layers.Dropout(0.5, seed=1)])
ones = np.ones((1, 1000), "float32")
masks = [np.asarray(model(ones, training=True)) for _ in range(10)]
model.save(path)
loaded = keras.models.load_model(path)
after = [np.asarray(loaded(ones, training=True)) for _ in range(3)]
repeated = [bool(np.array_equal(one, other)) for one, other in zip(after, masks, strict=False)]
print("loaded after ten steps: masks 1, 2, 3 are those of steps 1, 2, 3:", repeated)
print("in model.variables:", [variable.path for variable in model.variables])

rng = np.random.default_rng(0)
x, y = rng.normal(size=(256, 20)).astype("float32"), rng.integers(0, 3, 256)


def trained(rate, parts):
    """The last kernel after four epochs, saved and loaded between the parts."""
    keras.utils.set_random_seed(0)
    start = keras.initializers.GlorotUniform(seed=0)
    model = keras.Sequential(
        [
            keras.Input((20,)),
            layers.Dense(64, "relu", kernel_initializer=start),
            layers.Dropout(rate, seed=1),
            layers.Dense(3, kernel_initializer=start),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    for epochs in parts:
        model.fit(x, y, batch_size=32, epochs=epochs, shuffle=False, verbose=0)
        model.save(path)
        model = keras.models.load_model(path)
    return np.asarray(model.layers[-1].kernel)


seen = {rate: float(np.abs(trained(rate, (4,)) - trained(rate, (2, 2))).max()) for rate in (0, 0.5)}
for rate, apart in seen.items():
    print(f"Dropout({rate}): four epochs and twice two are {apart:.1e} apart")
assert repeated == [True, True, True], "the behavior has changed"
assert seen[0] == 0 and seen[0.5] > 1e-4, "the behavior has changed"
PYTHON
