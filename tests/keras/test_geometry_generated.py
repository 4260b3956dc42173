"""Geometry of random models: codes along lines against pre-activations that NumPy computes."""

from itertools import pairwise

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import nets
from generated_models import models
from tfhash import Encoder, geometry


@pytest.mark.parametrize("n_models", (5, pytest.param(15, marks=pytest.mark.full)))
def test_codes_along_a_line_are_the_signs_of_pre_activations_and_the_encoders(n_models):
    count = {"models": 0, "regions": 0, "bits": 0}

    @settings(
        max_examples=n_models,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(models(piecewise_linear=True, policies=["float32", "float64"]))
    def check(generated):
        model, (start, stop) = generated.model, 3 * generated.x[:2].astype("float64")
        regions = nets.regions_along(model, start, stop)
        middle = (regions.edges[1:] + regions.edges[:-1]) / 2
        middle = middle[np.diff(regions.edges) > 1e-6][:40]
        at = np.searchsorted(regions.edges, middle) - 1
        x = start + middle.reshape(-1, *(1,) * start.ndim) * (stop - start)
        codes = regions.codes()[at]
        bits = codes.to_bits()
        spans = {layer.name: layer for layer in codes.layers}
        names = Encoder(model).layer_names
        # Those of second kinks, as of ReLU6, are geometry's own.
        assert [name for name in spans if ">" not in name] == list(names)
        seen: list[np.ndarray] = []
        generated.read(x, seen)
        assert len(seen) == len(names)
        for name, z in zip(names, seen, strict=True):
            z = z.reshape(len(x), -1)
            ours = bits[:, spans[name].start : spans[name].stop]
            # In the middle of a region a unit is far from 0, or 0 throughout: then it is off.
            clear = np.abs(z) > 1e-9 * max(1e-300, np.abs(z).max())
            assert ((ours == (z > 0)) | ~clear).all(), name
            count["bits"] += clear.sum()
        if generated.policy == "float64":
            theirs = Encoder(model).encode(x).to_bits()
            for (first, last), name in zip(_places(names, spans), names, strict=True):
                ours = bits[:, spans[name].start : spans[name].stop]
                np.testing.assert_array_equal(ours, theirs[:, first:last], err_msg=name)
        ends = geometry.chords(model, x, stop - start, region="activation")
        inner = (at > 0) & (at < len(regions) - 1)
        np.testing.assert_allclose(
            (middle + ends.upper)[inner], regions.edges[at + 1][inner], atol=1e-9
        )
        count["models"] += 1
        count["regions"] += len(at)

    keras.utils.set_random_seed(0)
    check()
    print(count)
    assert count["models"] >= n_models and count["regions"] > 5 * n_models


def _places(names, spans):
    ends = np.cumsum([0, *(spans[name].stop - spans[name].start for name in names)])
    return pairwise(ends)
