"""Figures 6 and 10 and the phase chart, drawn from run directories."""

import logging

import pandas as pd
import pytest
from test_results import make_run

from tfhash import results
from tfhash.runs.conditions import CONDITIONS
from tfhash.studies import (
    drawing,
    drawing_phases,
    drawing_representations,
    drawing_shifts,
    regularizers,
)
from tfhash.studies.drawing_record import MeasuredRuns, are_alike

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
    said = "regularizers of mnist: seeds 2 of batch_norm are missing: drawn as what is there."
    assert caplog.text.count(said) == 1  # and not once for each figure and table
    assert "1 to 2 seeds" in (out / "figure_6_mnist.svg").read_text()
    table = pd.read_csv(out / "regularizers_shifts_mnist.csv")
    found = table[table["metric"] == "knn_accuracy"].set_index("condition")
    assert found["shift"].to_dict() == pytest.approx({n: s for n, s in SHIFTS.items() if s})
    assert found["n"].to_dict() == {"batch_norm": 2, "l2": 4, "clipping": 4}
    assert len(pd.read_csv(out / "figure_10_mnist.csv")) == (2 + 4 + 4) * 8


@pytest.mark.full
def test_a_phase_chart_with_a_seed_missing_and_a_grid_of_one_point(tmp_path, caplog):
    root, out = tmp_path / "runs", tmp_path / "figures"
    out.mkdir()
    fixed = {"experiment": "phase_chart", "epoch_size": 320, "checkpoint_epochs": (0, 1, 2)}
    for i, width in enumerate((4, 8, 16)):
        for size in (50, 100):
            for repeat in (1, 2) if width > 4 else (1,):
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
    assert "The phase chart of mnist is left out. Expected at least two values" in caplog.text
    chart = pd.read_csv(out / "phase_chart_digits.csv")
    assert len(chart) == 18 and set(chart["n"]) == {1, 2}
    assert set(pd.read_csv(out / "phase_chart_tests.csv")["split"]) == {
        *("random halves", "held-out widths"),
    }
