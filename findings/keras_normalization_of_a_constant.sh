#!/usr/bin/env bash
# Keras's Normalization makes 1 or -1 of a pixel that never changes, and sets its scale by rounding.
#
# Keras 3.15.1, JAX 0.10.2, NumPy 2.4.6 (TensorFlow 2.21.0 and PyTorch 2.13.0 do the same).
# Guess: adapt() of a constant finds the constant as mean and 0 as variance; the result is 0, as
# that of scikit-learn's StandardScaler.
# Seen: for 50,000 images in float32 the mean of a pixel that is 0.1 throughout is off by 5e-5, for
# all are added up one after the other, and so is the root of the variance, which is taken around
# that mean: the pixel becomes -1.0. 0.7 becomes 1.0, pixels that are 0 or 0.5 become 0. A pixel
# that is 0.11 in a test image becomes 197. Adapted on float64 arrays the constants become 0, and
# 0.11 becomes 100,000. Batch by batch, from a tf.data Dataset, the constants become anything from
# -1.1 to 0.5.
# Source: Normalization.adapt takes np.mean and np.var of the array as it is, and divides by the
# root of the variance where that is above 1e-7. A constant pixel shifts every unit that it is wired
# to, and one that moves outside of the training data outweighs all others. Leave out constant
# pixels, or give mean and variance.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
KERAS_BACKEND=jax JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

constants = np.array([0, 0.5, 0.1, 0.7])
images = np.tile(constants, (50_000, 1))
images = np.concatenate([images, np.random.default_rng(0).random((50_000, 1))], axis=1)
seen = {}
for dtype in ("float32", "float64"):
    layer = keras.layers.Normalization()
    layer.adapt(images.astype(dtype))
    moved = images[:1].copy()
    moved[0, 2] = 0.11
    seen[dtype] = np.asarray(layer(images[:1].astype("float32")))[0, :4]
    print(f"adapted on {dtype}: {constants} become {seen[dtype].round(4)}")
    print(f"    0.11 in the place of 0.1 becomes {float(layer(moved.astype('float32'))[0, 2]):.0f}")
assert np.allclose(np.abs(seen["float32"]), [0, 0, 1, 1], atol=0.01), "the behavior has changed"
assert np.allclose(seen["float64"], 0)
PYTHON
