"""Networks measured in one pass: the codes and outputs that each gives alone."""

import numpy as np
import pytest

from tfhash import datasets
from tfhash.encoder import Encoder
from tfhash.models import mlp
from tfhash.studies.networks import Branches
from tfhash.studies.shared_pass import SharedPass

SHAPES = ((3, 1, False), (7, 1, False), (5, 3, True), (64, 2, False))  # width, depth, batch norm


@pytest.mark.parametrize("number", [1, 4])
def test_each_network_gives_what_it_gives_alone(number):
    data = datasets.load("digits")
    networks = [
        mlp(data.input_shape, width, depth, 10, batch_norm=norm, seed=width)
        for width, depth, norm in SHAPES[:number]
    ]
    alone = [
        [(Encoder(one).encode(x), one.predict(x, verbose=0)) for x in (data.x_train, data.x_test)]
        for one in networks
    ]
    shared = SharedPass(Branches(networks), data, 100)
    for codes, outputs, expected in zip(shared.codes, shared.outputs, alone, strict=True):
        for ours, logits, (theirs, wanted) in zip(codes, outputs, expected, strict=True):
            assert ours == theirs and ours.layers == theirs.layers
            np.testing.assert_allclose(logits, wanted, rtol=1e-4, atol=1e-5)
