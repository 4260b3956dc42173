"""CIFAR-10 as published: the folder `cifar-10-batches-py` of Python pickles."""

from __future__ import annotations

from tfhash.datasets.cifar import SHAPE, CifarFiles
from tfhash.datasets.record import CnnTraining, MlpTraining, Record

FOLDER = "cifar-10-batches-py"
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
TRAIN_FILES = [f"data_batch_{i}" for i in range(1, 6)]
TEST_FILE = "test_batch"
PER_FILE = 10_000

FILES = CifarFiles(
    name="cifar10",
    title="CIFAR-10",
    url=URL,
    folder=FOLDER,
    train=dict.fromkeys(TRAIN_FILES, PER_FILE),
    test={TEST_FILE: PER_FILE},
    labels="labels",
    n_classes=10,
    versions={
        "data_batch_1.bin": "the binary version",
        "data_batch_1.mat": "the MATLAB version",
    },
    version_folders=("cifar-10-batches-bin", "cifar-10-batches-mat"),
)
find, load, read_batch = FILES.find, FILES.load, FILES.read_batch

RECORD = Record(
    name="cifar10",
    title="CIFAR-10",
    input_shape=SHAPE,
    n_classes=10,
    n_train=50_000,
    n_test=10_000,
    source=FILES.source(SHA256),
    mlp=MlpTraining(
        depth=5,
        # The scripts count the units of all 5 layers, 50 to 1000; width is per layer everywhere
        # here.
        widths=tuple(range(10, 201, 10)),
        repeats=10,
        epochs=200,
        batch_size=64,
        learning_rate=0.01,
        decay=0.1,
        decay_every=20,
        batch_norm=True,
    ),
    cnn=CnnTraining(optimizer="sgd", epochs=200, batch_size=64, decay_every=50.0, momentum=0.9),
    sample_sizes=(10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 40000),
)
