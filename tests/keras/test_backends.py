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


def run(file, other, *arguments):
    if find_spec(other) is None:
        pytest.skip(f"{other} is not installed")
    done = subprocess.run(
        [sys.executable, file, *arguments],
        cwd=HERE,
        env={**os.environ, "KERAS_BACKEND": other, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.full
@pytest.mark.parametrize("other", [b for b in BACKENDS if b != keras.backend.backend()])
def test_backends_agree(other, tmp_path):
    file = tmp_path / "other.npz"
    run("backend_cases.py", other, file)
    theirs = np.load(file)
    assert theirs["backend"] == other
    found = backend_cases.measured()
    for name, ours in found.items():
        if name.endswith("codes"):
            differing = ours != theirs[name]
            both = [np.abs(part[name.replace("codes", "outputs")]) for part in (found, theirs)]
            assert differing.mean() < 1e-3 and (np.maximum(*both)[differing] < 1e-4).all()
        elif name.endswith("outputs"):
            np.testing.assert_allclose(ours, theirs[name], rtol=1e-4, atol=1e-4, err_msg=name)
        elif name.endswith("units"):
            np.testing.assert_array_equal(ours, theirs[name])
        else:
            np.testing.assert_allclose(ours, theirs[name], rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.full
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_operation_is_carried_out_in_float64(backend):
    if backend == keras.backend.backend():
        operation_cases.check()
    else:
        run("operation_cases.py", backend)
