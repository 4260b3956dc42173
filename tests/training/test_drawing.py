"""Figures 6 and 10 and the phase chart, drawn from run directories."""

import json
import logging

import pandas as pd
import pytest
from test_results import PROPERTIES, make_run

from tfhash import phases, results, runs
from tfhash.runs.conditions import CONDITIONS
from tfhash.runs.records import DIAMETERS, LAYERS
from tfhash.studies import (
    drawing,
    drawing_phases,
    drawing_representations,
    drawing_shifts,
    regularizers,
)
from tfhash.studies.drawing_record import MeasuredRuns, are_alike, overridden

SHIFTS = {"none": 0.0, "batch_norm": -0.1, "l2": 0.05, "clipping": 0.01}


def test_networks_of_several_kinds_make_no_mean(caplog):
    rows = pd.DataFrame({"width": [3, 3, 5], "depth": [1, 5, 1], "repeat": [1, 1, 2], "value": 0.0})
    with caplog.at_level(logging.WARNING, logger="tfhash"):
        assert are_alike(rows[rows["depth"] == 1], ["width"], "It")
        assert not caplog.records
        assert not are_alike(rows, ["width"], "It")
    assert "It is left out. Expected networks that have one depth. Received: 1, 5." in caplog.text


def test_runs_are_read_once_however_many_draw_of_them(tmp_path, monkeypatch):
    make_run(tmp_path / "runs", experiment="regularizers")
    calls, load = [], results.load

    def counted(*args, **kwargs):
        calls.append(args)
        return load(*args, **kwargs)

    monkeypatch.setattr(results, "load", counted)
    measured = MeasuredRuns(tmp_path / "runs")
    varied = ("width",)
    first = measured.last_epochs(regularizers.STUDY, {"mnist", "digits"}, varied)
    again = measured.last_epochs(regularizers.STUDY, {"mnist"}, varied)
    assert list(first) == ["mnist"] and again["mnist"] is first["mnist"]
    assert not measured.last_epochs(regularizers.STUDY, {"digits"}, varied)
    assert len(calls) == 1
    drawing.draw(tmp_path / "runs", tmp_path / "figures")
    assert len(calls) == 2


def test_what_is_left_out_is_said_once_for_all_tables(tmp_path, caplog):
    """The second paper's tables draw of the same networks, which have no validation accuracy."""
    make_run(tmp_path, experiment="representations", dataset="digits")
    measured = MeasuredRuns(tmp_path)
    with caplog.at_level(logging.WARNING, logger="tfhash"):
        files = [
            one.draw(measured, {"digits"}, tmp_path) for one in drawing_representations.DRAWINGS
        ]
    assert not any(files) and len(files) > 2
    said = "representations of digits is left out. Expected networks whose validation accuracy"
    assert caplog.text.count(said) == 1


@pytest.mark.full
def test_figures_of_regularizers_and_the_seeds_that_are_missing(tmp_path, caplog):
    root, out = tmp_path / "runs", tmp_path / "figures"
    out.mkdir()
    for name, fields in CONDITIONS.items():
        for width in (10, 20):
            for repeat in (1, 2) if name != "batch_norm" else (1,):
                shift = SHIFTS[name] + 0.001 * repeat
                make_run(
                    root,
                    experiment="regularizers",
                    width=width,
                    repeat=repeat,
                    shift=shift,
                    **fields,
                )
    with caplog.at_level(logging.WARNING, logger="tfhash"):
        measured = MeasuredRuns(root)
        names = [one.draw(measured, {"mnist"}, out).get("mnist") for one in drawing_shifts.DRAWINGS]
    assert names[:2] == [["figure_6_mnist.png"], ["figure_10_mnist.png"]] and names[3] is None
    said = "regularizers of mnist: seeds 2 of condition batch_norm are missing: drawn as what is"
    assert caplog.text.count(said) == 1  # and not once for each figure and table
    assert "1 to 2 seeds" in (out / "figure_6_mnist.svg").read_text()
    table = pd.read_csv(out / "regularizers_shifts_mnist.csv")
    found = table[table["metric"] == "knn_accuracy"].set_index("condition")
    assert found["shift"].to_dict() == pytest.approx({n: s for n, s in SHIFTS.items() if s})
    assert found["n"].to_dict() == {"batch_norm": 2, "l2": 4, "clipping": 4}
    assert len(pd.read_csv(out / "figure_10_mnist.csv")) == (2 + 4 + 4) * 8


