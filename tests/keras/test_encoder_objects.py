"""The encoder as an object: what it is made of, copied, pickled, shown, and given in layers=."""

import copy
import pickle

import keras
import numpy as np
import pytest
from keras import layers as kl

from tfhash import Encoder

X = np.random.default_rng(0).normal(size=(5, 8)).astype("float32")
MODEL = keras.Sequential(
    [
        keras.Input((8,)),
        kl.Dense(4, activation="relu", name="a"),
        kl.Dense(5, activation="relu", name="b"),
        kl.Dense(3, activation="tanh", name="c"),
    ],
    name="net",
)


@pytest.mark.parametrize(
    ("layers", "names"),
    (
        ("a", ["a"]),
        (1, ["b"]),
        ([0, -1], ["a", "c"]),
        ([MODEL.layers[2], "a"], ["a", "c"]),
        (kl.Dense, ["a", "b"]),
        (["?", 2], ["a", "b", "c"]),
    ),
)
def test_layers_are_names_patterns_classes_layers_or_indices(layers, names):
    assert Encoder(MODEL, layers=layers).layer_names == names


@pytest.mark.parametrize(
    ("layers", "message"),
    (
        (["A"], "such as a.*'A'"),
        ([], "different layers"),
        (["a", "a"], "different layers"),
        ([7], "index of the model's 3 layers, from -3 to 2"),
        ([2.5], "2.5 of class float"),
        (kl.Conv2D, "class Conv2D, of which none is"),
        (kl.Dense(3, name="other"), "layer 'other'"),
    ),
)
def test_choices_that_are_not_there_are_named(layers, message):
    with pytest.raises(ValueError, match=message):
        Encoder(MODEL, layers=layers)


@pytest.mark.parametrize("copied", (copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))))
def test_copies_give_the_same_codes(copied):
    encoder = Encoder(MODEL, layers=[MODEL.layers[0], "c"])
    other = copied(encoder)
    assert other.encode(X) == encoder.encode(X)
    assert other.fingerprint == encoder.fingerprint
    assert repr(other) == repr(encoder) == "Encoder('net', n_bits=7, layers=[a, c])"


@pytest.mark.parametrize(
    ("given", "message"),
    (
        ("net.keras", r"path 'net.keras': load it first"),
        (keras.Model, "class Model: make a model"),
        (kl.Dense(3), "Dense of Keras, which is no model"),
        (None, "NoneType"),
    ),
)
def test_what_is_no_model_is_met_with_what_to_do(given, message):
    with pytest.raises(ValueError, match=message):
        Encoder(given)


def test_models_of_keras_2_load_as_the_message_says(tmp_path):
    tf_keras = pytest.importorskip("tf_keras")
    model = tf_keras.Sequential([tf_keras.layers.Dense(4, activation="relu", input_shape=(3,))])
    with pytest.raises(ValueError, match=r"tf_keras.*model\.h5"):
        Encoder(model)
    model.save(tmp_path / "model.h5")
    assert Encoder(keras.models.load_model(tmp_path / "model.h5", compile=False)).n_bits == 4
