"""Residual networks of two-convolution blocks (He et al., 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfhash.models.blocks import Blocks, average_pool, stem

if TYPE_CHECKING:
    import keras

# (filters, blocks) of each stage.
MNIST_18 = ((32, 2), (64, 2), (128, 2), (256, 2))
MNIST_34 = ((32, 3), (64, 4), (128, 6), (256, 3))
CIFAR10_18 = ((64, 2), (128, 2), (256, 2), (512, 2))
CIFAR10_20 = ((16, 3), (32, 3), (64, 3))
CIFAR10_32 = ((16, 5), (32, 5), (64, 5))
CIFAR10_56 = ((16, 9), (32, 9), (64, 9))


def resnet_small(
    input_shape: Sequence[int],
    n_classes: int,
    stages: Sequence[tuple[int, int]] = MNIST_18,
    l2: float = 0.0,
    seed: int | Sequence[int] | None = None,
) -> keras.Model:
    """ResNet for MNIST (He et al., Table 3), uncompiled, ending in logits.

    3x3, 32, stride 2; max-pool 3x3; blocks [3x3 32, 3x3 32], [64, 64], [128, 128], [256, 256],
    x2 each in ResNet-18, x3, x4, x6, x3 in ResNet-34; average pool; 10-way. (The table prints 6
    for the first width of ResNet-18.)

    Parameters
    ----------
    input_shape
        Shape of one image, [height, width] or [height, width, channels].
    n_classes
        Number of logits.
    stages
        (filters, blocks) of each stage; from the second on, the first block halves the image.
    l2, seed
        See `tfhash.models.blocks.Blocks`.
    """
    blocks = Blocks(l2, seed)
    inputs, x = blocks.image(input_shape)
    x = _stages(blocks, stem(blocks, x), stages)
    return blocks.model("resnet_small", inputs, average_pool(x), n_classes)


def resnet(
    input_shape: Sequence[int],
    n_classes: int,
    stages: Sequence[tuple[int, int]] = CIFAR10_18,
    l2: float = 0.0,
    seed: int | Sequence[int] | None = None,
) -> keras.Model:
    """ResNet for CIFAR-10 (He et al., Table 4), uncompiled, ending in logits.

    ResNet-18: 3x3, 64; blocks [3x3 64, 3x3 64], [128, 128], [256, 256], [512, 512], x2 each;
    average pool; 10-way. ResNet-20, 32 and 56: 3x3, 16; blocks [16, 16], [32, 32], [64, 64], x3,
    x5 or x9 each.

    Parameters
    ----------
    input_shape, n_classes, stages, l2, seed
        As for `resnet_small`. The first convolution has as many filters as the first stage.
    """
    blocks = Blocks(l2, seed)
    inputs, x = blocks.image(input_shape)
    x = _stages(blocks, blocks.conv(x, stages[0][0], 3), stages)
    return blocks.model("resnet", inputs, average_pool(x), n_classes)


def _stages(blocks: Blocks, x: Any, stages: Sequence[tuple[int, int]]) -> Any:
    for stage, (filters, n_blocks) in enumerate(stages):
        for block in range(n_blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            y = blocks.conv(x, filters, 3, stride)
            y = blocks.linear_conv(y, filters, 3)
            x = blocks.add(y, x)
    return x
