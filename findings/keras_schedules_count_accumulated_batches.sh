#!/usr/bin/env bash
# With gradient accumulation Keras's learning rate schedules run ahead of optimizer.iterations.
#
# Keras 3.15.1, JAX 0.10.2 (TensorFlow 2.21.0 does the same).
# Guess: a schedule is asked at optimizer.iterations, which counts updates: a step of the rate after
# 10 updates comes after 10, whether an update is of one batch or of four.
# Seen: it is asked at the number of batches. With gradient_accumulation_steps=4 a rate that is 1 up
# to step 10 and 0 from there on allows 11 updates without accumulation, and 2 with it, when
# iterations says 2. A cosine decay is over after a quarter of its steps; the other three quarters
# train at its end value. The bias corrections of Adam go by iterations. A moving average of the
# weights (use_ema) moves at each batch as well: a momentum of 0.5 acts as one of 0.5 ** 4.
# Source: _get_current_learning_rate passes _iterations, the property iterations divides it by the
# accumulation steps, and _backend_apply_gradients averages on each call (base_optimizer.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
found=$(KERAS_BACKEND=jax JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

Decay = keras.optimizers.schedules.PiecewiseConstantDecay
x = np.ones((80, 1), "float32")
for accumulated in (None, 4):
    # The gradient is 1 throughout: the weight, 0 at first, tells how often the rate was 1.
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")]
    )
    schedule = Decay([10], [1.0, 0.0])
    sgd = keras.optimizers.SGD(schedule, gradient_accumulation_steps=accumulated)
    model.compile(sgd, "mae")
    model.fit(x, np.full_like(x, -1000), batch_size=1, shuffle=False, verbose=0)
    made = -float(np.asarray(model.get_weights()[0])[0, 0])
    print("accumulated", accumulated, "iterations", int(sgd.iterations), "updates at rate 1", made)

for accumulated in (None, 4):
    sgd = keras.optimizers.SGD(
        1.0, gradient_accumulation_steps=accumulated, use_ema=True, ema_momentum=0.5
    )
    weight = keras.Variable(np.zeros(1))
    sgd.build([weight])
    for _ in range(8 * (accumulated or 1)):
        sgd.apply([np.full(1, -1.0, "float32")], [weight])
    average = float(np.asarray(sgd._model_variables_moving_average[0].value)[0])
    print("accumulated", accumulated, "weight", float(weight.value[0]), "average", round(average, 3))
PYTHON
)
echo "$found"
[ "$found" = "accumulated None iterations 80 updates at rate 1 11.0
accumulated 4 iterations 20 updates at rate 1 2.0
accumulated None weight 8.0 average 7.008
accumulated 4 weight 8.0 average 7.467" ] || { echo "the behavior has changed"; exit 1; }
