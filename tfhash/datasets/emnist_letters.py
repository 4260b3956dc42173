"""EMNIST's letters as published: four IDX files of the folder `gzip`, images on their side.

26 classes, upper and lower case together. The files hold every image transposed and labels 1 to 26;
here images are upright and labels 0 ("A") to 25 ("Z").
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tfhash.datasets import files, mnist
from tfhash.datasets.dataset import Dataset, from_pixels
from tfhash.datasets.idx import IdxFiles
from tfhash.datasets.record import Download, Files

_TITLE = "EMNIST letters"
_N_TRAIN, _N_TEST = 124_800, 20_800
_IDX = IdxFiles(
    title=_TITLE,
    folders=("gzip", "emnist", "emnist/gzip", "EMNIST/raw", "emnist_letters"),
    stems={
        "x_train": "emnist-letters-train-images-idx3-ubyte",
        "y_train": "emnist-letters-train-labels-idx1-ubyte",
        "x_test": "emnist-letters-test-images-idx3-ubyte",
        "y_test": "emnist-letters-test-labels-idx1-ubyte",
    },
    shapes={
        "x_train": (_N_TRAIN, 28, 28),
        "y_train": (_N_TRAIN,),
        "x_test": (_N_TEST, 28, 28),
        "y_test": (_N_TEST,),
    },
    own_names=True,
)


def load(folder: Path) -> Dataset:
    """Read and check the letters from the folder of their files.

    Raises
    ------
    DatasetError
        A file is missing, truncated, or does not hold what was published.
    """
    arrays = _IDX.read(folder)
    with files.reading(f"Expected {_TITLE} in {folder}.", "Take the published files again."):
        train, test = (
            (arrays[f"x_{split}"].transpose(0, 2, 1), _from_zero(split, arrays[f"y_{split}"]))
            for split in ("train", "test")
        )
        return from_pixels("emnist_letters", train, test, n_classes=26)


def _from_zero(split: str, labels: np.ndarray) -> np.ndarray:
    if labels.min() < 1 or labels.max() > 26:
        raise files.Unreadable(
            f"{split} labels from {labels.min()} to {labels.max()} in place of 1 to 26"
        )
    return labels - np.uint8(1)


RECORD = replace(
    mnist.RECORD,
    name="emnist_letters",
    title=_TITLE,
    like="mnist",
    n_classes=26,
    n_train=_N_TRAIN,
    n_test=_N_TEST,
    sample_sizes=(*mnist.RECORD.sample_sizes, _N_TRAIN),
    source=Files(
        published="its four IDX files, such as emnist-letters-train-images-idx3-ubyte.gz",
        downloads=(
            # All six parts of EMNIST in one archive, half a gigabyte.
            Download(
                url="https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",
                sha256="fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e",
                cached_as="emnist",
                unpack=True,
            ),
        ),
        find=_IDX.find,
        find_named=_IDX.find_named,
        load=load,
    ),
)
