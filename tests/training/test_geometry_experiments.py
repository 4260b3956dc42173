"""The experiments on geometry: their scripts on the digits, what they leave and what is drawn."""

import dataclasses
import json
import shutil
import types
from importlib import import_module

import keras
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection

from tfhash import cli, datasets, figures, geometry, results
from tfhash.errors import InputError
from tfhash.runs import RunSpec, SpecError
from tfhash.runs.plane import StoredPlane
from tfhash.studies import drawing_geometry, study
from tfhash.studies.measures import regions as region_measures

SMALL = ("--dataset=digits", "--repeat=1", "--epoch=2")


def run(command, *flags):
    return cli.run(command, "A script.", [f"{command}.py", *map(str, flags)])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    assert run("diameters", *SMALL, "--widths=4,9", "--save_path", root) == 0
    assert run("region_density", *SMALL, "--widths=4,9", "--save_path", root) == 0
    assert run("random_data", *SMALL, "--widths=4,9", "--save_path", root) == 0
    return root


def folder(root, experiment, width, *parts):
    return root.joinpath(experiment, "digits", "depth=1", f"width={width}", *parts, "repeat=1")


@pytest.mark.full
def test_diameters_are_those_of_the_networks_that_were_kept(runs):
    table = results.load_diameters(runs)
    assert set(table["width"]) == {4, 9} and set(table["epoch"]) == {0, 1, 2}
    assert set(table["split"]) == {"test", "random"} and (table["value"] > 0).all()
    n = len(datasets.load("digits").x_test)
    assert (table.groupby(["width", "epoch", "split"]).size() == min(600, n)).all()
    summary = results.load(runs, history=False).query("metric == 'diameter' and split == 'test'")
    means = table[table["split"] == "test"].groupby(["width", "epoch"])["value"].mean()
    np.testing.assert_allclose(
        summary.set_index(["width", "epoch"])["value"].sort_index(), means, atol=1e-6
    )
    # The examples and directions are drawn from the repeat alone: the same rows in the same order.
    rng = np.random.default_rng([0, 1])
    rows = rng.choice(n, min(600, n), replace=False)
    shape = datasets.load("digits").input_shape
    rng.random((len(rows), *shape), np.float32)
    seed = int(rng.integers(1 << 32))
    net = keras.saving.load_model(folder(runs, "diameters", 9) / "epoch=0002.keras")
    lengths = geometry.stochastic_diameters(net, datasets.load("digits").x_test[rows], seed=seed)
    kept = table.query("width == 9 and epoch == 2 and split == 'test'")["value"]
    np.testing.assert_allclose(lengths, kept, atol=1e-5)


@pytest.mark.full
def test_region_density_counts_what_line_regions_counts(runs):
    values = results.read_properties(folder(runs, "diameters", 9))[2]
    assert values["same_region_density"] > 0 and values["different_region_density"] > 0
    assert set(values) > {"test_diameter", "random_diameter_iqr"}  # measured by the other script
    assert not (folder(runs, "diameters", 4) / results.PLANE_FILE).exists()
    plane = results.read_epochs(folder(runs, "diameters", 9) / results.PLANE_FILE)
    assert set(plane) == {0, 2}
    stored = StoredPlane.from_json(plane[2])
    corners = np.diff(stored.offsets)
    assert corners.min() >= 3 and corners.sum() == len(stored.corners)
    x = stored.points[stored.corners]
    assert x.min() == -0.5 and x.max() == 1.5


@pytest.mark.full
def test_random_data_is_shown_and_trained_on(runs):
    shown = results.read_properties(folder(runs, "random_data", 9))
    assert set(shown) == {0, 1, 2}
    names = {f"{split}_redundancy_ratio" for split in ("train", "test", "random")}
    assert all(set(values) == names for values in shown.values())
    trained = results.read_properties(folder(runs, "random_data", 100, "inputs=uniform"))
    assert set(trained) == {0, 2}  # the grid's 0, and the last
    assert all(0 <= values["train_accuracy"] <= 1 for values in trained.values())
    table = results.load(runs / "random_data", history=False)
    assert set(table["inputs"].dropna()) == {"uniform"}


@pytest.mark.full
def test_what_is_measured_is_skipped_and_what_is_missing_is_measured(runs, capsys):
    file = folder(runs, "diameters", 4) / results.DIAMETERS_FILE
    content = json.loads(file.read_text())
    before = content["epochs"].pop("1")
    file.write_text(json.dumps(content))
    assert run("diameters", *SMALL, "--widths=4,9", "--save_path", runs) == 0
    text = capsys.readouterr().out
    assert "Trained 0 networks" in text and "(2 there already)" in text
    assert "Measured 1 network in" in text
    assert "(1 measured already) (2 of their checkpoints measured already)" in text
    assert json.loads(file.read_text())["epochs"]["1"] == before


@pytest.mark.full
def test_a_checkpoint_that_does_not_load_is_trained_again(runs, tmp_path, caplog):
    shutil.copytree(runs / "diameters", tmp_path / "diameters")
    broken = folder(tmp_path, "diameters", 4)
    (broken / "epoch=0002.keras").write_text("no network")
    (broken / results.DIAMETERS_FILE).unlink()
    flags = (*SMALL, "--widths=4", "--save_path", tmp_path)
    assert run("region_density", *flags) == 0  # the training stage checks what is there
    assert "epoch=0002.keras does not load. The run is done again." in caplog.text
    assert set(results.read_properties(broken)) == {0, 1, 2}


