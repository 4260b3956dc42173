"""Every kind of layer that is affine or a maximum, its options drawn at random: against float64.

The oracle is the model itself, in float64: on a region found it is the region's own affine map, its
pattern is the encoder's, and the pattern of samples along a line is that of the line's regions.
"""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import layers as kl

import nets
from tfhash import Encoder, geometry

pytestmark = pytest.mark.usefixtures("float64")
LENGTH, IMAGE, VOLUME = (9, 3), (7, 6, 2), (5, 4, 4, 2)


def drawn(rng, **choices):
    """One of each of the choices."""
    return {name: values[rng.integers(len(values))] for name, values in choices.items()}


PADDING = {"padding": ("valid", "same")}
FORMATS = {"data_format": ("channels_last", "channels_first")}


def pool(rng, kind, n):
    sizes = tuple(int(s) for s in rng.integers(2, 4, n))
    strides = int(rng.integers(1, 3))
    return kind(sizes if n > 1 else sizes[0], strides, **drawn(rng, **PADDING))


def adaptive(rng, kind, n):
    return kind(tuple(int(s) for s in rng.integers(2, 8, n)), **drawn(rng, **FORMATS))


def reversed_embedding(x):
    layer = kl.ReversibleEmbedding(4, x.shape[-1])
    layer.build((None,))
    return layer(x, reverse=True)


def conv(rng, kind, **more):
    strides = int(rng.integers(1, 3))
    return kind(kernel_size=2, strides=strides, **drawn(rng, **PADDING), **more)


@keras.saving.register_keras_serializable(package="tfhash_tests")
class PaddedWithOnes(keras.Layer):
    def call(self, x):
        return keras.ops.pad(x, ((0, 0), (1, 0), (0, 1), (0, 0)), constant_values=1.0)


