"""The command `tfhash`, and flags made from options."""

import gzip
import os
import re
import struct
import subprocess
import sys
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from absl import flags

from tfhash import Codes, __version__, cli, datasets, results
from tfhash.cli.commands import COMMANDS, SUBCOMMANDS
from tfhash.datasets import idx
from tfhash.datasets.record import Files
from tfhash.errors import InputError
from tfhash.properties import ENCODING_PROPERTIES
from tfhash.studies import STUDIES, runner, study

DATA = {"dataset", "data_dir", "mnist_path", "cifar10_path"}
SWEEP = {"protocol", "depth", "widths", "begin_repeat", "repeat", "batch_size", "epoch", "seed"}
TRAIN = {"save_path", "one_by_one", "batch_norm", "group_size", "tensorboard"}
MEASURE = {"load_path", "workers", "metrics"}
CNN = {"architecture", "protocol", "begin_repeat", "repeat", "batch_size", "epoch", "examples"}
# The flags of the scripts, as they were before they were made from options.
ORIGINAL = {
    **{
        f"{name}_train": DATA | SWEEP | TRAIN | {"also"}
        for name in ("layer_width", "training_time", "layer_wise")
    },
    **{
        f"{name}_encoding_properties": DATA | SWEEP | MEASURE
        for name in ("layer_width", "training_time", "layer_wise")
    },
    "sample_size_train": DATA | SWEEP | TRAIN | {"also", "sample_sizes"},
    "sample_size_encoding_properties": DATA | SWEEP | MEASURE | {"sample_sizes"},
    **{name: DATA | SWEEP | TRAIN for name in ("diameters", "random_data", "region_density")},
    "cnn_train": DATA | CNN | {"seed", "save_path", "learning_rate", "decay_every", "precision"},
    "cnn_encoding_properties": DATA | CNN | {"seed", "load_path", "metrics"},
    "draw_figures": {"load_path", "figures_path"},
    "demo": {"save_path", "figures_path"},
    "tsne": DATA
    | {"load_path", "figures_path", "depth", "width", "repeat", "epoch", "model", "split"}
    | {"examples", "perplexity", "seed"},
}


@pytest.mark.parametrize("name", ORIGINAL)
def test_original_flags_are_there(name, tmp_path):
    values = flags.FlagValues()
    COMMANDS[name].define(values, tmp_path)
    both = name in ("diameters", "random_data", "region_density")
    extra = {"workers", "encode_batch_size"} if both else set()
    extra |= {"encode_batch_size"} if name.endswith("_encoding_properties") else set()
    of_mlps = name.endswith("_train") and name != "cnn_train"
    extra |= {"workers"} if of_mlps or name == "cnn_encoding_properties" else set()
    extra |= {"dataset_path"} if "dataset" in ORIGINAL[name] else set()
    extra |= {"figures", "dataset"} if name == "draw_figures" else set()
    assert {n for n in values if values[n].name == n} == ORIGINAL[name] | extra
    assert set(ORIGINAL) == set(COMMANDS)


def test_every_command_of_a_script_has_a_script():
    folder = Path(__file__).resolve().parents[2] / "run_scripts"
    texts = [one.read_text() for one in folder.glob("*.py")]
    called = {name for text in texts for name in re.findall(r'cli\.main\("(\w+)"', text)}
    assert called == set(COMMANDS)


def test_every_option_is_a_flag_of_its_study(tmp_path):
    for name, known in STUDIES.items():
        values = flags.FlagValues()
        SUBCOMMANDS[f"run {name}"].define(values, tmp_path)
        for one in fields(known.options):
            axis = one.metadata.get("axis")
            if one.name != "path" and axis in (None, "width"):
                assert (one.name in values) == (one.name not in known.without), (name, one.name)
        assert set(known.without) <= {one.name for one in fields(known.options)}
        assert ("sample_sizes" in values) == known.has_axis("sample_size")
    varied = {name for name in STUDIES if STUDIES[name].has_axis("sample_size")}
    of_representations = {"", "_linear", "_cnn"}
    assert varied == {
        *("sample_size", "phase_chart", "representation_factors"),
        *(f"representations{end}" for end in of_representations),
    }


