"""The encoder: its codes are the signs of what predict gives, and the model stays as it was."""

import re

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops

from nets import Block
from tfhash import Encoder
from tfhash.encoder.activations import RECTIFIERS, THRESHOLDS, of_call


def dense_net():
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            kl.Flatten(),
            kl.Dense(33, activation="relu", name="h1"),
            kl.Dropout(0.5),
            kl.Dense(40, name="plain"),
            kl.BatchNormalization(),
            kl.Activation("relu", name="h2"),
            kl.Dense(10, activation="softmax"),
        ]
    )


def branching_net():
    """Convolutions, a residual branch, and each kind of ReLU-like unit."""
    x = inputs = keras.Input((8, 8, 3))
    x = kl.Conv2D(4, 3, padding="same", activation="relu", name="conv")(x)
    y = kl.LeakyReLU(negative_slope=0.2, name="leaky")(kl.Conv2D(4, 3, padding="same")(x))
    slopes = keras.initializers.RandomUniform(0.05, 0.5)  # outputs then have the bits' signs
    y = kl.PReLU(alpha_initializer=slopes, name="prelu")(kl.Conv2D(4, 1)(y))
    x = kl.ReLU(max_value=6.0, name="after_add")(kl.Add()([x, y]))
    x = kl.MaxPooling2D(2)(x)
    x = keras.ops.relu(kl.Dense(5)(kl.Flatten()(x)))  # named "relu", "relu_1", ... by Keras
    return keras.Model(inputs, kl.Dense(3)(x), name="branching")


def names_of(net, encoder):
    names = encoder.layer_names
    if net is branching_net:
        assert names.pop().startswith("relu")
    return names


def nested_net():
    """A model in a model, one of its layers called twice."""
    inner_input = keras.Input((6,))
    inner = keras.Model(
        inner_input, kl.Dense(7, activation="relu", name="deep")(inner_input), name="inner"
    )
    shared = kl.Activation("relu", name="shared")
    inputs = keras.Input((4,))
    x = shared(kl.Dense(6)(inputs))
    x = shared(kl.Dense(9)(inner(x, training=False)))
    tail = keras.Sequential([keras.Input((9,)), kl.Dense(2), kl.ReLU(name="last")], name="tail")
    return keras.Model(inputs, tail(x))


class Subclassed(keras.Model):
    """Layers, a block, a model and functions, in a `call`."""

    def __init__(self):
        super().__init__()
        self.block = Block(2, name="block")
        self.dense = kl.Dense(4, activation="gelu", name="dense")
        self.tail = keras.Sequential([kl.Dense(4, activation="relu", name="in")], name="tail")
        self.drop = kl.Dropout(0.5)

    def call(self, x, training=False):
        x = self.drop(self.block(x, training=training), training=training)
        x = ops.maximum(ops.reshape(x, (-1, 5 * 5 * 2)) - 0.1, 0.0)
        x = self.tail(self.dense(x))
        return keras.activations.leaky_relu(self.tail(x))


def subclassed_net():
    model = Subclassed()
    model(np.zeros((2, 5, 5, 2), "float32"))
    return model


def block_net():
    inputs = keras.Input((5, 5, 2))
    x = Block(2, name="block")(inputs)
    x = kl.Lambda(lambda x: keras.activations.relu(x, negative_slope=0.1), name="bend")(x - 0.1)
    return keras.Model(inputs, kl.Dense(2)(kl.Flatten()(x)))


def several_net():
    """Two inputs, two outputs, and activations of several kinds."""
    a, b = keras.Input((4,), name="a"), keras.Input((3, 2), name="b")
    x = kl.Dense(5, activation="tanh", name="squash")(a)
    y = kl.TimeDistributed(kl.Dense(4, activation="relu"), name="steps")(b)
    x = kl.Concatenate()([x, kl.Flatten()(y)])
    x = kl.Dense(65, activation=kl.LeakyReLU(negative_slope=0.1), name="inner")(x)
    x = kl.Dense(9, activation="softplus", name="soft")(x)
    gate = kl.Dense(9, activation="sigmoid", name="gate")(x)
    x = kl.Multiply()([x, gate])
    return keras.Model(
        {"a": a, "b": b},
        [
            kl.Dense(2, activation="relu", name="first")(x),
            kl.Dense(1, activation="sigmoid", name="second")(x),
        ],
    )


