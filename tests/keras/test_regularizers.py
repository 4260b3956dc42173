"""Penalties against NumPy and float64 finite differences; models that train with them."""

import os
import subprocess
import sys
import warnings
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl

import regularizer_cases
from tfhash import Encoder, geometry, regularizers
from tfhash.regularizers import penalties

HERE = Path(__file__).parents[1]
OTHERS = [b for b in ("tensorflow", "jax", "torch") if b != keras.backend.backend()]


def small_model(activation="relu"):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((6,)),
            kl.Dense(8, activation=activation, name="hidden"),
            kl.Dense(5, activation=activation, name="last_hidden"),
            kl.Dense(3, activation="softmax", name="probabilities"),
        ],
        name="small",
    )


def data(n=60):
    x = np.random.default_rng(0).normal(size=(n, 6)).astype(np.float32)
    return x, x[:, :3].argmax(axis=1)


def test_penalties_and_gradients():
    regularizer_cases.check()


@pytest.mark.full
@pytest.mark.parametrize("backend", OTHERS)
def test_penalties_and_training_on_other_backends(backend):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "regularizer_cases.py"],
        cwd=HERE,
        env={**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_one_unit_may_vary_far_more_than_all_others():
    """In float32, where the sum of all squared covariances and that of the squared variances are
    nearly the same number."""
    rng = np.random.default_rng(0)
    z = np.maximum(rng.normal(size=(300, 40)), 0) * np.r_[100, np.ones(39)]
    y = rng.integers(0, 5, 300)
    for name, labels, error in (("cr", None, 1e-5), ("cw_cr", y, 1e-3)):
        wanted = 0.0
        for rows in [z] if labels is None else [z[y == k] for k in range(5)]:
            covariance = np.cov(rows.T, bias=True)
            wanted += 0.5 * np.square(covariance[~np.eye(40, dtype=bool)]).sum()
        found = float(regularizers.penalty(name, z.astype(np.float32), labels))
        assert found == pytest.approx(wanted, rel=error)


def test_a_layer_may_have_more_units_than_covariances_are_formed_of():
    z = np.random.default_rng(0).normal(size=(50, 12)).astype(np.float32)
    formed = float(regularizers.penalty("cr", z))
    together = keras.ops.ones((50, 50))
    centered = keras.ops.convert_to_tensor(z - z.mean(axis=0))
    of_examples = float(penalties._off_diagonal(centered, together))
    assert of_examples == pytest.approx(formed, rel=1e-5)
    wide = np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32)
    covariance = np.cov(wide.T, bias=True)
    wanted = 0.5 * np.square(covariance[~np.eye(12, dtype=bool)]).sum()
    assert float(regularizers.penalty("cr", wide)) == pytest.approx(wanted, rel=1e-5)


def test_class_wise_penalties_train_with_fit():
    regularizer_cases.check_training()


@pytest.mark.parametrize("name", ("dropout", "bn", "l1w", "l2w", "none"))
def test_regularizers_that_are_keras_own(name):
    model = small_model()
    new = regularizers.apply(model, "last_hidden", name, 0.25)
    x, _ = data(5)
    if name != "bn":
        np.testing.assert_array_equal(new(x), model(x))
    layers = [layer.name for layer in new.layers]
    if name == "dropout":
        after = new.layers[layers.index("last_hidden") + 1]
        assert isinstance(after, kl.Dropout) and after.rate == 0.25
    elif name == "bn":
        at = layers.index("last_hidden")
        assert new.layers[at].activation is keras.activations.linear
        assert isinstance(new.layers[at + 1], kl.BatchNormalization)
        assert new.layers[at + 2].activation is keras.activations.relu
    elif name != "none":
        kernel = model.get_layer("last_hidden").get_weights()[0].astype(np.float64)
        size = np.abs(kernel).sum() if name == "l1w" else np.square(kernel).sum()
        np.testing.assert_allclose(float(sum(new.losses)), 0.25 * size, rtol=1e-5)