def test_uniform_inputs_keep_labels_and_do_not_depend_on_what_else_is_trained():
    data = datasets.load("digits")
    spec = RunSpec(
        experiment="random_data",
        dataset="digits",
        protocol="paper",
        depth=1,
        width=5,
        repeat=1,
        epochs=1,
        batch_size=32,
        learning_rate=0.01,
        inputs="uniform",
    )
    x = spec.training_data(data).x_train
    assert x.shape == data.x_train.shape and x.dtype == np.float32
    assert abs(x.mean() - 0.5) < 0.01 and x.min() >= 0 and x.max() < 1
    np.testing.assert_array_equal(spec.training_data(data).y_train, data.y_train)
    np.testing.assert_array_equal(spec.training_data(data).x_train, x)
    assert "inputs=uniform" in spec.directory.parts
    with pytest.raises(SpecError, match="Expected inputs 'uniform' or none"):
        RunSpec.from_json({**spec.to_json(), "inputs": "noise"})


@pytest.mark.full
def test_figures_are_drawn_with_their_tables(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(drawing_geometry, "EARLY", 1)
    panels = {"figure_2d": ((4, "epoch"),), "figure_7": ((4, "epoch"), (9, "inputs"))}
    monkeypatch.setattr(drawing_geometry, "HISTOGRAMS", panels)
    of_digits = {"digits": ("figure_2c", *panels)}  # by default the networks are too narrow
    narrow = dataclasses.replace(study("diameters"), figures=of_digits)
    monkeypatch.setattr(import_module("tfhash.studies.diameters"), "STUDY", narrow)
    assert run("draw_figures", "--load_path", runs, "--figures_path", tmp_path) == 0
    text = capsys.readouterr().out
    names = ("2c", "2d", "2f", "7")
    for name in (*(f"figure_{n}_digits" for n in names), "region_density_digits", "plane_digits"):
        assert {"png", "svg", "csv"} == {f.suffix[1:] for f in tmp_path.glob(f"{name}.*")}
        assert f"{name}.png" in text
    histogram = pd.read_csv(tmp_path / "figure_7_digits.csv")
    assert list(dict.fromkeys(histogram["panel"])) == ["(a) width 4", "(b) width 9, epoch 2"]
    shares = histogram.groupby(["panel", "series"])["share"].sum()
    assert ((shares > 0.95) & (shares < 1 + 1e-4)).all()
    table = pd.read_csv(tmp_path / "table_5_digits.csv")
    assert set(table["metric"]) == {"accuracy", "loss"} and set(table["epoch"]) == {0, 2}
    plane = pd.read_csv(tmp_path / "plane_digits.csv")
    assert set(plane["epoch"]) == {0, 2} and plane["a"].between(-0.5, 1.5).all()
    assert "Left out figure_2c" not in text


def test_a_plane_is_drawn_by_region_and_by_class():
    keras.utils.set_random_seed(0)
    net = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(9, "relu"), keras.layers.Dense(4)]
    )
    at = ([0, 0, 0.1], [1, 0, 0], [0, 1, 0])
    regions = geometry.plane_regions(net, *at, 2.0, classes=True)
    for color in ("region", "class"):
        figure = figures.plane(regions, color=color, marks={"here": (0, 0)}, title="A plane")
        (axes,) = figure.axes
        (polygons,) = (c for c in axes.collections if isinstance(c, PolyCollection))
        assert len(polygons.get_paths()) == len(regions)
        assert axes.get_xlim() == (-2, 2) and axes.get_title(loc="left") == "A plane"
        assert [text.get_text() for text in axes.texts] == ["here"]
    assert regions.classes is not None
    colors = polygons.get_facecolor()
    hues = [colors[regions.classes == c] for c in set(regions.classes.tolist())]
    assert len(hues) > 1 and len(np.unique(colors, axis=0)) > len(hues)


def test_pictures_of_what_is_not_there_are_refused():
    square = types.SimpleNamespace(classes=None)
    with pytest.raises(InputError, match="color='region' or 'class'"):
        figures.plane(square, color="code")
    with pytest.raises(InputError, match="classes=True"):
        figures.plane(square, color="class")


def test_pairs_of_examples_are_of_one_class_and_of_two():
    labels = np.array([0, 1, 2, 2, 3])
    starts, stops = region_measures._pairs(labels, 5, [0, 1])
    assert (labels[starts] == labels[stops]).tolist() == 5 * [True] + 5 * [False]
    assert (starts != stops).all()
    for others in ([0, 1, 2], [1, 1, 1], [1]):  # where there are no such pairs
        with pytest.raises(InputError, match=f"Received: {len(others)} test examples"):
            region_measures._pairs(np.array(others), 5, [0, 1])


def test_a_plane_needs_three_classes():
    data = types.SimpleNamespace(x_test=np.zeros((4, 2)), y_test=np.array([0, 0, 5, 5]))
    with pytest.raises(InputError, match=r"three classes or more.*of 2 classes"):
        region_measures._plane(None, data)
