"""TensorFlow and JAX find the same chords, line regions and plane regions."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

import backend_cases

HERE = Path(__file__).parent


def test_tensorflow_and_jax_agree(tmp_path):
    here = keras.backend.backend()
    other = {"tensorflow": "jax", "jax": "tensorflow"}[here]
    if find_spec(other) is None:
        pytest.skip(f"{other} is not installed, so there is nothing to compare {here} with")
    file = tmp_path / "other.npz"
    done = subprocess.run(
        [sys.executable, "backend_cases.py", file],
        cwd=HERE,
        env={**os.environ, "KERAS_BACKEND": other, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    theirs = np.load(file)
    assert theirs["backend"] == other
    for name, ours in backend_cases.measured().items():
        if name.endswith("units"):
            np.testing.assert_array_equal(ours, theirs[name])
        else:
            np.testing.assert_allclose(ours, theirs[name], rtol=1e-5, atol=1e-9, err_msg=name)
