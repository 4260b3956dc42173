"""Scripts: the command line as a stranger meets it, and sweeps that survive being killed."""

import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from folders import contents
from processes import run_until_killed, said_besides_progress
from tfhash import cli, results
from tfhash.studies import MlpOptions

SCRIPTS = Path(__file__).resolve().parents[2] / "run_scripts"
TRAIN = "run_layer_width_train_mlp.py"
SMALL = ("--dataset", "digits", "--widths", "4,6", "--repeat=1", "--epoch", "2")


def run(command, *flags):
    """The exit status of a command, run in this process."""
    return cli.run(command, "A script.", [f"{command}.py", *map(str, flags)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    assert run("layer_width_train", *SMALL, "--save_path", root) == 0
    return root


@pytest.mark.full
def test_networks_of_two_experiments(tmp_path, capsys):
    small = ("--dataset", "digits", "--widths", "4", "--repeat=1", "--epoch", "2")
    flags = ("--save_path", tmp_path, "--also", "training_time", "--also", "layer_width")
    assert run("layer_width_train", *small, *flags) == 0
    said = capsys.readouterr().out
    assert "2 networks" in said
    for experiment in ("layer_width", "training_time"):
        assert f"{tmp_path / experiment / 'digits'}" in said
        assert len(results.find_runs(tmp_path / experiment)) == 1
    assert run("layer_width_train", *small, "--also", "width", "--save_path", tmp_path) == 2
    assert "layer_width|training_time|layer_wise" in capsys.readouterr().err


@pytest.mark.full
@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.name)
def test_scripts_are_flags_and_one_call(script):
    text = script.read_text()
    assert len(text.splitlines()) <= 40
    assert f"python {script.name}" in text
    got = subprocess.run(
        [sys.executable, script, "--help"], capture_output=True, text=True, cwd="/", check=True
    )
    assert got.stdout.startswith(text.splitlines()[0].strip('"')) and "_path" in got.stdout
    assert not got.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--datset", "mnist"], "Unknown command line flag 'datset'"),
        (["--dataset=minst"], "digits|mnist|cifar10"),
        (["--dataset", "digits", "--protocol", "secret"], "paper|released"),
        (["--repeat", "0"], "repeat"),
        (["--epoch", "many"], "epoch"),
        (["--widths", "10,5"], "increasing"),
        (["--widths", "10,x"], "whole numbers"),
        (["--widths="], "Received: none"),
        (["mnist"], "Expected flags such as --name=value. Received: mnist"),
        (["--dataset", "mnist", "--mnist_path", "/nowhere"], "no such file or folder"),
    ],
)
def test_what_a_user_can_set_right_is_one_line(tmp_path, capsys, flags, message):
    assert run("layer_width_train", "--save_path", tmp_path, *flags) == 2
    out, err = capsys.readouterr()
    assert message in err and err.startswith("layer_width_train.py: ")
    assert err.count("\n") == 1 and "Traceback" not in out + err
    assert not results.find_runs(tmp_path)


def test_unknown_metric_and_nothing_trained(tmp_path, capsys):
    flags = ["--load_path", tmp_path, "--dataset=digits"]
    assert run("layer_width_encoding_properties", *flags, "--metrics=knn,color") == 2
    assert "redundancy, kmeans, knn, logistic. Received: color" in capsys.readouterr().err
    assert run("layer_width_encoding_properties", *flags) == 2
    assert "Received: none of the 30 asked for. Train them first" in capsys.readouterr().err
    assert run("draw_figures", "--load_path", tmp_path, "--figures_path", tmp_path) == 2
    assert "Expected finished runs under" in capsys.readouterr().err


@pytest.mark.full
def test_figures_go_beside_the_runs_that_they_show(trained, capsys):
    own = contents(SCRIPTS.parent / "figures")
    assert run("draw_figures", "--load_path", trained) == 0
    assert f"in {trained / 'figures'}" in capsys.readouterr().out
    assert contents(SCRIPTS.parent / "figures") == own