@pytest.mark.full
def test_saved_and_loaded_with_the_model(tmp_path):
    x, y = data()
    model = regularizers.apply(small_model(), "last_hidden", "cw_cr", 3.0, normalized=True)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, regularizers.RegularizedModel)
    layer = loaded.get_layer("last_hidden_cw_cr")
    assert layer.regularizer.get_config() == {"name": "cw_cr", "weight": 3.0, "normalized": True}
    np.testing.assert_array_equal(loaded(x), model(x))
    np.testing.assert_allclose(loaded.train_on_batch(x, y), model.train_on_batch(x, y), rtol=1e-6)


def test_codes_of_a_regularized_model_are_those_of_the_model():
    """Its penalty gives its inputs back as they came: nothing is left out, and nothing said."""
    model = small_model()
    regularized = regularizers.apply(model, "last_hidden", "cw_vr", 0.1)
    x = np.random.default_rng(0).normal(size=(20, *model.input_shape[1:])).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        codes = Encoder(regularized).encode(x)
    np.testing.assert_array_equal(codes.to_bits(), Encoder(model).encode(x).to_bits())
    lines = [geometry.line_regions(one, x[:1], x[1:2]) for one in (regularized, model)]
    (found,), (wanted,) = (list(one) for one in lines if isinstance(one, list))
    np.testing.assert_array_equal(found.breakpoints, wanted.breakpoints)


def test_mixed_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = regularizers.apply(small_model(), "last_hidden", "cw_vr", 1.0)
        model.compile("sgd", "sparse_categorical_crossentropy")
        assert np.isfinite(model.train_on_batch(*data()))
    finally:
        keras.config.set_dtype_policy(policy)


def test_the_model_is_left_as_it_is():
    model = small_model()
    before, config = model.get_weights(), model.get_config()
    new = regularizers.apply(model, "last_hidden", "vr", 1.0)
    new.compile("sgd", "sparse_categorical_crossentropy")
    new.train_on_batch(*data())
    assert model.get_config() == config
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_what_is_left_of_other_calls_is_forgotten():
    """A call in training outside of `fit`, or a step that failed, leaves nothing to `evaluate`."""
    x, y = data()
    model = regularizers.apply(small_model(), "last_hidden", "cw_vr", 0.1)
    model.compile("sgd", "sparse_categorical_crossentropy")
    wanted = model.evaluate(x, y, verbose=0)
    model(x[:5], training=True)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(wanted)
    with pytest.raises(ValueError):
        model.train_on_batch(x, np.ones((len(x), 2, 2)))
    assert model.evaluate(x, y, verbose=0) == pytest.approx(wanted)


def test_images_whose_channels_come_first_are_normalized_along_them():
    inputs = keras.Input((3, 8, 9))
    x = kl.Conv2D(4, 3, data_format="channels_first", activation="relu", name="conv")(inputs)
    new = regularizers.apply(keras.Model(inputs, kl.Flatten()(x)), "conv", "bn")
    layer = new.get_layer("conv_bn")
    assert layer.axis == 1 and layer.moving_mean.shape == (4,)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of a compiled step")
@pytest.mark.parametrize("name", ("cr", "cw_vr"))
def test_positions_whose_number_differs_from_batch_to_batch(name):
    import tensorflow as tf

    y = np.array([0, 1, 0, 1])

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3])])
    def compiled(z):
        return regularizers.penalty(name, z, y, normalized=True)

    for length in (1, 4):
        z = np.random.default_rng(length).normal(size=(4, length, 3)).astype(np.float32)
        wanted = regularizers.penalty(name, z, y, normalized=True)
        np.testing.assert_allclose(compiled(z), wanted, rtol=1e-5)


