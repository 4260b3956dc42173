"""Studies: one policy for all, old run directories, and run directories that nobody vouches for."""

import json
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from folders import contents
from tfhash import cli, datasets, results, runs, training
from tfhash.encoder import Encoder
from tfhash.errors import InputError
from tfhash.runs import RunSpec
from tfhash.runs.layout import lock_of
from tfhash.studies import STUDIES, MlpOptions, measures, study
from tfhash.studies.measure import Measure
from tfhash.studies.options import CnnOptions

# Run directories that version 0.1.0 wrote: digits, one epoch, width 4, measured by its scripts
# (of layer_wise the redundancy ratio alone).
OLD = Path(__file__).parents[1] / "data" / "runs_of_0_1_0"
FLAGS = ("--dataset=digits", "--repeat=1", "--epoch=1", "--widths=4")
MEASURE = {
    "layer_width": ("layer_width_encoding_properties", *FLAGS, "--load_path"),
    "layer_wise": ("layer_wise_encoding_properties", *FLAGS, "--depth=2", "--load_path"),
    "diameters": ("diameters", *FLAGS, "--save_path"),
}


def run(command, *flags):
    return cli.run(command, "A script.", [f"{command}.py", *map(str, flags)])


def said(caplog):
    """tfhash's own warnings, not those of frameworks."""
    return [record for record in caplog.records if record.name == "tfhash"]


@pytest.fixture
def old(tmp_path):
    return Path(shutil.copytree(OLD, tmp_path / "runs"))


def only_run(root, name):
    (path,) = results.find_runs(root / name)
    return path


def test_old_runs_load(old, caplog):
    table = results.load(old)
    by_stage = table.groupby(["experiment", "stage"]).size()
    assert by_stage["layer_width", "encoding"] == 8 and by_stage["layer_width", "training"] == 8
    assert by_stage["layer_wise", "layers"] == 2 * 2 * 6  # epochs, splits, parts of two layers
    assert by_stage["diameters", "plane"] == 2 * 2
    n = len(datasets.load("digits").x_test)
    assert by_stage["diameters", "diameters"] == 2 * 2 * n
    assert set(table["stage"]) == set(results.STAGES) and not said(caplog)
    alone = results.load(old, history=False, stages=("layers",))
    assert set(alone["stage"]) == {"layers"} and {"part", "number", "layers"} <= set(alone.columns)
    lengths = table[table["stage"] == "diameters"]
    mean = lengths.query("split == 'test' and epoch == 1")["value"].mean()
    kept = table.query("metric == 'diameter' and split == 'test' and stage == 'encoding'")
    assert kept.set_index("epoch")["value"][1] == pytest.approx(mean, abs=1e-6)


def test_old_runs_are_finished_and_measured(old, capsys):
    before = contents(old)
    train = ("--dataset=digits", "--repeat=1", "--epoch=1", "--widths=4", "--save_path", old)
    assert run("layer_width_train", *train) == 0
    assert "Trained 0 networks" in capsys.readouterr().out
    assert run(*MEASURE["layer_width"], old) == 0
    assert "Measured 0 networks" in (text := capsys.readouterr().out)
    assert "(1 measured already)" in text
    assert run(*MEASURE["diameters"], old) == 0
    assert run("region_density", *FLAGS, "--save_path", old) == 0
    assert capsys.readouterr().out.count("Measured 0 networks") == 2
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.full
def test_old_numbers_come_out_again(old):
    """The measures of today give what those of version 0.1.0 gave."""
    width, chords = only_run(old, "layer_width"), only_run(old, "diameters")
    kept = [results.read_properties(path) for path in (width, chords)]
    lengths = results.read_epochs(chords / results.DIAMETERS_FILE)
    (width / results.PROPERTIES_FILE).unlink()
    for name in (results.PROPERTIES_FILE, results.DIAMETERS_FILE):
        (chords / name).unlink()
    assert run(*MEASURE["layer_width"], old) == 0
    assert run(*MEASURE["diameters"], old) == 0
    assert run("region_density", *FLAGS, "--save_path", old) == 0
    for path, before in zip((width, chords), kept, strict=True):
        after = results.read_properties(path)
        assert list(after) == list(before)
        for epoch, values in before.items():
            assert after[epoch] == pytest.approx(values, rel=1e-5)
    again = results.read_epochs(chords / results.DIAMETERS_FILE)
    np.testing.assert_allclose(again[1]["test"], lengths[1]["test"], atol=1e-5)


