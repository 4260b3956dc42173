"""Models are encoded as `predict` computes them, stay as they are, and give their codes again."""

import logging
import warnings

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops

from tfhash import Encoder

X = np.random.default_rng(0).normal(1, 2, size=(10, 6)).astype("float32")
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="written with TensorFlow's own operations"
)


def state(model):
    """All that Keras keeps in a model, and the states of recurrent layers, which it lists not."""
    variables = list(model.variables)
    for layer in model._flatten_layers():
        variables += keras.tree.flatten(getattr(layer, "states", None) or [])
    return [variable.numpy().tobytes() for variable in variables]


def predicted(model, x):
    return model.predict(x, verbose=0).reshape(len(x), -1) > 0


def codes_twice(model, x, **kwargs):
    """The bits of an encoder's first encoding, which the second and the model's state confirm."""
    before = state(model)
    encoder = Encoder(model)
    codes = encoder.encode(x, **kwargs)
    assert encoder.encode(x, **kwargs) == codes
    assert Encoder(model, packing="graph").encode(x, **kwargs) == codes
    assert state(model) == before
    return codes


class Stack(kl.Layer):
    """A layer of a user's own that hands `training` on."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def call(self, x, training=None):
        return self.inner(x, training=training)


class Insisting(kl.Layer):
    """A layer of a user's own that is always in training."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def call(self, x):
        return self.inner(x, training=True)


def nested(layer):
    inputs = keras.Input((6,))
    return keras.Model(inputs, layer(inputs))


@pytest.mark.parametrize("wrap", (lambda layer: layer, nested, Stack))
@pytest.mark.parametrize("flag", (None, True, False))
def test_layers_in_a_graph_are_at_inference_as_in_predict(wrap, flag):
    call = {} if flag is None else {"training": flag}
    inputs = keras.Input((6,))
    x = wrap(kl.Dropout(0.5))(inputs, **call)
    x = wrap(kl.GaussianNoise(1.0))(x, **call)
    x = wrap(kl.BatchNormalization())(x, **call)
    model = keras.Model(inputs, kl.Dense(64, activation="relu")(x))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        codes = codes_twice(model, X, batch_size=7)
    np.testing.assert_array_equal(codes.to_bits(), predicted(model, X))


def test_augmentation_is_the_identity():
    images = np.random.default_rng(0).random((9, 8, 8, 3)).astype("float32")
    x = inputs = keras.Input((8, 8, 3))
    for layer in (
        kl.RandomFlip(),
        kl.RandomRotation(0.2),
        kl.RandomZoom(0.3),
        kl.RandomTranslation(0.2, 0.2),
        kl.RandomContrast(0.8),
        kl.RandomBrightness(0.8),
    ):
        x = layer(x)
    model = keras.Model(inputs, kl.Conv2D(4, 3, activation="relu")(x))
    bits = codes_twice(model, images).to_bits()
    np.testing.assert_array_equal(bits, predicted(model, images))


def test_statistics_of_a_batch_are_those_of_its_own_rows():
    """A short last batch is not filled up where rows are not known to be apart."""
    inputs = keras.Input((6,))
    x = Insisting(kl.BatchNormalization(name="norm"))(kl.Dense(64)(inputs))
    model = keras.Model(inputs, kl.ReLU()(x))
    with pytest.warns(UserWarning, match=r"'norm'.*depend on the rows that share a batch"):
        codes = codes_twice(model, X, batch_size=7)
    assert len(X) == 10  # which are encoded as two batches of 5
    before = [v.numpy() for v in model.variables]
    expected = np.concatenate([model.predict_on_batch(X[:5]), model.predict_on_batch(X[5:])]) > 0
    np.testing.assert_array_equal(codes.to_bits(), expected)
    for variable, value in zip(model.variables, before, strict=True):
        variable.assign(value)  # predict moves them
    with pytest.warns(UserWarning):
        parts = Encoder(model).encode(iter([X[:7], X[7:]]), batch_size=7)
    expected = np.concatenate([model.predict_on_batch(X[:7]), model.predict_on_batch(X[7:])]) > 0
    np.testing.assert_array_equal(parts.to_bits(), expected)


class AlwaysDropout(kl.Dropout):
    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


def test_a_layer_that_is_random_at_inference_is_named_and_repeats():
    model = keras.Sequential(
        [
            keras.Input((6,)),
            kl.Dense(64, activation="relu"),
            AlwaysDropout(0.2, name="always"),
            kl.Dense(64, activation="relu"),
        ]
    )
    with pytest.warns(UserWarning, match="random at inference, in 'always'"):
        codes = codes_twice(model, X)
    # One draw for each batch: the second batch is the first again.
    with pytest.warns(UserWarning, match="random at inference"):
        double = Encoder(model).encode(np.concatenate([X, X]), batch_size=len(X))
    assert double == type(codes).concatenate([codes, codes])


