"""VGG networks: plain chains of 3x3 convolutions (Simonyan & Zisserman, 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tfhash.models.blocks import Blocks, average_pool, stem

if TYPE_CHECKING:
    import keras

# (filters, convolutions) of each group.
VGG_18 = ((32, 4), (64, 4), (128, 4), (256, 4))
# The paper prints 32 for the first width of VGG-19; its scripts, and VGG itself, have 64.
VGG_16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
VGG_19 = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))


def vgg_small(
    input_shape: Sequence[int],
    n_classes: int,
    groups: Sequence[tuple[int, int]] = VGG_18,
    l2: float = 0.0,
    seed: int | Sequence[int] | None = None,
) -> keras.Model:
    """VGG for MNIST (He et al., Table 3), uncompiled, ending in logits.

    3x3, 32, stride 2; max-pool 3x3; (3x3, 32) x4; (3x3, 64) x4; (3x3, 128) x4; (3x3, 256) x4;
    average pool; 10-way. The table has no pooling between the groups, and neither has this.

    Parameters
    ----------
    input_shape
        Shape of one image, [height, width] or [height, width, channels].
    n_classes
        Number of logits.
    groups
        (filters, convolutions) of each group.
    l2, seed
        See `tfhash.models.blocks.Blocks`.
    """
    blocks = Blocks(l2, seed)
    inputs, x = blocks.image(input_shape)
    x = stem(blocks, x)
    for filters, convolutions in groups:
        for _ in range(convolutions):
            x = blocks.conv(x, filters, 3)
    return blocks.model("vgg_small", inputs, average_pool(x), n_classes)


def vgg(
    input_shape: Sequence[int],
    n_classes: int,
    groups: Sequence[tuple[int, int]] = VGG_19,
    dense: Sequence[int] = (4096, 4096),
    l2: float = 0.0,
    seed: int | Sequence[int] | None = None,
) -> keras.Model:
    """VGG for CIFAR-10 (He et al., Table 4), uncompiled, ending in logits.

    (3x3, 64) x2; (3x3, 128) x2; (3x3, 256) x4; (3x3, 512) x4; (3x3, 512) x4, each followed by
    max-pool 2x2; fc 4096; fc 4096; 10-way.

    Parameters
    ----------
    input_shape, n_classes, l2, seed
        As for `vgg_small`.
    groups
        (filters, convolutions) of each group.
    dense
        Units of the fully connected layers before the last, each followed by ReLU.
    """
    from keras import layers

    blocks = Blocks(l2, seed)
    inputs, x = blocks.image(input_shape)
    for i, (filters, convolutions) in enumerate(groups):
        for _ in range(convolutions):
            x = blocks.conv(x, filters, 3)
        x = layers.MaxPooling2D(2, name=f"pool_{i + 1}")(x)
    x = layers.Flatten(name="flatten")(x)
    for units in dense:
        x = blocks.dense(x, units)
    return blocks.model("vgg", inputs, x, n_classes)
