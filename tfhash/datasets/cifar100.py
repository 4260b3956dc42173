"""CIFAR-100 as published: the folder `cifar-100-python` of Python pickles, with its fine labels."""

from __future__ import annotations

from dataclasses import replace

from tfhash.datasets import cifar10
from tfhash.datasets.cifar import CifarFiles

FOLDER = "cifar-100-python"
URL = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
SHA256 = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"

FILES = CifarFiles(
    name="cifar100",
    title="CIFAR-100",
    url=URL,
    folder=FOLDER,
    train={"train": 50_000},
    test={"test": 10_000},
    labels="fine_labels",
    n_classes=100,
    versions={"train.bin": "the binary version", "train.mat": "the MATLAB version"},
    version_folders=("cifar-100-binary", "cifar-100-matlab"),
)

RECORD = replace(
    cifar10.RECORD,
    name="cifar100",
    title="CIFAR-100",
    like="cifar10",
    n_classes=100,
    source=FILES.source(SHA256),
)
