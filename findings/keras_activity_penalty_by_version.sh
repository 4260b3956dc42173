#!/usr/bin/env bash
# The same activity regularizer is a batch size weaker in Keras 3.14 than in 3.13.
#
# Keras 3.13.2 and 3.15.1, JAX 0.10.2 (3.12.0 is as 3.13.2, and 3.14.0 as 3.15.1).
# Guess: the penalty is divided by the batch size, as the documentation of all these versions says,
# so a loss weight found on batches of 40 in one version means the same on batches of 4 and in
# another.
# Seen: L1 with weight 0.1 of five outputs of 1 is 0.5 an example. 3.15.1 has 0.5 for 4 and for 40
# examples, 3.13.2 has 2 and 20. A script with a weight from the one trains under a penalty that is n
# times too strong or too weak in the other, with the same names and no warning. So does a .keras
# file, in which the regularizer and its weight are stored and no version decides what they mean.
# Source: Keras's issue 22018 and pull request 22021; Layer.__call__ in keras/src/layers/layer.py.
# Regularizers of weights are not divided in either.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
"$folder/venv/bin/pip" install --quiet --no-deps --target "$folder/older" "keras==3.13.2"
cat >"$folder/penalty.py" <<'PYTHON'
import sys

import keras
import numpy as np

if sys.argv[2] == "save":
    inputs = keras.Input((5,))
    penalty = keras.layers.ActivityRegularization(l1=0.1)
    keras.Model(inputs, penalty(inputs)).save(sys.argv[1])
model = keras.models.load_model(sys.argv[1])
found = []
for n in (4, 40):
    model(np.ones((n, 5), np.float32))
    found.append(round(float(model.losses[-1]), 4))
print("Keras", keras.__version__, "penalty of 4 and of 40 examples:", found)
expected = [2.0, 20.0] if keras.__version__ == "3.13.2" else [0.5, 0.5]
assert found == expected, "the behavior has changed"
PYTHON
export KERAS_BACKEND=jax
PYTHONPATH="$folder/older" "$folder/venv/bin/python" "$folder/penalty.py" "$folder/model.keras" save
"$folder/venv/bin/python" "$folder/penalty.py" "$folder/model.keras" load
