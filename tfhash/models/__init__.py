"""Models: one file per family, each a function from sizes to an uncompiled `keras.Model`."""

from tfhash._extras import named_if_missing

with named_if_missing("tfhash.models"):
    from tfhash.models.convolutional import convolutional
    from tfhash.models.densenet import densenet_small
    from tfhash.models.mlp import mlp
    from tfhash.models.registry import ARCHITECTURES, TITLES, check_architecture, cnn
    from tfhash.models.resnet import resnet, resnet_small
    from tfhash.models.resnext import resnext_small
    from tfhash.models.vgg import vgg, vgg_small

__all__ = [
    "ARCHITECTURES",
    "TITLES",
    "check_architecture",
    "cnn",
    "convolutional",
    "densenet_small",
    "mlp",
    "resnet",
    "resnet_small",
    "resnext_small",
    "vgg",
    "vgg_small",
]
