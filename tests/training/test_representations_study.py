"""The study of regularizers of representations: its networks, its choice of weights, its tables."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tfhash import cli, results, runs
from tfhash.errors import InputError
from tfhash.runs import representation_tables as tables
from tfhash.runs.paper import paper_representations
from tfhash.runs.representation import CHARACTERISTICS, TITLES, WEIGHTS
from tfhash.studies import study
from tfhash.studies.options import RepresentationOptions


def options(**asked):
    return RepresentationOptions(**{"dataset": "mnist", "path": Path("runs"), **asked})


def networks_of(name, asked) -> list[runs.RunSpec]:
    """The networks of a study, as it is asked for them."""
    return [one for one in study(name).specs(asked) if isinstance(one, runs.RunSpec)]


def test_networks_of_the_study():
    """Nine regularizers at six weights, and three that have none, of the paper's network."""
    specs = networks_of("representations", options(repeat=2))
    assert len({one.directory for one in specs}) == len(specs) == 2 * (9 * len(WEIGHTS) + 3)
    one = specs[0]
    assert (one.depth, one.width, one.batch_size, one.learning_rate) == (5, 100, 100, 1e-4)
    assert one.sample_size is None and round(60_000 * one.hold_out) == 10_000
    sizes = networks_of(
        "representations",
        options(sample_sizes=(1000, 50_000), regularizers=("cr", "l1w"), repeat=1, normalized=True),
    )
    assert [one.sample_size for one in sizes] == [1000] * 12 + [None] * 12
    assert {(one.regularizer, one.regularizer_normalized) for one in sizes} == {
        ("cr", True),
        ("l1w", False),
    }


def test_loss_weights_of_ones_own():
    asked = options(regularizers=("none", "dropout", "cr"), loss_weights=(0.02, 0.5), repeat=1)
    specs = networks_of("representations", asked)
    assert [(one.regularizer, one.regularizer_weight) for one in specs] == [
        *(("none", 0.0), ("dropout", 0.5), ("cr", 0.02), ("cr", 0.5))
    ]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"regularizers": ("cwvr",)}, "regularizers"),
        ({"regularizers": ()}, r"regularizers among none.*Received: none"),
        ({"sample_sizes": (50_001,)}, "up to 50000"),
        ({"loss_weights": ()}, "loss weights above 0.*Received: none"),
        ({"loss_weights": (0.1, 0.1)}, "increasing"),
        ({"loss_weights": (0.0, 1.0)}, "above 0"),
        ({"loss_weights": (math.nan,)}, "finite"),
        ({"loss_weights": (1.0, math.inf)}, "finite"),
        ({"dataset": "digits", "quick": True}, "Leave quick out"),
    ],
)
def test_what_cannot_be_asked(asked, message):
    with pytest.raises(InputError, match=message):
        networks_of("representations", options(**asked))


def test_what_leaves_no_network_and_what_is_asked_for_twice():
    with pytest.raises(InputError, match="at least one regularizer that representations_linear"):
        networks_of("representations_linear", options(regularizers=("cr",)))
    twice = networks_of("representations_linear", options(regularizers=("bn", "bn"), repeat=1))
    assert len(twice) == 1


def test_quick_takes_the_stored_weight_of_the_nearest_size(monkeypatch):
    columns = "study sample_size width regularizer regularizer_normalized regularizer_weight"
    kept = pd.DataFrame(
        [
            ("representations", 1000, 100, "cr", False, 0.1, 9.0),
            ("representations", 1000, 100, "cr", True, 10.0, 8.0),
            ("representations", 5000, 100, "cr", False, 1.0, 5.0),
            ("representations_cnn", 1000, 100, "cr", False, 0.01, 1.0),
        ],
        columns=[*columns.split(), "validation_error"],
    ).assign(dataset="mnist")
    monkeypatch.setattr(tables, "_stored", lambda: kept)
    asked = options(quick=True, regularizers=("none", "cr"), sample_sizes=(1000, 3000), repeat=1)
    found = [
        (one.sample_size, one.regularizer, one.regularizer_weight, one.regularizer_normalized)
        for one in networks_of("representations", asked)
    ]
    # 3,000 is nearer to 5,000 than to 1,000 by ratio; of two choices that of less error is taken.
    assert found == [
        (1000, "none", 0.0, False),
        (1000, "cr", 10.0, True),
        (3000, "none", 0.0, False),
        (3000, "cr", 1.0, False),
    ]
    with pytest.raises(InputError, match="mnist, width 100"):
        networks_of("representations", options(quick=True, widths=(8,)))


def test_the_weights_that_are_stored_are_the_papers():
    specs = networks_of("representations", options(quick=True, repeat=1))
    assert [one.regularizer for one in specs] == list(TITLES)
    assert {one.regularizer_weight for one in specs} <= {0.0, 0.5, *WEIGHTS}


