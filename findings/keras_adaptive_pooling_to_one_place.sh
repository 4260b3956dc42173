#!/usr/bin/env bash
# A Keras model that pools adaptively to one place is built and called, but not predicted, on TensorFlow.
#
# Keras 3.15.1, TensorFlow 2.21.0, JAX 0.10.2.
# Guess: AdaptiveAveragePooling2D(1) is global average pooling, the commonest use of such a layer; a
# model with it predicts on every backend, as one that pools to 2 places does.
# Seen: on TensorFlow the model is built, its output shape is right, and a call gives the means; its
# `predict`, which compiles, ends in "Negative dimension size". Sizes of 2 and more predict. It is
# the same for AdaptiveMaxPooling, in one and three dimensions, and with channels first. On JAX and
# PyTorch size 1 predicts. GlobalAveragePooling2D, which computes the same, predicts on all three.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "tensorflow==2.21.0" "jax==0.10.2"
cat >"$folder/pool.py" <<'PYTHON'
import keras
import numpy as np

x = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype("float32")
inputs = keras.Input(x.shape[1:])
for size in (2, 1):
    model = keras.Model(inputs, keras.layers.AdaptiveAveragePooling2D(size)(inputs))
    called = np.asarray(model(x))
    right = size > 1 or np.allclose(called[:, 0, 0], x.mean(axis=(1, 2)), atol=1e-6)
    try:
        predicted = np.allclose(model.predict(x, verbose=0), called, atol=1e-6)
    except ValueError as error:
        predicted = "Negative dimension size" if "Negative dim" in str(error) else error
    print(keras.backend.backend(), size, model.output_shape, right, predicted)
PYTHON
found=$(for backend in tensorflow jax; do
  KERAS_BACKEND=$backend TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/pool.py" 2>/dev/null
done)
echo "$found"
[ "$found" = "tensorflow 2 (None, 2, 2, 3) True True
tensorflow 1 (None, 1, 1, 3) True Negative dimension size
jax 2 (None, 2, 2, 3) True True
jax 1 (None, 1, 1, 3) True True" ] || { echo "the behavior has changed"; exit 1; }
