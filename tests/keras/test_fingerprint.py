"""Fingerprints see what a model computes, and a file is trusted only after rows are seen to fit."""

import functools

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops

from tfhash import Codes, Encoder
from tfhash.encoder import fingerprint as module
from tfhash.encoder.samples import Sample, check_rows

X = np.random.default_rng(0).standard_normal((70, 6)).astype("float32")


class Net(keras.Model):
    """Holds a number that is in no configuration and no weight."""

    def __init__(self, k, activation="relu"):
        super().__init__(name="net")
        self.k = k
        self.a, self.b = kl.Dense(40, activation, name="a"), kl.Dense(43, "relu", name="b")

    def call(self, x):
        return self.b(self.a(x - self.k))


class Shift(kl.Layer):
    """A layer without get_config."""

    def __init__(self, k):
        super().__init__(name="shift")
        self.k = k

    def call(self, x):
        return x - self.k


class Outside(kl.Layer):
    """Its weights are a plain array, which Keras knows nothing of."""

    def __init__(self, k):
        super().__init__(name="outside")
        self.kernel = np.eye(6, dtype="float32") + np.float32(k)

    def call(self, x):
        return ops.matmul(x, self.kernel)


class Looked(keras.Model):
    """Takes only small whole numbers, as a table is looked up in them."""

    def __init__(self, k):
        super().__init__(name="looked")
        self.k, self.table = k, kl.Embedding(3, 4, name="table")
        self.a = kl.Dense(20, "relu", name="a")

    def call(self, x):
        return self.a(ops.reshape(self.table(x), (-1, 24)) - self.k)


def stack(*middle, activation="relu"):
    return keras.Sequential(
        [keras.Input((6,)), *middle, kl.Dense(40, activation, name="a"), kl.Dense(43, "relu")],
        name="stack",
    )


def subclassed(k):
    model = Net(k)
    model(X)
    return model


def of_another_activation(k):
    model = Net(0, "relu" if k < 1 else "gelu")
    model(X)
    return model


def looked(k):
    model = Looked(k)
    model(np.zeros((2, 6), "float32"))
    return model


def partial(k):
    return stack(activation=functools.partial(keras.activations.leaky_relu, negative_slope=k))


def own(k):
    def function(x):
        return ops.maximum(x, -k)

    return stack(activation=function)


def anonymous(k):
    return stack(kl.Lambda(lambda x: x - k, name="lambda"))


def replaced(k):
    model = stack(kl.Identity(name="identity"))
    model.get_layer("identity").call = lambda x: x - k
    return model


CODE = {
    "subclassed": subclassed,
    "another activation": of_another_activation,
    "looked up": looked,
    "partial": partial,
    "own function": own,
    "lambda": anonymous,
    "layer without config": lambda k: stack(Shift(k)),
    "weights outside": lambda k: stack(Outside(k)),
    "call replaced": replaced,
}