def keep(run, *names):
    """Leave these properties of a run alone."""
    file = run / "properties.json"
    epochs = json.loads(file.read_text())["epochs"]
    epochs = {e: {n: values[n] for n in names} for e, values in epochs.items()}
    file.write_text(json.dumps({"epochs": epochs}))


@pytest.mark.full
def test_figures_of_a_study_that_is_measured_in_part(tmp_path):
    """As it is where measuring was stopped: a panel of what is not there is empty."""
    root, out = tmp_path / "runs", tmp_path / "figures"
    out.mkdir()
    for name in ("none", "l2", "clipping"):
        run = make_run(root, experiment="regularizers", **CONDITIONS[name])
        if name == "clipping":
            keep(run, "train_redundancy_ratio")
    measured = MeasuredRuns(root)
    for one in drawing_shifts.DRAWINGS[:3]:
        assert one.draw(measured, {"mnist"}, out)["mnist"]
    table = pd.read_csv(out / "regularizers_shifts_mnist.csv")
    assert table["condition"].value_counts().to_dict() == {"l2": 8, "clipping": 1}


@pytest.mark.parametrize("study", ["regularizers", "label_noise"])
def test_networks_without_a_partner_draw_nothing(tmp_path, study):
    """Half of the seeds here, the other half elsewhere."""
    with_factor = CONDITIONS["l2"] if study == "regularizers" else {"label_noise": 0.1}
    without = CONDITIONS["none"] if study == "regularizers" else {}
    for repeat, fields in ((1, without), (2, with_factor)):
        make_run(tmp_path, experiment=study, repeat=repeat, **fields)
    measured = MeasuredRuns(tmp_path)
    assert not any(one.draw(measured, {"mnist"}, tmp_path) for one in drawing_shifts.DRAWINGS)
    assert not list(tmp_path.glob("*.csv"))


def test_networks_that_label_noise_lacks_are_named(tmp_path, caplog):
    for rate, there in ((0.0, (1, 2)), (0.1, (1,)), (0.2, (1, 2))):
        for width in (10, 20):
            for repeat in there if width == 20 else (1, 2) if rate < 0.2 else (1,):
                make_run(
                    tmp_path,
                    experiment="label_noise",
                    width=width,
                    repeat=repeat,
                    label_noise=rate,
                )
    with caplog.at_level(logging.WARNING, logger="tfhash"):
        (table,) = (one for one in drawing_shifts.DRAWINGS if one.name == "label_noise_shifts")
        assert table.draw(MeasuredRuns(tmp_path), {"mnist"}, tmp_path)
    said = "label_noise of mnist: seeds 2 (widths {}) of label_noise {} are missing"
    assert said.format(20, 0.1) in caplog.text and said.format(10, 0.2) in caplog.text
    assert len(caplog.records) == 2


def test_no_figure_takes_networks_of_several_kinds_together(tmp_path, caplog):
    """With and without batch normalization: each is a network of its own, and no repeat."""
    root, out = tmp_path / "runs", tmp_path / "figures"
    parts = pd.DataFrame(
        {"part": ["single"], "number": [1], "layers": ["relu_1"], "n_bits": [50], "knn_accuracy": 1}
    )
    for batch_norm in (False, True):
        fields = {"width": 50, "batch_norm": batch_norm, "epochs": (10, 30)}
        LAYERS.add(make_run(root, experiment="layer_wise", **fields), 30, parts)
        run = make_run(root, experiment="diameters", **fields)
        for epoch in (10, 30):
            DIAMETERS.add(run, epoch, {"test": [1.0, 2.0], "random": [2.0, 3.0]})
        make_run(root, experiment="random_data", inputs="uniform", **fields)
    for batch_size in (64, 128):
        spec = runs.CnnSpec.from_recipe(
            runs.cnn_recipe("paper", "mnist"),
            architecture="resnet18",
            repeat=batch_size // 64,
            batch_size=batch_size,
        )
        folder = root / spec.directory
        folder.mkdir(parents=True)
        (folder / "spec.json").write_text(json.dumps(spec.to_json()))
        (folder / "properties.json").write_text(json.dumps({"epochs": {"5": PROPERTIES}}))
    with caplog.at_level(logging.WARNING, logger="tfhash"):
        drawing.draw(root, out, names=("figure_5", "figure_2d", "table_5", "table_1"))
    assert not list(out.iterdir())
    text = caplog.text
    assert text.count("networks that have one batch_norm. Received: True, False.") == 3
    assert text.count("networks that have one batch_size. Received: 64, 128.") == 1