NETS = (dense_net, branching_net, nested_net, subclassed_net, block_net, several_net)
NAMES = {
    dense_net: ["h1", "h2"],
    branching_net: ["conv", "leaky", "prelu", "after_add"],
    nested_net: ["shared", "inner/deep", "shared#2", "tail/last"],
    subclassed_net: [
        "block/act",
        "block/relu",
        "maximum",
        "dense",
        "tail/in",
        "tail/in#2",
        "leaky_relu",
    ],
    block_net: ["block/act", "block/relu", "bend/relu"],
    several_net: ["steps", "inner", "soft", "first"],
}


def inputs_for(model, n=37, seed=0):
    rng = np.random.default_rng(seed)

    def draw(shape):
        return rng.normal(size=(n, *shape[1:])).astype("float32")

    if isinstance(model, Subclassed):
        return draw((None, 5, 5, 2))
    if len(model.inputs) > 1:
        return {name: draw(symbol.shape) for name, symbol in model.input.items()}
    return draw(model.input_shape)


def outputs(encoder, x):
    """The outputs of the units less ln 2 where it is their threshold."""
    found = encoder.activation_model.predict(x, verbose=0)
    found = found if isinstance(found, list) else [found]
    parts = []
    for name, output in zip(encoder.layer_names, found, strict=True):
        parts.append(output.reshape(len(output), -1) - (np.float32(np.log(2)) * (name == "soft")))
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("net", NETS)
def test_codes_are_the_signs_of_the_outputs(net):
    model = net()
    encoder = Encoder(model)
    assert names_of(net, encoder) == NAMES[net]
    x = inputs_for(model)
    codes = encoder.encode(x)
    expected = outputs(encoder, x)
    assert codes.n_bits == encoder.n_bits == expected.shape[1]
    assert [layer.name for layer in codes.layers] == encoder.layer_names
    np.testing.assert_array_equal(codes.to_bits(), expected > 0)


@pytest.mark.parametrize("net", NETS)
def test_codes_packed_in_the_graph_are_the_same(net):
    model = net()
    x = inputs_for(model)
    native = Encoder(model, packing="native").encode(x, batch_size=8)
    assert Encoder(model, packing="graph").encode(x, batch_size=8) == native
    with pytest.raises(ValueError, match="packing"):
        Encoder(model, packing="gpu")


