"""Datasets with a chosen number of factors: principal components, and made-up Gaussian ones."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from tfhash import datasets
from tfhash.datasets import DatasetError
from tfhash.datasets.dataset import in_unit_range


def centered(x: np.ndarray) -> np.ndarray:
    rows = x.reshape(len(x), -1).astype(np.float64)
    return rows - rows.mean(axis=0)


def rank(x: np.ndarray) -> int:
    """Singular values that are not rounding."""
    values = np.linalg.svd(centered(x), compute_uv=False)
    return int((values > 1e-3 * values[0]).sum())


def test_components_are_those_of_scikit_learn():
    digits = datasets.load("digits")
    few = digits.with_factors(7)
    pca = PCA(7, svd_solver="full").fit(digits.x_train.reshape(-1, 64).astype(np.float64))
    kept = [
        pca.inverse_transform(pca.transform(x.reshape(-1, 64)))
        for x in (digits.x_train, digits.x_test)
    ]
    low, high = min(one.min() for one in kept), max(one.max() for one in kept)
    for one, found in zip(kept, (few.x_train, few.x_test), strict=True):
        expected = (one - low) / (high - low)
        np.testing.assert_allclose(found.reshape(-1, 64), expected, atol=2e-6)
    assert rank(few.x_train) == 7 and few.input_shape == (8, 8)
    np.testing.assert_array_equal(few.y_test, digits.y_test)


def test_the_last_number_is_kept_and_others_are_made():
    digits = datasets.load("digits")
    five = digits.with_factors(5)
    assert digits.with_factors(5) is five
    assert digits.with_factors(6) is not five
    for n in (0, 65):
        with pytest.raises(DatasetError, match="from 1 to 64 factors"):
            digits.with_factors(n)


def test_both_splits_are_mapped_alike():
    train, test = in_unit_range(np.float32([[1, 3]]), np.float32([[2, 5]]))
    np.testing.assert_array_equal(train, [[0, 0.5]])
    np.testing.assert_array_equal(test, [[0.25, 1]])
    flat = np.full((2, 2), 3, np.float32)
    np.testing.assert_array_equal(in_unit_range(flat, flat)[0], 0)


def test_gaussian_factors():
    """Made anew for each number, not cut from the 100 that `load` gives; classes can be told."""
    data = datasets.load("gaussian_factors")
    few = data.with_factors(10)
    assert rank(few.x_train[:2000]) == 10
    assert few.x_train.shape == (12_000, 25, 40) and few.x_test.shape == (10_000, 25, 40)
    assert np.all(np.bincount(few.y_train) > 1000) and few.n_classes == 10
    # The nearest of the class means, of which those of chance name a tenth.
    rows = few.x_train.reshape(-1, 1000)
    means = np.stack([rows[few.y_train == label].mean(axis=0) for label in range(10)])
    tests = few.x_test[:1000].reshape(-1, 1000)
    named = ((tests[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert np.mean(named == few.y_test[:1000]) > 0.3
    with pytest.raises(DatasetError, match="from 4 to 1000 factors"):
        data.with_factors(3)
    with pytest.raises(DatasetError, match="all 12,000 training"):
        data.subset(100, 0).with_factors(10)
    few_classes = few.with_classes(3)
    assert set(few_classes.y_train) == {0, 1, 2} and rank(few_classes.x_train[:500]) == 10
