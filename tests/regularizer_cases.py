"""Penalties and training with them, on whichever backend Keras is set to.

`keras/test_regularizers.py` runs it in the other backends too.
"""

import keras
import numpy as np
from keras import layers as kl

from tfhash import backend, regularizers

PENALTIES = ("cr", "cw_cr", "vr", "cw_vr", "l1r", "rr", "cw_rr")


def oracle(name: str, z: np.ndarray, y: np.ndarray) -> float:
    """Table 5 and eq. (9) in float64, class by class."""
    if name.startswith("cw_"):
        return sum(oracle(name[3:], z[y == label], y) for label in np.unique(y))
    c = np.cov(z.T, bias=True)
    size = np.abs(z)
    if name == "cr":
        return 0.5 * np.square(c - np.diag(np.diag(c))).sum()
    if name == "vr":
        return np.trace(c)
    if name == "l1r":
        return size.sum()
    bound = size.sum(axis=0).max() * size.sum(axis=1).max()
    return np.square(z).sum() / bound if bound else 0.0


def rank_gradient(z: np.ndarray) -> np.ndarray:
    """Equation (10)."""
    size = np.abs(z)
    columns, rows = size.sum(axis=0), size.sum(axis=1)
    one, infinity = columns.max(), rows.max()
    of_one, of_infinity = np.zeros_like(z), np.zeros_like(z)
    of_one[:, columns.argmax()] = np.sign(z[:, columns.argmax()])
    of_infinity[rows.argmax()] = np.sign(z[rows.argmax()])
    total = np.square(z).sum()
    inner = of_one * infinity + one * of_infinity
    return 2 * z / (one * infinity) - total * inner / (one * infinity) ** 2


def gradient(name: str, z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What the backend's own differentiation gives."""
    kind = keras.backend.backend()
    if kind == "torch":
        import torch

        tensor = torch.tensor(z, requires_grad=True)
        regularizers.penalty(name, tensor, y).backward()
        assert tensor.grad is not None
        return tensor.grad.numpy()
    if kind == "jax":
        import jax

        return np.asarray(jax.grad(lambda t: regularizers.penalty(name, t, y))(z))
    import tensorflow as tf

    tensor = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = regularizers.penalty(name, tensor, y)
    return tape.gradient(value, tensor).numpy()


def check() -> None:
    """Values and gradients in float64; a class of one row and one of zeros are among them."""
    rng = np.random.default_rng(0)
    z = np.where(rng.random((13, 4)) < 0.7, rng.uniform(0.2, 2, (13, 4)), 0.0)
    y = np.array([0, 0, 2, 2, 2, 5, 0, 2, 0, 0, 2, 7, 7])
    z[-2:] = 0
    with backend.float64():
        for name in PENALTIES:
            value = float(keras.ops.convert_to_numpy(regularizers.penalty(name, z, y)))
            np.testing.assert_allclose(value, oracle(name, z, y), rtol=1e-10, err_msg=name)
            one_hot = np.eye(8)[y]
            again = float(keras.ops.convert_to_numpy(regularizers.penalty(name, z, one_hot)))
            np.testing.assert_allclose(again, value, rtol=1e-12)
            words = regularizers.penalty(name, z.tolist(), [f"class {label}" for label in y])
            np.testing.assert_allclose(backend.to_numpy(words), value, rtol=1e-12)
            found = gradient(name, z, y)
            assert np.isfinite(found).all(), name
            for i, j in np.argwhere(z > 0):  # at 0 the absolute value has a kink
                step = np.zeros_like(z)
                step[i, j] = 1e-6
                slope = (oracle(name, z + step, y) - oracle(name, z - step, y)) / 2e-6
                np.testing.assert_allclose(found[i, j], slope, rtol=1e-5, atol=1e-7, err_msg=name)
        there = z > 0
        found, expected = gradient("rr", z, y)[there], rank_gradient(z)[there]
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)


def check_training() -> None:
    """`fit` hands over the labels; the loss of a step is the task's plus the penalty."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 6)).astype(np.float32)
    y = x[:, :3].argmax(axis=1)
    net = keras.Sequential(
        [
            keras.Input((6,)),
            kl.Dense(5, activation="relu", name="hidden"),
            kl.Dense(3, activation="softmax"),
        ]
    )
    z = backend.to_numpy(keras.Model(net.inputs, net.layers[0].output)(x[None][0]))
    for name in ("cw_vr", "rr"):
        model = regularizers.apply(net, "hidden", name, 2.0)
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        task = model.evaluate(x, y, verbose=0)
        history = model.fit(x, y, batch_size=40, epochs=3, verbose=0, validation_data=(x, y))
        np.testing.assert_allclose(
            history.history["loss"][0], task + 2 * oracle(name, z.astype(np.float64), y), rtol=1e-4
        )
        assert history.history["loss"][-1] < history.history["loss"][0]


if __name__ == "__main__":
    check()
    check_training()
