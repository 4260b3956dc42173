"""ResNeXt: residual networks whose blocks have a convolution in groups (Xie et al., 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tfhash.models.blocks import Blocks, average_pool, stem

if TYPE_CHECKING:
    import keras

# (filters of the first two convolutions, blocks) of each stage; the third has twice the filters.
RESNEXT_26 = ((32, 2), (64, 3), (128, 3))
GROUPS = 8


def resnext_small(
    input_shape: Sequence[int],
    n_classes: int,
    stages: Sequence[tuple[int, int]] = RESNEXT_26,
    groups: int = GROUPS,
    l2: float = 0.0,
    seed: int | Sequence[int] | None = None,
) -> keras.Model:
    """ResNeXt for MNIST (He et al., Table 3), uncompiled, ending in logits.

    3x3, 32, stride 2; max-pool 3x3; blocks [1x1 32; 3x3 32, C = 8; 1x1 64] x2, [1x1 64; 3x3 64,
    C = 8; 1x1 128] x3, [1x1 128; 3x3 128, C = 8; 1x1 256] x3; average pool; 10-way.

    Parameters
    ----------
    input_shape
        Shape of one image, [height, width] or [height, width, channels].
    n_classes
        Number of logits.
    stages
        (filters, blocks) of each stage; from the second on, the 3x3 convolution of the first block
        halves the image.
    groups
        Groups of the 3x3 convolutions: the table's C.
    l2, seed
        See `tfhash.models.blocks.Blocks`.
    """
    blocks = Blocks(l2, seed)
    inputs, x = blocks.image(input_shape)
    x = stem(blocks, x)
    for stage, (filters, n_blocks) in enumerate(stages):
        for block in range(n_blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            y = blocks.conv(x, filters, 1)
            y = blocks.conv(y, filters, 3, stride, groups)
            y = blocks.linear_conv(y, 2 * filters, 1)
            x = blocks.add(y, x)
    return blocks.model("resnext_small", inputs, average_pool(x), n_classes)
