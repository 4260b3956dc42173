"""What people bring as inputs: it gives the codes of the plain array, or an error that says why."""

from collections import OrderedDict

import keras
import ml_dtypes
import numpy as np
import pandas as pd
import pytest
from keras import layers as kl
from scipy import sparse

from tfhash import Encoder
from tfhash.encoder.arrays import array_of

X = np.random.default_rng(0).integers(-4, 5, (6, 5)).astype("float32")
X[X == 0] = 0.5
FRAME = pd.DataFrame(X, columns=list("abcde"))


def net(shape, dtype="float32", units=4):
    """Weights are small integers: sums are exact."""
    layers = [keras.Input(shape, dtype=dtype, name="x")]
    layers += [kl.Flatten()] if len(shape) > 1 else []
    model = keras.Sequential([*layers, kl.Dense(units, activation="relu", name="a")])
    draw = np.random.default_rng(1).integers
    model.set_weights([draw(-3, 4, w.shape).astype("f4") for w in model.get_weights()])
    return model


ENCODER = Encoder(net((5,), units=9))
EXPECTED = (
    X @ ENCODER.activation_model.get_weights()[0] > -ENCODER.activation_model.get_weights()[1]
)


def of_tensorflow():
    tf = pytest.importorskip("tensorflow")
    yield tf.constant(X)
    yield tf.cast(X, "bfloat16")
    yield tf.Variable(X)
    yield tf.sparse.from_dense(X)
    yield tf.RaggedTensor.from_tensor(X)
    slices = tf.data.Dataset.from_tensor_slices
    yield slices((X, np.zeros(6), np.ones(6))).batch(4)
    yield slices({"x": X, "label": np.zeros(6)}).batch(4)
    yield slices(tf.sparse.from_dense(X)).batch(4)
    yield slices(tf.RaggedTensor.from_tensor(X)).batch(4)


def of_torch():
    torch = pytest.importorskip("torch")
    yield torch.tensor(X, requires_grad=True)
    yield torch.tensor(X).bfloat16()
    yield torch.tensor(X).to_sparse()
    yield list(torch.tensor(X, requires_grad=True))
    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.zeros(6))
    yield torch.utils.data.DataLoader(data, batch_size=4)


def of_numpy():
    yield X.astype("f8")
    yield X.astype("f2")
    yield X.astype(">f8")
    yield X.astype(np.longdouble)
    yield X.astype(ml_dtypes.bfloat16)
    yield X[..., None]
    yield np.asfortranarray(X)[::-1][::-1]
    yield np.matrix(X)
    yield np.ma.masked_greater(X, 100)
    yield X.tolist()
    yield list(X)
    yield tuple(X)
    yield [X]
    yield {"x": X}
    yield {"x": X, "more": None}


def of_tables():
    yield FRAME
    yield FRAME.astype({"a": "Float32", "b": "Float64"})
    yield FRAME.astype(pd.SparseDtype("float32"))
    yield FRAME.assign(a=FRAME["a"].astype("Float64"))
    yield sparse.csr_matrix(X)
    yield sparse.coo_array(X)
    yield sparse.csc_matrix(X)
    yield (sparse.csr_matrix(X)[rows] for rows in (slice(0, 4), slice(4, 6)))


@pytest.mark.full
@pytest.mark.parametrize("kind", (of_numpy, of_tables, of_tensorflow, of_torch))
def test_every_array_of_the_same_numbers_gives_the_same_codes(kind, tmp_path):
    for i, given in enumerate(kind()):
        codes = ENCODER.encode(given, batch_size=4)
        np.testing.assert_array_equal(codes.to_bits(), EXPECTED, str(i))


def test_stores_take_them_too(tmp_path):
    for i, given in enumerate((sparse.csr_matrix(X), X.astype(">f8"), X[..., None], FRAME)):
        for _ in range(2):
            codes = ENCODER.encode(given, batch_size=4, out=tmp_path / str(i))
            np.testing.assert_array_equal(codes.to_bits(), EXPECTED, str(i))


