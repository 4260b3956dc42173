"""Small random models of many kinds, each with a float64 reading of its pre-activations.

`models()` is a hypothesis strategy. Everything it knows of a model's values is computed by NumPy
in float64 from the model's weights: Keras's layers are built and never asked.
"""

import functools
import math
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from hypothesis import strategies as st
from keras import layers as kl
from keras import ops
from scipy import special

Array = np.ndarray
# Of a policy's numbers: what the last layers' sums may be off by, relative to their size.
ROUNDING = {"float32": 1e-5, "float64": 1e-13, "mixed_float16": 1e-2, "mixed_bfloat16": 8e-2}


class Generated(NamedTuple):
    """A model and what it computes at inference.

    Attributes
    ----------
    model : keras.Model
        Functional or Sequential, built.
    x : float32 or float64 [n, *input shape]
    pre_activations : list of float64 [n, *shape]
        For each call with an activation, in order: what the activation is applied to.
    outputs : float64 [n, 2]
        The model's.
    rounding : float
        Pre-activations below `rounding` times the largest of their unit's call may have
        another sign in the model's own precision.
    policy : str
        The dtype policy of all layers.
    read : function of (float64 [n, *input shape], list)
        Gives the outputs at other points, and appends to the list their pre-activations.
    """

    model: keras.Model
    x: Array
    pre_activations: list[Array]
    outputs: Array
    rounding: float
    policy: str
    read: Callable[[Array, list[Array]], Array]


class Activation(NamedTuple):
    """One activation function, as Keras takes it and in NumPy.

    Attributes
    ----------
    function : of float64 arrays
    apply : of a symbolic tensor
    argument : what a layer's `activation=` takes for it; None where it has no such form
    """

    function: Callable[[Array], Array]
    apply: Callable[[Any], Any]
    argument: Any = None


Step = Callable[[Array, list[Array]], Array]


