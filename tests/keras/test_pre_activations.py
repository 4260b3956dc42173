"""Bits where outputs have another sign than pre-activations, and units in wrappers."""

import functools
import logging
import warnings

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops

from tfhash import Encoder

Z = np.random.default_rng(0).normal(0, 3, size=(20, 70)).astype("float32")
partial = functools.partial
acts = keras.activations
FORMS = {
    "prelu": lambda x: kl.PReLU(alpha_initializer=keras.initializers.RandomUniform(-1, 1))(x),
    "shared prelu": lambda x: kl.PReLU(
        shared_axes=[1], alpha_initializer=keras.initializers.Constant(-0.1)
    )(x),
    "relu of a slope": lambda x: acts.relu(x, negative_slope=-0.5),
    "relu with a threshold": lambda x: kl.ReLU(threshold=1.0)(x),
    "relu with a cap": lambda x: kl.ReLU(max_value=0.5, negative_slope=0.1)(x),
    "relu in a partial": lambda x: kl.Activation(partial(acts.relu, negative_slope=-2.0))(x),
    "leaky": lambda x: ops.leaky_relu(x, negative_slope=-0.25),
    "elu": lambda x: kl.Activation(partial(acts.elu, alpha=-1.0))(x),
    "squareplus": lambda x: kl.Activation(partial(acts.squareplus, b=16))(x),
    "squareplus function": lambda x: ops.squareplus(x, b=1),
    "layer in a layer": lambda x: kl.Activation(kl.LeakyReLU(negative_slope=0.0))(x),
    "subclass": lambda x: Leaky(negative_slope=0.5)(x),
    "steps": lambda x: ops.reshape(
        kl.TimeDistributed(kl.Activation(partial(acts.relu, negative_slope=-1.0)))(
            ops.reshape(x, (-1, 7, 10))
        ),
        (-1, 70),
    ),
}
ARGUMENTS = (
    partial(acts.relu, negative_slope=-0.1),
    partial(partial(acts.leaky_relu, negative_slope=-3.0)),
    partial(acts.squareplus, b=1),
    kl.LeakyReLU(negative_slope=0.1),
    kl.PReLU(alpha_initializer=keras.initializers.Constant(-0.1)),
    "softplus",
    "gelu",
    "mish",
)


class Leaky(kl.LeakyReLU):
    """A user's subclass that computes as its base does."""


@pytest.mark.parametrize("form", FORMS)
def test_the_bit_is_the_sign_of_what_the_activation_is_applied_to(form):
    inputs = keras.Input((70,))
    model = keras.Model(inputs, kl.Dense(2)(FORMS[form](inputs)))
    for codes in (Encoder(model).encode(Z), Encoder(model, packing="graph").encode(Z)):
        np.testing.assert_array_equal(codes.to_bits(), Z > 0)


def test_activations_of_dense_layers_are_heard_and_left_as_they_were():
    inputs = keras.Input((70,))
    layers = [kl.Dense(70, activation=a, kernel_initializer="identity") for a in ARGUMENTS]
    held = [dict(vars(layer)) for layer in layers]
    model = keras.Model(inputs, kl.Add()([layer(inputs) for layer in layers]))
    given = [layer.activation for layer in layers]
    bits = Encoder(model).encode(Z).to_bits().reshape(len(Z), len(layers), -1)
    for i in range(len(layers)):
        np.testing.assert_array_equal(bits[:, i], Z > 0, str(ARGUMENTS[i]))
    assert [layer.activation for layer in layers] == given
    assert all(
        ("activation" in vars(layer)) == ("activation" in old)
        for layer, old in zip(layers, held, strict=True)
    )


@pytest.mark.parametrize("policy", ("float16", "mixed_float16", "mixed_bfloat16"))
@pytest.mark.parametrize("name", ("softplus", "log_sigmoid", "squareplus"))
def test_half_precision_has_no_threshold_to_round(policy, name):
    z = np.array([[0, -3e-5, -1e-3, 0.01]], "float32")
    inputs = keras.Input((4,))
    layer = kl.Dense(4, activation=name, dtype=policy, kernel_initializer="identity")
    model = keras.Model(inputs, kl.Dense(2)(layer(inputs)))
    for packing in ("native", "graph"):
        codes = Encoder(model, activations=[name], packing=packing).encode(z)
        assert codes.to_bits().tolist() == [[0, 0, 0, 1]], packing