def rows(**errors):
    """As `results.last_epoch(results.load(...))` gives them, by (regularizer, weight)."""
    found = []
    for (name, weight), validation, test in errors["of"]:
        for repeat, (v, t) in enumerate(zip(validation, test, strict=True), 1):
            common = {
                "sample_size": np.nan,
                "width": 100,
                "optimizer": "adam",
                "n_classes": np.nan,
                "regularizer": name,
                "regularizer_normalized": False,
                "regularizer_weight": weight,
                "repeat": repeat,
                "epochs": 50,
            }
            for metric, split, value in (
                ("accuracy", "validation", 1 - v),
                ("accuracy", "test", 1 - t),
                ("accuracy", "train", 1.0),
                ("sparsity", "test", 0.25),
                ("absolute_correlation", "test", np.nan if name == "l1r" else 0.5),
            ):
                found.append({**common, "metric": metric, "split": split, "value": value})
    return pd.DataFrame(found)


def errors_of(networks, of_paper=True):
    """Table 8, beside the paper's or none."""
    paper = paper_representations()
    return tables.errors(networks, paper[(paper["table"] == "table_8") & of_paper], 100)


NETWORKS = (
    (("l1r", 1.0), (0.04, 0.06), (0.03, 0.03)),
    (("l1r", 0.1), (0.03, 0.05), (0.05, 0.07)),
    (("l1r", 10.0), (0.04, 0.04), (0.01, 0.01)),
    (("none", 0.0), (0.05, 0.05), (0.04, 0.04)),
)


CONDITIONS = (("width", 8), ("width", 2), ("sample_size", 1000))


def test_weights_are_chosen_on_validation_data_not_on_test_data():
    chosen = tables.chosen_weights(tables.networks(rows(of=NETWORKS)))
    assert chosen["regularizer"].tolist() == ["none", "l1r"]  # the paper's order
    # 0.1 and 10 have the same validation error: the smaller one, though the test set likes it less.
    assert chosen["regularizer_weight"].tolist() == [0.0, 0.1]
    assert chosen["tried"].tolist() == [1, 3]
    np.testing.assert_allclose(chosen["validation_error"], [5.0, 4.0])


def test_what_all_weights_do():
    table = tables.all_weights(tables.networks(rows(of=NETWORKS)))
    assert table["regularizer"].tolist() == ["none", "l1r", "l1r", "l1r"]
    assert table["regularizer_weight"].tolist() == [0.0, 0.1, 1.0, 10.0]
    assert table["repeats"].tolist() == [2] * 4
    np.testing.assert_allclose(table["validation_error"], [5.0, 4.0, 5.0, 4.0])
    np.testing.assert_allclose(table["test_error"], [4.0, 6.0, 3.0, 1.0])
    assert table["sparsity"].tolist() == [0.25] * 4


def test_weights_are_not_chosen_without_validation_data():
    """As of the protocol "paper", which holds nothing out: the accuracies are NaN, or not there."""
    blind = [(key, (np.nan, np.nan), test) for key, _, test in NETWORKS]
    with pytest.raises(InputError, match=r"none of networks with L1R\. Train with a protocol"):
        tables.networks(rows(of=blind))
    single = tables.networks(rows(of=blind[2:]))
    assert tables.chosen_weights(single)["regularizer_weight"].tolist() == [0.0, 10.0]
    table = rows(of=NETWORKS)
    with pytest.raises(InputError, match="validation accuracy is measured"):
        tables.networks(table[table["split"] != "validation"])


def test_repeats_that_some_weights_lack_do_not_decide():
    """At 10 alone there is a third, bad one: of the two that all have, 10 is the best."""
    more = (("l1r", 10.0), (0.01, 0.01, 0.50), (0.01, 0.01, 0.10))
    networks = tables.networks(rows(of=(*NETWORKS[:2], more)))
    (chosen,) = tables.chosen_weights(networks).itertuples()
    assert chosen.regularizer_weight == 10.0 and chosen.validation_error == pytest.approx(1.0)
    table = errors_of(networks)
    assert table["repeats"].tolist() == [3] and table["mean"].tolist() == [pytest.approx(4.0)]


def test_tables_6_and_8_beside_the_papers():
    networks = tables.networks(rows(of=NETWORKS))
    table = tables.table_6(networks, paper_representations()).set_index("regularizer")
    assert table.loc["L1R", "paper: sparsity"] == 0.97 and table.loc["L1R", "sparsity"] == 0.25
    assert table.loc["L1R", "test_error"] == pytest.approx(6.0)
    correlation = table["absolute_correlation"]
    assert np.isnan(correlation["L1R"]) and correlation["Baseline"] == 0.5
    assert table.loc["Baseline", "paper: absolute_correlation"] == 0.27
    errors = errors_of(networks).set_index("regularizer")
    assert errors["condition"].tolist() == ["default", "default"]
    assert errors.loc["L1R", ["paper", "paper_std"]].tolist() == [2.35, 0.08]
    assert errors.loc["L1R", "std"] == pytest.approx(np.std([5, 7], ddof=1))
    assert errors.loc["L1R", "apart"] == pytest.approx((6.0 - 2.35) / 0.08)
    others = [networks.assign(**{name: value}) for name, value in CONDITIONS]
    conditions = errors_of(pd.concat([*others, networks]))["condition"]
    assert conditions.unique().tolist() == ["default", "data=1k", "width=2", "width=8"]
    empty = errors_of(networks, of_paper=False)
    assert empty["paper"].isna().all()


