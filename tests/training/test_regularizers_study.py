"""Regularizers: the study's conditions, where their runs are, and the penalty of L2."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tfhash import models, runs
from tfhash.errors import InputError
from tfhash.runs import RunSpec, SpecError
from tfhash.runs.conditions import CONDITIONS, condition_of
from tfhash.studies import MlpOptions, study
from tfhash.training.sweep_trainer import groups


def spec(**changes):
    given = {"experiment": "regularizers", "width": 6, "repeat": 1, "epochs": 1, **changes}
    return RunSpec.from_recipe(runs.recipe("paper", "digits"), **given)


def options(**asked):
    return MlpOptions(dataset="digits", path=Path("runs"), **asked)


def test_the_study_is_width_by_condition_by_seed():
    specs = study("regularizers").specs(options(widths=(4, 9), repeat=3))
    assert len({one.directory for one in specs}) == len(specs) == 4 * 2 * 3
    named = [condition_of(pd.Series(one.to_json())) for one in specs]
    assert {name: named.count(name) for name in CONDITIONS} == dict.fromkeys(CONDITIONS, 6)
    assert condition_of(pd.Series(spec(l2=0.5).to_json())) is None


def test_each_condition_is_a_program():
    """Batch normalization has other weights, L2 needs those of inputs that are always zero, and
    clipping passes over all gradients once more."""
    from tfhash import datasets

    specs = study("regularizers").specs(options(widths=(4, 9), repeat=1))
    found = [len(group) for group in groups(specs, datasets.load("digits"))]
    assert found == [2, 2, 2, 2]


def test_what_is_not_the_recipes_names_the_directory():
    assert "l2" not in spec().directory.as_posix()
    one = spec(l2=0.01, clip_norm=1, batch_norm=True)
    assert one.directory.parts[-4:] == ("batch_norm=True", "l2=0.01", "clip_norm=1.0", "repeat=1")
    assert spec(clip_norm=1).directory == spec(clip_norm=1.0).directory  # the specs are equal
    cifar10 = runs.recipe("paper", "cifar10")  # has batch normalization by itself
    given = {"experiment": "layer_width", "width": 6, "repeat": 1}
    assert "batch_norm" not in RunSpec.from_recipe(cifar10, **given).directory.as_posix()
    without = RunSpec.from_recipe(cifar10, batch_norm=False, **given).directory.as_posix()
    assert "/batch_norm=False/" in without


def test_l2_of_hidden_layers_is_the_kernels_but_the_logits():
    for layers, names in (
        ("all", ["dense_1", "dense_2", "logits"]),
        ("hidden", ["dense_1", "dense_2"]),
    ):
        model = models.mlp((8, 8), 5, 2, 10, l2=0.5, l2_layers=layers, seed=3)
        kernels = [np.array(model.get_layer(name).kernel, np.float64) for name in names]
        expected = 0.5 * sum((kernel**2).sum() for kernel in kernels)
        assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match="Expected l2_layers"):
        models.mlp((8, 8), 5, 1, 10, l2_layers="logits")


@pytest.mark.parametrize(
    "bad", [{"l2": -0.1}, {"l2_layers": "output"}, {"clip_norm": 0.0}, {"clip_norm": -1.0}]
)
def test_out_of_range(bad):
    with pytest.raises(SpecError, match=f"Expected {next(iter(bad))}"):
        spec(**bad)


def test_a_chart_of_one_point_along_an_axis_is_refused():
    for bad in ({"widths": (4,)}, {"sample_sizes": (50,)}):
        with pytest.raises(InputError, match=f"at least two {next(iter(bad))}"):
            study("phase_chart").specs(options(**bad))
    specs = study("phase_chart").specs(options(widths=(4, 9), sample_sizes=(20, 50), repeat=2))
    assert len(specs) == 8
    assert all(isinstance(one, RunSpec) and one.epoch_size == 320 for one in specs)


def test_batch_normalization_is_a_condition_not_an_option():
    for asked in (True, False):
        with pytest.raises(InputError, match="with and without batch normalization are trained"):
            study("regularizers").specs(options(batch_norm=asked))