@on_tensorflow
def test_randomness_that_keras_does_not_know_is_found_by_a_second_pass():
    import tensorflow as tf

    class Sampling(kl.Layer):
        def call(self, x):
            return x + tf.random.normal(tf.shape(x))

    inputs = keras.Input((6,))
    x = kl.Dense(64, activation="relu", name="before")(inputs)
    x = kl.Dense(64, activation="relu", name="after")(Sampling(name="sampling")(x))
    with pytest.warns(UserWarning, match="leave out.*'sampling'"):
        encoder = Encoder(keras.Model(inputs, x))
    with pytest.warns(UserWarning, match="Two passes.*from layer 'after' on.*'sampling'"):
        encoder.encode(X)


@pytest.mark.full
@pytest.mark.parametrize("kind", (kl.LSTM, kl.GRU, kl.SimpleRNN))
def test_every_batch_starts_from_the_state_of_a_stateful_layer(kind):
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(4, 5, 3)),
            kind(8, stateful=True, name="memory"),
            kl.Dense(64, activation="relu"),
        ]
    )
    x = np.random.default_rng(0).normal(size=(10, 5, 3)).astype("float32")
    for variable in keras.tree.flatten(model.get_layer("memory").states):
        variable.assign(np.random.default_rng(1).normal(size=variable.shape))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        bits = codes_twice(model, x).to_bits()
        np.testing.assert_array_equal(codes_twice(model, x[4:]).to_bits(), bits[4:])
    first = ops.convert_to_numpy(model(x[:4], training=False)) > 0  # which moves the state
    np.testing.assert_array_equal(bits[:4], first)
    assert (Encoder(model).encode(x).to_bits() != bits).any()


def test_the_global_dtype_policy_is_not_the_models():
    inputs = keras.Input((1,), dtype="float64")
    model = keras.Model(inputs, kl.Dense(2, "relu", dtype="float64")(inputs))
    model.layers[-1].set_weights([np.array([[1.0, -1.0]]), np.array([-1.0, 1.0])])
    tiny = 1 + np.array([[1e-12], [-1e-12]])
    expected = [[1, 0], [0, 1]]
    usual = keras.config.dtype_policy()
    for policy in ("float32", "mixed_float16", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        try:
            codes = Encoder(model).encode(tiny)
        finally:
            keras.config.set_dtype_policy(usual)
        if keras.backend.backend() != "jax":  # which has no float64 unless told
            np.testing.assert_array_equal(codes.to_bits(), expected)


class Weighted(kl.Layer):
    """Reads its weight itself, in the precision that Keras gives it in the call."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 200), name="kernel")

    def call(self, x):
        return ops.relu(ops.matmul(x, self.kernel))


def test_layers_of_a_users_own_compute_in_their_precision():
    inputs = keras.Input((6,))
    model = keras.Model(inputs, Weighted(dtype="mixed_float16", name="own")(inputs))
    kernel = np.full((6, 200), 0.5)
    kernel[1] = -0.5 * (1 + 1e-5)  # the same in half precision, where the sum is 0
    model.get_layer("own").set_weights([kernel])
    ones = np.array([[1, 1, 0, 0, 0, 0], [1.25, 1, 0, 0, 0, 0]], "float32")
    codes = Encoder(model).encode(ones)
    np.testing.assert_array_equal(codes.to_bits(), predicted(model, ones))
    assert not codes.to_bits()[0].any() and codes.to_bits()[1].all()


class Positions(kl.Layer):
    """Adds an embedding of constants, which is computed while the layer is taken apart."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.positions = kl.Embedding(5, 6)
        self.dense = kl.Dense(40, activation="relu", name="dense")

    def call(self, x):
        return self.dense(x + self.positions(ops.arange(5)))


def test_weights_in_a_layer_of_a_users_own_are_read_at_each_call():
    inputs = keras.Input((5, 6))
    model = keras.Model(inputs, Positions(name="own")(inputs))
    x = np.random.default_rng(0).normal(size=(8, 5, 6)).astype("float32")
    encoder = Encoder(model)
    assert encoder.layer_names == ["own/dense"]
    for seed in range(2):
        np.testing.assert_array_equal(encoder.encode(x).to_bits(), predicted(model, x))
        embeddings = model.get_layer("own").positions.embeddings
        embeddings.assign(np.random.default_rng(seed).normal(size=embeddings.shape))


@on_tensorflow
def test_many_encoders_make_tensorflow_warn_of_nothing(caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(7):
            model = keras.Sequential([keras.Input((6,)), kl.Dense(4, activation="relu")])
            Encoder(model).encode(X)
    assert not [record for record in caplog.records if "retracing" in record.getMessage()]


def test_rows_folded_into_others_are_refused():
    inputs = keras.Input((3, 6))
    x = kl.Dense(4, activation="relu", name="folded")(ops.reshape(inputs, (-1, 6)))
    model = keras.Model(inputs, x)
    x = np.random.default_rng(0).normal(size=(5, 3, 6))
    for packing in ("native", "graph"):
        with pytest.raises(ValueError, match=r"'folded'.*each of 5 inputs. Received: 15"):
            Encoder(model, packing=packing).encode(x)