def test_unwritable_save_path(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert run("layer_width_train", *SMALL, "--save_path", tmp_path / "file" / "runs") == 2
    out, err = capsys.readouterr()
    assert "can be written to" in err and not out


def test_another_spec_is_refused(trained, capsys):
    assert run("layer_width_train", *SMALL[:-1], "3", "--save_path", trained) == 2
    assert "epochs: 2 there, 3 here" in capsys.readouterr().err


def test_ctrl_c_is_one_line(tmp_path, capsys, monkeypatch):
    from tfhash.studies import runner

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "train", interrupted)
    assert run("layer_width_train", *SMALL, "--save_path", tmp_path) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_full_disk_is_one_line(tmp_path, capsys, monkeypatch):
    from tfhash.studies import runner

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runner, "train", full)
    assert run("layer_width_train", *SMALL, "--save_path", tmp_path) == 1
    assert "No space left on device" in capsys.readouterr().err


def test_begin_repeat_is_the_first_and_repeat_how_many():
    def repeats(**given):
        return list(MlpOptions(dataset="mnist", path=Path("runs"), **given).repeats)

    assert repeats(repeat=10) == list(range(1, 11))
    assert repeats(begin_repeat=3, repeat=2) == [3, 4]
    assert repeats() == [1, 2, 3, 4, 5]  # the paper's


@pytest.mark.parametrize(("asked", "got"), [(None, True), (False, False), (True, True)])
def test_batch_norm_is_the_protocols_unless_asked(asked, got):
    options = MlpOptions(dataset="cifar10", path=Path("runs"), batch_norm=asked)
    assert options.spec("layer_width", {}, width=10, repeat=1).batch_norm is got


@pytest.mark.full
def test_training_says_what_it_did(tmp_path, capsys):
    flags = (*SMALL, "--save_path", tmp_path)
    assert run("layer_width_train", *flags) == 0
    first = capsys.readouterr().out
    assert "digits: 2 networks of 2 epochs, paper protocol" in first
    assert first.rstrip().endswith(f"They are in {tmp_path / 'layer_width' / 'digits'}")
    assert "Trained 2 networks" in first
    assert run("layer_width_train", *flags) == 0
    assert "Trained 0 networks" in (again := capsys.readouterr().out)
    assert "(2 there already)" in again


@pytest.mark.full
def test_measuring(trained, capsys):
    """Numbers are those of the codes, by the plainest way there is; what is done is skipped."""
    import keras

    from tfhash import datasets

    flags = ("--dataset=digits", "--widths=4,6,9", "--repeat=1", "--load_path", trained)
    assert run("layer_width_encoding_properties", *flags, "--metrics=redundancy,knn") == 0
    assert "networks (1 not trained yet)" in capsys.readouterr().out
    assert run("layer_width_encoding_properties", *flags, "--metrics", "redundancy") == 0
    assert "Measured 0 networks" in (text := capsys.readouterr().out)
    assert "(2 measured already)" in text
    assert run("layer_width_encoding_properties", *flags) == 0
    assert "Measured 2 networks" in capsys.readouterr().out

    data = datasets.load("digits")
    run_path = next(path for path in results.find_runs(trained) if "width=6" in str(path))
    (properties,) = results.read_properties(run_path).values()
    model = keras.saving.load_model(run_path / "epoch=0002.keras")
    hidden = keras.Model(model.inputs, model.get_layer("relu_1").output)
    bits = {s: hidden.predict(getattr(data, f"x_{s}"), verbose=0) > 0 for s in ("train", "test")}
    for split in ("train", "test"):
        n, m = len(bits[split]), len(np.unique(bits[split], axis=0))
        assert properties[f"{split}_redundancy_ratio"] == pytest.approx((n - m) / n)
        predicted = model.predict(getattr(data, f"x_{split}"), verbose=0).argmax(axis=1)
        share = np.mean(predicted == getattr(data, f"y_{split}"))
        assert properties[f"{split}_accuracy"] == pytest.approx(share)
        assert 0.1 < properties[f"{split}_kmeans_accuracy"] < 1
    distances = (bits["test"][:, None] != bits["train"][None]).sum(axis=2)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :9]
    votes = [np.bincount(data.y_train[rows], minlength=10).argmax() for rows in nearest]
    assert properties["knn_accuracy"] == pytest.approx(np.mean(votes == data.y_test), abs=0.01)
    assert 0.1 < properties["logistic_accuracy"] < 1


