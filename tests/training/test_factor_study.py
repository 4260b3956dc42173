"""The study of regularizers on inputs of few and many factors, Figures 2 and 3 of Choi et al."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tfhash import cli, datasets, results, runs
from tfhash.errors import InputError
from tfhash.runs.representation import WEIGHTS
from tfhash.studies import study
from tfhash.studies.drawing_factors import curves
from tfhash.studies.options import FactorOptions


def specs_of(**asked) -> list[runs.RunSpec]:
    options = FactorOptions(**{"dataset": "mnist", "path": Path("runs"), "repeat": 1, **asked})
    found = study("representation_factors").specs(options)
    return [one for one in found if isinstance(one, runs.RunSpec)]


def test_networks_of_the_study():
    specs = specs_of()
    assert len({one.directory for one in specs}) == len(specs) == 5 * (1 + 2 * len(WEIGHTS))
    assert {one.n_factors for one in specs} == {10, 50, 100, 250, 500}
    assert {(one.regularizer, one.regularizer_normalized) for one in specs} == {
        ("none", False),
        ("l1r", True),
        ("rr", False),
    }
    assert {one.n_factors for one in specs_of(n_factors=(3, 9), sample_sizes=(100,))} == {3, 9}
    with pytest.raises(InputError, match="n_factors of at least 1, increasing"):
        specs_of(n_factors=(9, 3))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["representation_factors", "--n_factors=5,100"],
            "n_factors of at most 64, the values in one input of digits. Received: 100.",
        ),
        (["representations_cnn", "--n_classes=11"], "n_classes of at most 10, the classes of"),
        (["phase_chart", "--sample_sizes=10,5000"], "sample_size of at most 1433, the training"),
    ],
)
def test_what_the_dataset_has_not_is_refused_before_training(tmp_path, capsys, flags, message):
    program = ["tfhash", "run", *flags, "--dataset=digits", f"--save_path={tmp_path}"]
    assert cli.tfhash([*program, "--epoch=1", "--repeat=1"]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.keras"))


def test_runs_train_and_are_measured_on_inputs_of_their_factors():
    digits = datasets.load("digits")
    one, other = specs_of(dataset="digits", n_factors=(4, 6), sample_sizes=(50,))[::13]
    assert (one.n_factors, other.n_factors) == (4, 6)
    for data in (one.training_data(digits), one.measured_data(digits)):
        rows = data.x_train.reshape(50, -1) - data.x_train.reshape(50, -1).mean(axis=0)
        values = np.linalg.svd(rows, compute_uv=False)
        assert (values > 1e-3 * values[0]).sum() == 4
    assert one.same_examples != other.same_examples
    assert one.architecture_key == other.architecture_key
    with pytest.raises(runs.SpecError, match="n_factors of at least 1"):
        runs.RunSpec(**{**vars(one), "n_factors": 0})


def rows_of(*networks: tuple[str, float, int, float]) -> pd.DataFrame:
    """As `last_epochs` gives them: regularizer, weight, n_factors, value of every metric."""
    return pd.DataFrame(
        [
            {
                "regularizer": name,
                "regularizer_weight": weight,
                "n_factors": float(n_factors),
                "metric": metric,
                "split": split,
                "value": value if (metric, split) != ("accuracy", "train") else 1.0,
            }
            for name, weight, n_factors, value in networks
            for metric, split in (
                ("accuracy", "train"),
                ("accuracy", "test"),
                ("sparsity", "test"),
                ("stable_rank", "test"),
            )
        ]
    )


def test_curves_are_means_over_repeats_beside_no_regularizer():
    rows = rows_of(
        ("none", 0.0, 5, 0.5), ("l1r", 0.1, 5, 0.6), ("l1r", 0.1, 5, 0.8), ("rr", 0.1, 5, 0.1)
    )
    table = curves(rows, "l1r", "sparsity")
    assert table["metric"].tolist() == ["accuracy"] * 2 + ["sparsity"] * 2
    np.testing.assert_allclose(table["mean"], [0.5, 0.7, 0.5, 0.7])
    np.testing.assert_allclose(table["std"], [np.nan, 0.2 / 2**0.5] * 2)
    assert table["n"].tolist() == [1, 2, 1, 2]
    # Without networks of the regularizer the others alone make no figure.
    assert curves(rows_of(("none", 0.0, 5, 0.5)), "l1r", "sparsity").empty


@pytest.mark.full
def test_digits_from_the_command_to_the_figures(tmp_path, monkeypatch):
    monkeypatch.setattr("tfhash.studies.representation_factors.WEIGHTS", (0.1,))
    flags = ["--dataset=digits", "--epoch=1", "--repeat=1", "--n_factors=5,20"]
    assert (
        cli.tfhash(["tfhash", "run", "representation_factors", *flags, f"--save_path={tmp_path}"])
        == 0
    )
    assert cli.tfhash(["tfhash", "draw", f"--load_path={tmp_path}"]) == 0
    folder = tmp_path / "figures"
    for name, target in (("2", "sparsity"), ("3", "stable_rank")):
        assert (folder / f"representations_figure_{name}_digits.png").stat().st_size > 10_000
        table = pd.read_csv(folder / f"representations_figure_{name}_digits.csv")
        assert set(table["metric"]) == {target, "accuracy"} and len(table) == 2 * 2 * 2
    loaded = results.load(tmp_path, history=False)
    assert set(loaded["n_factors"]) == {5, 20}
