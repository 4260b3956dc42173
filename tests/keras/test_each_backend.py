"""Where Keras computes or keeps something else on one backend: ours is what the model gives.

The last test runs the others on the backends that are installed besides this one.
"""

import os
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest
from keras import layers as kl

import nets
from tfhash import Encoder, geometry, rebuilding, representation, surgery

BACKENDS = ("tensorflow", "jax", "torch")
RNG = np.random.default_rng(0)
X = RNG.normal(5, 3, (64, 4)).astype("float32")


def adapted(nested):
    """A model whose inputs are normalized by what was seen of X: far from 0 and 1."""
    norm = kl.Normalization()
    norm.adapt(X)
    if nested:
        norm = keras.Sequential([keras.Input((4,)), norm], name="inner")
    return keras.Sequential(
        [keras.Input((4,)), norm, kl.Dense(6, "relu", name="hidden"), kl.Dense(3)]
    )


def quantized(mode):
    model = keras.Sequential([keras.Input((4,)), kl.Dense(6, "relu", name="hidden"), kl.Dense(3)])
    with pytest.warns(UserWarning, match="InputLayer"):
        model.quantize(mode)
    return model


def with_adapters():
    model = keras.Sequential([keras.Input((4,)), kl.Dense(6, "relu", name="hidden"), kl.Dense(3)])
    for layer in model.layers:
        layer.enable_lora(2)
    for weight in model.weights:
        weight.assign(RNG.normal(size=weight.shape))
    return model


class Standardized(kl.Conv1D):
    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel - keras.ops.mean(kernel))


class Halved(kl.Dense):
    @property
    def kernel(self):
        return self._kernel / 2


def standardized():
    layers = [kl.Reshape((4, 1)), Standardized(6, 2, name="hidden"), kl.Flatten(), kl.Dense(3)]
    return keras.Sequential([keras.Input((4,)), *layers])


def halved():
    return keras.Sequential([keras.Input((4,)), Halved(6, name="hidden"), kl.Dense(3)])


def outputs(model, x=X):
    return model.predict(x, verbose=0)


COPIES = {
    "copied": rebuilding.copied,
    "simplify": lambda model: surgery.simplify(model, X)[0],
    "identical": lambda model: representation.identical_output_network(
        model, "hidden", np.arange(1.0, 7.0)
    ),
}


@pytest.mark.parametrize("nested", (False, True))
@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_of_an_adapted_normalization_normalizes(copy, nested):
    """Keras 3.15.1 makes the mean that `Normalization` takes off from its weights in `adapt` and in
    `load_own_variables`, not in `set_weights`: on TensorFlow and JAX it then takes off 0."""
    model = adapted(nested)
    np.testing.assert_allclose(outputs(COPIES[copy](model)), outputs(model), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ("int8", "int4", "float8"))
def test_a_copy_of_a_quantized_model_computes_the_same(mode):
    """`Dense.quantize("float8")` appends to a layer's weights what a layer that is built in float8
    has before its kernel (Keras 3.15.1): their order tells nothing."""
    model = quantized(mode)
    np.testing.assert_array_equal(outputs(rebuilding.copied(model)), outputs(model))


def test_a_copy_with_adapters_computes_the_same():
    model = with_adapters()
    np.testing.assert_array_equal(outputs(rebuilding.copied(model)), outputs(model))


@pytest.mark.parametrize(
    ("build", "message"),
    (
        (lambda: quantized("int8"), "'hidden'.*it is quantized"),
        (lambda: quantized("int4"), "'hidden'.*it is quantized"),
        (with_adapters, "'hidden'.*it has low-rank adapters"),
        (standardized, "'hidden'.*it has a convolution_op of its own"),
        (halved, "'hidden'.*it has a kernel of its own"),
    ),
)
def test_kernels_that_are_not_what_is_multiplied_by_are_not_transformed(build, message):
    """The kernel of int8 is multiplied by a scale beside it; with adapters, or in int4, `kernel` is
    computed (Keras 3.15.1); a subclass may change what is done with it and leave `call` be."""
    model = build()
    for network in (representation.identical_output_network, representation.comparable_network):
        with pytest.raises(ValueError, match=message):
            network(model, "hidden", np.arange(1.0, 7.0))


def test_a_copy_shares_no_memory():
    """On JAX a variable that is assigned another one holds the same array, and `predict` gives the
    arrays of its model up (Keras 3.15.1, JAX 0.10.2)."""
    model = adapted(False)
    copy = rebuilding.copied(model)
    before = outputs(model)
    copy.get_layer("hidden").kernel.assign(np.zeros((4, 6)))
    np.testing.assert_array_equal(outputs(model), before)
    assert not np.array_equal(outputs(copy), before)