def test_subnormal_numbers_are_positive_in_either_packing():
    z = np.array([[1e-40, -1e-40, 1e-30, 0]], "float32")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, kl.Activation("elu")(inputs))
    for packing in ("native", "graph"):
        assert Encoder(model, packing=packing).encode(z).to_bits().tolist() == [[1, 0, 1, 0]]
    model = keras.Model(inputs, kl.ReLU()(inputs))  # some backends' ReLU takes them for 0
    assert Encoder(model, packing="native").encode(z) == Encoder(model, packing="graph").encode(z)


def video_net():
    frame = keras.Input((6, 6, 1))
    x = kl.Conv2D(3, 3, activation="relu", name="conv")(frame)
    cnn = keras.Model(frame, kl.Dense(8, activation="gelu", name="fc")(kl.Flatten()(x)))
    inputs = keras.Input((4, 6, 6, 1))
    x = kl.LSTM(5)(kl.TimeDistributed(cnn, name="td")(inputs))
    return cnn, keras.Model(inputs, kl.Dense(2)(x))


def test_models_in_time_distributed_are_encoded_at_each_step():
    cnn, model = video_net()
    x = np.random.default_rng(0).normal(size=(7, 4, 6, 6, 1)).astype("float32")
    encoder = Encoder(model)
    assert encoder.layer_names[:3] == ["td/conv", "td/fc", "td/conv#2"]
    codes, inner = encoder.encode(x), Encoder(cnn)
    assert codes.n_bits == 4 * inner.n_bits
    for step in range(4):
        bits = codes.to_bits()[:, step * inner.n_bits : (step + 1) * inner.n_bits]
        np.testing.assert_array_equal(bits, inner.encode(x[:, step]).to_bits())
    assert Encoder(model, layers=["td/fc*"]).layer_names == [
        "td/fc",
        *(f"td/fc#{step}" for step in (2, 3, 4)),
    ]


def test_masked_steps_reach_the_layers_in_time_distributed():
    step = keras.Input((3,))
    inner = keras.Model(step, kl.Dense(4, activation="relu")(step))
    inputs = keras.Input((5, 3))
    x = kl.TimeDistributed(inner)(kl.Masking()(inputs))
    model = keras.Model(inputs, kl.Dense(30, activation="relu", name="end")(kl.LSTM(6)(x)))
    x = np.random.default_rng(0).normal(size=(6, 5, 3)).astype("float32")
    x[:, 3:] = 0
    bits = Encoder(model, layers=["end"]).encode(x).to_bits()
    np.testing.assert_array_equal(bits, model.predict(x, verbose=0) > 0)


class Opaque(kl.Layer):
    def call(self, x):
        if isinstance(x, keras.KerasTensor):
            raise TypeError("a tensor is needed here")
        return ops.relu(x)


class Loop(kl.Layer):
    def __init__(self):
        super().__init__(name="loop")
        self.inner = kl.Dense(6, activation="relu")

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return ops.fori_loop(0, 3, lambda _, h: self.inner(h), x)


class Inverted(kl.Wrapper):
    """Its outputs are not those of the layer in it, and its call cannot be looked into."""

    def call(self, x):
        if isinstance(x, keras.KerasTensor):
            raise TypeError("a tensor is needed here")
        return 1 - self.layer(x)

    def compute_output_spec(self, x):
        return keras.KerasTensor((x.shape[0], 6))


@pytest.mark.parametrize(
    ("layer", "message"),
    ((Loop, "'loop/fori_loop'"), (lambda: Inverted(kl.Dense(6, "relu"), name="own"), "'own'")),
)
def test_functions_and_wrappers_of_a_users_own_are_left_out_aloud(layer, message):
    model = keras.Sequential([keras.Input((6,)), kl.Dense(6, activation="relu"), layer()])
    with pytest.warns(UserWarning, match=message):
        assert Encoder(model).n_bits == 6


