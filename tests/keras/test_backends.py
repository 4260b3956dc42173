"""Backends give the same geometry, and codes but for units within rounding of 0."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

import backend_cases
import operation_cases

HERE = Path(__file__).parents[1]
BACKENDS = ("tensorflow", "jax", "torch")


@pytest.fixture(scope="module")
def ours():
    return backend_cases.measured()


@pytest.mark.full
@pytest.mark.parametrize("other", [b for b in BACKENDS if b != keras.backend.backend()])
def test_backends_agree(other, ours, tmp_path):
    """One process for each backend carries out every operation in float64, and measures."""
    if find_spec(other) is None:
        pytest.skip(f"{other} is not installed")
    done = subprocess.run(
        [sys.executable, "backend_cases.py", tmp_path / "other.npz"],
        cwd=HERE,
        env={**os.environ, "KERAS_BACKEND": other, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    theirs = np.load(tmp_path / "other.npz")
    assert theirs["backend"] == other
    for name, array in ours.items():
        if name.endswith("codes"):
            differing = array != theirs[name]
            both = [np.abs(part[name.replace("codes", "outputs")]) for part in (ours, theirs)]
            assert differing.mean() < 1e-3 and (np.maximum(*both)[differing] < 1e-4).all()
        elif name.endswith("outputs"):
            np.testing.assert_allclose(array, theirs[name], rtol=1e-4, atol=1e-4, err_msg=name)
        elif name.endswith("units"):
            np.testing.assert_array_equal(array, theirs[name])
        else:
            np.testing.assert_allclose(array, theirs[name], rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.full
def test_every_operation_is_carried_out_in_float64():
    """On this backend; `backend_cases.py` does so on the others."""
    operation_cases.check()
