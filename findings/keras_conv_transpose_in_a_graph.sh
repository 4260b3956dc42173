#!/usr/bin/env bash
# keras.ops.conv_transpose works on arrays and fails as a part of a model.
#
# Keras 3.15.1, JAX 0.10.2 (the operation is the same on every backend).
# Guess: an operation of keras.ops called on a symbolic tensor computes, when the model runs, what
# the same call computes on an array.
# Seen: the symbolic call is accepted and its output has the right shape. When the model runs, the
# operation hands `output_padding` and `padding` to the backend in each other's place, and the call
# ends in an AttributeError about None. keras.layers.Conv2DTranspose is not affected.
# Source: ConvTranspose.call in keras/src/ops/nn.py of that version.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
KERAS_BACKEND=jax JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

image = np.ones((1, 4, 4, 1), "float32")
kernel = np.ones((3, 3, 1, 1), "float32")
shape = keras.ops.conv_transpose(image, kernel, strides=2, padding="valid").shape
symbol = keras.Input((4, 4, 1))
output = keras.ops.conv_transpose(symbol, kernel, strides=2, padding="valid")
print("on an array:", tuple(shape), "| symbolic:", output.shape)
try:
    keras.Model(symbol, output)(image)
    seen = "it works"
except AttributeError as error:
    seen = "AttributeError" if "'NoneType' object has no attribute" in str(error) else str(error)
print("in a model:", seen)
assert tuple(shape) == (1, 9, 9, 1) and output.shape == (None, 9, 9, 1)
assert seen == "AttributeError", "the behavior has changed"
PYTHON