def test_options_that_decide_nothing_are_no_flags(tmp_path):
    assert {name: one.without for name, one in STUDIES.items() if one.without} == {
        "regularizers": ("batch_norm",),
        "representations_linear": ("loss_weights", "quick", "normalized"),
        "representations_cnn": ("one_by_one", "group_size"),
    }
    values = flags.FlagValues()
    SUBCOMMANDS["run representations_linear"].define(values, tmp_path)
    with pytest.raises(flags.UnrecognizedFlagError, match="quick"):
        values(["tfhash", "--quick"])


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--widths=10,a", "Expected whole numbers, as --widths 10,20,40. Received: 10,a."),
        ("--loss_weights=1,a", "Expected numbers, as --loss_weights 0.1,1,10. Received: 1,a."),
        ("--loss_weights=1,0.1", "increasing, as --loss_weights 0.1,1,10. Received: 1.0,0.1."),
    ],
)
def test_lists_of_numbers(flag, message, capsys):
    assert cli.tfhash(["tfhash", "run", "representations", "--dataset=digits", flag]) != 0
    assert message in capsys.readouterr().err


def test_a_batch_is_of_training_or_of_the_encoder(monkeypatch):
    """Where networks are trained --batch_size is theirs; scripts that measure alone have one."""
    asked = {}
    for stage in ("train", "measure", "run"):
        monkeypatch.setattr(runner, stage, lambda *given, s=stage: asked.update({s: given[-1]}))
    both = ["--batch_size=32", "--encode_batch_size=500", "--dataset=digits"]
    assert cli.tfhash(["tfhash", "run", "layer_width", *both]) == 0
    assert cli.run("layer_width_train", "", ["train.py", both[0], both[2]]) == 0
    assert cli.run("layer_width_encoding_properties", "", ["measure.py", both[0], both[2]]) == 0
    sizes = {stage: (one.batch_size, one.encode_batch_size) for stage, one in asked.items()}
    named = ["measure.py", "--encode_batch_size=64", both[2]]
    assert cli.run("layer_width_encoding_properties", "", named) == 0
    assert (asked["measure"].batch_size, asked["measure"].encode_batch_size) == (None, 64)
    assert sizes == {"run": (32, 500), "train": (32, None), "measure": (None, 32)}
    assert {spec.batch_size for spec in study("layer_width").specs(asked["train"])} == {32}