KINDS = {
    "padding with a number": (IMAGE, lambda r: PaddedWithOnes()),
    "Conv1D": (LENGTH, lambda r: conv(r, kl.Conv1D, filters=2)),
    "Conv1D causal, dilated": (
        LENGTH,
        lambda r: kl.Conv1D(2, 2, padding="causal", dilation_rate=int(r.integers(1, 4))),
    ),
    "Conv1DTranspose": (LENGTH, lambda r: conv(r, kl.Conv1DTranspose, filters=2)),
    "SeparableConv1D": (LENGTH, lambda r: conv(r, kl.SeparableConv1D, filters=3)),
    "DepthwiseConv1D": (LENGTH, lambda r: conv(r, kl.DepthwiseConv1D, depth_multiplier=2)),
    "Cropping1D": (LENGTH, lambda r: kl.Cropping1D((1, int(r.integers(0, 3))))),
    "ZeroPadding1D": (LENGTH, lambda r: kl.ZeroPadding1D((1, int(r.integers(0, 3))))),
    "UpSampling1D": (LENGTH, lambda r: kl.UpSampling1D(int(r.integers(2, 4)))),
    "MaxPooling1D": (LENGTH, lambda r: pool(r, kl.MaxPooling1D, 1)),
    "AveragePooling1D": (LENGTH, lambda r: pool(r, kl.AveragePooling1D, 1)),
    "GlobalMaxPooling1D": (LENGTH, lambda r: kl.GlobalMaxPooling1D(keepdims=True)),
    "MaxPooling1D of one place": (LENGTH, lambda r: kl.MaxPooling1D(1, int(r.integers(1, 3)))),
    "GlobalMaxPooling2D of one pixel": (
        (1, 1, 40),
        lambda r: kl.GlobalMaxPooling2D(keepdims=True),
    ),
    "AdaptiveMaxPooling1D": (LENGTH, lambda r: kl.AdaptiveMaxPooling1D(int(r.integers(2, 8)))),
    "AdaptiveAveragePooling1D": (
        LENGTH,
        lambda r: kl.AdaptiveAveragePooling1D(int(r.integers(2, 8))),
    ),
    "GlobalAveragePooling1D": (LENGTH, lambda r: kl.GlobalAveragePooling1D()),
    "Conv2D": (IMAGE, lambda r: conv(r, kl.Conv2D, filters=2)),
    "Conv2D dilated": (IMAGE, lambda r: kl.Conv2D(2, 2, dilation_rate=2)),
    "Conv2DTranspose": (IMAGE, lambda r: conv(r, kl.Conv2DTranspose, filters=2)),
    "SeparableConv2D": (IMAGE, lambda r: conv(r, kl.SeparableConv2D, filters=2)),
    "DepthwiseConv2D": (IMAGE, lambda r: conv(r, kl.DepthwiseConv2D, depth_multiplier=2)),
    "MaxPooling2D": (IMAGE, lambda r: pool(r, kl.MaxPooling2D, 2)),
    "AveragePooling2D": (IMAGE, lambda r: pool(r, kl.AveragePooling2D, 2)),
    "AdaptiveMaxPooling2D": (IMAGE, lambda r: adaptive(r, kl.AdaptiveMaxPooling2D, 2)),
    "AdaptiveAveragePooling2D": (IMAGE, lambda r: adaptive(r, kl.AdaptiveAveragePooling2D, 2)),
    "CenterCrop": (IMAGE, lambda r: kl.CenterCrop(int(r.integers(3, 7)), 3)),
    "Cropping2D": (IMAGE, lambda r: kl.Cropping2D(((1, 0), (int(r.integers(0, 3)), 1)))),
    "ZeroPadding2D": (IMAGE, lambda r: kl.ZeroPadding2D(((1, 0), (int(r.integers(0, 3)), 1)))),
    "UpSampling2D": (IMAGE, lambda r: kl.UpSampling2D((1, 2))),
    "Permute": (IMAGE, lambda r: kl.Permute(tuple(int(i) + 1 for i in r.permutation(3)))),
    "BatchNormalization": (IMAGE, lambda r: kl.BatchNormalization(axis=int(r.integers(1, 4)))),
    "Normalization": (IMAGE, lambda r: kl.Normalization(mean=r.normal(size=2), variance=[0.5, 2])),
    "Rescaling": (IMAGE, lambda r: kl.Rescaling(float(r.normal()), float(r.normal()))),
    "TimeDistributed(Conv1D)": (IMAGE, lambda r: kl.TimeDistributed(conv(r, kl.Conv1D, filters=2))),
    "TimeDistributed(BatchNormalization)": (
        IMAGE,
        lambda r: kl.TimeDistributed(kl.BatchNormalization()),
    ),
    "Conv3D": (VOLUME, lambda r: conv(r, kl.Conv3D, filters=2)),
    "Conv3DTranspose": (VOLUME, lambda r: conv(r, kl.Conv3DTranspose, filters=2)),
    "GlobalMaxPooling3D": (VOLUME, lambda r: kl.GlobalMaxPooling3D()),
    "GlobalAveragePooling3D": (VOLUME, lambda r: kl.GlobalAveragePooling3D()),
    "Cropping3D": (VOLUME, lambda r: kl.Cropping3D(1)),
    "ZeroPadding3D": (VOLUME, lambda r: kl.ZeroPadding3D((0, 1, 1))),
    "UpSampling3D": (VOLUME, lambda r: kl.UpSampling3D((2, 1, 1))),
    "Minimum of branches": (IMAGE, lambda r: branches(kl.Minimum)),
    "Maximum of branches": (IMAGE, lambda r: branches(kl.Maximum)),
    "Maximum with one channel": (IMAGE, lambda r: lambda x: kl.Maximum()([kl.Dense(1)(x), x])),
    "Average": (IMAGE, lambda r: branches(kl.Average)),
    "Subtract": (IMAGE, lambda r: lambda x: kl.Subtract()([x, kl.Dense(2)(x)])),
    "Concatenate": (IMAGE, lambda r: lambda x: kl.Concatenate(int(r.integers(1, 4)))([x, -x])),
    "EinsumDense": (IMAGE, lambda r: kl.EinsumDense("abcd,cde->abe", (7, 3), bias_axes="e")),
    "SpectralNormalization": (IMAGE, lambda r: kl.SpectralNormalization(kl.Conv2D(2, 2))),
    "ReversibleEmbedding": (IMAGE, lambda r: reversed_embedding),
    "STFTSpectrogram": (
        (20, 1),
        lambda r: kl.STFTSpectrogram("real", frame_length=8, frame_step=4, fft_length=8),
    ),
    "Identity, dropout and noise": (
        IMAGE,
        lambda r: keras.Sequential(
            [kl.Identity(), kl.Dropout(0.5), kl.SpatialDropout2D(0.5), kl.GaussianNoise(0.5)]
        ),
    ),
    "RepeatVector": ((5,), lambda r: kl.RepeatVector(int(r.integers(1, 4)))),
    "LeakyReLU": (IMAGE, lambda r: kl.LeakyReLU(negative_slope=float(r.uniform()))),
    "ReLU with slope and cap": (
        IMAGE,
        lambda r: kl.ReLU(max_value=0.7, negative_slope=0.25),
    ),
    "PReLU": (IMAGE, lambda r: kl.PReLU("random_normal", shared_axes=[int(r.integers(1, 4))])),
    "hard_tanh": (IMAGE, lambda r: kl.Activation("hard_tanh")),
}