@pytest.mark.full
def test_a_phase_chart_with_a_seed_missing_and_a_grid_of_one_point(tmp_path, caplog):
    root, out = tmp_path / "runs", tmp_path / "figures"
    out.mkdir()
    fixed = {"experiment": "phase_chart", "epoch_size": 320, "checkpoint_epochs": (0, 1, 2)}
    for i, width in enumerate((4, 8, 16)):
        for size in (50, 100):
            for repeat in (1, 2) if width > 4 else (1 if size == 50 else 2,):
                make_run(
                    root,
                    dataset="digits",
                    epochs=(0, 1, 2),
                    width=width,
                    sample_size=size,
                    repeat=repeat,
                    shift=-0.1 * i,
                    **fixed,
                )
    make_run(root, width=10, sample_size=100, epochs=(0, 1, 2), **fixed)  # MNIST: one point
    with caplog.at_level(logging.WARNING, logger="tfhash"):
        (chart,) = drawing_phases.DRAWINGS
        names = chart.draw(MeasuredRuns(root), {"digits", "mnist"}, out)
    assert names == {"digits": ["phase_chart_digits.png"]}
    assert "6 of 18 points of the phase chart have fewer seeds" in caplog.text
    assert "(of repeats 1, 2 some are missing)" in caplog.text  # of each as many
    assert "The phase chart of mnist is left out. Expected at least two values" in caplog.text
    chart = pd.read_csv(out / "phase_chart_digits.csv")
    assert len(chart) == 18 and set(chart["n"]) == {1, 2}
    tests = pd.read_csv(out / "phase_chart_digits_tests.csv")
    assert set(tests["read_on"]) == {"digits"}
    of_itself = tests[tests["fitted_on"] == "digits"]
    assert sorted(of_itself["split"]) == 4 * ["held-out widths"] + 4 * ["random halves"]
    # MNIST's thresholds are those of the package, whose regimes have one definition.
    (row,) = tests[tests["fitted_on"] == "mnist"].to_dict("records")
    assert row["split"] == "whole charts" and (row["window"], row["effect"]) == (2, 0.01)
    named = phases.shipped_chart("mnist").thresholds.regimes(chart["redundancy"], chart["gap"])
    assert row["agreement"] == pytest.approx((named == chart["regime"]).mean())


@pytest.mark.parametrize(
    ("changes", "varied", "words"),
    [
        ({}, (), ""),
        ({"batch_size": 1024}, (), ", batches of 1,024"),
        ({"batch_norm": True}, (), ", with batch normalization"),
        ({"dataset": "cifar10", "batch_norm": False}, (), ", without batch normalization"),
        ({"batch_size": 7, "batch_norm": True}, ("batch_norm",), ", batches of 7"),
        ({"protocol": "of a user's own", "batch_size": 7}, (), ""),
    ],
)
def test_figures_say_what_flags_changed_of_a_protocol(changes, varied, words):
    dataset = changes.get("dataset", "mnist")
    papers = runs.recipe("paper", dataset)
    run = {"protocol": "paper", "dataset": dataset, "batch_size": papers.batch_size}
    run = pd.Series({**run, "batch_norm": papers.batch_norm, **changes})
    assert overridden(run, varied) == words