def test_help_is_quick_to_load():
    """`tfhash --help` loads no NumPy; the help of a study no Keras, pandas or matplotlib."""
    code = (
        "import sys\nfrom tfhash import cli\n"
        "assert cli.tfhash(['tfhash', '--help']) == cli.tfhash(['tfhash', '--version']) == 0\n"
        "assert not {'numpy', 'tfhash._native', 'tfhash.studies.options'} & set(sys.modules)\n"
        "assert cli.tfhash(['tfhash', 'run', 'layer_width', '--help']) == 0\n"
        "loaded = {'keras', 'tensorflow', 'jax', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "run layer_width" in done.stdout and "--widths" in done.stdout
    assert f"tfhash {__version__}\n" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes that close")
def test_a_reader_that_stops_reading_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "tfhash", "--help"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.returncode == 1 and not done.stderr


def test_every_study_is_found_by_its_name():
    assert list(STUDIES) == [one.name for one in STUDIES.values()]
    assert all(study(name) is STUDIES[name] for name in STUDIES)
    with pytest.raises(InputError, match="Did you mean layer_width"):
        study("layer_widht")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "layer_with"], "Did you mean run layer_width"),
        (["drwa"], "Did you mean draw"),
        (["run"], "Expected a command among run layer_width"),
        (["run", "layer_width", "--widht=3"], "Did you mean: width"),
        (["run", "layer_width", "--dataset=minst"], "digits|mnist|cifar10"),
        (["run", "layer_width", "--dataset=minst"], "Did you mean mnist"),
        (["run", "layer_width", "--protocol=papper"], "Did you mean paper"),
        (["run", "layer_width", "--metrics=redundency"], "Did you mean redundancy"),
        (["run", "layer_width", "mnist"], "Expected flags such as --name=value"),
    ],
)
def test_unknown_names_are_one_line_with_near_ones(capsys, words, message):
    assert cli.tfhash(["tfhash", *words]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1 and err.startswith("tfhash")


@pytest.mark.parametrize("words", [["help", "encode"], ["encode", "help"], ["encode", "--help"]])
def test_help_on_a_command(capsys, words):
    assert cli.tfhash(["tfhash", *words]) == 0
    said = capsys.readouterr().out
    assert said.startswith("write the codes") and "--array" in said


@pytest.mark.parametrize("words", [["run", "--help"], ["run", "help"], ["help", "run"]])
def test_help_on_run_lists_the_studies(capsys, words):
    assert cli.tfhash(["tfhash", *words]) == 0
    said = capsys.readouterr().out
    assert "run layer_width" in said and "\n  encode" not in said


@pytest.mark.parametrize("command", ["encode", "measure", "audit", "report"])
def test_models_of_several_inputs_are_refused_with_what_encodes_them(
    command, files, tmp_path, capsys
):
    import keras

    inputs = [keras.Input((6,), name=name) for name in ("left", "right")]
    units = keras.layers.Dense(3, "relu")(keras.layers.concatenate(inputs))
    keras.Model(inputs, units).save(tmp_path / "two.keras")
    model, data = str(tmp_path / "two.keras"), str(files / "whole.npz")
    assert cli.tfhash(["tfhash", command, model, data]) == 2
    err = capsys.readouterr().err
    assert "Expected a model of one input" in err and "Received: one of 2, left, right." in err
    assert err.count("\n") == 1


def test_run_and_draw(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = ("--dataset=digits", "--widths=3,4", "--repeat=1", "--epoch=1", "--metrics=redundancy")
    assert cli.tfhash(["tfhash", "run", "layer_width", *small]) == 0
    text = capsys.readouterr().out
    assert "Trained 2 networks" in text and "Measured 2 networks" in text
    assert len(results.find_runs("runs")) == 2
    assert cli.tfhash(["tfhash", "draw", "--figures_path", "pictures"]) == 0
    assert (tmp_path / "pictures" / "figure_2a_digits.png").is_file()
    # What the first command says to run is what draws.
    (command,) = [line for line in text.splitlines() if "To draw what they allow: " in line]
    words = command.partition("To draw what they allow: ")[2].split()
    assert words[-1] == "figure_2a,figure_2b"
    capsys.readouterr()
    assert cli.tfhash(words) == 0
    text = capsys.readouterr().out
    assert "1 figure is in" in text and "Left out figure_2b of digits" in text
    assert (tmp_path / "runs" / "figures" / "figure_2a_digits.svg").is_file()
    for bad, message in (("--figures=figur_2a", "Did you mean"), ("--dataset=minst", "mnist?")):
        assert cli.tfhash(["tfhash", "draw", bad]) == 2
        assert message in (err := capsys.readouterr().err) and err.count("\n") == 1


@pytest.mark.full
def test_run_and_draw_on_a_dataset_that_the_paper_does_not_use(tmp_path, monkeypatch, capsys):
    """KMNIST, named by nothing but its own module: trained, measured, loaded and drawn."""
    rng = np.random.default_rng(0)
    shapes = {name: (90 if "train" in name else 40, *s[1:]) for name, s in idx.MNIST_SHAPES.items()}
    layout = idx.IdxFiles(title="KMNIST", folders=("kmnist",), shapes=shapes)
    source = datasets.record("kmnist").source
    assert isinstance(source, Files)
    source = replace(source, find=layout.find, load=partial(layout.dataset, "kmnist", 10))
    small = replace(datasets.record("kmnist"), source=source, n_train=90, n_test=40)
    monkeypatch.setitem(datasets.RECORDS, "kmnist", small)
    folder = tmp_path / "data" / "kmnist"
    folder.mkdir(parents=True)
    for key, stem in idx.MNIST_FILES.items():
        array = rng.integers(0, 256 if key[0] == "x" else 10, shapes[key], np.uint8)
        head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        (folder / f"{stem}.gz").write_bytes(gzip.compress(head + array.tobytes()))
    monkeypatch.chdir(tmp_path)
    asked = ["--dataset=kmnist", "--data_dir=data", "--repeat=1", "--epoch=1"]
    asked.append("--metrics=redundancy")
    assert cli.tfhash(["tfhash", "run", "layer_width", *asked, "--widths=3,4"]) == 0
    assert cli.tfhash(["tfhash", "run", "training_time", *asked, "--widths=3"]) == 0
    assert "Measured 1 network" in capsys.readouterr().out
    table = results.load("runs")
    assert set(table["dataset"]) == {"kmnist"} and set(table["batch_size"]) == {128}
    assert cli.tfhash(["tfhash", "draw"]) == 0
    for name in ("figure_2a_kmnist", "figure_8a_kmnist"):  # as MNIST's
        assert (tmp_path / "runs" / "figures" / f"{name}.png").is_file()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model, and data of three classes in the layouts that people have."""
    import keras

    folder = tmp_path_factory.mktemp("files")
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(9, "relu", name="hidden"), keras.layers.Dense(3)]
    keras.Sequential([keras.Input((6,)), *layers]).save(folder / "model.keras")
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    x = (rng.normal(0, 3, (3, 6))[y] + rng.normal(0, 0.3, (150, 6))).astype(np.float32)
    np.savez(folder / "parts.npz", x_train=x[:100], y_train=y[:100], x_test=x[100:], y_test=y[100:])
    np.savez(folder / "whole.npz", x=x, y=y)
    np.savez(folder / "other.npz", a=x, b=x)
    np.save(folder / "inputs.npy", x)
    np.savez(folder / "few.npz", x=x[:3], y=y[:3])
    np.savez(folder / "one.npz", x=x[:1])
    np.savez(folder / "single.npz", x=np.float32(1))
    np.savez(folder / "objects.npz", x=np.array([1, "a"], object))
    np.savez(folder / "wide.npz", x=np.ones((40, 7), np.float32))
    np.savez(folder / "values.npz", x=x, y=x[:, 0])
    for name in ("text.npz", "text.keras"):
        (folder / name).write_text("hello")
    return folder


def test_encode_a_users_files(files, tmp_path, capsys):
    import keras

    model = str(files / "model.keras")
    out = tmp_path / "out.codes"
    command = ["tfhash", "encode", model, str(files / "inputs.npy"), "--out", str(out)]
    assert cli.tfhash(command) == 0
    text = capsys.readouterr().out
    size = out.stat().st_size
    shown = f"{size / 1024:.1f} KiB" if size >= 1024 else f"{size} bytes"
    assert "150 examples" in text and f"9 bits each, {shown}" in text and "hidden" in text
    codes = Codes.load(out)
    hidden = keras.saving.load_model(model).layers[0]
    bits = np.asarray(hidden(np.load(files / "inputs.npy"))) > 0
    assert np.array_equal(codes.to_bits(), bits)
    for data, message in (("other.npz", "among a, b. Received: none"), ("none.npz", "none.npz")):
        assert cli.tfhash(["tfhash", "encode", model, str(files / data)]) == 2
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1
    assert cli.tfhash([*command[:-1], str(tmp_path / "none" / "out.codes")]) == 1
    err = capsys.readouterr().err
    assert "Errno" not in err and err.endswith(f"one that does not exist: {tmp_path / 'none'}\n")


def test_measure_a_users_files(files, capsys):
    model = str(files / "model.keras")
    assert cli.tfhash(["tfhash", "measure", model, str(files / "parts.npz")]) == 0
    text = capsys.readouterr().out
    assert "100 training and 50 test examples" in text
    shown = {line.split("  ")[0]: line for line in text.splitlines()}
    assert {one.heading for one in ENCODING_PROPERTIES.values()} <= set(shown)
    share = shown["K-NN accuracy, test set"].removeprefix("K-NN accuracy, test set").split()[0]
    assert float(share) > 0.9  # classes that lie far apart
    assert cli.tfhash(["tfhash", "measure", model, str(files / "whole.npz")]) == 0
    assert "120 training and 30 test examples" in capsys.readouterr().out
    with np.load(files / "parts.npz") as parts:
        as_x = {name.replace("_train", ""): parts[name] for name in parts}
        np.savez(files / "as_x.npz", **as_x)  # x and y beside x_test and y_test
    for command in ("measure", "audit"):
        assert cli.tfhash(["tfhash", command, model, str(files / "as_x.npz")]) == 0
        said = capsys.readouterr().out
        assert ("leakage" if command == "audit" else "100 training and 50 test examples") in said
    assert cli.tfhash(["tfhash", "measure", model, str(files / "inputs.npy")]) == 0
    assert "No labels in the file (y)" in capsys.readouterr().out
    with np.load(files / "parts.npz") as parts:
        np.savez(files / "named.npz", x_train=parts["x_train"], y=parts["y_train"])
    for command in ("measure", "audit"):  # of x_train, y is not taken: the name to give is said
        assert cli.tfhash(["tfhash", command, model, str(files / "named.npz")]) == 0
        assert "No labels in the file (y_train)" in capsys.readouterr().out
    with np.load(files / "parts.npz") as parts:
        np.savez(files / "half.npz", **{name: parts[name] for name in parts if name != "y_test"})
    assert cli.tfhash(["tfhash", "measure", model, str(files / "half.npz")]) == 0
    assert "No labels in the file (y_test)" in capsys.readouterr().out
    assert cli.tfhash(["tfhash", "measure", model, str(files / "half.npz"), "--metrics=knn"]) == 2
    assert "Expected labels, an array y_test, for knn" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.keras"], "Expected MODEL.keras and DATA and flags"),
        (["none.keras", "whole.npz"], "no such file"),
        (["whole.npz", "whole.npz"], "Expected a Keras model in"),
        (["model.keras", "model.keras"], "Expected .npy, .npz or a folder of images"),
        (["model.keras", "other.npz"], "Expected arrays x_train and x_test"),
        (["model.keras", "whole.npz", "--metrics=kmean"], "Did you mean kmeans"),
        (["model.keras", "few.npz", "--metrics=knn"], "it is a vote of 9 training examples, and"),
        (["model.keras", "one.npz"], "Received: 0 training and 1 test examples."),
        (["model.keras", "single.npz"], "Received: x, a single value and no row for each"),
        (["model.keras", "objects.npz"], "Received: arrays of Python objects"),
        (["model.keras", "text.npz"], "Received: a file of another kind."),
        (["text.keras", "whole.npz"], "Received: a file that is no .keras archive."),
        (["model.keras", "values.npz"], "Expected labels of classes, whole numbers or words."),
        ([".", "whole.npz"], "Received: a folder."),
        (["model.keras", "wide.npz"], "Expected inputs of shape (n, 6). Received shape: (32, 7)."),
    ],
)
def test_measure_says_what_is_wrong(files, monkeypatch, capsys, words, message):
    monkeypatch.chdir(files)
    assert cli.tfhash(["tfhash", "measure", *words]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1 and err.startswith("tfhash measure: ")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A model of images, and images among which one is there twice and one has a wrong label."""
    import keras

    folder = tmp_path_factory.mktemp("pictures")
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(32, "relu"), keras.layers.Dense(2)]
    keras.Sequential([keras.Input((5, 5)), *layers]).save(folder / "model.keras")
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    x = np.clip(rng.uniform(0, 1, (2, 5, 5))[y] + rng.normal(0, 0.1, (80, 5, 5)), 0, 1)
    x[7], x[61], y[10] = x[3], x[4], 1
    arrays = {"x_train": x[:60], "y_train": y[:60], "x_test": x[60:], "y_test": y[60:]}
    np.savez(folder / "data.npz", **arrays)
    np.savez(folder / "flat.npz", x=rng.normal(size=(30, 6)))
    return folder


def test_audit_a_users_files(pictures, files, tmp_path, capsys):
    model, out = str(pictures / "model.keras"), tmp_path / "audit"
    command = ["tfhash", "audit", model, str(pictures / "data.npz"), f"--out={out}", "--radius=0"]
    assert cli.tfhash(command) == 0
    text = capsys.readouterr().out
    assert "near-duplicates" in text and "leakage" in text and "suspected labels" in text
    duplicates = (out / "duplicates.csv").read_text().splitlines()
    assert duplicates[0] == "row,other,distance" and "3,7,0" in duplicates
    assert "1,4,0" in (out / "leakage.csv").read_text().splitlines()
    assert (out / "labels.csv").read_text().splitlines()[1].startswith("10,1,0,")
    assert "training,all," in (out / "coverage.csv").read_text()
    for name in ("duplicates.png", "leakage.png", "labels.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    command = ["tfhash", "audit", str(files / "model.keras"), str(pictures / "flat.npz")]
    assert cli.tfhash([*command, f"--out={tmp_path / 'flat'}"]) == 0
    text = capsys.readouterr().out
    assert "no images: there are no contact sheets" in text and "No labels in the file" in text
    assert not list((tmp_path / "flat").glob("*.png"))


@pytest.mark.full
def test_which_units_of_a_users_model(files, tmp_path, capsys):
    """Of a network of tanh, by all commands that encode a user's model."""
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(n, "tanh", name=f"of_{n}") for n in (7, 5, 3)]
    path, data = tmp_path / "tanh.keras", str(files / "parts.npz")
    keras.Sequential([keras.Input((6,)), *layers, keras.layers.Dense(2)]).save(path)
    commands = {
        "encode": ["--array=x_test", f"--out={tmp_path / 'of.codes'}"],
        "measure": ["--metrics=redundancy"],
        "audit": [f"--out={tmp_path / 'audit'}"],
        "report": [f"--out={tmp_path / 'page.html'}", f"--against={path}"],
    }
    for command, further in commands.items():
        asked = ["tfhash", command, str(path), data, *further]
        assert cli.tfhash(asked) == 2
        assert "activations=['tanh']" in capsys.readouterr().err
        assert cli.tfhash([*asked, "--activations=tanh", "--layers=of_7,of_5"]) == 0
        said = capsys.readouterr().out
        assert ("12" in said) or command == "report"
    codes = Codes.load(tmp_path / "of.codes")
    assert [(one.name, one.stop - one.start) for one in codes.layers] == [("of_7", 7), ("of_5", 5)]
    page = (tmp_path / "page.html").read_text()
    assert "of_7" in page and "of_3" not in page
    assert cli.tfhash(["tfhash", "measure", str(path), data, "--layers=of_8"]) == 2
    assert "of_8" in capsys.readouterr().err


@pytest.mark.full
def test_report_on_a_users_files(pictures, tmp_path, capsys):
    model, out = str(pictures / "model.keras"), tmp_path / "page.html"
    command = ["tfhash", "report", model, str(pictures / "data.npz"), f"--out={out}"]
    assert cli.tfhash([*command, f"--against={model}"]) == 0
    assert f"Wrote {out}" in capsys.readouterr().out
    assert "of the bits" in out.read_text()
    assert cli.tfhash([*command[:-1], f"--out={tmp_path / 'none' / 'page.html'}"]) == 1
    err = capsys.readouterr().err
    assert "none" in err and err.count("\n") == 1 and err.startswith("tfhash report: ")


def test_audit_says_what_is_wrong(pictures, tmp_path, capsys):
    model, data = str(pictures / "model.keras"), str(pictures / "data.npz")
    command = ["tfhash", "audit", model, data, f"--out={tmp_path / 'out'}"]
    assert cli.tfhash([*command, "--k=60"]) == 2
    err = capsys.readouterr().err
    assert "--k: Expected fewer neighbors than there are examples in the file, 60." in err
    assert err.count("\n") == 1
    x, y = np.zeros((12, 5, 5), np.float32), np.arange(12) % 2
    for arrays, message in (
        ({"x": x, "y": y[1:]}, "y: Expected 12 labels"),
        ({"x": x, "y": np.eye(2)[y]}, "np.argmax(y, axis=1)"),
        ({"x": x[:0], "y": y[:0]}, "Expected at least one example in "),
    ):
        np.savez(tmp_path / "bad.npz", **arrays)
        assert cli.tfhash([*command[:3], str(tmp_path / "bad.npz"), command[4]]) == 2
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()  # nothing is begun
    assert cli.tfhash([*command[:4], f"--out={model}"]) == 2
    assert f"--out: Expected a folder. Received: a file, {model}" in capsys.readouterr().err


def test_audit_of_one_example_and_of_labels_that_are_called_otherwise(pictures, tmp_path, capsys):
    data, x = tmp_path / "data.npz", np.zeros((12, 5, 5), np.float32)
    command = ["tfhash", "audit", str(pictures / "model.keras"), str(data), f"--out={tmp_path}"]
    np.savez(data, x=x[:1], y=[0])
    assert cli.tfhash(command) == 0
    assert "One example has no neighbors" in capsys.readouterr().out
    np.savez(data, x_train=x, y=np.arange(12) % 2)
    assert cli.tfhash(command) == 0
    assert "No labels in the file (y_train)" in capsys.readouterr().out