def test_columns_of_several_dtypes_are_one_array_of_numbers():
    mixed = pd.DataFrame({"age": [20.0, 30.0], "n": [1, 2], "city": ["a", "b"]})
    mixed = pd.get_dummies(mixed, columns=["city"])
    plain = np.array([[20, 1, 1, 0], [30, 2, 0, 1]], "f4")
    encoder = Encoder(net((4,)))
    for frame in (mixed, mixed.astype({"n": "Int64", "city_a": "boolean"})):
        assert encoder.encode(frame) == encoder.encode(plain)
    assert encoder.encode(plain > 1) == encoder.encode((plain > 1).astype("f4"))
    alone = Encoder(net((1,)))
    assert alone.encode(mixed["age"]) == alone.encode(np.array([[20.0], [30.0]]))


@pytest.mark.parametrize(
    ("shape", "given"),
    (
        ((7, 7, 1), (3, 7, 7)),
        ((7, 7), (3, 7, 7, 1)),
        ((5, 1), (3, 5)),
        ((5,), (3, 5, 1)),
        ((1,), (3,)),
        ((1,), (3, 1, 1)),
    ),
)
def test_a_last_axis_of_one_may_be_missing_or_too_many_as_in_predict(shape, given, tmp_path):
    model = net(shape)
    x = np.random.default_rng(0).normal(size=given).astype("float32")
    expected = model.predict(x, verbose=0) > 0
    encoder = Encoder(model)
    np.testing.assert_array_equal(encoder.encode(x).to_bits(), expected)
    np.testing.assert_array_equal(encoder.encode(iter([x[:1], x[1:]])).to_bits(), expected)
    np.testing.assert_array_equal(encoder.encode([x]).to_bits(), expected)


def test_open_sizes_take_images_without_channel_too():
    x = np.random.default_rng(0).normal(size=(3, 6, 4)).astype("float32")
    inputs = keras.Input((None, None, 1))
    model = keras.Model(inputs, kl.Conv2D(2, 3, activation="relu")(inputs))
    encoder = Encoder(model)
    assert encoder.encode(x) == encoder.encode(x[..., None])
    assert encoder.encode(x).n_bits == 4 * 2 * 2


def test_inputs_of_integers_stay_integers():
    model = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            kl.Embedding(9, 3),
            kl.Flatten(),
            kl.Dense(5, activation="relu"),
        ]
    )
    encoder = Encoder(model)
    x = np.random.default_rng(0).integers(0, 9, (6, 4))
    for given in (x.astype("u1"), x.astype("f4"), x.tolist(), sparse.csr_matrix(x)):
        assert encoder.encode(given) == encoder.encode(x)
    frame = pd.DataFrame(x).astype("Int64")
    assert encoder.encode(frame) == encoder.encode(x)
    with pytest.raises(ValueError, match=r"missing ones.*fillna"):
        encoder.encode(frame.mask(frame == x[0, 0]))


class Unreadable:
    """Is no array and no iterable."""


REFUSED: tuple[tuple[object, str], ...] = (
    ((X, np.zeros(6)), r"inputs alone.*\(6, 5\), \(6,\).*x\[0\]"),
    ([X, np.zeros(6)], r"inputs alone"),
    ([(X[:3], np.zeros(3)), (X[3:], np.zeros(3))], r"list of batches with labels: iter\(x\)"),
    ([X, X], r"2 batches: iter\(x\).*concatenate"),
    ([X[0], X[1, :4]], r"\(5,\) at 0, \(4,\) at 1: pad"),
    ([[1.0, 2.0], [1.0]], r"\(2,\) at 0, \(1,\) at 1: pad"),
    ([[[1.0, 2.0], [1.0]]] * 2, r"rows of different lengths"),
    (np.array([X[0], None], object), r"dtype object, with ndarray of shape \(5,\) at 0: np.stack"),
    (np.array([[None, 1.0]], object), r"dtype object, with None at \(0, 0\)"),
    (X.astype(object), r"dtype object that holds numbers: x.astype\('float32'\)"),
    (X.astype(complex), r"real numbers.*complex128: give the real"),
    ((X + 1j).tolist(), r"real numbers.*complex128"),
    (sparse.csr_matrix(X + 1j), r"real numbers.*complex64"),
    (X.astype(str), r"real numbers.*<U.*astype"),
    (X.astype(str).tolist(), r"real numbers.*<U"),
    (X.astype("M8[s]"), r"datetime64.*dates"),
    (X.astype("m8[s]"), r"timedelta64.*durations"),
    (np.zeros(6, [("a", "f4")]), r"'a'.*columns"),
    (np.ma.masked_greater(X, 2), r"masked array with \d+ values.*filled"),
    (FRAME.astype({"a": "category"}), r"column 'a' of dtype category.*get_dummies"),
    (FRAME.astype({"b": object}), r"column 'b' of dtype object"),
    (FRAME.astype({"d": complex}), r"column 'd' of dtype complex128"),
    (FRAME.astype({"a": "Float32"}).mask(FRAME < 0), r"finite inputs.*nan in row"),
    (X[0], r"\(n, 5\).*\(5,\): one row; x\[np.newaxis\]"),
    (X[:, :4], r"\(n, 5\).*\(6, 4\)"),
    (3.0, r"\(n, 5\).*\(\)"),
    ([], r"\(n, 5\).*\(0,\)"),
    (None, r"Received: None"),
    ("x.npy", r"'x.npy'.*load the file"),
    (Unreadable(), r"class Unreadable.*iterable of batches"),
    (Unreadable, r"class type"),
    (keras.Input((5,)), r"symbolic"),
    ({"y": X}, r"named \['x'\].*\['y'\].*x\['y'\]"),
    ({1: X, "b": X}, r"named \['x'\].*\[1, 'b'\]"),
    (iter([]), r"none; an iterator can be gone through only once"),
    (iter([(X, X, X, X)]), r"tuple of 4.*\(\(a, b"),
    (iter(X), r"one row; .*batch"),
)


