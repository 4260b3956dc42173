"""Networks measured in one pass: the codes and outputs that each gives alone."""

import keras
import numpy as np
import pytest

from tfhash import datasets, runs
from tfhash.encoder import Encoder
from tfhash.models import mlp
from tfhash.studies.networks import Branches, Networks
from tfhash.studies.shared_pass import SharedPass

SHAPES = ((3, 1, False), (7, 1, False), (5, 3, True), (64, 2, False))  # width, depth, batch norm


@pytest.mark.parametrize("number", [1, pytest.param(4, marks=pytest.mark.full)])
def test_each_network_gives_what_it_gives_alone(number):
    data = datasets.load("digits")
    networks = [
        mlp(data.input_shape, width, depth, 10, batch_norm=norm, seed=width)
        for width, depth, norm in SHAPES[:number]
    ]
    for i, one in enumerate(networks):
        one.name = f"network_{i}"
    alone = [
        [(Encoder(one).encode(x), one.predict(x, verbose=0)) for x in (data.x_train, data.x_test)]
        for one in networks
    ]
    shared = SharedPass(Branches(networks), data, 100)
    for codes, outputs, expected in zip(shared.codes, shared.outputs, alone, strict=True):
        for ours, logits, (theirs, wanted) in zip(codes, outputs, expected, strict=True):
            assert ours == theirs and ours.layers == theirs.layers
            np.testing.assert_allclose(logits, wanted, rtol=1e-4, atol=1e-5)


def test_a_checkpoint_is_loaded_into_a_network_of_its_own_architecture(tmp_path):
    """Weights of equal shapes do not make two networks one: here a linear layer and a ReLU's."""
    data = datasets.load("digits")
    recipe = runs.recipe("paper", "digits")
    networks, models = Networks(), []
    for repeat, activation in ((1, "relu"), (1, "linear"), (2, "relu")):
        spec = runs.RunSpec.from_recipe(
            recipe,
            experiment="made",
            width=6,
            repeat=repeat,
            epochs=0,
            last_activation=activation,
        )
        file = tmp_path / f"{repeat}_{activation}.keras"
        spec.build_model(data).save(file)
        models.append(networks.load(file, spec, data))
        expected = keras.saving.load_model(file).predict(data.x_test, verbose=0)
        np.testing.assert_array_equal(models[-1].predict(data.x_test, verbose=0), expected)
        if repeat == 1:
            networks.release()
    assert models[2] is models[0] and models[1] is not models[0]


def test_codes_stay_with_their_network_when_groups_have_another_order(tmp_path):
    data = datasets.load("digits")
    recipe = runs.recipe("paper", "digits")
    networks, x = Networks(), data.x_test[:50]
    models = []
    for width in (4, 6):
        spec = runs.RunSpec.from_recipe(recipe, experiment="made", width=width, repeat=1)
        file = tmp_path / f"{width}.keras"
        spec.build_model(data).save(file)
        models.append(networks.load(file, spec, data))
    alone = [Encoder(one).encode(x) for one in models]
    networks.joined(models).outputs(x, None)  # the codes are asked for later
    assert networks.joined(models[::-1]).codes(x, None) == alone[::-1]
    assert networks.joined(models).codes(x, None) == alone
