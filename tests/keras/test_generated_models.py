"""Codes of random models against pre-activations that NumPy computes in float64."""

import os
import warnings

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from generated_models import models
from tfhash import Encoder

N_MODELS = int(os.environ.get("TFHASH_GENERATED_MODELS", "25"))


class Count:
    """How many models, and of the bits of those in single and double precision how many there are,
    are within rounding of 0, and differ."""

    models = bits = near = wrong = 0


def described(layer):
    kept = ("activation", "negative_slope", "max_value", "threshold", "stateful", "epsilon")
    return layer.name, {key: vars(layer)[key] for key in kept if key in vars(layer)}


@pytest.mark.parametrize("n_models", (5, pytest.param(N_MODELS, marks=pytest.mark.full)))
def test_bits_are_the_signs_of_pre_activations_in_float64(n_models):
    count = Count()

    @settings(
        max_examples=n_models,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # the models are small; shrinking them takes minutes
        suppress_health_check=list(HealthCheck),
    )
    @given(models(), st.sampled_from(["native", "graph"]), st.booleans())
    def check(generated, packing, other_policy):
        model, x = generated.model, generated.x
        before = [v.numpy().tobytes() for v in model.variables]
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_float16" if other_policy else policy)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)
                encoder = Encoder(model, packing=packing)
                codes = encoder.encode(x, batch_size=5)
        finally:
            keras.config.set_dtype_policy(policy)
        after = [v.numpy().tobytes() for v in model.variables]
        assert before == after, "the model was changed"
        bits = codes.to_bits()
        assert len(codes.layers) == len(generated.pre_activations), encoder.layer_names
        for layer, z in zip(codes.layers, generated.pre_activations, strict=True):
            z = z.reshape(len(x), -1)
            near = np.abs(z) <= generated.rounding * np.abs(z).max()
            differing = bits[:, layer.start : layer.stop] != (z > 0)
            assert not (differing & ~near).any(), (
                layer.name,
                generated.policy,
                [described(part) for part in model._flatten_layers(include_self=False)],
                np.abs(z[differing]).max() / np.abs(z).max(),
            )
            if not generated.policy.startswith("mixed"):
                count.near += near.sum()
                count.wrong += differing.sum()
                count.bits += z.size
        count.models += 1

    check()
    print(f"{count.models} models, {count.bits} bits, {count.near} near 0, {count.wrong} differ")
    assert count.models >= n_models
    assert count.near < 0.01 * count.bits
    assert count.wrong <= count.near