@pytest.mark.full
def test_checkpoint_that_does_not_load_is_redone(trained, capsys, caplog):
    runs = results.find_runs(trained)
    before = pd.read_csv(runs[0] / "history.csv")
    # A zip archive with the right names and sound checksums, and still no network.
    (checkpoint,) = results.checkpoints(runs[0]).values()
    with zipfile.ZipFile(checkpoint, "w") as archive:
        for name in ("config.json", "metadata.json", "model.weights.h5"):
            archive.writestr(name, "nothing")
    (runs[0] / "properties.json").unlink(missing_ok=True)
    flags = ("--dataset=digits", "--widths=4", "--repeat=1", "--load_path", trained)
    assert run("layer_width_encoding_properties", *flags, "--metrics=redundancy") == 0
    assert "epoch=0002.keras does not load. The run is trained again." in caplog.text
    assert "Measured 1 network in" in capsys.readouterr().out
    # It was trained beside another one before: the same but for roundings.
    np.testing.assert_allclose(pd.read_csv(runs[0] / "history.csv"), before, rtol=1e-4, atol=1e-6)
    assert results.read_properties(runs[0])[2]["train_redundancy_ratio"] > 0


def test_which_checkpoint_is_measured(trained, capsys):
    flags = ("--dataset=digits", "--widths=6", "--repeat=1", "--load_path", trained)
    assert run("layer_width_encoding_properties", *flags, "--epoch=1") == 2
    assert "Expected a checkpoint of epoch 1 or before" in capsys.readouterr().err
    assert run("layer_width_encoding_properties", *flags, "--protocol=released") == 2
    assert "trained under the released protocol. Received: paper" in capsys.readouterr().err


def table_of(root):
    columns = ["width", "repeat", "stage", "epoch", "metric", "split"]
    table = results.load(root)
    return table[[*columns, "value"]].sort_values(columns, ignore_index=True)


@pytest.mark.full
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9, which Windows lacks")
def test_killed_sweep_ends_with_the_same_table(tmp_path):
    """One by one; networks side by side go on in test_sweep.py, where they are the same bits."""
    flags = ["--dataset", "digits", "--widths", "4,5", "--repeat", "1", "--epoch", "10"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    home = killed / "layer_width" / "digits" / "depth=1"
    given = [*flags, "--one_by_one", "--save_path", killed]
    # In the middle of the second network.
    run_until_killed(home / "width=5" / ".repeat=1.partial", SCRIPTS / TRAIN, given, cwd=tmp_path)
    assert results.find_runs(killed) == [home / "width=4" / "repeat=1"]
    command = [sys.executable, SCRIPTS / TRAIN, *given]
    resumed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert resumed.returncode == 0
    assert "Trained 1 network in" in resumed.stdout
    assert "(1 there already)" in resumed.stdout
    # No progress bar where there is no terminal, no framework's noise.
    assert not said_besides_progress(resumed.stderr)
    assert run("layer_width_train", *flags, "--one_by_one", "--save_path", whole) == 0
    for root in (killed, whole):
        measure = ["layer_width_encoding_properties", *flags, "--load_path", root]
        assert run(*measure, "--metrics=redundancy,kmeans") == 0
    pd.testing.assert_frame_equal(table_of(killed), table_of(whole), rtol=1e-5)
    assert not list(killed.rglob(".*"))


@pytest.mark.full
@pytest.mark.skipif(
    "TFHASH_DATA_DIR" not in os.environ,
    reason="TFHASH_DATA_DIR does not name a folder with the real datasets",
)
def test_original_mnist_command(tmp_path):
    flags = ["--dataset", "mnist", "--depth", "1", "--begin_repeat", "1", "--repeat", "1"]
    flags += ["--epoch", "1", "--widths", "40", "--data_dir", os.environ["TFHASH_DATA_DIR"]]
    assert run("layer_width_train", *flags, "--save_path", tmp_path) == 0
    measure = [*flags, "--load_path", tmp_path, "--metrics=redundancy"]
    assert run("layer_width_encoding_properties", *measure) == 0
    table = results.load(tmp_path, history=False).query("metric == 'redundancy_ratio'")
    ratios = table.set_index("split")["value"]
    # The paper's Figure 8: about 0.6 and 0.38 after one epoch at width 40.
    assert ratios["train"] == pytest.approx(0.60, abs=0.06)
    assert ratios["test"] == pytest.approx(0.38, abs=0.06)
