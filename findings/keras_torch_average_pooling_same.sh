#!/usr/bin/env bash
# On the PyTorch backend Keras's average pooling counts the pixels at the edge twice or three times.
#
# Keras 3.15.1, PyTorch 2.13.0, JAX 0.10.2 (TensorFlow 2.21.0 as JAX).
# Guess: padding="same" averages, at the edge, over what is inside of the image, on every backend; a
# model that is loaded on another backend computes the same to within rounding.
# Seen: AveragePooling1D(3, 2, "same") of 1, 2, 3, 10 ends on (3 + 10) / 2 = 6.5 with JAX and on (3
# + 10 + 10) / 3 = 7.67 with PyTorch. So it is in two and three dimensions wherever a window is
# larger than 2 and the number of padded places of an axis odd: a window of 3 with stride 2 on
# images of even size. Where that number is even, as on odd sizes, both agree. Max pooling is not
# affected.
# Source: _apply_same_padding in keras/src/backend/torch/nn.py repeats the edge where PyTorch cannot
# pad as many places on both sides. Codes of one model from two backends differ for this alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "jax==0.10.2" "torch==2.13.0" "numpy==2.4.6"
cat >"$folder/pool.py" <<'PYTHON'
import sys

import keras
import numpy as np
from keras import layers

line = np.array([1, 2, 3, 10], "float32").reshape(1, 4, 1)
images = np.random.default_rng(0).normal(size=(4, 9, 9, 2)).astype("float32")
results = {"line": layers.AveragePooling1D(3, 2, "same")(line)}
for n in (8, 9):
    for kind in (layers.AveragePooling2D, layers.MaxPooling2D):
        results[f"{kind.__name__} {n} x {n}"] = kind(3, 2, "same")(images[:, :n, :n])
np.savez(sys.argv[1], **{k: keras.ops.convert_to_numpy(v) for k, v in results.items()})
PYTHON
for backend in jax torch; do
  KERAS_BACKEND=$backend JAX_PLATFORMS=cpu "$folder/venv/bin/python" "$folder/pool.py" \
    "$folder/$backend.npz"
done
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import numpy as np

jax, torch = (np.load(f"{sys.argv[1]}/{backend}.npz") for backend in ("jax", "torch"))
print("1, 2, 3, 10: JAX", jax["line"].ravel(), "PyTorch", torch["line"].ravel())
apart = {name: float(np.abs(jax[name] - torch[name]).max()) for name in jax if name != "line"}
for name, difference in apart.items():
    print(f"{name}: {difference:.1e} apart")
assert np.allclose(jax["line"].ravel(), [2, 6.5])
assert np.allclose(torch["line"].ravel(), [2, 23 / 3]), "the behavior has changed"
assert apart.pop("AveragePooling2D 8 x 8") > 0.1, "the behavior has changed"
assert all(difference < 1e-5 for difference in apart.values())
PYTHON
