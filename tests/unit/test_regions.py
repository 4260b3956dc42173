"""Distinct codes: counted exactly, numbered by first appearance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import BIT_SIZES, ROW_SIZES, random_bits, region_ids
from tfhash import Codes, metrics


def assert_regions(bits):
    ids, counts = metrics.region_ids(bits)
    expected_ids, expected_counts = region_ids(np.asarray(bits, np.uint8))
    assert ids.dtype == np.int64 and counts.dtype == np.int64
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_array_equal(counts, expected_counts)
    assert metrics.count_regions(bits) == len(expected_counts)
    n = len(expected_ids)
    assert metrics.redundancy_ratio(bits) == (n - len(expected_counts)) / n


@pytest.mark.parametrize("n_bits", BIT_SIZES)
@pytest.mark.parametrize("n", ROW_SIZES[1:])
def test_regions_are_the_distinct_rows(n, n_bits):
    assert_regions(random_bits(n, n_bits, repeats=0.4))


@given(st.integers(1, 300), st.integers(1, 200), st.floats(0, 1), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_regions_for_any_size_and_share_of_repeats(n, n_bits, repeats, seed):
    assert_regions(random_bits(n, n_bits, seed, repeats))


def test_many_partitions_and_blocks():
    assert_regions(random_bits(100_000, 40, repeats=0.3))


@pytest.mark.parametrize("n_bits", (1, 2, 3, 12))
def test_few_regions(n_bits):
    assert_regions(random_bits(70_000, n_bits))


def test_codes_that_differ_in_one_bit_anywhere_are_distinct():
    n_bits = 700
    bits = np.concatenate([np.zeros((1, n_bits), np.uint8), np.eye(n_bits, dtype=np.uint8)])
    assert metrics.count_regions(bits) == n_bits + 1
    assert metrics.count_regions(1 - bits) == n_bits + 1
    assert metrics.redundancy_ratio(np.concatenate([bits, bits])) == 0.5


def test_all_equal():
    ids, counts = metrics.region_ids(np.ones((1000, 77), bool))
    assert not ids.any()
    assert counts.tolist() == [1000]


def test_codes_without_examples_or_bits_are_refused():
    for shape in ((0, 5), (5, 0)):
        for x in (np.zeros(shape, np.uint8), Codes.from_bits(np.zeros(shape, bool))):
            with pytest.raises(ValueError, match="at least one code of at least one bit"):
                metrics.region_ids(x)


def test_a_matrix_that_is_no_code_is_refused():
    with pytest.raises(ValueError, match="codes: Expected bits that are 0 or 1"):
        metrics.redundancy_ratio(np.array([[0, 2]], np.uint8))


def test_threads_are_set_and_checked():
    before = metrics.get_num_threads()
    metrics.set_num_threads(3)
    assert metrics.get_num_threads() == 3
    metrics.set_num_threads(before)
    for bad in (0, -1, 5000):
        with pytest.raises(ValueError, match="number of threads"):
            metrics.set_num_threads(bad)
    assert metrics.isa() in ("scalar", "neon", "avx2", "avx512")


def test_in_a_notebook_encoding_properties_are_a_table():
    measured = metrics.EncodingProperties(
        train_redundancy_ratio=0.0123, test_redundancy_ratio=0.0, logistic_accuracy=0.9
    )
    html = measured._repr_html_()
    assert "<td>1.23%</td><td>0.00%</td>" in html and "<td></td><td>90.00%</td>" in html
    assert "K-Means" not in html
