"""Convolutional networks: their tables, their training, and what comes of stopping it."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import test_results
from tqdm import tqdm

from processes import run_until_killed, said_besides_progress
from tfhash import cli, datasets, models, results, runs, training
from tfhash.errors import InputError
from tfhash.runs import CnnSpec, RunError, Runs, SpecError
from tfhash.studies import drawing
from tfhash.training import cnn as cnn_training
from tfhash.training import evaluating

SCRIPTS = Path(__file__).resolve().parents[2] / "run_scripts"
SHAPES = {"mnist": (28, 28), "cifar10": (32, 32, 3), "digits": (8, 8)}


def conv(k, c_in, c_out, groups=1):
    """Weights of a convolution and of the scale and shift of its batch normalization."""
    return k * k * c_in // groups * c_out + 2 * c_out


def dense(n_in, n_out):
    return n_in * n_out + n_out


def chain(k, *channels):
    return sum(conv(k, a, b) for a, b in pairwise(channels))


def residual(widths, blocks):
    """Weights of stages of [3x3, 3x3] blocks, the first of the later ones with a 1x1 shortcut."""
    total, before = 0, widths[0]
    for width, n in zip(widths, blocks, strict=True):
        total += conv(3, before, width) + (2 * n - 1) * conv(3, width, width)
        total += conv(1, before, width) if before != width else 0
        before = width
    return total


STEM = conv(3, 1, 32)
# Units and trainable weights, by hand from the paper's Tables 3 and 4. MNIST's images are 28x28,
# 14x14 after the first convolution, 7x7 after max-pool, and halved (rounded up) by each stage.
EXPECTED = {
    ("mnist", "vgg18"): (
        14 * 14 * 32 + 7 * 7 * 4 * (32 + 64 + 128 + 256),
        STEM + chain(3, *[32] * 5, *[64] * 4, *[128] * 4, *[256] * 4) + dense(256, 10),
    ),
    ("mnist", "resnet18"): (
        14 * 14 * 32 + 4 * (7 * 7 * 32 + 4 * 4 * 64 + 2 * 2 * 128 + 1 * 1 * 256),
        STEM + residual((32, 64, 128, 256), (2, 2, 2, 2)) + dense(256, 10),
    ),
    ("mnist", "resnet34"): (
        14 * 14 * 32 + 6 * 7 * 7 * 32 + 8 * 4 * 4 * 64 + 12 * 2 * 2 * 128 + 6 * 256,
        STEM + residual((32, 64, 128, 256), (3, 4, 6, 3)) + dense(256, 10),
    ),
    ("mnist", "resnext26"): (
        14 * 14 * 32
        + 2 * 7 * 7 * (32 + 32 + 64)
        + (7 * 7 * 64 + 4 * 4 * (64 + 128))
        + 2 * 4 * 4 * (64 + 64 + 128)
        + (4 * 4 * 128 + 2 * 2 * (128 + 256))
        + 2 * 2 * 2 * (128 + 128 + 256),
        STEM
        + sum(
            conv(1, first, f)
            + (n - 1) * conv(1, 2 * f, f)
            + n * (conv(3, f, f, 8) + conv(1, f, 2 * f))
            + conv(1, first, 2 * f)  # the first block's shortcut
            for first, f, n in ((32, 32, 2), (64, 64, 3), (128, 128, 3))
        )
        + dense(256, 10),
    ),
    ("mnist", "densenet28"): (
        # 32, 44 and 56 channels go into the blocks; average pooling takes 7x7 to 3x3 to 1x1.
        14 * 14 * 32 + 4 * 15 * (49 + 9 + 1) + 44 * 49 + 56 * 9,
        STEM
        + sum(conv(1, c + 3 * i, 12) + conv(3, 12, 3) for c in (32, 44, 56) for i in range(4))
        + conv(1, 44, 44)
        + conv(1, 56, 56)
        + dense(68, 10),
    ),
    ("cifar10", "vgg16"): (
        2 * 32**2 * 64 + 2 * 16**2 * 128 + 3 * (8**2 * 256 + 4**2 * 512 + 2**2 * 512) + 2 * 4096,
        chain(3, 3, 64, 64, 128, 128, 256, 256, 256, *[512] * 6)
        + dense(512, 4096)
        + dense(4096, 4096)
        + dense(4096, 10),
    ),
    ("cifar10", "vgg19"): (
        2 * 32**2 * 64 + 2 * 16**2 * 128 + 4 * (8**2 * 256 + 4**2 * 512 + 2**2 * 512) + 2 * 4096,
        chain(3, 3, 64, 64, 128, 128, 256, 256, 256, 256, *[512] * 8)
        + dense(512, 4096)
        + dense(4096, 4096)
        + dense(4096, 10),
    ),
    ("cifar10", "resnet18"): (
        557_056,
        conv(3, 3, 64) + residual((64, 128, 256, 512), (2, 2, 2, 2)) + dense(512, 10),
    ),
    **{
        ("cifar10", f"resnet{6 * n + 2}"): (
            32**2 * 16 + 2 * n * (32**2 * 16 + 16**2 * 32 + 8**2 * 64),
            conv(3, 3, 16) + residual((16, 32, 64), (n, n, n)) + dense(64, 10),
        )
        for n in (3, 5, 9)
    },
}


@pytest.mark.full
@pytest.mark.parametrize(("dataset", "architecture"), EXPECTED)
def test_units_and_weights(dataset, architecture):
    import keras

    from tfhash import Encoder

    units, weights = EXPECTED[dataset, architecture]
    model = models.cnn(architecture, dataset, SHAPES[dataset], seed=0)
    encoder = Encoder(model)
    assert encoder.n_bits == units
    assert encoder.layer_names == [f"relu_{i + 1}" for i in range(len(encoder.layer_names))]
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == weights
    # The number in the name counts convolutions and dense layers, without shortcuts.
    weighted = [x for x in model.layers if isinstance(x, keras.layers.Conv2D | keras.layers.Dense)]
    shortcuts = [
        x for x in weighted if isinstance(x, keras.layers.Conv2D) and x.kernel_size == (1, 1)
    ]
    if "resnet" in architecture:
        weighted = [x for x in weighted if x not in shortcuts]
    if architecture == "resnext26":
        weighted = weighted[:-3]
    assert len(weighted) == int("".join(c for c in architecture if c.isdigit()))
    assert model.output_shape == (None, 10) and not model.compiled


def test_every_network_is_listed():
    paper = {key for key in EXPECTED if key[0] != "digits"}
    known = {(d, a) for d, nets in models.ARCHITECTURES.items() for a in nets if d != "digits"}
    assert known == paper and {a for _, a in known} == set(models.TITLES)
    tables = results.paper_tables()
    for dataset in ("mnist", "cifar10"):
        theirs = set(tables[tables["dataset"] == dataset]["model"])
        assert theirs <= {models.TITLES[a] for a in models.ARCHITECTURES[dataset]}


def test_residual_blocks_end_after_the_addition():
    """The second convolution of a block is not followed by ReLU, the addition is."""
    model = models.cnn("resnet20", "cifar10", (32, 32, 3), seed=0)
    for layer in model.layers:
        followed = [type(n.operation).__name__ for n in layer._outbound_nodes]
        if type(layer).__name__ == "Conv2D":
            assert followed == ["BatchNormalization"]
        if type(layer).__name__ == "Add":
            assert followed == ["Activation"]
        if type(layer).__name__ == "BatchNormalization":
            assert followed in (["Activation"], ["Add"])


@pytest.mark.full
def test_seed_and_l2():
    same, again, other = (
        models.cnn("resnet18", "digits", (8, 8), seed=s).get_weights() for s in (3, 3, 4)
    )
    assert all(np.array_equal(a, b) for a, b in zip(same, again, strict=True))
    assert not np.array_equal(same[0], other[0])
    model = models.cnn("resnet18", "digits", (8, 8), l2=0.5, seed=3)
    kernels = [w for w in model.get_weights() if w.ndim in (2, 4)]
    assert float(sum(model.losses)) == pytest.approx(0.5 * sum((k**2).sum() for k in kernels), 1e-4)
    with pytest.raises(ValueError, match="l2 of at least 0"):
        models.cnn("resnet18", "digits", (8, 8), l2=-1)


@pytest.mark.parametrize(
    ("architecture", "dataset", "message"),
    [
        ("resnet19", "mnist", r"near: resnet18.*Received: 'resnet19'"),
        ("vgg19", "mnist", "'vgg19', which is for cifar10"),
        ("resnet18", "svhn", "Expected a dataset among mnist, cifar10, digits"),
    ],
)
def test_unknown_networks(architecture, dataset, message):
    with pytest.raises(InputError, match=message):
        models.check_architecture(architecture, dataset)
    assert models.check_architecture("ResNet-18", "mnist") == "resnet18"


def test_protocols_are_the_papers():
    mnist, cifar = (runs.cnn_recipe("paper", name) for name in ("mnist", "cifar10"))
    assert (mnist.optimizer, mnist.batch_size, mnist.epochs) == ("adam", 128, 500)
    assert (cifar.optimizer, cifar.batch_size, cifar.epochs) == ("sgd", 64, 200)
    for recipe, every in ((mnist, 100), (cifar, 50)):
        assert (recipe.learning_rate, recipe.decay, recipe.decay_every) == (0.01, 0.1, every)
        assert (recipe.augment, recipe.l2, recipe.hold_out) == (False, 0.0, 0.0)
    released = runs.cnn_recipe("released", "cifar10")
    assert (released.augment, released.l2, released.hold_out) == (True, 5e-6, 0.2)
    with pytest.raises(InputError, match="paper, released"):
        runs.cnn_recipe("secret", "mnist")


def spec(**changes):
    recipe = runs.cnn_recipe(changes.pop("protocol", "paper"), "digits")
    given = {"architecture": "resnet18", "repeat": 1, "epochs": 2, "batch_size": 16, "examples": 40}
    return CnnSpec.from_recipe(recipe, **{**given, **changes})


def test_rate_by_the_step():
    cifar = CnnSpec.from_recipe(
        runs.cnn_recipe("paper", "cifar10"), architecture="resnet20", repeat=1
    )
    steps = 782
    got = [cifar.rate(step, steps) for step in (0, 50 * steps - 1, 50 * steps, 199 * steps)]
    assert got == pytest.approx([0.01, 0.01, 0.001, 1e-5])
    short = spec(epochs=1, decay_every=0.3)  # 0.3 * 10 is not quite 3
    assert [short.rate(step, 10) for step in (2, 3, 6, 9)] == pytest.approx(
        [1e-2, 1e-3, 1e-4, 1e-5]
    )


def test_spec_json_and_directory():
    one = spec()
    assert CnnSpec.from_json(json.loads(json.dumps(one.to_json()))) == one
    assert one.directory.as_posix() == "cnn/digits/architecture=resnet18/examples=40/repeat=1"
    with pytest.raises(SpecError, match="color"):
        CnnSpec.from_json({**one.to_json(), "color": "red"})
    for bad in (
        *({"epochs": -1}, {"decay_every": 0}, {"optimizer": "lion"}, {"precision": "half"}),
        *({"l2": -1.0}, {"momentum": 1.0}, {"hold_out": 1.5}, {"checkpoint_epochs": (1, 1)}),
        {"checkpoint_epochs": (9999,)},
    ):
        with pytest.raises(SpecError, match=r"Expected .* Received"):
            spec(**bad)


# A network in ResNet-18's place that Keras takes no time to trace.
TINY = partial(models.resnet, stages=((4, 1),))


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(models.ARCHITECTURES["digits"], "resnet18", TINY)


class Progress(tqdm):
    """A progress bar that nobody sees."""

    def __init__(self):
        super().__init__(file=io.StringIO())


def stop_in(step, *given):
    """Train, with Ctrl-C in the middle of the step of that number, from 1, of those that are done.

    Its weights have moved.
    """
    import keras

    train, done = keras.Model.train_on_batch, []

    def pressed(self, *batch, **kwargs):
        logs = train(self, *batch, **kwargs)
        done.append(1)
        if len(done) == step:
            signal.raise_signal(signal.SIGINT)
        return logs

    with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(keras.Model, "train_on_batch", pressed)
        training.train_cnn(*given)
    assert len(done) == step


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


def kept(root, one, epoch=2):
    import keras

    run = Runs(root).path(one)
    return keras.saving.load_model(results.checkpoints(run)[epoch]).get_weights(), (
        run / "history.csv"
    ).read_text()


@pytest.mark.full
@pytest.mark.parametrize("protocol", ["paper", "augmented"])
def test_stopped_anywhere_it_ends_with_the_same_bits(tiny, digits, tmp_path, protocol):
    """In the middle of an epoch, and after its last step, before the test set."""
    import keras

    if protocol == "augmented":
        # Gray images have no channels until they are in the network.
        digits = replace(digits, x_train=digits.x_train[..., None], x_test=digits.x_test[..., None])
        one = spec(optimizer="sgd", momentum=0.9, augment=True, l2=1e-4, checkpoint_epochs=(0, 1))
    else:
        one = spec()
    whole = Runs(tmp_path / "whole")
    assert training.train_cnn(one, digits, whole, Progress())
    assert not training.train_cnn(one, digits, whole, Progress())  # it is there
    stopped = Runs(tmp_path / "stopped")
    for step in (2, 1):
        stop_in(step, one, digits, stopped, Progress())
        assert not stopped.path(one).exists()
    other = spec(epochs=3)
    if protocol == "paper":
        with pytest.raises(RunError, match=r"stopped on its way.*epochs: 2 there, 3 here"):
            training.train_cnn(other, digits, stopped, Progress())
    assert training.train_cnn(one, digits, stopped, Progress())
    (a, history_a), (b, history_b) = (kept(tmp_path / r, one) for r in ("whole", "stopped"))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert history_a == history_b
    files = set(os.listdir(stopped.path(one)))
    early = {f"epoch={e:04d}.keras" for e in one.checkpoint_epochs}
    assert files == {"epoch=0002.keras", "history.csv", "spec.json"} | early
    assert os.listdir(stopped.path(one).parent) == ["repeat=1"]
    # What is kept is the bare network: no augmentation, nothing of how it was trained.
    model = keras.saving.load_model(stopped.path(one) / "epoch=0002.keras")
    assert not model.compiled and not any("Random" in type(x).__name__ for x in model.layers)
    data = one.training_data(digits)
    assert len(data.x_train) == len(data.x_test) == 40
    history = pd.read_csv(stopped.path(one) / "history.csv")
    share = np.mean(model.predict(data.x_test, verbose=0).argmax(axis=1) == data.y_test)
    assert history["test_accuracy"].iloc[-1] == pytest.approx(share)


@pytest.mark.full
def test_ctrl_c_after_the_last_step_finishes_and_stops(tiny, digits, tmp_path, monkeypatch):
    """While the test set is gone through, say: the next network is not begun."""
    evaluate = evaluating.evaluate

    def pressed(*given):
        signal.raise_signal(signal.SIGINT)
        return evaluate(*given)

    monkeypatch.setattr(cnn_training, "evaluate", pressed)
    specs = [spec(epochs=1, repeat=repeat) for repeat in (1, 2)]
    with pytest.raises(KeyboardInterrupt):
        training.CnnTrainer()(specs, digits, Runs(tmp_path), Progress())
    assert [Runs(tmp_path).is_finished(one) for one in specs] == [True, False]


@pytest.fixture(scope="module")
def stopped_runs(digits, tmp_path_factory):
    """What Ctrl-C in the second step leaves."""
    root = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(models.ARCHITECTURES["digits"], "resnet18", TINY)
        stop_in(2, spec(epochs=1), digits, Runs(root), Progress())
    return root


@pytest.mark.full
@pytest.mark.parametrize("how", ["cut", "empty", "shapes", "epoch"])
def test_damaged_state_is_set_aside_and_training_starts_anew(
    tiny, digits, tmp_path, caplog, how, stopped_runs
):
    one = spec(epochs=1)
    stopped = Runs(shutil.copytree(stopped_runs, tmp_path / "runs"))
    partial = stopped.path(one).parent / ".repeat=1.partial"
    file = partial / "state.npz"
    if how in ("cut", "empty"):
        file.write_bytes(file.read_bytes()[: 1000 if how == "cut" else 0])
    else:
        with np.load(file) as content:
            arrays = dict(content)
        if how == "shapes":
            arrays["variable_0"] = np.zeros(3)
        else:
            arrays["header"] = np.array(str(arrays["header"]).replace('"epoch": 1', '"epoch": 9'))
        np.savez(file, **arrays)
    assert training.train_cnn(one, digits, stopped, Progress())
    (warned,) = (r.getMessage() for r in caplog.records if r.name == "tfhash")
    assert str(file) in warned and "It is set aside as .repeat=1.state.npz.broken" in warned
    assert sorted(os.listdir(partial.parent)) == [".repeat=1.state.npz.broken", "repeat=1"]
    assert set(os.listdir(stopped.path(one))) == {"epoch=0001.keras", "history.csv", "spec.json"}


@pytest.mark.full
def test_history_is_of_whole_epochs(tiny, digits, tmp_path):
    """Without a rate nothing changes but statistics: the mean over an epoch can be counted."""
    import keras

    one = spec(epochs=1, learning_rate=1e-12)
    training.train_cnn(one, digits, Runs(tmp_path), Progress())
    row = pd.read_csv(Runs(tmp_path).path(one) / "history.csv").iloc[0]
    data, model = one.training_data(digits), one.build_model(digits)
    order = one.batch_order(1, 40)
    losses, right = 0.0, 0
    for start in range(0, 40, 16):
        rows = order[start : start + 16]
        logits = keras.ops.convert_to_numpy(model(data.x_train[rows], training=True))
        y = data.y_train[rows]
        logs = logits - logits.max(1, keepdims=True)
        losses -= (logs[np.arange(len(y)), y] - np.log(np.exp(logs).sum(1))).sum()
        right += (logits.argmax(1) == y).sum()
    assert row["train_loss"] == pytest.approx(losses / 40, rel=1e-3)
    assert row["train_accuracy"] == pytest.approx(right / 40)


@pytest.mark.full
def test_mixed_precision_keeps_float32(tiny, digits, tmp_path):
    import keras

    one = spec(epochs=1, precision="mixed_bfloat16")
    training.train_cnn(one, digits, Runs(tmp_path), Progress())
    model = keras.saving.load_model(Runs(tmp_path).path(one) / "epoch=0001.keras")
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    start = one.build_model(digits).get_weights()
    assert any(not np.array_equal(a, b) for a, b in zip(start, model.get_weights(), strict=True))
    assert keras.config.dtype_policy().name == "float32"


def test_divergence_is_said(tiny, digits, tmp_path):
    one = spec(learning_rate=1e30, optimizer="sgd")
    with pytest.raises(RunError, match=r"Expected a finite loss. Received (nan|inf) in step"):
        training.train_cnn(one, digits, Runs(tmp_path), Progress())


SMALL = ("--dataset=digits", "--architecture", "ResNet-18", "--examples", "60", "--epoch", "1")


def run(command, *flags):
    return cli.run(command, "A script.", [f"{command}.py", *map(str, flags)])


@pytest.mark.full
def test_commands(tiny, tmp_path, capsys, caplog):
    train = ("cnn_train", *SMALL, "--save_path", tmp_path)
    measure = ("cnn_encoding_properties", *SMALL, "--load_path", tmp_path)
    assert run(*measure) == 2
    assert "none of the 1 asked for. Train them first" in capsys.readouterr().err
    assert run(*train) == 0
    text = capsys.readouterr().out
    assert "ResNet-18, 1 epochs of 2 steps, rate 0.01 x 0.1 every 2 epochs" in text
    assert "epoch 1/1: loss" in text
    assert run(*train) == 0
    assert "Trained 0 networks" in (text := capsys.readouterr().out)
    assert "(1 there already)" in text
    assert run(*train, "--decay_every=0.2") == 2
    assert "decay_every: 2.0 there, 0.2 here" in capsys.readouterr().err
    assert run(*measure, "--metrics=redundancy,knn") == 0
    assert "knn accuracy: 0." in capsys.readouterr().out
    table = results.load(tmp_path)
    got = table[(table["stage"] == "encoding") & (table["metric"] == "redundancy_ratio")]
    assert set(got["architecture"]) == {"resnet18"} and set(got["split"]) == {"train", "test"}
    assert run(*measure, "--metrics", "redundancy") == 0
    assert "(measured already)" in capsys.readouterr().out
    (checkpoint,) = tmp_path.rglob("*.keras")
    checkpoint.write_text("nothing")
    checkpoint.with_name("properties.json").unlink()
    assert run(*measure, "--metrics=redundancy,knn") == 0
    assert "is trained again" in caplog.text
    assert results.load(tmp_path)["value"].tolist() == table["value"].tolist()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--architecture", "resnet19"], "near: resnet18"),
        (["--architecture", "vgg19"], "which is for cifar10"),
        (["--epoch", "-1"], "epoch"),
        (["--precision", "half"], "mixed_bfloat16"),
        (["--examples", "0"], "examples"),
    ],
)
def test_wrong_flags_are_one_line(tmp_path, capsys, flags, message):
    assert run("cnn_train", "--save_path", tmp_path, *flags) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


TINY_SCRIPT = f"""
import runpy
from functools import partial
from tfhash import models
tiny = partial(models.resnet, stages={TINY.keywords["stages"]})
models.ARCHITECTURES["digits"]["resnet18"] = tiny
runpy.run_path({str(SCRIPTS / "run_cnn_train.py")!r}, run_name="__main__")
"""


@pytest.mark.full
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9, which Windows lacks")
def test_killed_training_goes_on(tmp_path):
    """kill -9 before anything is saved: the same command begins again, and leaves nothing over."""
    script, flags = tmp_path / "script.py", [*SMALL, "--save_path", tmp_path]
    script.write_text(TINY_SCRIPT)
    partial = tmp_path / "cnn/digits/architecture=resnet18/examples=60/.repeat=1.partial"
    run_until_killed(partial, script, flags, cwd=tmp_path)
    command = [sys.executable, script, *flags]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and not said_besides_progress(done.stderr)
    assert os.listdir(partial.parent) == ["repeat=1"]


def make_run(root, dataset, architecture, repeat, values, **changes):
    """A finished and measured run, without the network."""
    recipe = runs.cnn_recipe("paper", dataset)
    given = {"architecture": architecture, "repeat": repeat, "epochs": 3, **changes}
    one = CnnSpec.from_recipe(recipe, **given)
    folder = root / one.directory
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(one.to_json()))
    (folder / "properties.json").write_text(json.dumps({"epochs": {"3": values}}))


def test_tables(tmp_path, capsys):
    runs = tmp_path / "runs"
    for repeat, share in ((1, 0.97), (2, 0.99)):
        make_run(runs, "mnist", "resnet18", repeat, {"knn_accuracy": share, "test_accuracy": 0.9})
    make_run(runs, "mnist", "resnet18", 3, {"knn_accuracy": 0.1}, examples=50)
    make_run(runs, "cifar10", "resnet56", 1, {"logistic_accuracy": 0.8})
    drawing.draw(runs, tmp_path / "figures")
    first = pd.read_csv(tmp_path / "figures" / "table_1.csv")
    assert first["model"].tolist() == [
        *("VGG-18", "ResNet-18", "ResNet-34", "ResNeXt-26", "DenseNet-28")
    ]
    row = first.set_index("model").loc["ResNet-18"]
    assert (row["K-NN"], row["paper: K-NN"], row["repeats"]) == (0.98, 0.9932, 2)
    assert row["paper: K-Means (train)"] == 0.9896 and np.isnan(row["K-Means (train)"])
    second = pd.read_csv(tmp_path / "figures" / "table_2.csv").set_index("model")
    assert list(second.index) == ["VGG-19", "ResNet-18", "ResNet-20", "ResNet-32", "ResNet-56"]
    assert second.loc["VGG-19", "paper: logistic regression"] == 0.9219
    assert second.loc["ResNet-56", "logistic regression"] == 0.8
    text = (tmp_path / "figures" / "table_1.md").read_text()
    assert "| ResNet-18 | paper | 3 | 0.01 x 0.1 every 100 | 2 | 90.00% |" in text
    assert "| VGG-18 | - | - | - | - | - |" in text
    assert text in capsys.readouterr().out


def test_runs_of_both_kinds_in_one_table(tmp_path):
    """A width is a whole number still, where other runs have none."""
    make_run(tmp_path, "mnist", "resnet18", 1, {"knn_accuracy": 0.9})
    test_results.make_run(tmp_path, width=40)
    table = results.load(tmp_path, history=False)
    widths = table["width"].dropna()
    assert [str(w) for w in set(widths)] == ["40"]
    assert len(results.last_epoch(table)) == len(table)