class Twice(kl.Layer):
    """Gives the mask of its inputs on, as Keras does for a layer that supports masks."""

    def __init__(self, **options):
        super().__init__(**options)
        self.supports_masking = True

    def call(self, x):
        return 2 * x


class Masked(kl.Layer):
    def call(self, x, mask=None):
        return x if mask is None else x * keras.ops.cast(mask, x.dtype)[..., None] + 1


class OfItsOwn(keras.Model):
    def __init__(self):
        super().__init__()
        self.table = kl.Embedding(5, 8, mask_zero=True)
        self.inner = keras.Sequential([kl.Dense(3)])
        self.end = keras.Sequential([kl.GlobalAveragePooling1D(), kl.Dense(20, "relu")])

    def call(self, x):
        return self.end(self.inner(self.table(x)))


def tokens(*layers):
    first = [keras.Input((7,), dtype="int32"), kl.Embedding(5, 8, mask_zero=True)]
    return keras.Sequential([*first, *layers, kl.GlobalAveragePooling1D(), kl.Dense(20, "relu")])


def nested_functional(*layers):
    inputs, steps = keras.Input((7,), dtype="int32"), keras.Input((7, 8))
    outputs = steps
    for layer in (*layers, kl.GlobalAveragePooling1D()):
        outputs = layer(outputs)
    inner = keras.Model(steps, outputs)
    x = kl.Embedding(5, 8, mask_zero=True)(inputs)
    return keras.Model(inputs, kl.Dense(20, "relu")(inner(x)))


def subclassed():
    model = OfItsOwn()
    model(np.ones((1, 7)))
    return model


@pytest.mark.parametrize(
    "build",
    (
        lambda: tokens(Twice()),
        lambda: tokens(Masked()),
        lambda: tokens(keras.Sequential([kl.Dense(3)])),
        lambda: tokens(kl.TimeDistributed(keras.Sequential([kl.Dense(3)]))),
        lambda: nested_functional(),
        lambda: nested_functional(Twice()),
        subclassed,
    ),
)
def test_masks_go_where_keras_takes_them(build):
    """On JAX they are no attributes of tensors (Keras 3.15.1)."""
    keras.utils.set_random_seed(0)
    model = build()
    x = np.random.default_rng(0).integers(0, 5, (40, 7))
    np.testing.assert_array_equal(Encoder(model).encode(x).to_bits(), outputs(model, x) > 0)


class Inner(kl.Layer):
    """Is given a mask, and does not look at it."""

    def __init__(self):
        super().__init__(name="inner")
        self.dense = kl.Dense(6, "relu", name="dense")

    def call(self, x, mask=None):
        return self.dense(x)


class Outer(kl.Layer):
    def __init__(self):
        super().__init__(name="outer")
        self.inner = Inner()

    def call(self, x):
        return self.inner(x)


def test_a_mask_that_is_not_looked_at_hides_nothing():
    model = tokens(Outer())
    names = Encoder(model).layer_names
    assert names[0] == "outer/inner/dense" and len(names) == 2


def test_adapters_that_came_later_are_in_the_codes():
    model = keras.Sequential([keras.Input((4,)), kl.Dense(9, "relu", name="hidden"), kl.Dense(3)])
    encoder = Encoder(model)
    before = encoder.encode(X)
    model.get_layer("hidden").enable_lora(2)
    for weight in model.get_layer("hidden").trainable_weights:
        weight.assign(RNG.normal(size=weight.shape))
    assert encoder.encode(X) == Encoder(model).encode(X) != before


class Clipped(kl.Layer):
    """Clips at a weight: the operation holds what was computed of it."""

    def build(self, shape):
        self.end = self.add_weight(shape=(), initializer=keras.initializers.Constant(-0.3))

    def call(self, x):
        return keras.ops.clip(x, -keras.ops.absolute(self.end), keras.ops.absolute(self.end))


@pytest.mark.filterwarnings("ignore:.*leave out")
def test_operations_that_hold_what_was_computed_are_made_anew():
    model = keras.Sequential([keras.Input((4,)), kl.Dense(20), Clipped(), kl.Dense(30, "relu")])
    bits = Encoder(model).encode(X).to_bits()
    np.testing.assert_array_equal(bits, outputs(model) > 0)


def test_a_nested_model_takes_its_inputs_as_it_takes_them_alone():
    """A Sequential of whole numbers cuts what it is given."""
    layers = [keras.Input((4,), dtype="int32"), kl.Rescaling(1.0), kl.Dense(20, "relu")]
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.Sequential(layers)(inputs))
    np.testing.assert_array_equal(Encoder(model).encode(X).to_bits(), outputs(model) > 0)