def branches(merge):
    def called(x):
        return merge()([kl.Conv2D(2, 2, padding="same")(x), kl.DepthwiseConv2D(1)(x), x])

    return called


def net_around(shape, layer):
    x = inputs = keras.Input(shape, dtype="float64")
    x = layer(kl.LeakyReLU(negative_slope=0.25)(kl.Dense(shape[-1], bias_initializer="normal")(x)))
    x = kl.Dense(4, "relu", bias_initializer="normal")(kl.Flatten()(x))
    return keras.Model(inputs, kl.Dense(3)(x))


@pytest.mark.parametrize("name", KINDS)
def test_layers_of_every_kind(name):
    shape, make = KINDS[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    net = net_around(shape, make(rng))
    for layer in net.layers:
        if isinstance(layer, kl.BatchNormalization):
            layer.moving_mean.assign(rng.normal(size=layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, layer.moving_variance.shape))
    start, stop = rng.normal(size=(2, *shape))
    here = geometry.region(net, start)
    # Inside the region, off in all directions, the model is the map.
    step = 0.9 * min(here.boundary_distance, 1.0)
    moves = rng.normal(size=(20, *shape))
    moves /= np.linalg.norm(moves.reshape(20, -1), axis=1).reshape(-1, *(1,) * len(shape))
    x = start + step * np.concatenate([np.zeros((1, *shape)), moves])
    y = keras.ops.convert_to_numpy(net(x, training=False))
    ours = x.reshape(len(x), -1) @ here.weights.T + here.bias
    np.testing.assert_allclose(ours, y, atol=1e-9 * max(1.0, np.abs(y).max()))
    names = set(Encoder(net).layer_names)
    codes = here.code
    kept = [span for span in codes.layers if span.name in names]
    theirs = Encoder(net).encode(start[None])
    assert [(s.name, s.stop - s.start) for s in kept] == [
        (s.name, s.stop - s.start) for s in theirs.layers
    ]
    bits = np.concatenate([codes.to_bits()[:, s.start : s.stop] for s in kept], axis=1)
    np.testing.assert_array_equal(bits, theirs.to_bits())
    # Past it, in the middle of each region of a line, as well.
    line = nets.regions_along(net, start, stop, region="linear")
    assert line.n_regions > 3
    wide = np.flatnonzero(np.diff(line.edges) > 1e-6)
    at = line.edges[wide] + np.outer([0.05, 0.5, 0.95], np.diff(line.edges)[wide])
    x = start + at.reshape(-1, *(1,) * len(shape)) * (stop - start)
    y = keras.ops.convert_to_numpy(net(x, training=False)).reshape(3, len(wide), -1)
    np.testing.assert_allclose(y[1], (y[0] + y[2]) / 2, atol=1e-9 * max(1.0, np.abs(y).max()))


def spans(n, layer, axis):
    """What each window of a pool holds along an axis of n places."""
    if hasattr(layer, "output_size"):
        k = layer.output_size[axis]
        return [range(math.floor(i * n / k), math.ceil((i + 1) * n / k)) for i in range(k)]
    width, step = layer.pool_size[axis], layer.strides[axis]
    if layer.padding == "valid":
        return [range(first, first + width) for first in range(0, n - width + 1, step)]
    count = math.ceil(n / step)
    before = max((count - 1) * step + width - n, 0) // 2
    starts = [i * step - before for i in range(count)]
    return [range(max(first, 0), min(first + width, n)) for first in starts]


def pooled(x, layer, function):
    """[n, ...] of a pool in three dimensions, in NumPy."""
    first = layer.data_format == "channels_first"
    x = np.moveaxis(x, 1, -1) if first else x
    windows = [spans(n, layer, axis) for axis, n in enumerate(x.shape[1:4])]
    made = np.array(
        [
            function(x[:, a.start : a.stop, b.start : b.stop, c.start : c.stop], axis=(1, 2, 3))
            for a, b, c in itertools.product(*windows)
        ]
    )
    made = np.moveaxis(made, 1, 0).reshape(len(x), *map(len, windows), -1)
    return np.moveaxis(made, -1, 1) if first else made


@pytest.mark.parametrize("is_local", (True, False))
@pytest.mark.parametrize(
    ("kind", "function"),
    [
        (kl.MaxPooling3D, np.max),
        (kl.AveragePooling3D, np.mean),
        (kl.AdaptiveMaxPooling3D, np.max),
        (kl.AdaptiveAveragePooling3D, np.mean),
    ],
)
def test_pools_of_three_dimensions(kind, function, is_local):
    # Keras computes none of them in float64 on TensorFlow: the oracle is NumPy's.
    rng = np.random.default_rng(len(kind.__name__))
    for _ in range(3):
        options = drawn(rng, **FORMATS)
        size = rng.integers(1, 3 if options["data_format"] == "channels_first" else 4, 3).tolist()
        if not kind.__name__.startswith("Adaptive"):
            options |= {"strides": int(rng.integers(1, 3)), **drawn(rng, **PADDING)}
        layer = kind(tuple(size), dtype="float32", **options)
        inputs = keras.Input(VOLUME, dtype="float32")
        before = kl.Dense(2, bias_initializer="normal", dtype="float32")
        x = layer(kl.LeakyReLU(negative_slope=0.25, dtype="float32")(before(inputs)))
        after = kl.Dense(3, "relu", bias_initializer="normal", dtype="float32")
        x = after(kl.Flatten(dtype="float32")(x))
        if not is_local:  # no kernel for lines takes it
            x = kl.Lambda(lambda x: 2.0 * x, dtype="float32")(x)
        net = keras.Model(inputs, x)

        def oracle(x, before=before, layer=layer, after=after):
            (w, b), (v, c) = (
                [np.asarray(part, np.float64) for part in each.get_weights()]
                for each in (before, after)
            )
            z = x @ w + b
            z = pooled(np.where(z > 0, z, 0.25 * z), layer, function)
            return np.maximum(z.reshape(len(x), -1) @ v + c, 0) * (1 if is_local else 2)

        start, stop = rng.normal(size=(2, *VOLUME))
        here = geometry.region(net, start)
        moves = rng.normal(size=(9, *VOLUME))
        moves *= here.boundary_distance / np.linalg.norm(moves.reshape(9, -1), axis=1).max()
        x = start + np.concatenate([np.zeros((1, *VOLUME)), 0.9 * moves])
        ours = x.reshape(10, -1) @ here.weights.T + here.bias
        np.testing.assert_allclose(ours, oracle(x), atol=1e-12)
        line = nets.regions_along(net, start, stop)
        whole = nets.regions_along(net, start, stop, region="linear")
        edges = whole.edges
        assert len(whole) >= len(line) > 10
        at = edges[:-1] + np.outer([0.05, 0.5, 0.95], np.diff(edges))
        y = oracle(start + at.reshape(-1, 1, 1, 1, 1) * (stop - start))
        y = y.reshape(3, len(whole), -1)
        np.testing.assert_allclose(y[1], (y[0] + y[2]) / 2, atol=1e-12)


def test_what_jumps_or_is_not_followed_is_named_so():
    for layer, reason in (
        (kl.Activation("hard_shrink"), "applies hard_shrink, which jumps"),
        (lambda x: keras.ops.sort(x), r"\(Sort\), which bends where it is not followed"),
        (kl.Activation("sparsemax"), "applies sparsemax, which bends where"),
        (kl.Masking(), "applies not_equal, which jumps"),
        (kl.SimpleRNN(2, activation="relu"), "is recurrent"),
    ):
        with pytest.raises(ValueError, match=reason):
            geometry.region(net_around(LENGTH, layer), np.zeros(LENGTH))


def test_outputs_of_every_shape():
    inputs = keras.Input((4,))
    x = kl.Dense(6, "relu")(inputs)
    outputs = [kl.Dense(2)(x), kl.Reshape((2, 3))(kl.Dense(6)(x)), {"one": kl.Dense(1)(x)}]
    x = np.random.default_rng(0).normal(size=4)
    for output in outputs:
        net = keras.Model(inputs, output)
        here = geometry.region(net, x)
        y = keras.tree.flatten(net(x[None]))[0]
        np.testing.assert_allclose(
            here.weights @ x + here.bias, np.ravel(keras.ops.convert_to_numpy(y)), atol=1e-12
        )
    several = geometry.region(keras.Model(inputs, outputs[:2]), x)
    assert len(several.facets) > 0
    with pytest.raises(ValueError, match="Expected a model with one output"):
        print(several.weights)


def test_group_normalization_is_named():
    net = net_around(IMAGE, kl.GroupNormalization(2))
    with pytest.raises(ValueError, match="GroupNormalization"):
        geometry.region(net, np.zeros(IMAGE))
