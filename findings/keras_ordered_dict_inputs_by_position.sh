#!/usr/bin/env bash
# Keras takes an OrderedDict of inputs by position, not by key, and swaps inputs of one shape.
#
# Keras 3.15.1, TensorFlow 2.21.0, JAX 0.10.2 (PyTorch 2.13.0 as JAX).
# Guess: inputs given as a mapping are found by their names, in whatever order they come; if not,
# there is an error or a warning, as for a list in the place of a dict.
# Seen: a model of a - b with dict inputs, given 5 and 1, gives 4 for a dict in either order. For
# OrderedDict(b=1, a=5) a call gives -4 on every backend, and predict -4 on JAX, but 4 on TensorFlow,
# where tf.data sorts the keys before. A model made with an OrderedDict of inputs, b first, gives -4
# for a plain dict in either order. No warning is given. TensorFlow's make_csv_dataset yields
# OrderedDicts.
# Source: optree and torch's pytree, which keras.tree wraps, sort the keys of a dict but keep the
# order of an OrderedDict; Functional._standardize_inputs pairs the flattened inputs with its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "tensorflow==2.21.0" "jax==0.10.2"
cat >"$folder/inputs.py" <<'PYTHON'
import warnings
from collections import OrderedDict

import keras
import numpy as np

a, b = np.full((2, 1), 5.0, "float32"), np.ones((2, 1), "float32")
one, other = keras.Input((1,), name="a"), keras.Input((1,), name="b")
for made in (dict, OrderedDict):
    model = keras.Model(made([("b", other), ("a", one)]), keras.layers.Subtract()([one, other]))
    for given in (dict(a=a, b=b), dict(b=b, a=a), OrderedDict([("b", b), ("a", a)])):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            called = float(np.asarray(model(given))[0, 0])
            predicted = float(model.predict(given, verbose=0)[0, 0])
        told = any("inputs" in str(one.message) for one in caught)
        print(keras.backend.backend(), made.__name__, type(given).__name__, *given,
              "call", called, "predict", predicted, "warned", told)
PYTHON
found=$(for backend in tensorflow jax; do
  KERAS_BACKEND=$backend JAX_PLATFORMS=cpu TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" \
    "$folder/inputs.py" 2>/dev/null
done)
echo "$found"
[ "$found" = "tensorflow dict dict a b call 4.0 predict 4.0 warned False
tensorflow dict dict b a call 4.0 predict 4.0 warned False
tensorflow dict OrderedDict b a call -4.0 predict 4.0 warned False
tensorflow OrderedDict dict a b call -4.0 predict -4.0 warned False
tensorflow OrderedDict dict b a call -4.0 predict -4.0 warned False
tensorflow OrderedDict OrderedDict b a call 4.0 predict -4.0 warned False
jax dict dict a b call 4.0 predict 4.0 warned False
jax dict dict b a call 4.0 predict 4.0 warned False
jax dict OrderedDict b a call -4.0 predict -4.0 warned False
jax OrderedDict dict a b call -4.0 predict -4.0 warned False
jax OrderedDict dict b a call -4.0 predict -4.0 warned False
jax OrderedDict OrderedDict b a call 4.0 predict 4.0 warned False" ] ||
  { echo "the behavior has changed"; exit 1; }