def test_the_papers_tables_are_whole():
    paper = paper_representations()
    for name, columns in (("table_6", 7), ("table_8", 5), ("table_4", 7), ("table_9", 7)):
        of_one = paper[paper["table"] == name]
        assert sorted(of_one["row"].unique()) == sorted(TITLES.values())
        assert len(of_one) == 12 * columns and of_one["value"].notna().all()


def test_the_linear_layers_networks_are_others():
    specs = networks_of("representations_linear", options(repeat=1))
    assert [one.regularizer for one in specs] == ["none", "dropout", "bn"]
    assert {(one.depth, one.last_layer) for one in specs} == {(6, "linear_6")}
    assert all("last_activation=linear" in one.directory.parts for one in specs)


@pytest.mark.full
def test_a_linear_layer_has_identical_outputs_and_table_3_keeps_the_error(tmp_path, capsys):
    """On digits, of tiny networks: rows of Tables 2 and 3 that are to have the same error have."""
    flags = ["--dataset=digits", "--repeat=1", "--epoch=8", "--widths=12"]
    where = f"--save_path={tmp_path}"
    for name, depth, of in (
        ("representations", 2, "none"),
        ("representations_linear", 3, "none,bn"),
    ):
        program = ["tfhash", "run", name, *flags, f"--depth={depth}", f"--regularizers={of}", where]
        assert cli.tfhash(program) == 0
    program = ["tfhash", "run", "representation_examples", "--dataset=digits"]
    assert cli.tfhash([*program, "--candidates=5", f"--load_path={tmp_path}"]) == 0
    title = "Digits, test set: 2 hidden layers of 12 units, all training examples, 8 epochs"
    picture = tmp_path / "figures/representations_figure_1_digits.svg"
    assert title in picture.read_text(encoding="utf-8")
    assert cli.tfhash([*program, "--repeat=2", f"--load_path={tmp_path}"]) == 2
    assert "a repeat that was measured, one of 1. Received: 2." in capsys.readouterr().err
    linear = pd.read_csv(tmp_path / "figures/representations_table_2_digits.csv")
    assert linear["network"].tolist()[:4] == [
        *("Baseline (1st)", "Baseline (2nd)", "Baseline (3rd)", "Baseline (3rd, whitened)")
    ]
    errors = linear["test_error"].to_numpy().reshape(2, 4)
    assert (errors == errors[:, :1]).all() and errors[0, 0] != errors[1, 0]
    assert (linear["sparsity"][[2, 6]] == 0).all() and linear["sparsity"][0] > 0
    table = pd.read_csv(tmp_path / "figures/representations_table_3_digits.csv")
    table = table.set_index("network")
    same = table.loc[["Identity", "Random positive diagonal"]]
    assert same["test_error"].nunique() == same["sparsity"].nunique() == 1
    assert same["amplitude"].nunique() == 2
    ones, white = table.loc["Ones with random positive diagonal"], table.loc["Whitening"]
    assert ones["absolute_correlation"] > 0.8 > white["absolute_correlation"]


def test_pictures_of_runs_that_are_not_there_leave_no_folder(tmp_path, capsys):
    program = ["tfhash", "run", "representation_examples", "--dataset=digits"]
    assert cli.tfhash([*program, f"--load_path={tmp_path / 'none'}"]) == 2
    assert "Expected finished runs under" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.full
def test_digits_from_the_command_to_the_tables(tmp_path, capsys):
    flags = ["--dataset=digits", "--repeat=1", "--epoch=1", "--widths=8", "--depth=2"]
    flags += ["--loss_weights=0.1,1"]
    program = ["tfhash", "run", "representations", *flags, f"--save_path={tmp_path}"]
    assert cli.tfhash([*program, "--regularizers=none,bn,dropout,vr"]) == 0
    assert "Trained 5 networks" in capsys.readouterr().out
    table = results.load(tmp_path, history=False, stages=("encoding",))
    assert set(CHARACTERISTICS) | {"accuracy"} == set(table["metric"])
    assert set(table.query("metric == 'accuracy'")["split"]) == {"train", "test", "validation"}
    assert cli.tfhash(["tfhash", "draw", f"--load_path={tmp_path}"]) == 0
    text = (tmp_path / "figures/representations_table_8_digits.md").read_text()
    assert [line.split(" | ")[0] for line in text.splitlines()[2:]] == [
        *("| Baseline", "| Dropout", "| BN", "| VR")
    ]
    tried = pd.read_csv(tmp_path / "figures/representations_all_weights_digits.csv")
    assert list(zip(tried["regularizer"], tried["regularizer_weight"], strict=True)) == [
        *(("none", 0.0), ("dropout", 0.5), ("bn", 0.0), ("vr", 0.1), ("vr", 1.0))
    ]
