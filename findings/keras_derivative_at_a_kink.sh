#!/usr/bin/env bash
# At a kink the derivative that Keras gives depends on the backend, and may be that of no side.
#
# Keras 3.15.1; TensorFlow 2.21.0, JAX 0.10.2, PyTorch 2.13.0.
# Guess: where a pre-activation is exactly 0 (an empty image and no bias), automatic differentiation
# takes one of the two sides, the same on every backend.
# Seen, for a slope of 0.2 below 0 and 1 above it:
#   LeakyReLU   TensorFlow and PyTorch 0.2, JAX 1
#   PReLU       0 on all three: relu(x) - 0.2 relu(-x) has two terms, and each has derivative 0
# and for two equal values:
#   Maximum     TensorFlow (1, 0), JAX and PyTorch (0.5, 0.5): halves of both sides
#   pooling     GlobalMaxPooling2D shares equally among the largest, MaxPooling2D takes the first
# A Jacobian at such an input is not the linear map of a region beside it. Take one inside a region.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "tensorflow==2.21.0" "jax==0.10.2" \
  "torch==2.13.0" "numpy==2.4.6"
cat >"$folder/kinks.py" <<'PYTHON'
import keras
import numpy as np
from keras import layers, ops

BACKEND = keras.backend.backend()


def derivative(layer, *arrays):
    """Of the sum of the layer's outputs, in each of its inputs."""

    def total(*inputs):
        return ops.sum(layer(list(inputs) if len(inputs) > 1 else inputs[0]))

    if BACKEND == "jax":
        import jax

        return jax.grad(total, argnums=tuple(range(len(arrays))))(*map(jax.numpy.array, arrays))
    if BACKEND == "tensorflow":
        import tensorflow as tf

        inputs = [tf.constant(a) for a in arrays]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            y = total(*inputs)
        return tape.gradient(y, inputs)
    import torch

    inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
    total(*inputs).backward()
    return [x.grad for x in inputs]


def told(name, layer, *shapes):
    found = derivative(layer, *(np.zeros(shape, "float32") for shape in shapes))
    print(name, *(round(float(v), 6) for part in found for v in np.ravel(np.array(part))))


told("leaky_relu", layers.LeakyReLU(negative_slope=0.2), (1, 1))
told("prelu", layers.PReLU(alpha_initializer=keras.initializers.Constant(0.2)), (1, 1))
told("maximum", layers.Maximum(), (1, 1), (1, 1))
told("max_pooling", layers.MaxPooling2D(2), (1, 2, 2, 1))
told("global_max_pooling", layers.GlobalMaxPooling2D(), (1, 2, 2, 1))
PYTHON
expect() {
  echo "-- $1"
  KERAS_BACKEND=$1 TF_CPP_MIN_LOG_LEVEL=3 JAX_PLATFORMS=cpu \
    "$folder/venv/bin/python" "$folder/kinks.py" 2>/dev/null | tee "$folder/seen"
  printf '%s\n' "leaky_relu $2" "prelu 0.0" "maximum $3" "max_pooling 1.0 0.0 0.0 0.0" \
    "global_max_pooling 0.25 0.25 0.25 0.25" | diff - "$folder/seen" || {
    echo "the behavior has changed"
    exit 1
  }
}
expect tensorflow 0.2 "1.0 0.0"
expect jax 1.0 "0.5 0.5"
expect torch 0.2 "0.5 0.5"