def test_labels_that_are_no_classes_are_refused_before_training():
    x, y = data()
    model = regularizers.apply(small_model(), "hidden", "cw_vr", 0.1)
    targets = np.random.default_rng(0).normal(size=(60, 3))
    for loss, given, message in (
        ("mse", targets, "one-hot rows .*in row 0. For the targets of a regression"),
        ("mse", targets[:, 0], "whole numbers.*in row 0"),
        ("binary_crossentropy", np.array([[1, 1, 0]] * 60), r"Received: \[1, 1, 0\] in row 0"),
        ("mse", np.where(y == 2, np.nan, y), "finite"),
        ("mse", np.ones((60, 3, 3)), r"Received shape: \(60, 3, 3\)"),
    ):
        model.compile("sgd", loss)
        with pytest.raises(ValueError, match=message):
            model.fit(x, given, verbose=0)
    losses = []
    for given in (y, y[:, None].astype(float), np.eye(3)[y], 0.7 * np.eye(3)[y] + 0.1):
        whole = given.ndim == 1 or given.shape[1] == 1
        kind = "sparse_categorical_crossentropy" if whole else "categorical_crossentropy"
        again = regularizers.apply(small_model(), "hidden", "cw_vr", 0.1)
        again.compile("sgd", kind)
        losses.append(again.fit(x, given, batch_size=60, verbose=0).history["loss"][0])
    np.testing.assert_allclose(losses[:3], losses[0], rtol=1e-5)
    # A penalty over all classes has no labels, whatever they are.
    model = regularizers.apply(small_model(), "hidden", "vr", 0.1)
    model.compile("sgd", "mse")
    model.fit(x, targets, verbose=0)


def test_penalties_of_a_nested_model_are_in_the_loss():
    x, y = data(20)
    inner = regularizers.apply(small_model(), "hidden", "l1r", 1.0)
    inputs = keras.Input((6,))
    model = regularizers.RegularizedModel(inputs, inner(inputs))
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    z = keras.ops.convert_to_numpy(keras.Model(inner.inputs, inner.layers[1].output)(x))
    wanted = model.evaluate(x, y, verbose=0) + np.abs(z).sum(dtype=np.float64)
    np.testing.assert_allclose(model.train_on_batch(x, y), wanted, rtol=1e-5)


def shared():
    inputs = keras.Input((6,))
    layer = kl.Dense(6, name="shared")
    return keras.Model(inputs, kl.Dense(2)(layer(layer(inputs))))


def recurrent(**options):
    inputs = keras.Input((5, 4))
    outputs = kl.LSTM(3, name="steps", **options)(inputs)
    return keras.Model(inputs, outputs[0] if options else outputs)


def with_an_input():
    inputs = keras.Input((6,), name="given")
    return keras.Model(inputs, kl.Dense(2)(inputs))


def both_ways():
    return keras.Sequential([keras.Input((4, 3)), kl.Bidirectional(kl.LSTM(2), name="steps")])


def activated(kind):
    return keras.Sequential([keras.Input((3,)), kl.Dense(4), kind(name="bent")])


def each_step():
    layer = kl.TimeDistributed(kl.Dense(5, "relu"), name="steps")
    return keras.Sequential([keras.Input((4, 3)), layer])


@pytest.mark.parametrize(
    ("build", "layer", "name", "message"),
    (
        (with_an_input, "given", "cr", "'given' of class InputLayer, which computes nothing"),
        (with_an_input, 0, "dropout", "'given' of class InputLayer, which computes nothing"),
        (shared, "shared", "vr", "'shared' of class Dense, which is called 2 times"),
        (lambda: recurrent(return_state=True), "steps", "cr", "'steps' .* has 3 outputs"),
        (lambda: recurrent(return_state=True), "steps", "dropout", "'steps' .* has 3 outputs"),
        (recurrent, "steps", "bn", "'steps' of class LSTM, whose activation is within it"),
        (both_ways, "steps", "bn", "'steps' of class Bidirectional, whose activation is within it"),
        (each_step, "steps", "bn", "'steps' of class TimeDistributed, whose activation is within"),
        *(
            (partial(activated, kind), "bent", "bn", "before the activation 'bent'")
            for kind in (kl.LeakyReLU, kl.PReLU, kl.Softmax)
        ),
        (
            lambda: regularizers.apply(small_model(), "hidden", "cr"),
            *("hidden", "cr", "'hidden' .* behind which 'hidden_cr' stands already"),
        ),
        (keras.Sequential, 0, "cr", "Expected a built model"),
        (lambda: None, 0, "cr", "Expected a keras.Model. Received: NoneType"),
    ),
)
def test_layers_that_cannot_take_a_regularizer_are_named(build, layer, name, message):
    with pytest.raises(ValueError, match=message):
        regularizers.apply(build(), layer, name)


