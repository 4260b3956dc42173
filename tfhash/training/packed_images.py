"""Images as rows of pixels, in the least memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfhash.datasets import Dataset


@dataclass(frozen=True, eq=False)
class PackedImages:
    """The images of a dataset, those pixels last that are zero in all training images.

    Attributes
    ----------
    order : numpy.ndarray
        int64 [n_pixels], the pixels in the order they are in.
    n_live : int
        Number of those that are not zero in every training image.
    train, test : numpy.ndarray
        [n_train, n_live] and [n_test, n_pixels]: bytes where all pixels are whole 255ths, float32
        otherwise.
    """

    order: np.ndarray
    n_live: int
    train: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, data: Dataset, leave_out: bool) -> PackedImages:
        """The images of `data`; without `leave_out`, pixels that are always zero count as live."""
        train, test = (_bytes(x.reshape(len(x), -1)) for x in (data.x_train, data.x_test))
        if train.dtype != test.dtype:
            train, test = (x.reshape(len(x), -1) for x in (data.x_train, data.x_test))
        live = train.any(axis=0) | (not leave_out)
        order = np.argsort(~live, kind="stable")
        n_live = int(live.sum())
        return cls(order, n_live, train[:, order[:n_live]], test[:, order])


def _bytes(x: np.ndarray) -> np.ndarray:
    whole = np.round(x * 255).astype(np.uint8)
    return whole if np.array_equal(whole.astype(np.float32) / np.float32(255), x) else x
