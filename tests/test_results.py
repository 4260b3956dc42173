"""Results: run directories in, one tidy table out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tfhash import results, training
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
    recipe = training.protocol("paper", dataset)
    given = {"experiment": "layer_width", "width": 10, "repeat": 1, **changes}
    spec = training.RunSpec.from_protocol(recipe, epochs=max(epochs), **given)
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
    old, new = make_run(tmp_path), make_run(tmp_path, repeat=2)
    content = training.read_spec(old).to_json()
    content.pop("sample_size")
    write_json(old / "spec.json", content)
    content = {**training.read_spec(new).to_json(), "label_noise": 0.1}
    write_json(new / "spec.json", content)
    table = results.load(tmp_path, history=False)
    assert table.groupby("repeat")["label_noise"].first().fillna(0).tolist() == [0, 0.1]


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


def test_the_papers_numbers():
    curves, tables = results.paper_curves(), results.paper_tables()
    assert set(curves["figure"]) >= {"fig2a", "fig2b", "fig3a", "fig4b", "fig8a", "fig9b"}
    assert curves["y"].between(0, 1).all() and (curves["uncertainty"] >= 0).all()
    assert not curves.duplicated(["figure", "dataset", "metric", "split", "series", "x"]).any()
    mnist = curves[(curves["figure"] == "fig2a") & (curves["dataset"] == "mnist")]
    recipe = training.protocol("paper", "mnist")
    assert sorted(set(mnist["x"])) == list(recipe.widths)
    vgg = tables[(tables["dataset"] == "mnist") & (tables["model"] == "VGG-18")]
    assert vgg.set_index("metric")["value"].to_dict() == {
        "kmeans_accuracy": 99.95,
        "knn_accuracy": 99.33,
    }


def test_nothing_there(tmp_path):
    with pytest.raises(ResultsError, match=r"Received: none\. Train some first"):
        results.load(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("spec.json", "{", "Expected JSON in .*spec.json"),
        ("spec.json", "[]", "Expected a JSON object in .*spec.json"),
        ("properties.json", '{"epochs": {"x": {}}}', "Remove the file and measure"),
        ("properties.json", "{}", "Remove the file and measure"),
        ("history.csv", "epoch,loss\n1,2\n", "Expected a training history"),
    ],
)
def test_damaged_files_are_named(tmp_path, file, content, message):
    run = make_run(tmp_path)
    (run / file).write_text(content)
    with pytest.raises(ResultsError, match=message) as caught:
        results.load(tmp_path)
    assert str(run / file) in str(caught.value)
