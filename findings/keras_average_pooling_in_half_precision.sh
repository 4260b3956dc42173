#!/usr/bin/env bash
# Keras's AveragePooling2D adds up in half precision: the mean of 1,024 ones is 0.25.
#
# Keras 3.15.1, JAX 0.10.2, on a processor (TensorFlow 2.21.0: see below).
# Guess: in mixed precision a mean is taken in float32 and rounded once, as GlobalAveragePooling2D,
# mean and a matrix product do; it is right to 0.4% in bfloat16, whichever layer takes it.
# Seen: AveragePooling2D over 32 x 32 ones in bfloat16 is 0.25, that is 256 / 1,024: 256 + 1 is 256.
# Of 300s it is 128, on TensorFlow 512, and inf in float16 on both. Of activations over 8 x 8, the
# last pooling of a residual network, it is off by up to 2%, over 16 x 16 by about 5%, on both.
# GlobalAveragePooling2D of the same arrays is right to 0.4% everywhere, and so are both layers on
# PyTorch 2.13.0.
# Source: average_pool in keras/src/backend/jax/nn.py sums windows in the dtype of its input, and so
# does TensorFlow's operation on a processor; mean goes through float32. Where the window is the
# whole image, take GlobalAveragePooling2D.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
KERAS_BACKEND=jax JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np
from keras import layers, ops


def means(images, dtype):
    """By both layers, and of the same rounded values in float64."""
    images = ops.cast(images, dtype)
    pools = [layers.AveragePooling2D(images.shape[1], dtype=dtype)]
    pools.append(layers.GlobalAveragePooling2D(dtype=dtype))
    found = [np.asarray(ops.cast(pool(images), "float32")) for pool in pools]
    exact = np.asarray(ops.cast(images, "float32")).astype(float).mean((1, 2))
    return *(part.reshape(exact.shape) for part in found), exact


ones, three_hundred = np.ones((1, 32, 32, 1)), np.full((1, 32, 32, 1), 300)
seen = {}
for dtype, images, name in (
    ("bfloat16", ones, "ones"),
    ("bfloat16", three_hundred, "300s"),
    ("float16", three_hundred, "300s"),
):
    pooled, whole, _ = (float(part[0, 0]) for part in means(images, dtype))
    seen[name, dtype] = pooled, whole
    print(f"{dtype}, 32 x 32 {name}: AveragePooling2D {pooled}, GlobalAveragePooling2D {whole}")
rng = np.random.default_rng(0)
for size in (8, 16):
    pooled, whole, exact = means(np.maximum(rng.normal(0.5, 1, (8, size, size, 16)), 0), "bfloat16")
    seen[size] = np.abs(pooled / exact - 1).max(), np.abs(whole / exact - 1).max()
    print(f"bfloat16, {size} x {size} activations: off by up to", *(f"{e:.1%}" for e in seen[size]))
assert seen["ones", "bfloat16"] == (0.25, 1), "the behavior has changed"
assert seen["300s", "bfloat16"] == (128, 300) and seen["300s", "float16"] == (np.inf, 300)
assert all(seen[size][0] > 0.01 > 0.005 > seen[size][1] for size in (8, 16))
PYTHON
