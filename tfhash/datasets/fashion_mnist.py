"""Fashion-MNIST as published: four IDX files that are called as MNIST's are."""

from __future__ import annotations

from dataclasses import replace

from tfhash.datasets import mnist
from tfhash.datasets.idx import IdxFiles

# As Keras publishes and caches them; the same bytes as the authors'.
_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_FOLDER = "fashion-mnist"
_SHA256 = {
    "train-images-idx3-ubyte": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
_IDX = IdxFiles(
    title="Fashion-MNIST",
    folders=(_FOLDER, "fashion_mnist", "FashionMNIST/raw", "fashion", "data/fashion"),
)


RECORD = replace(
    mnist.RECORD,
    name="fashion_mnist",
    title="Fashion-MNIST",
    like="mnist",
    source=_IDX.source("fashion_mnist", 10, _URL, _FOLDER, _SHA256),
)