@pytest.mark.full
def test_old_runs_are_drawn(old, tmp_path, capsys):
    assert run("draw_figures", "--load_path", old, "--figures_path", tmp_path / "figures") == 0
    drawn = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert drawn >= {"figure_2a_digits", "figure_2b_digits", "figure_5_digits", "figure_2c_digits"}
    assert {"plane_digits", "region_density_digits"} <= drawn


def test_what_is_there_is_skipped_by_measure_and_epoch(old, monkeypatch):
    """Of an earlier --metrics redundancy, that alone stays; the other measures are added to it."""
    path = only_run(old, "layer_wise")
    before = results.load_layer_wise(old)
    asked = []
    of = Measure.of

    def counted(self, subject):
        asked.append(self.name)
        return of(self, subject)

    monkeypatch.setattr(Measure, "of", counted)
    assert run(*MEASURE["layer_wise"], old) == 0
    assert sorted(asked) == sorted(["layers_kmeans", "layers_knn", "layers_logistic"] * 2)
    after = results.load_layer_wise(old)
    assert after[before.columns.drop("train_kmeans_accuracy", errors="ignore")].shape[0] == 12
    pd.testing.assert_frame_equal(
        after[["epoch", "part", "number", "train_redundancy_ratio"]],
        before[["epoch", "part", "number", "train_redundancy_ratio"]],
    )
    whole = after.query("part == 'first' and number == 2 and epoch == 1").iloc[0]
    for name in ("train_kmeans_accuracy", "test_kmeans_accuracy", "knn_accuracy"):
        assert after[name].notna().all() and 0.1 < whole[name] < 1
    asked.clear()
    table = pd.read_csv(path / results.LAYER_WISE_FILE)
    table.loc[table["epoch"] == 1, "knn_accuracy"] = np.nan
    table.to_csv(path / results.LAYER_WISE_FILE, index=False)
    assert run(*MEASURE["layer_wise"], old, "--metrics=redundancy,knn") == 0
    assert asked == ["layers_knn"]
    pd.testing.assert_frame_equal(results.load_layer_wise(old), after)


@pytest.mark.full
@pytest.mark.parametrize("name", MEASURE)
def test_what_another_process_holds_is_named(old, capsys, name):
    path = only_run(old, name)
    for file in ("properties.json", "layer_wise.csv", "diameters.json"):
        (path / file).unlink(missing_ok=True)
    with lock_of(path) as held:
        assert held
        assert run(*MEASURE[name], old) == 0
    text = capsys.readouterr().out
    assert "Measured 0 networks" in text and "(1 in the hands of another process)" in text
    assert f"{path} is in the hands of another process" in text
    assert "measured already" not in text
    assert {p.suffix for p in path.iterdir()} <= {".keras", ".csv", ".json"}
    assert run(*MEASURE[name], old) == 0
    assert "Measured 1 network" in capsys.readouterr().out


@pytest.mark.full
@pytest.mark.parametrize("name", ["layer_width", "layer_wise"])
def test_batch_size_and_protocol_mean_the_same(old, monkeypatch, capsys, name):
    (only_run(old, name) / "layer_wise.csv").unlink(missing_ok=True)
    (only_run(old, name) / "properties.json").unlink(missing_ok=True)
    sizes = []
    encode = Encoder.encode

    def counted(self, x, *args, **given):
        sizes.append(given.get("batch_size"))
        return encode(self, x, *args, **given)

    monkeypatch.setattr(Encoder, "encode", counted)
    assert run(*MEASURE[name], old, "--metrics=redundancy", "--batch_size=100") == 0
    assert set(sizes) == {100}
    assert run(*MEASURE[name], old, "--protocol=released") == 2
    assert "trained under the released protocol. Received: paper" in capsys.readouterr().err