@st.composite
def models(draw: st.DrawFn, piecewise_linear: bool = False, policies: Any = None) -> Generated:
    """Models of the kinds that users bring.

    Parameters
    ----------
    piecewise_linear : bool
        Only activations that are piecewise linear and continuous, and no state: what geometry
        takes.
    policies : sequence of str, optional
        The dtype policies to draw from; by default float32 (mostly), float64 and mixed ones.
    """
    policy = draw(st.sampled_from(policies or ["float32"] * 4 + sorted(ROUNDING)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    chain = _Chain(draw, rng, policy, piecewise_linear)
    kinds = ["flat", "flat", "image"] + ([] if piecewise_linear else ["steps"])
    kind = draw(st.sampled_from(kinds))
    state = random.getstate()  # Keras draws seeds from there, which hypothesis would warn of
    getattr(chain, kind)()
    model = chain.finish()
    random.setstate(state)
    _draw_weights(model, rng)
    n = 2 * chain.batch if chain.batch else 9
    x = rng.normal(size=(n, *model.input_shape[1:]))
    x = x.astype("float64" if policy == "float64" else "float32")
    seen: list[Array] = []
    outputs = chain.read(x.astype("float64"), seen)
    return Generated(model, x, seen, outputs, ROUNDING[policy], policy, chain.read)


class _Chain:
    """A model that grows layer by layer, and beside it the same in NumPy."""

    def __init__(
        self, draw: st.DrawFn, rng: np.random.Generator, policy: str, piecewise_linear: bool
    ) -> None:
        self._draw, self._rng, self._policy = draw, rng, policy
        self._piecewise_linear = piecewise_linear
        self._steps: list[Step] = []
        self.batch: int | None = None
        self._tensor: keras.KerasTensor

    # Beginnings.

    def flat(self) -> None:
        self._begin((self._int(2, 6),))
        self._flat_blocks(self._int(1, 3))

    def image(self) -> None:
        self._begin((self._int(5, 7), self._int(5, 7), self._int(1, 2)))
        if self._bool():
            self._augment()
        for _ in range(self._int(1, 2)):
            self._one_of(self._conv, self._conv, self._norm_act, self._pool, self._prelu_shared)()
        self._layer(kl.Flatten, _numpy=lambda layer, z: z.reshape(len(z), -1))
        self._flat_blocks(1)

    def steps(self) -> None:
        kind = self._one_of("steps", "rnn", "stateful")
        self.batch = 4 if kind == "stateful" else None
        self._begin((3, self._int(2, 4)), self.batch)
        if kind == "steps":
            self._time_distributed()
            self._layer(kl.Flatten, _numpy=lambda layer, z: z.reshape(len(z), -1))
        else:
            self._rnn(kind == "stateful")
        self._flat_blocks(1)

    def finish(self) -> keras.Model:
        self._layer(kl.Dense, 2, _numpy=_dense)
        return keras.Model(self._input, self._tensor)

    def read(self, x: Array, seen: list[Array]) -> Array:
        for step in self._steps:
            x = step(x, seen)
        return x

    # Blocks.

    def _flat_blocks(self, n: int) -> None:
        for _ in range(n):
            self._one_of(
                self._dense_act,
                self._dense_act,
                self._norm_act,
                self._noise,
                self._residual,
                self._nested,
                self._shared,
                self._custom,
            )()
        self._dense_act()

    def _dense_act(self) -> None:
        self._with_activation(kl.Dense, self._int(2, 9), _numpy=_dense)

    def _conv(self) -> None:
        strides, padding = self._int(1, 2), self._one_of("valid", "same")
        if self._tensor.shape[1] < 3 or self._tensor.shape[2] < 3:
            padding = "same"
        depthwise = self._bool()
        self._with_activation(
            kl.DepthwiseConv2D if depthwise else kl.Conv2D,
            *([3] if depthwise else [self._int(1, 3), 3]),
            strides=strides,
            padding=padding,
            _numpy=functools.partial(_conv2d, depthwise=depthwise),
        )

    def _norm_act(self) -> None:
        self._layer(kl.BatchNormalization, _numpy=_batch_norm, **self._flag())
        self._activate()

    def _noise(self) -> None:
        kind = self._one_of(kl.Dropout, kl.GaussianNoise, kl.GaussianDropout)
        self._layer(kind, 0.4, _numpy=lambda layer, z: z, **self._flag())

    def _augment(self) -> None:
        kind, args = self._one_of(
            (kl.RandomFlip, ()), (kl.RandomContrast, (0.9,)), (kl.RandomTranslation, (0.3, 0.3))
        )
        if not self._piecewise_linear:
            self._layer(kind, *args, _numpy=lambda layer, z: z, **self._flag())

    def _pool(self) -> None:
        largest = self._bool()
        self._layer(
            kl.MaxPooling2D if largest else kl.AveragePooling2D,
            2,
            padding="same",
            strides=1,
            _numpy=functools.partial(_pool, largest=largest),
        )

    def _residual(self) -> None:
        before, start = self._tensor, len(self._steps)
        self._dense_act()
        self._layer(kl.Dense, before.shape[-1], _numpy=_dense)
        branch = self._steps[start:]
        del self._steps[start:]

        def step(z: Array, seen: list[Array]) -> Array:
            y = z
            for part in branch:
                y = part(y, seen)
            return z + y

        self._tensor = kl.Add(dtype=self._policy)([before, self._tensor])
        self._steps.append(step)
        self._activate()

    def _nested(self) -> None:
        """A model in the model, called once or twice."""
        outer, start = self._tensor, len(self._steps)
        inner_input = keras.Input(outer.shape[1:], dtype=outer.dtype)
        self._tensor = inner_input
        self._one_of(self._dense_act, self._noise)()
        self._with_activation(kl.Dense, outer.shape[-1], _numpy=_dense)
        inner = keras.Model(inner_input, self._tensor)
        if self._bool():
            inner = keras.Sequential([inner_input, inner])
        self._tensor, steps = outer, self._steps[start:]
        del self._steps[start:]
        for _ in range(self._int(1, 2)):
            self._tensor = inner(self._tensor, **self._flag()["call"])
            self._steps += steps

    def _shared(self) -> None:
        """A layer called at two places."""
        act = self._activation(of_layer=True)
        dense = kl.Dense(self._tensor.shape[-1], dtype=self._policy)
        for _ in range(2):
            self._tensor = act.apply(dense(self._tensor))
            self._steps += [_step(_dense, dense), _seen(act)]

    def _custom(self) -> None:
        act = self._activation(of_layer=True)
        layer = Residual(self._tensor.shape[-1], act.apply, dtype=self._policy)
        self._tensor = layer(self._tensor, **self._flag()["call"])

        def step(z: Array, seen: list[Array]) -> Array:
            before = _dense(layer.first, z)
            seen.append(before)
            y = _dense(layer.second, act.function(before))
            seen.append(z + y)
            return np.maximum(z + y, 0)

        self._steps.append(step)

    def _time_distributed(self) -> None:
        outer, start = self._tensor, len(self._steps)
        n_steps, *shape = outer.shape[1:]
        inner_input = keras.Input(shape, dtype=outer.dtype)
        self._tensor = inner_input
        self._dense_act()
        self._dense_act()
        inner = keras.Model(inner_input, self._tensor)
        steps = self._steps[start:]
        del self._steps[start:]
        self._tensor = kl.TimeDistributed(inner, dtype=self._policy)(outer)

        def step(z: Array, seen: list[Array]) -> Array:
            outs = []
            for t in range(n_steps):
                y = z[:, t]
                for part in steps:
                    y = part(y, seen)
                outs.append(y)
            return np.stack(outs, axis=1)

        self._steps.append(step)

    def _rnn(self, stateful: bool) -> None:
        self._layer(kl.SimpleRNN, self._int(2, 5), stateful=stateful, _numpy=_simple_rnn)

    def _prelu_shared(self) -> None:
        layer = kl.PReLU(shared_axes=[1, 2], dtype=self._policy)
        self._tensor = layer(self._tensor)
        self._steps.append(_seen(Activation(_prelu(layer), layer)))

    # Parts of blocks.

    def _with_activation(self, kind: type, *args: Any, _numpy: Any, **kwargs: Any) -> None:
        """A layer and its activation: an argument of it, or a call of its own."""
        act = self._activation()
        if act.argument is not None and self._bool():
            self._layer(kind, *args, _numpy=_numpy, activation=act.argument, **kwargs)
            self._steps.append(_seen(act))
            return
        self._layer(kind, *args, _numpy=_numpy, **kwargs)
        self._tensor = act.apply(self._tensor)
        self._steps.append(_seen(act))

    def _activate(self) -> None:
        act = self._activation()
        self._tensor = act.apply(self._tensor)
        self._steps.append(_seen(act))

    def _layer(
        self, kind: type, *args: Any, _numpy: Any, call: dict[str, Any] | None = None, **kw: Any
    ) -> None:
        layer = kind(*args, dtype=self._policy, **kw)
        self._tensor = layer(self._tensor, **(call or {}))
        self._steps.append(_step(_numpy, layer))

    def _begin(self, shape: tuple[int, ...], batch: int | None = None) -> None:
        dtype = "float64" if self._policy == "float64" else "float32"
        self._input = self._tensor = keras.Input(batch_shape=(batch, *shape), dtype=dtype)

    def _flag(self) -> dict[str, dict[str, bool]]:
        flag = self._draw(st.sampled_from([None, True, False]))
        return {"call": {} if flag is None else {"training": flag}}

    def _activation(self, of_layer: bool = False) -> Activation:
        families = [_relu, _bent_relu, _leaky_relu, _prelu_layer]
        if not self._piecewise_linear:
            families += [_smooth, _smooth, _elu]
        return self._one_of(*families)(self._draw, self._policy, of_layer, self._piecewise_linear)

    def _int(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def _bool(self) -> bool:
        return self._draw(st.booleans())

    def _one_of(self, *choices: Any) -> Any:
        return choices[self._draw(st.integers(0, len(choices) - 1))]


@keras.saving.register_keras_serializable("tests")
class Residual(kl.Layer):
    """A layer of a user's own, of layers, a flag and functions."""

    def __init__(self, units: int, act: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.act = act
        self.first = kl.Dense(units, dtype=self.dtype_policy)
        self.drop = kl.Dropout(0.5, dtype=self.dtype_policy)
        self.second = kl.Dense(units, dtype=self.dtype_policy)

    def call(self, x: Any, training: bool | None = None) -> Any:
        y = self.drop(self.act(self.first(x)), training=training)
        return ops.relu(ops.add(x, self.second(y)))


# Activations: each draws its parameters and one of the forms in which users write it.


def _relu(draw: st.DrawFn, policy: str, of_layer: bool, piecewise: bool) -> Activation:
    forms = [kl.ReLU(dtype=policy), kl.Activation("relu", dtype=policy)]
    if not of_layer:
        forms += [ops.relu, keras.activations.relu, lambda x: ops.maximum(x, 0.0)]
    argument = draw(st.sampled_from(["relu", keras.activations.relu]))
    return Activation(lambda z: np.maximum(z, 0), draw(st.sampled_from(forms)), argument)


def _bent_relu(draw: st.DrawFn, policy: str, of_layer: bool, piecewise: bool) -> Activation:
    slope = draw(st.sampled_from([-0.5, -0.125, 0.0, 0.25]))
    cap = draw(st.sampled_from([None, 6.0, 1.0]))
    threshold = 0.0 if piecewise else draw(st.sampled_from([0.0, 0.0, 0.5]))
    parameters = {"negative_slope": slope, "max_value": cap, "threshold": threshold}
    argument = functools.partial(keras.activations.relu, **parameters)
    if slope >= 0 and draw(st.booleans()):
        layer = kl.ReLU(dtype=policy, **parameters)
    else:
        layer = kl.Activation(argument, dtype=policy)

    def function(z: Array) -> Array:
        # The cap is one of the upper piece alone, as Keras computes it.
        upper = z if cap is None else np.minimum(z, cap)
        return np.where(z > threshold, upper, slope * (z - threshold))

    return Activation(function, layer if of_layer or draw(st.booleans()) else argument, argument)


def _leaky_relu(draw: st.DrawFn, policy: str, of_layer: bool, piecewise: bool) -> Activation:
    slope = draw(st.sampled_from([-1.5, -0.25, 0.0, 0.25, 1.5]))
    argument = functools.partial(keras.activations.leaky_relu, negative_slope=slope)
    layer = kl.Activation(argument, dtype=policy)
    if slope >= 0 and draw(st.booleans()):
        layer = kl.LeakyReLU(negative_slope=slope, dtype=policy)
        argument = kl.LeakyReLU(negative_slope=slope, dtype=policy)
    bare = functools.partial(ops.leaky_relu, negative_slope=slope)
    return Activation(
        lambda z: np.where(z > 0, z, slope * z),
        layer if of_layer or draw(st.booleans()) else bare,
        argument,
    )


def _prelu_layer(draw: st.DrawFn, policy: str, of_layer: bool, piecewise: bool) -> Activation:
    layer = kl.PReLU(dtype=policy)
    return Activation(_prelu(layer), layer)


def _prelu(layer: kl.PReLU) -> Callable[[Array], Array]:
    return lambda z: np.where(z > 0, z, _weights(layer)[0] * z)


def _elu(draw: st.DrawFn, policy: str, of_layer: bool, piecewise: bool) -> Activation:
    alpha = draw(st.sampled_from([-1.5, -0.5, 0.5, 1.0]))
    if draw(st.booleans()):
        argument = functools.partial(keras.activations.elu, alpha=alpha)
        function = lambda z: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))  # noqa: E731
    else:
        alpha = abs(alpha)
        argument = functools.partial(keras.activations.celu, alpha=alpha)
        function = lambda z: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0) / alpha))  # noqa: E731
    return Activation(function, kl.Activation(argument, dtype=policy), argument)