def test_several_regularizers_of_one_model():
    x, _ = data(9)
    model = small_model()
    new = regularizers.apply(regularizers.apply(model, "hidden", "cr"), "hidden", "vr")
    new = regularizers.apply(regularizers.apply(new, "last_hidden", "dropout"), "hidden", "l2w")
    assert isinstance(new, regularizers.RegularizedModel)
    names = [layer.name for layer in new.layers if "hidden" in layer.name]
    assert names == ["hidden", "hidden_vr", "hidden_cr", "last_hidden", "last_hidden_dropout"]
    np.testing.assert_array_equal(new(x), model(x))
    shared_twice = regularizers.apply(shared(), "shared", "l2w", 0.5)
    kernel = shared_twice.get_layer("shared").get_weights()[0].astype(np.float64)
    np.testing.assert_allclose(float(sum(shared_twice.losses)), 0.5 * np.square(kernel).sum(), 1e-5)


@pytest.mark.parametrize("name", ("cr", "dropout"))
def test_what_comes_after_batch_normalization_is_behind_the_activation(name):
    model = regularizers.apply(regularizers.apply(small_model(), "hidden", "bn"), "hidden", name)
    names = [layer.name for layer in model.layers if layer.name.startswith("hidden")]
    assert names == ["hidden", "hidden_bn", "hidden_activation", f"hidden_{name}"]


def test_a_normalization_of_the_users_own_stays_where_it_is():
    layers = [kl.Dense(5, name="hidden"), kl.BatchNormalization(name="hidden_bn"), kl.ReLU()]
    model = keras.Sequential([keras.Input((6,)), *layers])
    new = regularizers.apply(model, "hidden", "cr")
    assert [layer.name for layer in new.layers][1:4] == ["hidden", "hidden_cr", "hidden_bn"]


def test_a_loaded_model_with_dropout_can_have_more(tmp_path):
    """Keras counts names anew in a new process, and those of a loaded model are there already."""
    layers = [kl.Dense(5, name="h"), kl.Dropout(0.1), kl.Dense(4), kl.Dropout(0.1), kl.Dense(2)]
    keras.Sequential([keras.Input((4,)), *layers]).save(tmp_path / "model.keras")
    keras.utils.clear_session()
    model = keras.models.load_model(tmp_path / "model.keras")
    regularizers.get("dropout")  # takes a name too
    assert regularizers.apply(model, "h", "dropout").layers[2].name == "h_dropout"


def test_a_plain_model_around_a_regularized_one_holds_nothing():
    regularized = regularizers.apply(small_model(), "hidden", "cr", 0.1)
    plain = keras.Model(regularized.inputs, regularized.outputs)
    for _ in range(3):
        plain(data()[0], training=True)
    assert regularized.get_layer("hidden_cr").take() == []


def test_kernels_of_attention_are_regularized():
    inputs = keras.Input((4, 6))
    model = keras.Model(inputs, kl.MultiHeadAttention(2, 3, name="attention")(inputs, inputs))
    assert len(regularizers.apply(model, "attention", "l2w").losses) == 4


@pytest.mark.parametrize("at_each_step", (False, True))
def test_penalties_of_all_calls_of_a_nested_model_are_in_the_loss(at_each_step):
    plain = keras.Sequential([keras.Input((6,)), kl.Dense(3, name="h"), kl.Dense(2)])
    inner = regularizers.apply(plain, "h", "l1r", 1.0)
    x = np.random.default_rng(0).normal(size=(20, 2, 6)).astype(np.float32)
    if at_each_step:
        inputs = keras.Input((2, 6))
        model = regularizers.RegularizedModel(inputs, kl.TimeDistributed(inner)(inputs))
        given: Any = x
        y = np.zeros((20, 2, 2))
    else:
        inputs = [keras.Input((6,)), keras.Input((6,))]
        outputs = kl.Subtract()([inner(one) for one in inputs])
        model = regularizers.RegularizedModel(inputs, outputs)
        given = [x[:, 0], x[:, 1]]
        y = np.zeros((20, 2))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model(given, training=True)  # is forgotten
    added = model.train_on_batch(given, y) - model.evaluate(given, y, verbose=0)
    kernel, bias = inner.get_layer("h").get_weights()
    assert added == pytest.approx(np.abs(x @ kernel + bias).sum(), rel=1e-4)