@pytest.mark.full
def test_workers_measure_what_one_process_does(old, tmp_path, capsys):
    flags = ("--dataset=digits", "--repeat=1", "--epoch=1", "--depth=2", "--widths=4,5")
    assert run("layer_wise_train", *flags, "--save_path", old) == 0
    other = Path(shutil.copytree(old, tmp_path / "other"))
    measure = ("layer_wise_encoding_properties", *flags, "--metrics=redundancy,knn")
    assert run(*measure, "--load_path", old) == 0
    assert run(*measure, "--load_path", other, "--workers=2") == 0
    assert capsys.readouterr().out.count("Measured 2 networks") == 2
    pd.testing.assert_frame_equal(results.load_layer_wise(old), results.load_layer_wise(other))


@pytest.mark.full
def test_a_checkpoint_of_another_network_is_trained_again(old, caplog, capsys):
    """It loads, and is not what its spec says: here, of another width."""
    path = only_run(old, "layer_width")
    spec = runs.read_spec(path)
    replace(spec, width=5).build_model(datasets.load("digits")).save(path / "epoch=0001.keras")
    (path / "properties.json").unlink()
    assert run(*MEASURE["layer_width"], old, "--metrics=redundancy") == 0
    assert "is of another network than its spec says. The run is trained again." in caplog.text
    assert "Measured 1 network" in capsys.readouterr().out
    assert (path.parent / ".repeat=1.broken").is_dir()


@pytest.mark.full
def test_a_network_that_diverged_keeps_no_other_from_being_measured(tmp_path, capsys):
    import keras

    flags = ("--dataset=digits", "--repeat=1", "--epoch=0", "--widths=3,4")
    assert run("layer_width_train", *flags, "--save_path", tmp_path) == 0
    bad, good = sorted(path.parent for path in tmp_path.rglob("spec.json"))
    (file,) = results.checkpoints(bad).values()
    model = keras.saving.load_model(file)
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    model.save(file)
    command = ("layer_width_encoding_properties", *flags, "--metrics=redundancy")
    assert run(*command, "--load_path", tmp_path) == 2
    told = capsys.readouterr().err
    assert f"{bad}, epoch 0: Expected finite weights" in told
    assert (good / "properties.json").is_file() and not (bad / "properties.json").exists()


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("layer_width", "properties.json"),
        ("layer_wise", "layer_wise.csv"),
        ("diameters", "diameters.json"),
    ],
)
def test_damaged_results_are_set_aside_and_measured_again(old, caplog, name, file):
    path = only_run(old, name)
    (path / file).write_text('{"epochs": 3}')
    assert run(*MEASURE[name], old) == 0
    (warned,) = (r.getMessage() for r in said(caplog) if file in r.getMessage())
    assert "It is set aside" in warned
    assert (path / f".{file}.broken").read_text() == '{"epochs": 3}'
    assert len(results.load(old / name)) and len(said(caplog)) == 1


@pytest.mark.full
def test_a_hostile_spec_writes_nothing_outside(old, tmp_path, caplog, capsys):
    outside = tmp_path / "outside"
    path = only_run(old, "layer_width")
    for experiment in (str(outside), "../../../outside", "..", ""):
        content = {**json.loads((path / "spec.json").read_text()), "experiment": experiment}
        (path / "spec.json").write_text(json.dumps(content))
        (path / "epoch=0001.keras").write_text("does not load")
        caplog.clear()
        assert run(*MEASURE["layer_width"], old) == 2
        assert "none of the 1 asked for" in capsys.readouterr().err
        assert len(said(caplog)) == 1 and str(path) in caplog.text
    assert not outside.exists() and sorted(os.listdir(tmp_path)) == ["runs"]
    # Training puts a sound run in its place.
    assert run("layer_width_train", *FLAGS, "--save_path", old) == 0
    assert "The run is done again" in caplog.text
    again = runs.read_spec(path)
    assert isinstance(again, RunSpec) and again.width == 4
    assert run(*MEASURE["layer_width"], old, "--metrics=redundancy") == 0


