"""The convolutional network of Choi et al.: four convolutions, then a multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash.models.mlp import mlp

if TYPE_CHECKING:
    import keras

# Filters of each convolution, and whether a max-pooling comes after it (Table 7).
CONVOLUTIONS = ((32, False), (64, True), (128, True), (128, True))
_SEED = 1  # keeps the kernels' draws apart from those of the dense layers


def convolutional(
    input_shape: Sequence[int],
    width: int,
    depth: int,
    n_classes: int,
    seed: int | Sequence[int] | None = None,
    **options: Any,
) -> keras.Model:
    """An uncompiled network that ends in logits: `conv_1` to `conv_4`, each with ReLU, then `mlp`.

    3x3, 32; 3x3, 64; max-pool 2x2; 3x3, 128; max-pool 2x2; 3x3, 128; max-pool 2x2; dense. All
    strides are 1. The paper does not say how images are padded: here so that they keep their size.

    Parameters
    ----------
    input_shape
        Shape of one image, [height, width] or [height, width, channels], at least 8 pixels each
        way.
    width, depth, n_classes, seed, options
        As `mlp` takes them, for what comes behind the convolutions.

    Raises
    ------
    ValueError
        As `mlp` raises, and for other input shapes.
    """
    if len(input_shape) not in (2, 3) or min(input_shape[:2]) < 8:
        raise ValueError(
            "Expected images of shape [height, width] or [height, width, channels], at least 8 "
            f"pixels each way. Received: {list(input_shape)}."
        )
    from keras import Input, Sequential, initializers, layers

    pooled = 2 ** sum(pools for _, pools in CONVOLUTIONS)
    features = (input_shape[0] // pooled, input_shape[1] // pooled, CONVOLUTIONS[-1][0])
    behind = mlp(features, width, depth, n_classes, seed=seed, **options)
    base = [seed] if isinstance(seed, int) else seed
    drawn = np.random.SeedSequence(None if base is None else [*base, _SEED])
    seeds = drawn.generate_state(len(CONVOLUTIONS))
    stack = [Input(tuple(input_shape), name="image")]
    if len(input_shape) == 2:
        stack.append(layers.Reshape((*input_shape, 1), name="channel"))
    for i, (filters, pools) in enumerate(CONVOLUTIONS, start=1):
        stack.append(
            layers.Conv2D(
                filters,
                3,
                padding="same",
                activation="relu",
                kernel_initializer=initializers.GlorotUniform(seed=int(seeds[i - 1] >> 1)),
                name=f"conv_{i}",
            )
        )
        if pools:
            stack.append(layers.MaxPooling2D(2, name=f"pool_{i}"))
    return Sequential([*stack, *behind.layers], name="convolutional")