def _smooth(draw: st.DrawFn, policy: str, of_layer: bool, piecewise: bool) -> Activation:
    name = draw(st.sampled_from(sorted(SMOOTH)))
    argument: Any = name
    function = SMOOTH[name]
    if name == "squareplus":
        b = draw(st.sampled_from([1, 4, 16]))
        argument = functools.partial(keras.activations.squareplus, b=b)
        function = lambda z: (z + np.sqrt(z * z + b)) / 2  # noqa: E731
    return Activation(function, kl.Activation(argument, dtype=policy), argument)


def _selu(z: Array) -> Array:
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    return scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


SMOOTH: dict[str, Callable[[Array], Array]] = {
    "gelu": lambda z: z * special.ndtr(z),
    "hard_silu": lambda z: z * np.clip(z / 6 + 0.5, 0, 1),
    "mish": lambda z: z * np.tanh(np.logaddexp(0, z)),
    "selu": _selu,
    "silu": lambda z: z * special.expit(z),
    "softplus": lambda z: np.logaddexp(0, z),
    "sparse_plus": lambda z: np.where(z <= -1, 0, np.where(z < 1, (z + 1) ** 2 / 4, z)),
    "squareplus": lambda z: (z + np.sqrt(z * z + 4)) / 2,
}


# Layers in NumPy: functions of the Keras layer, for its weights, and a float64 array.