NAMES_OF_FUNCTIONS = sorted(THRESHOLDS.keys() - {"prelu"})
FORMS = {
    "layer": (lambda name, x: kl.Activation(name)(x), NAMES_OF_FUNCTIONS),
    # Keras has no symbolic form of some.
    "keras.activations": (
        lambda name, x: getattr(keras.activations, name)(x),
        [n for n in NAMES_OF_FUNCTIONS if n not in ("mish", "hard_silu", "exponential")],
    ),
    "keras.ops": (
        lambda name, x: getattr(ops, name)(x),
        [n for n in NAMES_OF_FUNCTIONS if hasattr(ops, n)],
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_bit_of_every_activation_is_the_sign_of_its_pre_activation(form):
    apply, names = FORMS[form]
    z = np.random.default_rng(0).normal(size=(50, 70)).astype("float32")
    z[np.abs(z) < 1e-3] = 1
    inputs = keras.Input((70,))
    outs = [apply(name, inputs) for name in names]
    model = keras.Model(inputs, kl.Dense(2)(kl.Concatenate()(outs)))
    codes = Encoder(model, activations=names).encode(z)
    assert codes == Encoder(model, activations=names, packing="graph").encode(z)
    assert len(codes.layers) == len(names)
    bits = codes.to_bits().reshape(50, len(names), 70)
    order = [layer.operation for layer in Encoder(model, activations=names)._sites]
    for i, operation in enumerate(order):
        name = of_call(operation, ())
        # Shrinking functions are 0 as far as 1/2.
        seen = np.abs(z) > (0.51 if name in ("hard_shrink", "soft_shrink") else 0)
        np.testing.assert_array_equal(bits[:, i][seen], z[seen] > 0, name)
    default = Encoder(model).layer_names
    assert len(default) == len(RECTIFIERS.keys() & set(names))


def test_activations_are_chosen_and_cut_where_told():
    model = several_net()
    x = inputs_for(model)
    assert Encoder(model, activations=["tanh"]).layer_names == ["squash"]
    # An output of the model is encoded only where it is named.
    assert Encoder(model, activations=["sigmoid", "relu"]).layer_names == ["steps", "gate", "first"]
    assert Encoder(model, layers=["second", "squash"]).layer_names == ["squash", "second"]
    encoder = Encoder(model, activations={"tanh": 0.25, "sigmoid": 0.4})
    found = encoder.activation_model.predict(x, verbose=0)
    expected = np.concatenate([found[0] > np.float32(0.25), found[1] > np.float32(0.4)], axis=1)
    np.testing.assert_array_equal(encoder.encode(x).to_bits(), expected)


def test_functions_of_a_users_own_are_encoded_where_told():
    def cube(x):
        return x * x * x

    inputs = keras.Input((3,))
    model = keras.Model(inputs, kl.Dense(66, activation=cube, name="own")(inputs))
    with pytest.raises(ValueError, match=r"own \(cube\).*activations=\{'cube'"):
        Encoder(model)
    x = inputs_for(model)
    for key in ("cube", cube):
        codes = Encoder(model, activations={key: 0.5}).encode(x)
        np.testing.assert_array_equal(codes.to_bits(), model.predict(x, verbose=0) > 0.5)
    for wrong, message in (
        (["cube"], "known threshold.*a dict"),
        (["rellu"], "such as.*relu"),
        ("relu", "list of activations"),
        ([], "list of activations"),
        ({"relu": np.nan}, "finite thresholds"),
    ):
        with pytest.raises(ValueError, match=message):
            Encoder(model, activations=wrong)


def test_the_summary_says_what_is_encoded_and_what_is_not(capsys):
    encoder = Encoder(several_net())
    encoder.encode(inputs_for(several_net()))
    encoder.summary()
    text = capsys.readouterr().out
    for line in (
        r"codes of 88 bits, of 4 layers",
        r"steps +relu +\(3, 4\) +12 +0-12",
        r"soft +softplus > 0.6931 +\(9\) +9 +77-86",
        r"squash +tanh +encode it with activations=\['tanh'\]",
        r"second +sigmoid > 0.5 +output of the model: name it in layers=",
        r"Without an activation: 1 Concatenate, 1 Flatten, 1 Multiply",
    ):
        assert re.search(line, text), (line, text)
    inputs = keras.Input((4, 3))
    x = kl.Dense(2, activation="relu", name="taken")(kl.LSTM(3, name="memory")(inputs))
    x = Untraceable.Layer(name="closed")(kl.Dense(2, activation="softmax", name="end")(x))
    model = keras.Model(inputs, ops.minimum(kl.Dense(5, "relu", name="not_chosen")(x), 1.0))
    lines: list[str] = []
    Encoder(model, layers=["taken"]).summary(print_fn=lines.append)
    for line in (
        "memory .*recurrent",
        "closed .*cannot be traced .*a tensor is needed here",
        "end +softmax .*no sign",
        "not_chosen +relu +not among the layers chosen",
        "minimum.*no activation that is known",
    ):
        assert re.search(line, "\n".join(lines)), (line, lines)


def test_open_shapes_are_encoded_at_the_shape_given():
    inputs = keras.Input((None, None, 3))
    x = kl.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    model = keras.Model(inputs, kl.GlobalAveragePooling2D()(x))
    encoder = Encoder(model, inputs=keras.Input((6, 7, 3)))
    assert encoder.n_bits == 4 * 5 * 4
    x = np.random.default_rng(0).normal(size=(9, 6, 7, 3)).astype("float32")
    np.testing.assert_array_equal(encoder.encode(x).to_bits(), outputs(encoder, x) > 0)
    with pytest.raises(ValueError, match=r"shape \(n, 6, 7, 3\)"):
        encoder.encode(x[:, :5])
    lazy = Encoder(model)
    assert lazy.encode(x) == lazy.encode(x) == encoder.encode(x)
    assert lazy.encode(x[:, :5]).n_bits == 3 * 5 * 4
    lines: list[str] = []
    lazy.summary(print_fn=lines.append)
    assert "input shape open" in lines[0]
    with pytest.raises(ValueError, match=r"known size.*fixed input shape.*keras\.Input"):
        _ = lazy.n_bits
    with pytest.raises(ValueError, match=r"inputs=keras\.Input"):
        lazy.encode(iter([x]))


def test_codes_are_the_signs_of_a_network_computed_by_hand():
    model = dense_net()
    bn = model.layers[4]
    rng = np.random.default_rng(1)
    bn.set_weights([rng.normal(size=40), rng.normal(size=40), rng.normal(size=40), rng.random(40)])
    x = inputs_for(model)
    w1, b1, w2, b2 = (w for i in (1, 3) for w in model.layers[i].get_weights())
    h1 = np.maximum(x.reshape(len(x), -1).astype("f8") @ w1 + b1, 0)
    gamma, beta, mean, variance = bn.get_weights()
    h2 = gamma * (h1 @ w2 + b2 - mean) / np.sqrt(variance + bn.epsilon) + beta
    expected = np.concatenate([h1, h2], axis=1) > 0
    np.testing.assert_array_equal(Encoder(model).encode(x).to_bits(), expected)


@pytest.mark.full
@pytest.mark.parametrize("net", NETS)
def test_the_batch_size_does_not_matter(net):
    model = net()
    encoder = Encoder(model)
    x = inputs_for(model)
    whole = encoder.encode(x)
    for batch_size in (5, 36, 38):
        # Another batch size may round an output that is 0 but for rounding to the other side.
        parts = encoder.encode(x, batch_size=batch_size)
        differing = whole.to_bits() != parts.to_bits()
        assert np.abs(outputs(encoder, x)[differing]).max(initial=0) < 1e-5
        assert parts.layers == whole.layers
    assert len(encoder.encode(keras.tree.map_structure(lambda part: part[:0], x))) == 0


@pytest.mark.parametrize("net", NETS)
def test_the_model_is_left_as_it_was(net):
    model = net()

    def state():
        operations = [
            op for m in model._flatten_layers() for op in (m, *getattr(m, "operations", ()))
        ]
        return [(op.name, len(op._inbound_nodes), len(op._outbound_nodes)) for op in operations]

    before, config, weights = state(), model.get_config(), model.get_weights()
    Encoder(model).encode(inputs_for(model))
    assert state() == before
    assert str(model.get_config()) == str(config)
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("net", NETS)
def test_chosen_layers_are_those_of_the_whole_code(net):
    model = net()
    x = inputs_for(model)
    whole = Encoder(model).encode(x)
    last = NAMES[net][-1]
    assert Encoder(model, layers=[last]).encode(x) == whole.select(last)
    some = NAMES[net][:2]
    assert Encoder(model, layers=some[::-1]).encode(x) == whole.select(some)


def test_weights_changed_later_are_used():
    model = dense_net()
    encoder, x = Encoder(model), inputs_for(model)
    model.layers[1].set_weights([-w for w in model.layers[1].get_weights()])
    np.testing.assert_array_equal(encoder.encode(x).to_bits(), outputs(encoder, x) > 0)
    assert encoder.encode(x) == Encoder(model).encode(x)


def test_a_saved_model_gives_the_same_codes(tmp_path):
    model = branching_net()
    model.save(tmp_path / "m.keras")
    x = inputs_for(model)
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert Encoder(loaded).encode(x) == Encoder(model).encode(x)


def test_half_precision_activations_are_packed():
    policy = keras.mixed_precision.DTypePolicy("mixed_bfloat16")
    model = keras.Sequential([keras.Input((5,)), kl.Dense(70, activation="relu", dtype=policy)])
    encoder, x = Encoder(model), inputs_for(model)
    np.testing.assert_array_equal(encoder.encode(x).to_bits(), outputs(encoder, x) > 0)


def _cubed(x):
    if isinstance(x, keras.KerasTensor):
        raise TypeError("a tensor is needed here")
    return x * x * x


class Untraceable(keras.Model):
    """Not written with layers and keras.ops alone, so that it cannot be taken apart."""

    class Layer(kl.Layer):
        def call(self, x):
            return _cubed(x)

    def __init__(self):
        super().__init__()
        self.dense = kl.Dense(3, activation="relu")

    def call(self, x):
        return _cubed(self.dense(x))


def built(model, *shape):
    model(np.zeros(shape, "float32"))
    return model


@pytest.mark.parametrize(
    "make, message",
    (
        (
            lambda: "model.keras",
            "Expected a keras.Model. Received: the path 'model.keras': load it first",
        ),
        (lambda: keras.Sequential([kl.Dense(3, activation="relu")]), "Expected a built model"),
        (Untraceable, "Expected a built model"),
        (lambda: built(Untraceable(), 2, 4), r"can be traced.*TypeError.*expose its layers"),
        (
            lambda: keras.Sequential([keras.Input((3,)), kl.Dense(2), kl.Softmax()]),
            "units to encode.*Dense, Softmax.*no sign",
        ),
        (
            lambda: keras.Sequential([keras.Input((3,)), kl.Dense(2, "tanh"), kl.Dense(2)]),
            r"units to encode.*activations=\['tanh'\]",
        ),
        (
            lambda: keras.Sequential([keras.Input((4, 3)), kl.LSTM(2), kl.Dense(2)]),
            r"units to encode.*hidden state.*activations=\['tanh'\]",
        ),
    ),
)
def test_models_that_cannot_be_encoded_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        Encoder(make())


@pytest.mark.parametrize("layers", (["h3"], [], "h3", ["h1", "h1"], ["*3"], [kl.PReLU], kl.ReLU))
def test_layers_that_are_not_there_are_refused(layers):
    with pytest.raises(ValueError, match=r"Expected .*layer"):
        Encoder(dense_net(), layers=layers)
    with pytest.raises(ValueError, match=r"such as h2, h1|such as h1, h2"):
        Encoder(dense_net(), layers=["h3"])


def test_layers_are_chosen_by_pattern_and_class():
    model = branching_net()
    assert Encoder(model, layers=["*e*"]).layer_names[:3] == ["leaky", "prelu", "after_add"]
    assert Encoder(model, layers=[kl.ReLU, "conv"]).layer_names == ["conv", "after_add"]
    assert Encoder(nested_net(), layers=["shared*"]).layer_names == ["shared", "shared#2"]
    assert Encoder(nested_net(), layers=["inner/*"]).layer_names == ["inner/deep"]


def test_inputs_of_another_shape_are_refused():
    encoder = Encoder(dense_net())
    for shape in ((3, 28), (3, 28, 27), (28, 28), (3, 28, 28, 2), (3, 28, 28, 1, 1)):
        with pytest.raises(ValueError, match=r"shape \(n, 28, 28\)"):
            encoder.encode(np.zeros(shape))
    with pytest.raises(ValueError, match="batch_size"):
        encoder.encode(np.zeros((3, 28, 28)), batch_size=0)


def test_activations_that_are_not_finite_name_their_layer():
    model = dense_net()
    kernel = model.get_layer("h1").kernel
    kernel.assign(np.full(kernel.shape, 0.1))  # a sum of inf and -inf may be any NaN
    encoder = Encoder(model)
    x = np.zeros((30, 28, 28), "float32")
    x[17] = np.finfo("float32").max
    message = r"batch 1, layer 'h1': Expected finite.*inf at row 17, column"
    with pytest.raises(ValueError, match=message):
        encoder.encode(x, batch_size=10)
    with pytest.raises(ValueError, match=r"batch 1, layer 'h1': Expected finite.*at row 17"):
        Encoder(model, packing="graph").encode(x, batch_size=10)


@pytest.mark.parametrize("value", (np.nan, np.inf))
def test_inputs_that_are_not_finite_are_refused(value):
    # Some backends' ReLU turns a NaN into 0: it would not be seen in the activations.
    x = np.zeros((30, 28, 28), "float32")
    x[17, 3, 3] = value
    with pytest.raises(ValueError, match=rf"finite inputs.*{value} in row 17"):
        Encoder(dense_net()).encode(x, batch_size=10)


def test_weights_that_are_not_finite_are_refused():
    model = dense_net()
    kernel = model.layers[3].kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(ValueError, match=r"finite weights.*plain/kernel"):
        Encoder(model).encode(inputs_for(model))


@pytest.mark.parametrize("dtype", ("bfloat16", "float16", "float64"))
def test_weights_of_other_precisions_are_checked_too(dtype):
    policy = keras.DTypePolicy(dtype)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, "relu", dtype=policy, name="narrow")]
    )
    assert Encoder(model).encode(np.ones((2, 4), "float32")).n_bits == 3
    kernel = model.layers[0].kernel
    kernel.assign(np.full(kernel.shape, np.inf))
    with pytest.raises(ValueError, match=r"finite weights.*narrow/kernel"):
        Encoder(model).encode(np.ones((2, 4), "float32"))