def test_kernels_have_the_sum_of_their_regularizers():
    model = keras.Sequential([keras.Input((6,)), kl.Dense(5, kernel_regularizer="l2", name="h")])
    kernel = model.get_layer("h").get_weights()[0]
    twice = regularizers.apply(regularizers.apply(model, "h", "l1w", 0.5), "h", "l2w", 0.25)
    wanted = 0.5 * np.abs(kernel).sum() + (0.01 + 0.25) * np.square(kernel).sum()
    assert float(sum(twice.losses)) == pytest.approx(wanted, rel=1e-5)
    layers = [kl.Dense(5, kernel_regularizer=keras.regularizers.OrthogonalRegularizer(), name="h")]
    with pytest.raises(ValueError, match="'h' with OrthogonalRegularizer"):
        regularizers.apply(keras.Sequential([keras.Input((6,)), *layers]), "h", "l2w")


class Subclassed(keras.Model):
    """Without layers of its own."""

    def call(self, inputs):
        return inputs


def test_images_are_no_labels_of_a_class_wise_penalty():
    """As in `fit(x, x)` of an autoencoder; the error is not one of the compiled step."""
    layers = [keras.layers.Flatten(), keras.layers.Dense(5, "relu", name="hidden")]
    layers += [keras.layers.Dense(16), keras.layers.Reshape((4, 4))]
    model = regularizers.apply(
        keras.Sequential([keras.Input((4, 4)), *layers]), "hidden", "cw_vr", 0.1
    )
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(12, 4, 4))
    with pytest.raises(ValueError, match="Expected labels of shape"):
        model.fit(x, x, verbose=0)


@pytest.mark.parametrize(
    ("call", "message"),
    (
        (lambda: regularizers.get("cw_vx"), "cw_vr"),
        (lambda: regularizers.get("cr", -1), "at least 0"),
        (lambda: regularizers.get("cr", np.nan), "at least 0"),
        (lambda: regularizers.get("cr", "strong"), "at least 0. Received: 'strong'"),
        (lambda: regularizers.get("dropout", 1.0), r"\[0, 1\)"),
        (lambda: regularizers.get("dropout", "half"), r"\[0, 1\). Received: 'half'"),
        (lambda: regularizers.penalty("l1w", np.eye(3)), "penalty on representations"),
        (lambda: regularizers.penalty("cw_cr", np.eye(3)), "Expected labels for 'cw_cr'"),
        (lambda: regularizers.penalty("cw_cr", np.eye(3), [0, 1]), "each of 3 rows"),
        (lambda: regularizers.penalty("cw_vr", np.eye(3), np.ones((3, 2, 2))), r"\(3, 2, 2\)"),
        (lambda: regularizers.penalty("cw_vr", np.eye(3), [0, np.nan, 1]), "finite"),
        (lambda: regularizers.penalty("cw_vr", np.eye(3), np.eye(3) - 0.5), "one-hot rows"),
        (lambda: regularizers.penalty("cw_vr", np.eye(3), [[1, 1], [1, 0], [0, 1]]), "in row 0"),
        (lambda: regularizers.penalty("vr", np.eye(3) * 1j), "real numbers.*complex128"),
        (lambda: regularizers.penalty("vr", [["a", "b"]]), "real numbers. Received: words"),
        (lambda: regularizers.penalty("vr", [[1, 2], [3]]), "lists of different lengths"),
        (lambda: regularizers.penalty("vr", None), "representations of real numbers"),
        (lambda: regularizers.penalty("vr", np.ma.masked_equal(np.eye(3), 0)), "6 masked"),
        (lambda: regularizers.penalty("cr", np.ones(3)), r"shape \[n, ...\]"),
        (lambda: regularizers.apply(Subclassed(), "hidden", "cr"), "Sequential or Functional"),
        (lambda: regularizers.apply(small_model(), "last_hiden", "cr"), "last_hidden"),
        (lambda: regularizers.apply(small_model(), 7, "cr"), "index from -3 to 2"),
    ),
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
