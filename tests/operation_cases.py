"""Every elementary operation that geometry carries out, against NumPy in float64.

`test_backends.py` runs `check` on each backend that is installed.
"""

import keras
import numpy as np
from keras import ops

from tfhash import backend, graph
from tfhash.geometry.notes import Notes
from tfhash.geometry.steps import Affine

RNG = np.random.default_rng(0)
X, ROWS = RNG.normal(size=(5, 6, 6, 4)), RNG.normal(size=(5, 8))
W, K, D = RNG.normal(size=(8, 3)), RNG.normal(size=(3, 3, 4, 2)), RNG.normal(size=(3, 3, 4, 1))
T = RNG.normal(size=(3, 3, 2, 4))
POINT = RNG.normal(size=(1, 1, 4, 2))
SMALL = 0.3  # no number of float32


def windows(x, kernel, size=4):
    parts = [
        x[:, i : i + size, j : j + size, :, None] * kernel[i, j] for i in range(3) for j in range(3)
    ]
    return np.sum(parts, axis=0)


def transposed(x):
    made = np.zeros((5, 8, 8, 2))
    for i in range(3):
        for j in range(3):
            made[:, i : i + 6, j : j + 6] += x @ T[i, j].T
    return made


# Name: (input, operation, what it gives).
CASES = {
    "matmul": (ROWS, lambda x: ops.matmul(x, W), ROWS @ W),
    "matmul, 4 axes": (X, lambda x: ops.matmul(x, K[0, 0]), X @ K[0, 0]),
    "dot": (ROWS, lambda x: ops.dot(x, W), ROWS @ W),
    "inner": (ROWS, lambda x: ops.inner(x, W.T), ROWS @ W),
    "tensordot": (X, lambda x: ops.tensordot(x, K[0, 0], axes=1), X @ K[0, 0]),
    "einsum": (X, lambda x: ops.einsum("bhwc,cd->bhwd", x, K[0, 0]), X @ K[0, 0]),
    "multiply": (ROWS, lambda x: ops.multiply(x, SMALL), ROWS * SMALL),
    "divide": (ROWS, lambda x: ops.divide(x, SMALL), ROWS / SMALL),
    "add": (ROWS, lambda x: ops.add(x, SMALL), ROWS + SMALL),
    "subtract": (ROWS, lambda x: ops.subtract(SMALL, x), SMALL - ROWS),
    "negative": (ROWS, ops.negative, -ROWS),
    "mean": (X, lambda x: ops.mean(x, axis=(1, 2)), X.mean((1, 2))),
    "sum": (X, lambda x: ops.sum(x, axis=-1, keepdims=True), X.sum(-1, keepdims=True)),
    "conv": (X, lambda x: ops.conv(x, K), windows(X, K).sum(axis=-2)),
    "depthwise conv": (X, lambda x: ops.depthwise_conv(x, D), windows(X, D)[..., 0]),
    "separable conv": (
        X,
        lambda x: ops.separable_conv(x, D, POINT),
        windows(X, D)[..., 0] @ POINT[0, 0],
    ),
    "conv transpose": (X, lambda x: ops.conv_transpose(x, T, padding="valid"), transposed(X)),
    "average pool": (
        X,
        lambda x: ops.average_pool(x, 2, 2),
        X.reshape(5, 3, 2, 3, 2, 4).mean((2, 4)),
    ),
    "pad": (ROWS, lambda x: ops.pad(x, [(0, 0), (1, 2)]), np.pad(ROWS, [(0, 0), (1, 2)])),
    "concatenate": (ROWS, lambda x: ops.concatenate([x, -x], 1), np.hstack([ROWS, -ROWS])),
    "stack": (ROWS, lambda x: ops.stack([x, x], 1), np.stack([ROWS, ROWS], 1)),
    "reshape": (X, lambda x: ops.reshape(x, (-1, 36, 4)), X.reshape(5, 36, 4)),
    "transpose": (X, lambda x: ops.transpose(x, (0, 2, 1, 3)), X.transpose(0, 2, 1, 3)),
    "repeat": (ROWS, lambda x: ops.repeat(x, 2, axis=1), ROWS.repeat(2, 1)),
    "take": (ROWS, lambda x: ops.take(x, [1, 3], axis=1), ROWS[:, [1, 3]]),
    "flip": (ROWS, lambda x: ops.flip(x, 1), ROWS[:, ::-1]),
    "roll": (ROWS, lambda x: ops.roll(x, 1, 1), np.roll(ROWS, 1, 1)),
    "diff": (ROWS, lambda x: ops.diff(x, axis=1), np.diff(ROWS, axis=1)),
    "resize": (
        X,
        lambda x: ops.image.resize(x, (12, 12), interpolation="nearest"),
        X.repeat(2, 1).repeat(2, 2),
    ),
}


def carried_out(x, operation):
    """What the steps of an operation give for values, and for directions."""
    notes = Notes("float64")
    symbol = keras.KerasTensor((None, *x.shape[1:]), dtype="float64")
    notes.new(symbol)
    function = keras.Function([symbol], operation(symbol))

    def call(op, args, kwargs):
        outputs = op.compute_output_spec(*args, **kwargs)
        flat = [keras.KerasTensor(out.shape, "float64") for out in keras.tree.flatten(outputs)]
        notes.operation(op, args, kwargs, flat, op.name)
        return keras.tree.pack_sequence_as(outputs, flat)

    graph.walk(function, [symbol], call)
    values = {0: (backend.to_tensor(x, "float64"), backend.to_tensor(1e-30 * x, "float64"))}
    for step in notes.steps:
        assert isinstance(step, Affine)
        pairs = [values[i] for i in step.inputs]
        made = zip(
            step.apply([z for z, _ in pairs]), step.linear([u for _, u in pairs]), strict=True
        )
        values.update(zip(step.outputs, made, strict=True))
    value, slope = (backend.to_numpy(part) for part in values[notes.steps[-1].outputs[0]])
    zero = {0: backend.to_tensor(0 * x, "float64")}
    for step in notes.steps:
        assert isinstance(step, Affine)
        zero.update(zip(step.outputs, step.apply([zero[i] for i in step.inputs]), strict=True))
    return value, slope * 1e30, backend.to_numpy(zero[notes.steps[-1].outputs[0]])


def check():
    for name, (x, operation, expected) in CASES.items():
        with backend.float64():
            value, slope, at_zero = carried_out(x, operation)
        assert value.dtype == slope.dtype == np.float64, name
        np.testing.assert_allclose(value, expected, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(slope, expected - at_zero, atol=1e-12, err_msg=name)