def made(build, k):
    """As in two runs of one script: the same names, the same weights."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    return Encoder(build(k))


@pytest.mark.full
@pytest.mark.parametrize("kind", CODE)
def test_models_of_a_users_own_code_differ_by_what_they_compute(kind):
    build = CODE[kind]
    one, same, other = (made(build, k) for k in (0.1, 0.1, 3.0))
    assert one.fingerprint == same.fingerprint
    assert one.fingerprint != other.fingerprint


@pytest.mark.full
def test_a_small_difference_is_seen_and_rounding_is_not():
    assert made(subclassed, 0.1).fingerprint != made(subclassed, 0.15).fingerprint
    rng = np.random.default_rng(5)
    outputs = [np.maximum(rng.normal(size=(16, n)), 0) for n in (40, 3000)]
    found = module._projected(outputs)
    for _ in range(20):
        rounded = [z * (1 + 1e-6 * rng.normal(size=z.shape)) for z in outputs]
        np.testing.assert_array_equal(module._projected(rounded), found)
    assert (module._projected([outputs[0] * 1.5, outputs[1]]) == found).all()  # lengths are 1
    assert (module._projected([np.roll(outputs[0], 1, 1), outputs[1]]) != found).any()


def plain_models():
    inputs = keras.Input((6,))
    x = kl.Normalization(mean=np.zeros(6), variance=np.ones(6))(inputs)
    x = ops.relu(kl.Dense(8, kernel_regularizer="l2")(x) * 2.0 - np.ones(8, "float32"))
    yield keras.Model(inputs, kl.Dense(3, activation=keras.activations.gelu)(x))
    yield stack(kl.Dropout(0.5), kl.BatchNormalization(), kl.LeakyReLU(negative_slope=0.2))
    yield keras.Sequential(
        [
            keras.Input((4, 3)),
            kl.Bidirectional(kl.LSTM(3, return_sequences=True)),
            kl.TimeDistributed(kl.Dense(2, "relu")),
        ]
    )


def test_models_of_kerases_parts_are_known_by_configuration_and_weights(monkeypatch):
    """No rounding is in their fingerprints, which hold on every machine."""
    monkeypatch.setattr(module.Probe, "__call__", lambda self: pytest.fail("was probed"))
    for model in plain_models():
        known = Encoder(model).fingerprint
        assert known == Encoder(model).fingerprint
        weights = model.get_weights()
        model.set_weights([w + np.float32(1e-3) for w in weights])
        assert Encoder(model).fingerprint != known
        model.set_weights(weights)
        assert Encoder(model).fingerprint == known


@pytest.mark.full
def test_what_training_alone_looks_at_is_not_in_it():
    layers = [kl.Dense(20, activation="relu"), kl.Dropout(0.5)]
    model = keras.Sequential([keras.Input((6,)), *layers])
    encoder = Encoder(model)
    before = encoder.fingerprint
    model.trainable = False
    assert encoder.fingerprint == before
    model.trainable = True
    model(X, training=True)
    assert encoder.fingerprint == before


def test_units_that_are_read_otherwise_are_others():
    inputs = keras.Input((6,))
    model = keras.Model(inputs, kl.Dense(2)(kl.Activation("hard_shrink")(kl.Dense(20)(inputs))))
    by_sign = Encoder(model, activations=["hard_shrink"])
    by_output = Encoder(model, activations={"hard_shrink": 0.0})
    assert by_sign.encode(X) != by_output.encode(X)
    assert by_sign.fingerprint != by_output.fingerprint


def test_a_vocabulary_is_seen():
    pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("strings are TensorFlow's")

    def encoder(words):
        keras.utils.clear_session()
        keras.utils.set_random_seed(1)
        text = kl.TextVectorization(max_tokens=9, output_sequence_length=3)
        text.adapt(words)
        layers = [keras.Input((1,), dtype="string"), text, kl.Embedding(9, 4), kl.Flatten()]
        return Encoder(keras.Sequential([*layers, kl.Dense(40, "relu")]))

    one, same, other = encoder(["a b"]), encoder(["a b"]), encoder(["b c"])
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_strings_are_encoded_and_stored(tmp_path):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("strings are TensorFlow's")
    text = kl.TextVectorization(max_tokens=9, output_sequence_length=3)
    text.adapt(["a b c"])
    layers = [keras.Input((1,), dtype="string"), text, kl.Embedding(9, 4), kl.Flatten()]
    encoder = Encoder(keras.Sequential([*layers, kl.Dense(40, "relu")]))
    words = np.array([["a b"], ["c"], ["bb a longer one"]])
    codes = encoder.encode(words, out=tmp_path / "c")
    for given in (words, words.astype(object), words.tolist(), iter([words[:2], words[2:]])):
        assert encoder.encode(given) == codes
    for given in (words, words.astype(object), iter([words[:2], words[2:]])):
        assert encoder.encode(given, out=tmp_path / "c") == codes
    with pytest.raises(ValueError, match="inputs"):
        encoder.encode(words[::-1], out=tmp_path / "c")
    with pytest.raises(ValueError, match=r"Expected strings.*float64"):
        encoder.encode(np.zeros((3, 1)))


class Rare(Net):
    """Differs from another only at inputs that no probe has."""

    def call(self, x):
        return self.b(self.a(x - ops.where(x > 1e6, self.k * x, 0.0)))


def rare(k):
    model = Rare(k)
    model(X)
    return model


class Cut(Exception):
    """Stands for a process that is killed."""


def cut(x, after, size=8):
    for start in range(0, len(x), size):
        if start >= after:
            raise Cut
        yield x[start : start + size]


@pytest.mark.full
@pytest.mark.parametrize("finished", (True, False))
@pytest.mark.parametrize("as_stream", (True, False))
def test_what_no_fingerprint_sees_is_seen_in_rows_encoded_again(finished, as_stream, tmp_path):
    one, same, other = (made(rare, k) for k in (0.5, 0.5, 1.5))
    assert one.fingerprint == other.fingerprint
    x = X.copy()
    x[:, 0] = 1e7
    assert one.encode(x) != other.encode(x)
    if finished:
        one.encode(x, 8, out=tmp_path / "c")
    else:
        with pytest.raises(Cut):
            one.encode(cut(x, 40), 8, out=tmp_path / "c")
    given = (lambda: iter([x[:30], x[30:]])) if as_stream else (lambda: x)
    with pytest.raises(ValueError, match=r"bits of the \d+ rows that were encoded again, first in"):
        other.encode(given(), 8, out=tmp_path / "c")
    assert same.encode(given(), 8, out=tmp_path / "c") == one.encode(x)
    assert same.encode(given(), 5, out=tmp_path / "c") == one.encode(x)


@pytest.mark.parametrize("size", (1, 7, 1000))
def test_a_sample_holds_the_first_the_last_and_rows_spread_between(size):
    x = np.arange(1000.0)[:, None] * [1.0, 2.0]
    sample = Sample()
    for start in range(0, len(x), size):
        sample.update([x[start : start + size], -x[start : start + size]])
        assert sample.rows[0] == 0
        assert sample.rows[-1] == min(start + size, 1000) - 1
    assert len(sample.rows) == 16
    assert np.diff(sample.rows).max() < 200
    np.testing.assert_array_equal(sample.arrays[0], x[sample.rows])
    np.testing.assert_array_equal(sample.arrays[1], -x[sample.rows])


def test_rows_may_differ_by_rounding_alone(tmp_path):
    bits = np.random.default_rng(0).integers(0, 2, (16, 500))
    codes, rows = Codes.from_bits(bits), np.arange(16)
    flipped = bits.copy()
    flipped.flat[:8] ^= 1
    check_rows(tmp_path, rows, codes, Codes.from_bits(flipped), {"float32"})
    flipped.flat[8] ^= 1
    with pytest.raises(ValueError, match=r"9 of 8000 bits of the 16 rows.*first in row 0"):
        check_rows(tmp_path, rows, codes, Codes.from_bits(flipped), {"float32"})
    check_rows(tmp_path, rows, codes, Codes.from_bits(flipped), {"float32", "bfloat16"})