@pytest.mark.parametrize("which", range(len(REFUSED)))
def test_what_is_no_input_is_refused_with_what_to_do(which):
    given, message = REFUSED[which]
    with pytest.raises(ValueError, match=message):
        ENCODER.encode(given)


def test_a_generator_that_is_used_up_leaves_no_file(tmp_path):
    batches = iter([X])
    ENCODER.encode(batches)
    with pytest.raises(ValueError, match="only once"):
        ENCODER.encode(batches, out=tmp_path / "c")
    assert not (tmp_path / "c").exists()
    assert len(ENCODER.encode(X[:0])) == 0
    assert len(ENCODER.encode(iter([X[:0]]))) == 0


def test_several_inputs_are_met_by_name():
    a, b = keras.Input((5,), name="a"), keras.Input((1,), name="b")
    model = keras.Model([a, b], kl.Dense(3, activation="relu")(kl.Concatenate()([a, b])))
    encoder, y = Encoder(model), np.arange(6.0)
    codes = encoder.encode([X, y[:, None]])
    for given in ([X, y], {"a": X, "b": pd.Series(y)}, {"a": X, "b": y, "c": 0}):
        assert encoder.encode(given) == codes
    refused: tuple[tuple[object, str], ...] = (
        ({"A": X, "b": y}, "without 'a', which may be A"),
        (pd.DataFrame({"a": [1], "b": [2]}), r"2 inputs.*dict\(x\)"),
        (iter([[X, y]]), r"2 inputs.*\(\(a, b\), labels\)"),
        ([X, y + 1j], "for 'b'.*complex"),
        ([X, None], "for 'b'.*None"),
    )
    for bad, message in refused:
        with pytest.raises(ValueError, match=message):
            encoder.encode(bad)


def test_rows_are_converted_as_they_are_read():
    """A large sparse matrix or a file in another byte order is never whole in memory."""
    rows = array_of(sparse.random(50, 7, 0.3, "csr", random_state=0), "float32")
    assert not isinstance(rows, np.ndarray)
    assert len(rows) == 50 and isinstance(rows[3:9], np.ndarray) and rows[3:9].shape == (6, 7)
    assert not isinstance(array_of(X.astype(">f8"), "float32"), np.ndarray)
    assert array_of(X, "float32") is X


@pytest.mark.parametrize("made", (dict, OrderedDict))
@pytest.mark.parametrize("given", (dict, OrderedDict))
def test_inputs_of_a_dict_go_by_their_keys(made, given):
    """Keras 3.15.1 sorts the keys of a dict, and leaves those of an OrderedDict as they come."""
    symbols = {name: keras.Input((2,), name=name) for name in "ba"}
    hidden = kl.Dense(5, "relu")
    model = keras.Model(made(symbols), hidden(kl.Subtract()([symbols["a"], symbols["b"]])))
    a, b = np.random.default_rng(0).normal(size=(2, 9, 2)).astype("float32")
    codes = Encoder(model).encode(given([("b", b), ("a", a)]))
    kernel, bias = hidden.get_weights()
    np.testing.assert_array_equal(codes.to_bits(), (a - b) @ kernel + bias > 0)
