#!/usr/bin/env bash
# On TensorFlow a Keras model with an activity regularizer does not train in mixed precision.
#
# Keras 3.15.1, TensorFlow 2.21.0, JAX 0.10.2 (PyTorch 2.13.0 does as JAX).
# Guess: mixed precision keeps losses in float32, so a model whose hidden layer has
# activity_regularizer=L1 trains under "mixed_float16" and "mixed_bfloat16" on every backend, as it
# does in float32 and as one with a kernel_regularizer does.
# Seen: on TensorFlow `fit` ends in a TypeError about a list with float16 (or bfloat16) and float32,
# also of an ActivityRegularization layer. The model is built, called, compiled and predicts; the
# same one trains on JAX and PyTorch.
# Source: the penalty has the dtype of the outputs, the loss is float32, and Trainer._compute_loss
# adds up a list of both, which TensorFlow does not stack. A regularizer that casts its outputs to
# float32 first trains.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "tensorflow==2.21.0" "jax==0.10.2"
cat >"$folder/fit.py" <<'PYTHON'
import os

import keras
import numpy as np

L1, layers = keras.regularizers.L1, keras.layers
KINDS = {
    "kernel": lambda: [layers.Dense(8, kernel_regularizer=L1(1e-3))],
    "activity": lambda: [layers.Dense(8, activity_regularizer=L1(1e-3))],
    "layer": lambda: [layers.Dense(8), layers.ActivityRegularization(l1=1e-3)],
    "cast": lambda: [
        layers.Dense(8, activity_regularizer=lambda z: L1(1e-3)(keras.ops.cast(z, "float32")))
    ],
}
x = np.random.default_rng(0).normal(size=(100, 20)).astype(np.float32)
for policy in ("float32", "mixed_float16", "mixed_bfloat16"):
    keras.config.set_dtype_policy(policy)
    for kind, hidden in KINDS.items():
        last = layers.Dense(2, dtype="float32")
        model = keras.Sequential([keras.Input((20,)), *hidden(), last])
        model.compile("sgd", "mse")
        assert model.predict(x, verbose=0).shape == (100, 2)
        try:
            model.fit(x, x[:, :2], verbose=0)
            outcome = "trained"
        except TypeError as error:
            outcome = f"{type(error).__name__}: {str(error)[:90]}"
        print(f"{keras.backend.backend():10} {policy:14} {kind:8} {outcome}")
        fails = policy != "float32" and kind in ("activity", "layer")
        fails = fails and keras.backend.backend() == "tensorflow"
        assert (outcome != "trained") == fails, "the behavior has changed"
PYTHON
for backend in tensorflow jax; do
    TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=$backend "$folder/venv/bin/python" "$folder/fit.py"
done
