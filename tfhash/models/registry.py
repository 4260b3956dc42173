"""The convolutional networks of the paper's tables, by name and dataset."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tfhash.errors import InputError
from tfhash.models import resnet, vgg
from tfhash.models.densenet import densenet_small
from tfhash.models.resnext import resnext_small

if TYPE_CHECKING:
    import keras

Build = Callable[..., "keras.Model"]

_MNIST: dict[str, Build] = {
    "vgg18": partial(vgg.vgg_small, groups=vgg.VGG_18),
    "resnet18": partial(resnet.resnet_small, stages=resnet.MNIST_18),
    "resnet34": partial(resnet.resnet_small, stages=resnet.MNIST_34),
    "resnext26": resnext_small,
    "densenet28": densenet_small,
}
_CIFAR10: dict[str, Build] = {
    "vgg16": partial(vgg.vgg, groups=vgg.VGG_16),
    "vgg19": partial(vgg.vgg, groups=vgg.VGG_19),
    "resnet18": partial(resnet.resnet, stages=resnet.CIFAR10_18),
    "resnet20": partial(resnet.resnet, stages=resnet.CIFAR10_20),
    "resnet32": partial(resnet.resnet, stages=resnet.CIFAR10_32),
    "resnet56": partial(resnet.resnet, stages=resnet.CIFAR10_56),
}
ARCHITECTURES: dict[str, dict[str, Build]] = {
    "mnist": _MNIST,
    "cifar10": _CIFAR10,
    # Not in the paper; these are too small for what DenseNet-28 does to them.
    "digits": {name: build for name, build in _MNIST.items() if name != "densenet28"},
}
# As the paper's tables call them.
TITLES = {
    "vgg16": "VGG-16",
    "vgg18": "VGG-18",
    "vgg19": "VGG-19",
    "resnet18": "ResNet-18",
    "resnet20": "ResNet-20",
    "resnet32": "ResNet-32",
    "resnet34": "ResNet-34",
    "resnet56": "ResNet-56",
    "resnext26": "ResNeXt-26",
    "densenet28": "DenseNet-28",
}


def check_architecture(architecture: str, dataset: str) -> str:
    """The name of `architecture` as it is kept ("resnet18"), however it is written ("ResNet-18").

    Raises
    ------
    InputError
        There is none of that name for `dataset`; near ones are named.
    """
    if dataset not in ARCHITECTURES:
        raise InputError(
            f"Expected a dataset among {', '.join(ARCHITECTURES)}. Received: {dataset!r}."
        )
    known = ARCHITECTURES[dataset]
    name = architecture.lower().replace("-", "").replace("_", "")
    if name not in known:
        near = difflib.get_close_matches(name, known, n=2)
        elsewhere = [other for other, nets in ARCHITECTURES.items() if name in nets]
        raise InputError(
            f"Expected an architecture for {dataset} among {', '.join(known)}"
            + (f" (near: {', '.join(near)})" if near else "")
            + f". Received: {architecture!r}"
            + (f", which is for {', '.join(elsewhere)}." if elsewhere else ".")
        )
    return name


def cnn(
    architecture: str,
    dataset: str,
    input_shape: Sequence[int],
    n_classes: int = 10,
    l2: float = 0.0,
    seed: int | Sequence[int] | None = None,
) -> keras.Model:
    """An uncompiled convolutional network of the paper's Table 3 (MNIST) or 4 (CIFAR-10).

    Every convolution is followed by batch normalization and ReLU, unless it closes a residual
    block, where the ReLU follows the addition. It ends in logits: train it with a loss that has
    `from_logits=True`. The neural code is what `relu_1`, `relu_2`, ... give.

    Parameters
    ----------
    architecture
        Name, as in `ARCHITECTURES[dataset]`.
    dataset
        "mnist", "cifar10" or "digits": "resnet18" is another network for each.
    input_shape
        Shape of one image, [height, width] or [height, width, channels].
    n_classes
        Number of logits.
    l2
        Weight of the sum of squared kernel weights in the loss.
    seed
        The same seed gives the same initial weights. None draws new ones each time.

    Raises
    ------
    InputError
        There is no such network.
    """
    name = check_architecture(architecture, dataset)
    return ARCHITECTURES[dataset][name](input_shape, n_classes, l2=l2, seed=seed)
