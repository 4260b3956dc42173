#!/usr/bin/env bash
# On the PyTorch backend keras.ops.matmul of two float64 tensors gives float32; einsum gives float64.
#
# Keras 3.15.1, PyTorch 2.13.0.
# Guess: operations of keras.ops on float64 tensors are carried out in float64, as torch.matmul and
# keras.ops.einsum on the same tensors are.
# Seen: add, mean and einsum keep float64; matmul converts both tensors to float32 first. A product
# over 1,000 terms is off by 6e-5, where einsum is off by 4e-13. No warning is given.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "torch==2.13.0" "numpy==2.4.6"
KERAS_BACKEND=torch "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

a, b = np.random.default_rng(0).normal(size=(2, 1000, 1000))
x, y = (keras.ops.convert_to_tensor(part, dtype="float64") for part in (a, b))
seen = {}
for name, product in (
    ("matmul", keras.ops.matmul(x, y)),
    ("einsum", keras.ops.einsum("ij,jk->ik", x, y)),
):
    error = np.abs(keras.ops.convert_to_numpy(product) - a @ b).max()
    seen[name] = keras.backend.standardize_dtype(product.dtype)
    print(f"{name}: float64 x float64 -> {seen[name]}, off by {error:.0e}")
assert seen == {"matmul": "float32", "einsum": "float64"}, "the behavior has changed"
PYTHON
