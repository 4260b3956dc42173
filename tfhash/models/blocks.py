"""What convolutional networks are made of: convolutions, each followed by batch normalization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

MAX_LAYERS = 512  # with weights, in one network: seeds are drawn for that many


class Blocks:
    """Makes the layers of one network, each with a name, a seed and the regularizer it should have.

    Layers of a kind are numbered as they are made: `conv_1`, `batch_norm_1`, `relu_1`, `conv_2`,
    ... Kernels are drawn from He's normal distribution; convolutions have no bias, for the batch
    normalization after each has one.

    Parameters
    ----------
    l2
        Weight of the sum of squared kernel weights, of all layers, in the loss.
    seed
        The same seed gives the same initial weights. None draws new ones each time.

    Raises
    ------
    ValueError
        A negative `l2`.
    """

    def __init__(self, l2: float = 0.0, seed: int | Sequence[int] | None = None) -> None:
        if l2 < 0:
            raise ValueError(f"Expected l2 of at least 0. Received: {l2}.")
        self._l2 = l2
        self._seeds = iter(np.random.SeedSequence(seed).generate_state(MAX_LAYERS))
        self._counts: dict[str, int] = {}

    def image(self, input_shape: Sequence[int]) -> tuple[Any, Any]:
        """The input of a network, and the images with their channels: gray ones get one.

        Raises
        ------
        ValueError
            The shape is not [height, width] or [height, width, channels].
        """
        from keras import Input, layers

        if len(input_shape) not in (2, 3):
            raise ValueError(
                "Expected images of shape [height, width] or [height, width, channels]. "
                f"Received: {list(input_shape)}."
            )
        inputs = Input(tuple(input_shape), name="image")
        if len(input_shape) == 3:
            return inputs, inputs
        return inputs, layers.Reshape((*input_shape, 1), name="channel")(inputs)

    def conv(self, x: Any, filters: int, size: int, stride: int = 1, groups: int = 1) -> Any:
        """Convolution, batch normalization, ReLU."""
        return self.relu(self.linear_conv(x, filters, size, stride, groups))

    def linear_conv(self, x: Any, filters: int, size: int, stride: int = 1, groups: int = 1) -> Any:
        """Convolution and batch normalization, for the end of a residual block."""
        from keras import layers

        x = layers.Conv2D(
            filters,
            size,
            strides=stride,
            padding="same",
            groups=groups,
            use_bias=False,
            name=self._name("conv"),
            **self._kernel("HeNormal"),
        )(x)
        return layers.BatchNormalization(name=self._name("batch_norm"))(x)

    def relu(self, x: Any) -> Any:
        """ReLU: its outputs are a part of the neural code."""
        from keras import layers

        return layers.Activation("relu", name=self._name("relu"))(x)

    def add(self, x: Any, shortcut: Any) -> Any:
        """The end of a residual block: addition, then ReLU.

        Where the shapes differ, the shortcut goes through a 1x1 convolution with the stride that
        makes them equal, and batch normalization (He et al. 2016, option B).
        """
        from keras import layers

        if x.shape != shortcut.shape:
            stride = -(-shortcut.shape[1] // x.shape[1])
            shortcut = self.linear_conv(shortcut, x.shape[-1], 1, stride)
        return self.relu(layers.Add(name=self._name("add"))([x, shortcut]))

    def dense(self, x: Any, units: int) -> Any:
        """Dense layer, ReLU."""
        from keras import layers

        kernel = self._kernel("HeNormal")
        return self.relu(layers.Dense(units, name=self._name("dense"), **kernel)(x))

    def model(self, name: str, inputs: Any, features: Any, n_classes: int) -> keras.Model:
        """The network from `inputs` to logits: a linear layer on `features` comes last."""
        import keras

        kernel = self._kernel("GlorotUniform")
        logits = keras.layers.Dense(n_classes, name="logits", **kernel)(features)
        return keras.Model(inputs, logits, name=name)

    def _name(self, kind: str) -> str:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"{kind}_{self._counts[kind]}"

    def _kernel(self, initializer: str) -> dict[str, Any]:
        from keras import initializers, regularizers

        return {
            "kernel_initializer": getattr(initializers, initializer)(
                seed=int(next(self._seeds) >> 1)
            ),
            "kernel_regularizer": regularizers.L2(self._l2) if self._l2 else None,
        }


def stem(blocks: Blocks, x: Any) -> Any:
    """How all networks of Table 3 (MNIST) begin: 3x3, 32, stride 2, then max-pool 3x3, stride 2."""
    from keras import layers

    return layers.MaxPooling2D(3, strides=2, padding="same", name="pool")(blocks.conv(x, 32, 3, 2))


def average_pool(x: Any) -> Any:
    """Mean over the image, for each channel."""
    from keras import layers

    return layers.GlobalAveragePooling2D(name="average_pool")(x)
