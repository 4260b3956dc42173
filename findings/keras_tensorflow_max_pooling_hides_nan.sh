#!/usr/bin/env bash
# On TensorFlow Keras's MaxPooling2D makes a finite number of nan, and the ReLU behind it makes 0.
#
# Keras 3.15.1, TensorFlow 2.21.0, on a processor (JAX 0.10.2 and PyTorch 2.13.0 give nan).
# Guess: nan goes through pooling, as it goes through ReLU, GlobalMaxPooling2D and convolutions, so
# that a network which overflows has nan as its output.
# Seen: a window of nan becomes -3.4e38, a window of nan and 5 becomes 5. Behind convolution,
# pooling and ReLU every activation is 0: the pattern is that of dead units, the output is finite
# (the bias of the last layer), and so is the loss, which TerminateOnNaN watches. GlobalMaxPooling2D
# of the same array is nan; JAX and PyTorch give nan for both.
# Look at the activations before the pooling to tell a diverged network from a dead one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "tensorflow==2.21.0" "numpy==2.4.6"
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np
from keras import layers

image = np.full((1, 4, 4, 1), np.nan, "float32")
image[0, 0, 0] = 5
image[0, 2:] = 1
seen = {
    "MaxPooling2D": layers.MaxPooling2D()(image),
    "GlobalMaxPooling2D": layers.GlobalMaxPooling2D()(image),
}
for name, values in seen.items():
    seen[name] = keras.ops.convert_to_numpy(values).ravel()
    print(f"{name}: {seen[name]}")
five, lowest, *_ = seen["MaxPooling2D"]
assert five == 5 and lowest < -3e38, "the behavior has changed"
assert np.isnan(seen["GlobalMaxPooling2D"]).all()

parts = [layers.Conv2D(4, 3), layers.MaxPooling2D(), layers.ReLU(), layers.Flatten()]
last = layers.Dense(3, bias_initializer="ones")
model = keras.Sequential([keras.Input((8, 8, 1)), *parts, last])
kernel, bias = parts[0].get_weights()
parts[0].set_weights([kernel * np.nan, bias])
x = np.random.default_rng(0).random((10, 8, 8, 1)).astype("float32")
before = keras.ops.convert_to_numpy(parts[0](x))
output = model.predict(x, verbose=0)
model.compile(loss="mean_squared_error")
loss = model.evaluate(x, np.zeros((10, 3)), verbose=0)
print(f"nan before the pooling: {np.isnan(before).mean():.0%}; output {output[0]}, loss {loss}")
assert np.isnan(before).all() and (output == 1).all() and loss == 1, "the behavior has changed"
PYTHON