def test_large_finite_inputs_whose_sum_overflows_are_taken():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu")])
    model.layers[0].kernel.assign(np.eye(4, 3))
    x = np.full((3, 4), np.finfo(np.float32).max)
    assert Encoder(model).encode(x).to_bits().all()


@pytest.mark.full
@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.LSTM(6, return_sequences=True),
        keras.layers.GRU(6),
        keras.layers.SimpleRNN(6),
        keras.layers.Bidirectional(keras.layers.LSTM(3)),
        keras.layers.LSTM(6, return_state=True),
    ],
)
def test_recurrent_layers_are_encoded_as_the_signs_of_their_hidden_states(layer):
    inputs = keras.Input((4, 3))
    output = layer(inputs)
    first = output[0] if isinstance(output, list | tuple) else output
    model = keras.Model(inputs, keras.layers.Dense(2)(first))
    x = np.random.default_rng(0).normal(size=(20, 4, 3)).astype("float32")
    states = keras.Model(inputs, first).predict(x, verbose=0).reshape(20, -1)
    with pytest.raises(ValueError, match=r"hidden state: encode it with activations=\['tanh'\]"):
        Encoder(model)
    for encoder in (Encoder(model, activations=["tanh"]), Encoder(model, layers=[layer.name])):
        assert encoder.layer_names == [layer.name]
        np.testing.assert_array_equal(encoder.encode(x).to_bits(), states > 0)


def test_the_batch_fits_with_layers_that_are_not_encoded():
    inputs = keras.Input((64, 64, 3))
    x = keras.layers.Conv2D(16, 3, activation="relu", name="large")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(4, "relu", name="small")(x))
    numbers = 64 * 64 * 3 + 62 * 62 * 16 + 4
    for layers in (None, "small"):
        batch = Encoder(model, layers=layers)._fitting_batch()
        assert batch * numbers * 4 <= 256 << 20 < 2 * batch * numbers * 4
    assert Encoder(dense_net())._fitting_batch() == 8192
