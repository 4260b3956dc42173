#!/usr/bin/env bash
# A Keras network that has collapsed to one output has a top-k accuracy of 100%.
#
# Keras 3.15.1, JAX 0.10.2 (equal outputs: TensorFlow 2.21.0 and PyTorch 2.13.0 as JAX).
# Guess: a network whose ReLUs are all dead gives every input the same ten equal outputs: accuracy
# 10%, top-5 accuracy 50%, and top-1 accuracy is accuracy. One that has diverged to nan is right for
# none.
# Seen: accuracy is 10%, top-5 and top-1 accuracy are both 100%. Where all outputs are nan, top-5
# accuracy is 100% as well on JAX; TensorFlow and PyTorch give 0.
# Source: in_top_k counts the outputs that are above that of the right class; equal ones, and on JAX
# nan, are not above. Dead and diverged networks are therefore the best of a sweep that is ranked by
# top-k accuracy. TensorFlow's documentation of in_top_k says what becomes of ties at the boundary;
# that of Keras's metrics does not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
KERAS_BACKEND=jax JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np
from keras import layers, metrics

x = np.random.default_rng(0).random((100, 8)).astype("float32")
y = np.arange(100) % 10
hidden = layers.Dense(16, "relu")
model = keras.Sequential([keras.Input((8,)), hidden, layers.Dense(10)])
kernel, _ = hidden.get_weights()
seen = {}
for name, bias in (("alive", 0), ("dead", -1e3), ("diverged", np.nan)):
    hidden.set_weights([kernel, np.full(16, bias, "float32")])
    scores = [
        metrics.SparseCategoricalAccuracy(),
        metrics.SparseTopKCategoricalAccuracy(k=1),
        metrics.SparseTopKCategoricalAccuracy(k=5),
    ]
    for score in scores:
        score.update_state(y, model(x))
    seen[name] = [round(float(score.result()), 2) for score in scores]
    print(f"{name}: accuracy, top 1 and top 5: {seen[name]}")
assert seen["alive"][0] == seen["alive"][1] and seen["alive"][2] < 0.9
assert seen["dead"] == [0.1, 1, 1], "the behavior has changed"
assert seen["diverged"] == [0.1, 1, 1], "the behavior has changed"
PYTHON