@pytest.mark.parametrize("merge", (None, "concat", "sum"))
def test_hidden_states_of_both_directions(merge):
    inputs = keras.Input((5, 3))
    both = kl.Bidirectional(kl.SimpleRNN(4, activation="relu"), merge_mode=merge, name="both")
    found = both(inputs)
    model = keras.Model(inputs, kl.Dense(2, "relu", name="end")(found) if merge else found)
    x = np.random.default_rng(0).normal(size=(20, 5, 3)).astype("float32")
    if merge == "sum":
        with pytest.warns(UserWarning, match="'both'.*at every step, inside"):
            assert Encoder(model).layer_names == ["end"]
        return
    bits = Encoder(model, layers="both").encode(x).to_bits()
    alone = [layer(x) for layer in (both.forward_layer, both.backward_layer)]
    wanted = np.hstack([keras.ops.convert_to_numpy(one) for one in alone]) > 0
    np.testing.assert_array_equal(bits, wanted)


def test_cells_before_the_last_are_left_out_aloud():
    inputs = keras.Input((5, 3))
    cells = [kl.SimpleRNNCell(4, activation="relu"), kl.SimpleRNNCell(3, activation="relu")]
    with pytest.warns(UserWarning, match="only the last of its cells"):
        assert Encoder(keras.Model(inputs, kl.RNN(cells)(inputs))).n_bits == 3


def test_what_cannot_be_looked_into_is_said_at_once():
    inputs = keras.Input((70,))
    x = Opaque(name="closed")(kl.Dense(4, activation="relu", name="open")(inputs))
    x = kl.Dense(3, activation=lambda x: x * x, name="own")(x)
    x = ops.where(x > 0, x, 0.1 * x)
    model = keras.Model(inputs, kl.SimpleRNN(2, activation="relu", name="memory")(x[:, None]))
    with pytest.warns(UserWarning, match="'closed'.*cannot be traced.*'own'"):
        encoder = Encoder(model)
    assert "memory" in encoder.layer_names
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        Encoder(model, layers=["open"])
        Encoder(keras.Sequential([inputs, kl.Dense(4, "relu"), kl.Dense(2, "softmax")]))


def foreign_layer(tmp_path):
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        inner = torch.nn.Sequential(torch.nn.Linear(70, 8), torch.nn.ReLU())
        return kl.TorchModuleWrapper(inner, output_shape=(None, 8), name="foreign")
    if backend == "jax":
        import jax

        return kl.JaxLayer(
            call_fn=lambda params, inputs: jax.nn.relu(inputs @ params),
            init_fn=lambda rng, inputs: jax.random.normal(rng, (70, 8)),
            name="foreign",
        )
    inner = keras.Sequential([keras.Input((70,)), kl.Dense(8, activation="relu")])
    logging.getLogger("tensorflow").setLevel("ERROR")
    inner.export(tmp_path / "saved", verbose=False)
    return kl.TFSMLayer(tmp_path / "saved", call_endpoint="serve", name="foreign")


def test_networks_of_other_libraries_are_left_out_aloud(tmp_path):
    inputs = keras.Input((70,))
    x = foreign_layer(tmp_path)(inputs)
    model = keras.Model(inputs, kl.Dense(3, activation="relu", name="end")(x))
    with pytest.warns(UserWarning, match="'foreign': wraps a network of another library"):
        encoder = Encoder(model)
    assert encoder.layer_names == ["end"]
    lines: list[str] = []
    encoder.summary(lines.append)
    assert any("foreign" in line and "another library" in line for line in lines)
    np.testing.assert_array_equal(encoder.encode(Z).to_bits(), model.predict(Z, verbose=0) > 0)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's functions")
def test_functions_of_tensorflow_have_kerass_names():
    import tensorflow as tf

    inputs = keras.Input((70,))
    x = kl.Dense(4, activation=tf.nn.relu, name="argument")(inputs)
    x = kl.Lambda(tf.nn.relu, name="lambda")(kl.Dense(4, activation=tf.nn.silu, name="silu")(x))
    model = keras.Model(inputs, kl.Dense(3, activation=tf.nn.softmax, name="end")(x))
    encoder = Encoder(model)
    assert encoder.layer_names == ["argument", "silu", "lambda"]
    lines: list[str] = []
    encoder.summary(lines.append)
    assert any("end" in line and "no sign" in line for line in lines)