def _step(function: Callable[[Any, Array], Array], layer: Any) -> Step:
    return lambda z, seen: function(layer, z)


def _seen(act: Activation) -> Step:
    def step(z: Array, seen: list[Array]) -> Array:
        seen.append(z)
        return act.function(z)

    return step


def _weights(layer: Any) -> list[Array]:
    return [weight.numpy().astype("float64") for weight in layer.weights]


def _dense(layer: Any, z: Array) -> Array:
    kernel, bias = _weights(layer)
    return z @ kernel + bias


def _windows(z: Array, size: int, strides: int, padding: str, fill: float) -> Array:
    """[n, height, width, channels, size, size]"""
    if padding == "same":
        pads = []
        for length in z.shape[1:3]:
            total = max(0, (math.ceil(length / strides) - 1) * strides + size - length)
            pads.append((total // 2, total - total // 2))
        z = np.pad(z, ((0, 0), *pads, (0, 0)), constant_values=fill)
    windows = np.lib.stride_tricks.sliding_window_view(z, (size, size), axis=(1, 2))
    return windows[:, ::strides, ::strides]


def _conv2d(layer: Any, z: Array, depthwise: bool) -> Array:
    kernel, bias = _weights(layer)
    windows = _windows(z, 3, layer.strides[0], layer.padding, 0.0)
    if depthwise:
        out = np.einsum("nhwcij,ijcm->nhwcm", windows, kernel)
        return out.reshape(*out.shape[:3], -1) + bias
    return np.einsum("nhwcij,ijcf->nhwf", windows, kernel) + bias


def _pool(layer: Any, z: Array, largest: bool) -> Array:
    if largest:
        return _windows(z, 2, 1, "same", -np.inf).max(axis=(-2, -1))
    ones = _windows(np.ones_like(z), 2, 1, "same", 0.0).sum(axis=(-2, -1))
    return _windows(z, 2, 1, "same", 0.0).sum(axis=(-2, -1)) / ones


def _batch_norm(layer: Any, z: Array) -> Array:
    gamma, beta, mean, variance = _weights(layer)
    return gamma * (z - mean) / np.sqrt(variance + layer.epsilon) + beta


def _simple_rnn(layer: Any, z: Array) -> Array:
    kernel, recurrent, bias = _weights(layer)
    state = np.zeros((len(z), kernel.shape[1]))
    if layer.stateful:  # every batch starts from the state that the model has
        held = layer.states[0].numpy().astype("float64")
        state = np.tile(held, (len(z) // len(held), 1))
    for t in range(z.shape[1]):
        state = np.tanh(z[:, t] @ kernel + state @ recurrent + bias)
    return state


def _draw_weights(model: keras.Model, rng: np.random.Generator) -> None:
    """Weights, moving statistics and states as if trained."""
    for variable in model.variables:
        if "seed_generator" in variable.path or not variable.shape:
            continue
        values = rng.normal(size=variable.shape)
        if "variance" in variable.path:
            values = rng.uniform(0.5, 2, variable.shape)
        elif "kernel" in variable.path:
            values /= math.sqrt(max(1, math.prod(variable.shape[:-1])))
        else:
            values *= 0.5
        variable.assign(values)
