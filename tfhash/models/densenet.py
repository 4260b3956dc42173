"""DenseNet: each layer reads the outputs of all before it (Huang et al., 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tfhash.models.blocks import Blocks, average_pool, stem

if TYPE_CHECKING:
    import keras

DENSENET_28 = (4, 4, 4)  # pairs of convolutions in each dense block
GROWTH = 3


def densenet_small(
    input_shape: Sequence[int],
    n_classes: int,
    pairs: Sequence[int] = DENSENET_28,
    growth: int = GROWTH,
    l2: float = 0.0,
    seed: int | Sequence[int] | None = None,
) -> keras.Model:
    """DenseNet for MNIST (He et al., Table 3), uncompiled, ending in logits.

    3x3, 32, stride 2; max-pool 3x3; three dense blocks of [1x1 12; 3x3 3] x4, joined by conv 1x1
    and average-pool 2x2; average pool; 10-way.

    Here too every convolution is followed by batch normalization and ReLU. The table gives no
    width for the convolutions between the blocks: they keep the number of channels.

    Parameters
    ----------
    input_shape
        Shape of one image, [height, width] or [height, width, channels].
    n_classes
        Number of logits.
    pairs
        Pairs of convolutions in each dense block.
    growth
        Channels that each pair adds; its 1x1 convolution has four times as many filters.
    l2, seed
        See `tfhash.models.blocks.Blocks`.
    """
    from keras import layers

    blocks = Blocks(l2, seed)
    inputs, x = blocks.image(input_shape)
    x = stem(blocks, x)
    for i, n_pairs in enumerate(pairs):
        if i > 0:
            x = blocks.conv(x, x.shape[-1], 1)
            x = layers.AveragePooling2D(2, name=f"pool_{i}")(x)
        for j in range(n_pairs):
            y = blocks.conv(x, 4 * growth, 1)
            y = blocks.conv(y, growth, 3)
            x = layers.Concatenate(name=f"concatenate_{i + 1}_{j + 1}")([x, y])
    return blocks.model("densenet_small", inputs, average_pool(x), n_classes)