def test_a_moved_state_is_another_model(tmp_path):
    """Keras lists the states of recurrent layers among no model's variables (3.15.1)."""
    layers = [kl.SimpleRNN(16, stateful=True), kl.Dense(40, "relu")]
    model = keras.Sequential([keras.Input(batch_shape=(8, 5, 3)), *layers])
    x = RNG.normal(size=(8, 5, 3)).astype("float32")
    encoder = Encoder(model)
    encoder.encode(x, out=tmp_path / "codes")
    model(3 * x)
    assert encoder.encode(x) == Encoder(model).encode(x)
    with pytest.raises(ValueError, match="of fingerprint"):
        encoder.encode(x, out=tmp_path / "codes")


@keras.saving.register_keras_serializable(package="tfhash_tests")
class Forgetful(keras.Layer):
    """Has a weight that its configuration does not tell of."""

    scaled = False

    def build(self, shape):
        if self.scaled:
            self.scale = self.add_weight(shape=(), name="scale")
        self.shift = self.add_weight(shape=(), name="shift")

    def call(self, x):
        return (self.scale * x if self.scaled else x) + self.shift


def test_a_weight_without_a_place_in_the_copy_is_named():
    layer = Forgetful(name="forgetful")
    layer.scaled = True
    model = keras.Sequential([keras.Input((4,)), layer])
    with pytest.raises(ValueError, match=r"'forgetful'.*all its 2 weights.*place for 1"):
        rebuilding.copied(model)


@pytest.mark.parametrize("mode", ("full", "activations"))
def test_layers_that_are_rematerialized_are_encoded(mode):
    """JAX refuses tensors that are carried out of `jax.checkpoint`."""
    inputs = keras.Input((4,))
    with keras.RematScope(mode=mode):
        first, second = kl.Dense(6, "relu"), kl.Dense(5, "gelu")
    model = keras.Model(inputs, second(first(inputs)))
    codes = Encoder(model).encode(X).to_bits()
    z = np.maximum(X @ first.get_weights()[0], 0)
    wanted = np.hstack([z, z @ second.get_weights()[0]])
    clear = abs(wanted) > 1e-4
    np.testing.assert_array_equal(codes[clear], (wanted > 0)[clear])
    assert first._remat_mode.mode == mode


SIZES = ((8, 8), (7, 8), (7, 7))


@pytest.mark.parametrize("size", SIZES)
def test_lines_pass_averages_as_the_model_does(size):
    """Of Keras 3.15.1 on PyTorch an average pool with padding "same" repeats the numbers at the
    edges where one side of an axis is padded more than the other (8 places, windows of 3 in steps
    of 2); on the other backends padding is left out of the mean (keras pull request 23233)."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((*size, 2)),
            kl.Conv2D(3, 3, padding="same", activation="relu"),
            kl.AveragePooling2D(3, strides=2, padding="same"),
            kl.Conv2D(2, 2, activation="relu"),
        ]
    )
    x = RNG.normal(size=(2, *size, 2))
    line = nets.regions_along(model, *x)
    ends = np.concatenate([[0], line.breakpoints, [1]])
    middles = (ends[:-1] + ends[1:])[:, None, None, None] / 2
    codes = Encoder(model).encode((x[0] + middles * (x[1] - x[0])).astype("float32"))
    wide = np.diff(ends) > 1e-4
    assert wide.sum() > 20
    np.testing.assert_array_equal(line.codes().to_bits()[wide], codes.to_bits()[wide])


@pytest.mark.parametrize("size", ((6, 6, 6), (5, 6, 7), (5, 5, 5)))
def test_regions_behind_averages_of_volumes_have_the_models_map(size):
    model = keras.Sequential(
        [
            keras.Input((*size, 1)),
            kl.AveragePooling3D((3, 2, 3), strides=2, padding="same"),
            kl.Flatten(),
            kl.Dense(4, "relu"),
            kl.Dense(3),
        ]
    )
    x = RNG.normal(size=(1, *size, 1)).astype("float32")
    here = geometry.region(model, x[0])
    np.testing.assert_allclose(
        here.weights @ x.ravel() + here.bias, outputs(model, x)[0], rtol=1e-4, atol=1e-5
    )


@pytest.mark.full
@pytest.mark.parametrize("other", [b for b in BACKENDS if b != keras.backend.backend()])
def test_other_backends(other):
    if find_spec(other) is None:
        pytest.skip(f"{other} is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", __file__],
        env={**os.environ, "KERAS_BACKEND": other, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