@pytest.mark.full
def test_a_link_in_the_way_is_not_written_through(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    one = MlpOptions(dataset="digits", path=tmp_path).spec(
        "layer_width", {}, width=4, repeat=1, epochs=0
    )
    path = runs.Runs(tmp_path / "runs").path(one)
    path.parent.mkdir(parents=True)
    (path.parent / ".repeat=1.partial").symlink_to(outside)
    data = datasets.load("digits").subset(50, 0)
    assert training.train([one], data, tmp_path / "runs").trained == [one]
    assert not list(outside.iterdir()) and (path / "spec.json").is_file()


STATES = (b"", b"PK\x03\x04 cut short", b"not a state")


@pytest.mark.full
@pytest.mark.parametrize("content", STATES)
def test_damaged_sweep_state_is_set_aside(tmp_path, caplog, content):
    folder = tmp_path / ".sweeps"
    folder.mkdir()
    (folder / "0123456789abcdef.npz").write_bytes(content)
    assert run("layer_width_train", *FLAGS, "--save_path", tmp_path) == 0
    (warned,) = (r.getMessage() for r in said(caplog))
    assert "0123456789abcdef.npz" in warned and "Training starts anew" in warned
    assert [p.name for p in folder.iterdir()] == [".0123456789abcdef.npz.broken"]
    assert len(results.find_runs(tmp_path)) == 1


@pytest.mark.full
@pytest.mark.parametrize("how", ["history", "shape", "epoch", "missing"])
def test_sweep_state_that_does_not_fit_is_set_aside(tmp_path, caplog, how):
    """One that can be read, for the right networks, with arrays or numbers that cannot be right."""
    from tfhash.training.state import SweepState

    data = datasets.load("digits").subset(100, 0)
    one = MlpOptions(dataset="digits", path=tmp_path).spec(
        "layer_width", {}, width=4, repeat=1, epochs=2
    )
    network = one.network
    state = SweepState.start({network: network.build_model(data)})
    state.epoch, state.steps = 1, 4
    state.history = [np.zeros((4, 1))] * 2
    if how == "history":
        state.history = state.history[:1]
    elif how == "shape":
        state.models["momentum"][0]["kernel", 1] = np.zeros((3, 3), np.float32)
    elif how == "epoch":
        state.epoch = 7
    else:
        del state.models["weights"][0]["bias", 2]
    state.save(tmp_path / ".sweeps")
    with caplog.at_level(logging.WARNING):
        assert training.train([one], data, tmp_path).trained == [one]
    assert "It is set aside" in caplog.text


def test_unknown_names_are_met_with_near_ones():
    with pytest.raises(InputError, match="Did you mean layer_width"):
        study("layer_widht")
    with pytest.raises(InputError, match="Did you mean redundancy"):
        measures.measure("redundency")
    with pytest.raises(InputError, match="Did you mean kmeans"):
        MlpOptions(dataset="digits", path=Path("."), metrics=("kmean",))


def test_every_study_can_be_asked_for_every_dataset():
    for one in STUDIES.values():
        for dataset in datasets.NAMES:
            options = one.options(dataset=dataset, path=Path("runs"))
            specs = one.specs(options)
            assert len(set(specs)) == len(specs) > 0
            directories = {spec.directory for spec in specs}
            assert len(directories) == len(specs)
            assert {path.parts[0] for path in directories} == {one.directory}
            for grid in one.grids:
                assert all(measures.measure(m.measure) for m in grid.measures)


@pytest.mark.parametrize("dataset", datasets.NAMES)
def test_every_study_has_networks_for_every_dataset(dataset, tmp_path):
    """Those of the dataset that it is like, where no table of a study names it."""
    like = datasets.family(dataset)
    for one in STUDIES.values():
        asked = {"path": tmp_path, "repeat": 1}
        if one.options is CnnOptions:
            asked["precision"] = "float32"
        specs, theirs = (one.specs(one.options(dataset=name, **asked)) for name in (dataset, like))
        assert specs and {spec.dataset for spec in specs} == {dataset}
        # One has sizes up to those of the dataset, one other batches where classes are 100.
        if one.name not in ("sample_size", "representations_cnn"):
            assert [replace(spec, dataset=like) for spec in specs] == theirs


def test_the_folder_of_runs_may_be_a_string():
    options = study("layer_width").options(dataset="digits", path="runs")
    assert options.path == Path("runs")
