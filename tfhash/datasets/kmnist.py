"""KMNIST (Kuzushiji-MNIST) as published: four IDX files that are called as MNIST's are."""

from __future__ import annotations

from dataclasses import replace

from tfhash.datasets import mnist
from tfhash.datasets.idx import IdxFiles

_URL = "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"
_FOLDER = "kmnist"
_SHA256 = {
    "train-images-idx3-ubyte": "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
    "train-labels-idx1-ubyte": "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
    "t10k-images-idx3-ubyte": "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
    "t10k-labels-idx1-ubyte": "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
}
_IDX = IdxFiles(title="KMNIST", folders=(_FOLDER, "KMNIST/raw", "kuzushiji-mnist"))


RECORD = replace(
    mnist.RECORD,
    name="kmnist",
    title="KMNIST",
    like="mnist",
    source=_IDX.source("kmnist", 10, _URL, _FOLDER, _SHA256),
)
