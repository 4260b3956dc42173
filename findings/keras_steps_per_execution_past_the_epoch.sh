#!/usr/bin/env bash
# Keras trains on more batches than steps_per_epoch where several run in one execution.
#
# Keras 3.15.1, JAX 0.10.2 (TensorFlow 2.21.0 does the same).
# Guess: steps_per_epoch=10 makes 10 updates an epoch; steps_per_execution says how many of them run
# before Python is asked again, and the last execution is shorter. The documentation of compile
# says that one larger than the epoch is truncated to it.
# Seen: with 1,000 batches at hand 1, 4 and 32 steps an execution make 10, 12 and 32 updates an
# epoch, so that three epochs are 30, 36 and 96. History and progress show three epochs of 10. Where
# the epoch is the whole of the data the last execution does end with it. A sweep that sets both, so
# as to save checkpoints by the step, compares networks that were trained for other times.
# Source: EpochIterator._enumerate_iterator counts in strides of steps_per_execution up to
# steps_per_epoch, and each stride reads as many batches as there are (keras/src/trainers).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
found=$(KERAS_BACKEND=jax JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

x = np.random.default_rng(0).normal(size=(2000, 3)).astype("float32")
for rows, steps in ((2000, 10), (20, None)):
    for at_once in (1, 4, 32):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse", steps_per_execution=at_once)
        history = model.fit(
            x[:rows], x[:rows, :1], batch_size=2, epochs=3, steps_per_epoch=steps, verbose=0
        )
        print(rows // 2, "batches, steps_per_epoch", steps, "at once", at_once, "updates",
              int(model.optimizer.iterations), "epochs", len(history.epoch))
PYTHON
)
echo "$found"
[ "$found" = "1000 batches, steps_per_epoch 10 at once 1 updates 30 epochs 3
1000 batches, steps_per_epoch 10 at once 4 updates 36 epochs 3
1000 batches, steps_per_epoch 10 at once 32 updates 96 epochs 3
10 batches, steps_per_epoch None at once 1 updates 30 epochs 3
10 batches, steps_per_epoch None at once 4 updates 30 epochs 3
10 batches, steps_per_epoch None at once 32 updates 30 epochs 3" ] ||
  { echo "the behavior has changed"; exit 1; }
