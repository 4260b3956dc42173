#!/usr/bin/env bash
# NumPy's mean of 1,000 bfloat16 ones is 0.256; of float16 ones it is 1.
#
# NumPy 2.4.6, ml_dtypes 0.6.0 (the arrays that JAX and TensorFlow hand over in bfloat16).
# Guess: the mean is taken in a wider type and rounded once, as NumPy does for float16 and JAX and
# PyTorch for bfloat16; it is right to 0.4%, and the mean of ones is 1.
# Seen: the sum stays at 256, as 256 + 1 is 256 in 8 bits of precision: the mean of 1,000 ones is
# 0.256, along an axis as well. That of 1,000 numbers between 0 and 1 is 0.256, not 0.517, and their
# standard deviation 0.36, not 0.29. No warning is given.
# Source: _mean in numpy/_core/_methods.py widens float16 and integers by name; bfloat16 is a type
# of another package, whose additions round each time. Activations of a mixed_bfloat16 network that
# np.asarray takes from JAX have it: convert them, or give dtype=np.float32.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "numpy==2.4.6" "ml_dtypes==0.6.0" "jax==0.10.2"
JAX_PLATFORMS=cpu "$folder/venv/bin/python" -W error - <<'PYTHON'
import jax.numpy as jnp
import ml_dtypes
import numpy as np

numbers = np.random.default_rng(0).random(1000)
for name, values in (("ones", np.ones(1000)), ("uniform", numbers)):
    narrow = values.astype(ml_dtypes.bfloat16)
    seen = [float(a.mean()) for a in (narrow, values.astype(np.float16), narrow.astype("f4"))]
    print(name, "bfloat16, float16, float32:", *(round(mean, 4) for mean in seen))
    assert seen[0] == 0.255859375 and abs(seen[1] - seen[2]) < 0.002, "the behavior has changed"
deviation = float(numbers.astype(ml_dtypes.bfloat16).std())
print("standard deviation", round(deviation, 3), "of", round(numbers.std(), 3))
activations = jnp.ones((1000, 4), jnp.bfloat16)
axis = np.asarray(activations).mean(axis=0).astype(float)
print("along an axis", axis, "JAX", activations.mean(axis=0), "in float32", narrow.mean(dtype="f4"))
assert deviation > 0.33 and (axis == 0.255859375).all(), "the behavior has changed"
assert (activations.mean(axis=0) == 1).all() and abs(narrow.mean(dtype="f4") - 0.5) < 0.02
PYTHON
