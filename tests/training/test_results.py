"""Results: run directories in, one tidy table out."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfhash import results, runs
from tfhash.files import write_json
from tfhash.results import ResultsError

PROPERTIES = {
    "train_redundancy_ratio": 0.5,
    "test_redundancy_ratio": 0.25,
    "train_kmeans_accuracy": 0.6,
    "test_kmeans_accuracy": 0.7,
    "knn_accuracy": 0.8,
    "logistic_accuracy": 0.85,
    "train_accuracy": 0.95,
    "test_accuracy": 0.9,
}


def make_run(root: Path, epochs=(30,), shift=0.0, dataset="mnist", **changes) -> Path:
    """A finished run as the stages leave it, without the networks."""
    recipe = runs.recipe("paper", dataset)
    given = {"experiment": "layer_width", "width": 10, "repeat": 1, **changes}
    spec = runs.RunSpec.from_recipe(recipe, epochs=max(epochs), **given)
    run = root / spec.directory
    run.mkdir(parents=True)
    write_json(run / "spec.json", spec.to_json())
    rows = [{name: 0.5 for name in results.HISTORY_COLUMNS} | {"epoch": e} for e in (0, 1)]
    pd.DataFrame(rows).to_csv(run / "history.csv", index=False)
    values = {name: value + shift for name, value in PROPERTIES.items()}
    write_json(run / "properties.json", {"epochs": {str(e): values for e in epochs}})
    return run


def test_load_is_tidy(tmp_path):
    make_run(tmp_path, width=20, epochs=(1, 30))
    make_run(tmp_path, width=7)
    table = results.load(tmp_path)
    assert table["width"].unique().tolist() == [7, 20]  # as numbers, not as names
    assert len(table) == 8 * 3 + 2 * 2 * 4
    assert {"experiment", "dataset", "protocol", "depth", "repeat", "l2"} <= set(table.columns)
    row = table[(table["width"] == 20) & (table["epoch"] == 1) & (table["stage"] == "encoding")]
    got = {(m, s): v for m, s, v in row[["metric", "split", "value"]].itertuples(index=False)}
    assert got == {
        ("redundancy_ratio", "train"): 0.5,
        ("redundancy_ratio", "test"): 0.25,
        ("kmeans_accuracy", "train"): 0.6,
        ("kmeans_accuracy", "test"): 0.7,
        ("knn_accuracy", "test"): 0.8,
        ("logistic_accuracy", "test"): 0.85,
        ("accuracy", "train"): 0.95,
        ("accuracy", "test"): 0.9,
    }
    training_rows = table[table["stage"] == "training"]
    assert set(training_rows["metric"]) == {"loss", "accuracy"}
    assert set(training_rows["epoch"]) == {0, 1}
    assert "training" not in set(results.load(tmp_path, history=False)["stage"])


def test_unmeasured_and_hidden_runs(tmp_path):
    run = make_run(tmp_path)
    (run / "properties.json").unlink()
    aside = make_run(tmp_path, repeat=2)
    aside.rename(aside.parent / ".repeat=2.broken")
    assert results.find_runs(tmp_path) == [run]
    assert set(results.load(tmp_path)["stage"]) == {"training"}
    assert len(results.load(tmp_path, history=False)) == 0


def test_runs_from_before_a_field_was_there(tmp_path):
    old = make_run(tmp_path)
    make_run(tmp_path, repeat=2, l2=0.1)
    content = runs.read_spec(old).to_json()
    for name in ("sample_size", "l2"):
        content.pop(name)
    write_json(old / "spec.json", content)
    table = results.load(tmp_path, history=False)
    assert table.groupby("repeat")["l2"].first().tolist() == [0, 0.1]


def test_last_epoch_is_each_runs_own(tmp_path):
    make_run(tmp_path, epochs=(1, 17), repeat=1)
    make_run(tmp_path, epochs=(1, 30), repeat=2, shift=0.02)
    table = results.load(tmp_path, history=False).drop(columns="epochs")
    last = results.last_epoch(table)
    assert "epoch" not in last and len(last) == 2 * 8
    summary = results.summary(last)
    knn = summary[summary["metric"] == "knn_accuracy"].iloc[0]
    assert knn["n"] == 2
    assert knn["mean"] == pytest.approx(0.81)
    assert knn["std"] == pytest.approx(np.std([0.8, 0.82], ddof=1))


def test_curves_of_an_epoch_grid(tmp_path):
    for width in (40, 50):
        make_run(tmp_path, width=width, epochs=(1, 3, 30))
    curves = results.curves(
        results.summary(results.load(tmp_path, history=False)), "epoch", "width"
    )
    train = curves[(curves["metric"] == "redundancy_ratio") & (curves["split"] == "train")]
    assert train["series"].tolist() == ["width=40"] * 3 + ["width=50"] * 3
    assert train["x"].tolist() == [1, 3, 30] * 2
    paper = results.paper_curves()
    both = results.deviations(curves, paper[paper["figure"] == "fig8a"])
    assert set(both["series"]) == {"width=40", "width=50"}
    assert both["points"].tolist() == [3] * len(both)


def test_deviations_by_hand(tmp_path):
    paper = results.paper_curves()
    paper = paper[(paper["figure"] == "fig2b") & (paper["dataset"] == "mnist")]
    theirs = paper[paper["metric"] == "knn_accuracy"].set_index("x")["y"]
    for width, off in ((7, 0.01), (10, -0.05), (11, 0.3)):  # the paper has no width 11
        make_run(
            tmp_path, width=width, shift=theirs.get(width, 0) + off - PROPERTIES["knn_accuracy"]
        )
    table = results.last_epoch(results.load(tmp_path, history=False))
    table = table[table["metric"] == "knn_accuracy"]
    deviations = results.deviations(results.curves(results.summary(table), "width"), paper)
    (row,) = deviations.to_dict("records")
    assert (row["metric"], row["split"], row["points"]) == ("knn_accuracy", "test", 2)
    assert row["mean_difference"] == pytest.approx(0.03)
    assert row["largest_difference"] == pytest.approx(0.05)
    assert row["largest_at"] == 10
    uncertainty = paper[paper["metric"] == "knn_accuracy"].set_index("x")["uncertainty"]
    assert row["paper_uncertainty"] == pytest.approx((uncertainty[7] + uncertainty[10]) / 2)
    assert np.isnan(row["our_std"])  # one repeat of each
    spread = results.curves(results.summary(table), "width").assign(std=[0.1, 0.3, 5.0])
    (row,) = results.deviations(spread, paper).to_dict("records")
    assert row["our_std"] == pytest.approx(0.2)


def test_the_papers_numbers():
    curves, tables = results.paper_curves(), results.paper_tables()
    assert set(curves["figure"]) >= {"fig2a", "fig2b", "fig3a", "fig4b", "fig8a", "fig9b"}
    assert curves["y"].between(0, 1).all() and (curves["uncertainty"] >= 0).all()
    assert not curves.duplicated(["figure", "dataset", "metric", "split", "series", "x"]).any()
    mnist = curves[(curves["figure"] == "fig2a") & (curves["dataset"] == "mnist")]
    recipe = runs.recipe("paper", "mnist")
    assert sorted(set(mnist["x"])) == list(recipe.widths)
    vgg = tables[(tables["dataset"] == "mnist") & (tables["model"] == "VGG-18")]
    assert vgg.set_index("metric")["value"].to_dict() == {
        "kmeans_accuracy": 99.95,
        "knn_accuracy": 99.33,
    }


def test_nothing_there_and_unknown_stage(tmp_path):
    with pytest.raises(ResultsError, match=r"Received: none\. Train some first"):
        results.load(tmp_path)
    with pytest.raises(ResultsError, match=r"Expected stages among training, encoding"):
        results.load(tmp_path, stages=("colors",))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("spec.json", "{", "Expected JSON in"),
        ("spec.json", "[]", "Expected a JSON object in"),
        ("spec.json", "[" * 100_000, "Expected JSON in"),
        ("spec.json", b"\xff\xfe", "Expected JSON in"),
        ("properties.json", '{"epochs": {"x": {}}}', "Remove the file and measure"),
        ("properties.json", "{}", "Remove the file and measure"),
        ("properties.json", '{"epochs": {"1": {"knn_accuracy": "high"}}}', "no number for knn"),
        ("properties.json", '{"epochs": {"1": {"knn_accuracy": 1' + "0" * 30 + "}}}", "no number"),
        ("history.csv", "epoch,loss\n1,2\n", "Expected a training history"),
        ("history.csv", "", "Expected a training history"),
        ("history.csv", ",".join(results.HISTORY_COLUMNS) + "\n1,a,b,c,d\n", "training history"),
        ("layer_wise.csv", "epoch,part\n1,single\n", "Expected a table of layer-wise"),
        ("layer_wise.csv", "epoch,part,number,layers,n_bits\nx,single,1,a,4\n", "layer-wise"),
        ("diameters.json", '{"epochs": {"1": {"test": [1, "a"]}}}', "no list of numbers"),
        ("plane.json", '{"epochs": {"1": {"points": []}}}', "Remove the file and measure"),
    ],
)
def test_damaged_files_are_named_once_and_the_rest_goes_on(
    tmp_path, caplog, file, content, message
):
    sound, damaged = make_run(tmp_path), make_run(tmp_path, width=20)
    alone = results.load(tmp_path).query("width == 10")
    (damaged / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    for _ in range(2):
        table = results.load(tmp_path)
    warned = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(warned) == 1 and str(damaged / file) in warned[0] and message in warned[0]
    rest = table.query("width == 10")[alone.columns]
    assert rest["value"].tolist() == alone["value"].tolist() and sound.is_dir()
    there = set(table.query("width == 20")["stage"])
    left = {"spec.json": set(), "properties.json": {"training"}, "history.csv": {"encoding"}}
    assert there == left.get(file, {"training", "encoding"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"experiment": "/tmp/elsewhere"}, "it names a folder"),
        ({"experiment": "../../elsewhere"}, "it names a folder"),
        ({"dataset": ".."}, "it names a folder"),
        ({"protocol": "a/b"}, "it names a folder"),
        ({"width": 11}, "Received that of layer_width/mnist/depth=1/width=11/repeat=2"),
        ({"dataset": "cifar10"}, "Received that of layer_width/cifar10"),
        ({"width": "10"}, "Expected width as int"),
        ({"width": True}, "Expected width as int"),
        ({"learning_rate": float("nan")}, "Expected learning_rate as float"),
        ({"checkpoint_epochs": ["1"]}, "Expected checkpoint_epochs as"),
        ({"epochs": 10**400}, "Expected epochs as int"),
        ({"color": "red"}, "Received also: color"),
        ({"experiment": None}, "Expected experiment as str"),
    ],
)
def test_a_spec_that_does_not_belong_is_named_and_left_out(tmp_path, caplog, changes, message):
    sound, other = make_run(tmp_path), make_run(tmp_path, repeat=2)
    content = {**runs.read_spec(other).to_json(), **changes}
    (other / "spec.json").write_text(json.dumps(content))
    assert results.find_runs(tmp_path) == [sound]
    assert results.find_runs(tmp_path) == [sound]
    (warned,) = (r.getMessage() for r in caplog.records)
    assert str(other / "spec.json") in warned and message in warned
    with pytest.raises(runs.RunError, match="Expected"):
        runs.read_spec(other)


def test_stray_checkpoints_are_named_and_left_out(tmp_path, caplog):
    run = make_run(tmp_path)
    for name in ("epoch=0001.keras", "epoch=0001 (copy).keras", "epoch=1.keras", "epoch=x.keras"):
        (run / name).write_bytes(b"")
    (run / "epoch=0002.keras").mkdir()
    for _ in range(2):
        assert list(results.checkpoints(run)) == [1]
    assert len(caplog.records) == 4
    assert any("epoch=0001 (copy).keras" in r.getMessage() for r in caplog.records)


@pytest.mark.full
@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.sampled_from(["spec.json", "properties.json", "diameters.json", "plane.json"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["epochs", "1", "test", "points", "x"]), inner)
        ),
        max_leaves=8,
    ),
)
def test_any_json_is_read_or_named(tmp_path_factory, file, content):
    """Whatever a file holds, the other runs are read, and nothing but `ResultsError` is raised."""
    root = tmp_path_factory.mktemp("fuzz")
    make_run(root)
    other = make_run(root, repeat=2)
    (other / file).write_text(json.dumps(content))
    table = results.load(root)
    assert len(table.query("repeat == 1")) == 16
    results.load_diameters(root)
    results.load_planes(root)
