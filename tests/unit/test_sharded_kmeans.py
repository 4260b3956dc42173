"""K-Means by shards is that of all codes together, to the bit."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from reference import random_bits
from tfhash import Codes, metrics
from tfhash.distributed.clustering import fit
from tfhash.distributed.shards import Part


class InMemory(Part):
    """A shard that is no file."""

    whole: Codes

    def codes(self):
        return self.whole[self.start : self.start + self.n]


def fitted_by_shards(estimator, codes, cuts):
    kind = type("Shard", (InMemory,), {"whole": codes})
    edges = [0, *sorted(cuts), len(codes)]
    parts = [kind("", a, b - a) for a, b in pairwise(edges) if b > a]
    estimator._keep(*fit(estimator, codes, parts, lambda f, *given: (f(p, *given) for p in parts)))
    return estimator


def check(bits, cuts, **options):
    codes = Codes.from_bits(bits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected = metrics.CodeKMeans(**options).fit(codes)
        found = fitted_by_shards(metrics.CodeKMeans(**options), codes, cuts)
    for name in ("labels_", "cluster_centers_", "_seeds"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for name in ("inertia_", "n_iter_"):
        assert getattr(found, name) == getattr(expected, name), name
    return found


@given(
    st.integers(1, 200),
    st.integers(1, 140),
    st.floats(0, 1),
    st.integers(1, 9),
    st.integers(1, 3),
    st.integers(1, 40),
    st.sampled_from((0.0, 1e-4, 0.05)),
    st.lists(st.integers(0, 200), max_size=3),
    st.integers(0, 99),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_any_codes_in_any_shards(n, n_bits, repeats, k, n_init, max_iter, tol, cuts, seed):
    check(
        random_bits(n, n_bits, seed, repeats),
        [min(cut, n) for cut in cuts],
        n_clusters=min(k, n),
        n_init=n_init,
        max_iter=max_iter,
        random_state=seed,
        tol=tol,
    )


def test_empty_clusters_and_bits_that_never_vary():
    centers = random_bits(5, 600, seed=3)
    bits = centers[np.random.default_rng(0).integers(0, 5, 900)]
    bits ^= np.random.default_rng(1).random(bits.shape) < 0.02
    bits[:, 40:170] = 1
    check(bits, [300, 777], n_clusters=20, n_init=2, max_iter=12, random_state=0)
    # More clusters than distinct codes.
    check(centers[np.arange(400) % 5], [100], n_clusters=9, n_init=2, random_state=0)


def test_parameters_are_checked_as_by_the_estimator():
    codes = Codes.from_bits(np.eye(5, dtype=np.uint8))
    with pytest.raises(ValueError, match="at most the number of codes, n_samples=5"):
        fitted_by_shards(metrics.CodeKMeans(6), codes, [2])
    with pytest.raises(ValueError, match="n_init to be a whole number from 1"):
        fitted_by_shards(metrics.CodeKMeans(2, n_init=0), codes, [2])
