"""Which array of a user's file holds the labels."""

import numpy as np
import pytest

pytest.importorskip("absl")

from tfhash.cli import user_files


@pytest.mark.parametrize(
    ("names", "inputs", "labels"),
    [
        (("x", "y"), "x", "y"),
        (("images", "labels"), "images", "labels"),
        (("X", "Y"), "X", "Y"),
        (("X", "y"), "X", "y"),
        (("images",), "images", None),
        (("X", "other"), "X", None),
        (("x_test", "y_test", "y"), "x_test", "y_test"),
        (("x_test", "y"), "x_test", None),
    ],
)
def test_labels_are_found_by_name_and_never_the_inputs_themselves(names, inputs, labels):
    arrays = {name: np.array([i]) for i, name in enumerate(names)}
    found = user_files.labels_of(arrays, inputs)
    assert found is None if labels is None else found is arrays[labels]
