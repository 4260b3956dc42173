"""Training: the spec decides the network, and a run directory is whole or not there."""

import json
import logging
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tfhash import datasets, models, results, runs, training
from tfhash.errors import InputError
from tfhash.runs import RunError, Runs, RunSpec, SpecError
from tfhash.runs.event_file import EventFile
from tfhash.training import loss, progress


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits").subset(200, 0)


def spec(**changes):
    recipe = runs.recipe(changes.pop("protocol", "paper"), "digits")
    given = {"experiment": "layer_width", "width": 6, "repeat": 1, "epochs": 2, **changes}
    return RunSpec.from_recipe(recipe, **given)


def weights(run, epoch):
    import keras

    return keras.saving.load_model(results.checkpoints(run)[epoch]).get_weights()


def test_mlp_layers():
    names = [layer.name for layer in models.mlp((8, 8), 5, 2, 10, batch_norm=True).layers]
    assert names == [
        *("flatten", "dense_1", "batch_norm_1", "relu_1", "dense_2", "batch_norm_2", "relu_2"),
        "logits",
    ]
    model = models.mlp((8, 8), 5, 1, 10)
    assert [layer.name for layer in model.layers] == ["flatten", "dense_1", "relu_1", "logits"]
    assert model.output_shape == (None, 10) and not model.compiled


def test_mlp_seed_and_l2():
    same, again, other = (models.mlp((8, 8), 5, 2, 10, seed=s).get_weights() for s in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(same, again, strict=True))
    assert not np.array_equal(same[0], other[0])
    assert not np.array_equal(same[2][:5, :5], same[4][:5, :5])  # layers have their own seeds
    model = models.mlp((8, 8), 5, 1, 10, l2=0.5, seed=3)
    kernels = [w for w in model.get_weights() if w.ndim == 2]
    assert float(sum(model.losses)) == pytest.approx(0.5 * sum((k**2).sum() for k in kernels))


@pytest.mark.parametrize("bad", [{"width": 0}, {"depth": 0}, {"n_classes": 0}, {"l2": -1}])
def test_mlp_refuses_sizes(bad):
    sizes = {"width": 5, "depth": 1, "n_classes": 10, **bad}
    with pytest.raises(ValueError, match="at least"):
        models.mlp((8, 8), **sizes)


def test_protocols_are_the_papers():
    mnist, cifar = runs.recipe("paper", "mnist"), runs.recipe("paper", "cifar10")
    assert (mnist.depth, mnist.epochs, mnist.batch_size, mnist.repeats) == (1, 2000, 128, 5)
    assert len(mnist.widths) == 23 and mnist.learning_rate == 0.001 and mnist.decay == 1
    assert (cifar.depth, cifar.epochs, cifar.batch_size, cifar.repeats) == (5, 200, 64, 10)
    assert cifar.widths == tuple(range(10, 201, 10))
    assert cifar.batch_norm and not mnist.batch_norm  # see docs/reproduction.md
    for name in datasets.NAMES:
        released = runs.recipe("released", name)
        assert (released.batch_norm, released.l2, released.hold_out) == (True, 1e-6, 0.2)
        assert (released.epochs, released.early_stopping, released.batch_size) == (200, 10, 64)
    with pytest.raises(InputError, match=r"paper, released.*'secret'"):
        runs.recipe("secret", "mnist")


def test_old_names_warn_and_are_the_new_ones():
    with pytest.warns(DeprecationWarning, match=r"training\.protocol is now tfhash\.runs\.recipe"):
        assert training.protocol is runs.recipe
    with pytest.warns(DeprecationWarning, match=r"is now tfhash\.runs\.RunSpec"):
        assert training.RunSpec is RunSpec
    with pytest.raises(AttributeError, match="no attribute 'recipes'"):
        training.recipes  # noqa: B018


def test_learning_rate_schedule():
    cifar = RunSpec.from_recipe(
        runs.recipe("paper", "cifar10"), experiment="layer_width", width=10, repeat=1
    )
    rates = {epoch: cifar.rate(epoch) for epoch in (1, 20, 21, 40, 41)}
    assert rates == pytest.approx({1: 0.01, 20: 0.01, 21: 0.001, 40: 0.001, 41: 0.0001})


def test_spec_json_and_directory():
    one = spec(checkpoint_epochs=(0, 1), seed=4)
    content = json.loads(json.dumps(one.to_json()))
    assert RunSpec.from_json(content) == one
    content.pop("seed")  # as in a file from before the field was there
    assert RunSpec.from_json(content) == spec(checkpoint_epochs=(0, 1))
    assert one.directory.as_posix() == "layer_width/digits/depth=1/width=6/repeat=1"
    sampled = spec(sample_size=100).directory
    assert sampled.as_posix() == "layer_width/digits/depth=1/width=6/sample_size=100/repeat=1"
    with pytest.raises(SpecError, match="Received also: color"):
        RunSpec.from_json({**content, "color": "red"})
    content.pop("width")
    with pytest.raises(SpecError, match="width"):
        RunSpec.from_json(content)


@pytest.mark.parametrize(
    "bad",
    [
        {"width": 0},
        {"epochs": -1},
        {"learning_rate": 0.0},
        {"checkpoint_epochs": (1, 1)},
        {"checkpoint_epochs": (3,)},
        {"checkpoint_epochs": (-1,)},
        {"decay": 0.0},
        {"hold_out": -0.5},
        {"hold_out": 1.0},
        {"early_stopping": -1},
    ],
)
def test_spec_out_of_range(bad):
    with pytest.raises(SpecError, match=r"Expected .* Received"):
        spec(**bad)


@pytest.mark.full
@pytest.mark.parametrize("protocol", ["paper", "released"])
def test_fit_is_keras_step_by_step(digits, tmp_path, protocol):
    """Plain steps over the spec's batch order come to the same weights, moving statistics too."""
    import keras

    one = spec(protocol=protocol, batch_size=32, decay=0.1, decay_every=1)
    training.train([one], digits, tmp_path, training.fit_one_by_one)
    data = one.training_data(digits)
    assert len(data.x_train) == (200 if protocol == "paper" else 160)
    model = one.build_model(digits)
    by_hand = keras.Model(model.inputs, model.outputs)
    by_hand.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for epoch in (1, 2):
        by_hand.optimizer.learning_rate = one.rate(epoch)
        order = one.batch_order(epoch, len(data.x_train))
        for start in range(0, len(order), 32):
            rows = order[start : start + 32]
            by_hand.train_on_batch(data.x_train[rows], data.y_train[rows])
    kept = weights(Runs(tmp_path).path(one), 2)
    assert len(kept) == (4 if protocol == "paper" else 8)
    # The gradient of a bias before batch normalization is nothing but rounding, and the moving mean
    # follows it.
    loose = () if protocol == "paper" else (1, 4)
    for i, (a, b) in enumerate(zip(kept, by_hand.get_weights(), strict=True)):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=0.01 if i in loose else 1e-6)


@pytest.mark.full
def test_history_before_training_is_of_all_examples(digits, tmp_path, monkeypatch):
    """Also where they are evaluated in several batches, the last one smaller."""
    from tfhash.training import fit

    monkeypatch.setattr(fit, "EVALUATION_BATCH", {"dense": 70})
    one = spec(epochs=1)
    training.train([one], digits, tmp_path, training.fit_one_by_one)
    logits = one.build_model(digits).predict(digits.x_train, verbose=0)
    right = (logits.argmax(axis=1) == digits.y_train).mean()
    log_shares = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    loss = -log_shares[np.arange(len(logits)), digits.y_train].mean()
    history = pd.read_csv(Runs(tmp_path).path(one) / "history.csv")
    assert history.train_accuracy[0] == pytest.approx(right)
    assert history.train_loss[0] == pytest.approx(loss, rel=1e-5)


def test_run_directory(digits, tmp_path):
    import keras

    one = spec(checkpoint_epochs=(0, 1), epochs=3)
    report = training.train([one], digits, tmp_path)
    assert (report.trained, report.skipped, report.elsewhere) == ([one], [], [])
    run = Runs(tmp_path).path(one)
    assert sorted(os.listdir(run)) == [
        *("epoch=0000.keras", "epoch=0001.keras", "epoch=0003.keras", "history.csv", "spec.json")
    ]
    assert os.listdir(run.parent) == ["repeat=1"]
    assert runs.read_spec(run) == one
    for start, kept in zip(one.build_model(digits).get_weights(), weights(run, 0), strict=True):
        np.testing.assert_array_equal(start, kept)
    history = pd.read_csv(run / "history.csv")
    assert list(history.columns) == list(results.HISTORY_COLUMNS)
    assert history["epoch"].tolist() == [0, 1, 2, 3]
    assert history["train_loss"].is_monotonic_decreasing
    model = keras.saving.load_model(run / "epoch=0003.keras")
    assert not model.compiled
    predicted = model.predict(digits.x_test, verbose=0).argmax(axis=1)
    assert history["test_accuracy"].iloc[-1] == pytest.approx(
        np.mean(predicted == digits.y_test), abs=1e-6
    )


@pytest.mark.full
def test_finished_runs_are_skipped_and_repeatable(digits, tmp_path):
    specs = [spec(width=w) for w in (4, 5)]
    training.train(specs[:1], digits, tmp_path / "a")
    run = Runs(tmp_path / "a").path(specs[0])
    before = (run / "epoch=0002.keras").stat().st_mtime_ns
    report = training.train(specs, digits, tmp_path / "a")
    assert (report.trained, report.skipped) == (specs[1:], specs[:1])
    assert (run / "epoch=0002.keras").stat().st_mtime_ns == before
    for root in "bc":
        training.train(specs, digits, tmp_path / root)
    for one in specs:
        alone, together, again = (Runs(tmp_path / root).path(one) / "history.csv" for root in "abc")
        assert together.read_text() == again.read_text()
        # Whom a network is trained with changes roundings only.
        np.testing.assert_allclose(pd.read_csv(alone), pd.read_csv(together), rtol=1e-4, atol=1e-6)


def test_epochs_of_few_examples_are_not_all_tested():
    """Tests cost about as much as training at most, and what is kept is always tested."""

    def tested(n_train, n_test, **changes):
        one = spec(batch_size=100, epochs=50, **changes)
        return [epoch for epoch in range(51) if one.tests_after(epoch, n_train, n_test)]

    assert tested(50_000, 10_000) == tested(9_901, 10_000) == list(range(51))
    assert tested(5_000, 10_000) == list(range(0, 51, 2))
    assert tested(901, 10_000) == [0, 10, 20, 30, 40, 50]
    assert tested(10, 10_000, checkpoint_epochs=(7,)) == [0, 7, 50]
    assert tested(10, 10_000, epoch_size=2_500) == [*range(0, 51, 4), 50]


@pytest.mark.parametrize("trainer", [training.SweepTrainer(), training.fit_one_by_one])
def test_early_stopping_ends_a_run(digits, tmp_path, trainer):
    # At this rate nothing improves after a while; the epochs that are kept are those trained.
    one = spec(epochs=40, learning_rate=10.0, early_stopping=2, checkpoint_epochs=(1, 40))
    few = digits.take(np.arange(40))
    training.train([one], few, tmp_path, trainer)
    run = Runs(tmp_path).path(one)
    history = pd.read_csv(run / "history.csv")
    last = int(history["epoch"].iloc[-1])
    assert 2 < last < 40
    tested = history.loc[history["test_loss"].notna(), "epoch"].tolist()
    assert tested == [e for e in range(last) if one.tests_after(e, 40, len(few.x_test))] + [last]
    table = results.load(tmp_path, stages=("training",))
    rows = table[(table["split"] == "test") & (table["metric"] == "loss")]
    assert rows["epoch"].tolist() == tested and rows["value"].notna().all()
    assert list(results.checkpoints(run)) == [1, last]
    assert training.train([one], digits, tmp_path).skipped == [one]


@pytest.mark.full
def test_another_spec_is_refused_with_the_difference(digits, tmp_path):
    training.train([spec()], digits, tmp_path)
    other = spec(epochs=3, batch_size=16)
    fresh = spec(width=9)
    with pytest.raises(RunError, match=r"epochs: 2 there, 3 here; batch_size: 32 there, 16 here"):
        training.train([fresh, other], digits, tmp_path)
    assert not Runs(tmp_path).path(fresh).exists()
    assert runs.read_spec(Runs(tmp_path).path(other)) == spec()


def break_file(path, how):
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        middle = content.index(b"model.weights.h5") + 2000
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif how == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()


@pytest.mark.full
@pytest.mark.parametrize("how", ["truncated", "flipped", "empty", "missing"])
def test_broken_checkpoint_is_redone(digits, tmp_path, caplog, how):
    one = spec(epochs=1)
    training.train([one], digits, tmp_path)
    run = Runs(tmp_path).path(one)
    history = (run / "history.csv").read_text()
    break_file(run / "epoch=0001.keras", how)
    with caplog.at_level(logging.WARNING, "tfhash"):
        report = training.train([one], digits, tmp_path)
    assert report.trained == [one]
    assert "epoch=0001.keras" in caplog.text and "done again" in caplog.text
    assert (run / "history.csv").read_text() == history
    assert len(weights(run, 1)) == 4


def test_unwritable_root_is_met_before_training(digits, tmp_path):
    (tmp_path / "file").write_text("in the way")

    def never(*_):
        raise AssertionError("training began")

    with pytest.raises(RunError, match=r"can be written to at .*Received: Not a directory"):
        training.train([spec()], digits, tmp_path / "file" / "runs", trainer=never)


def test_failed_run_leaves_nothing(digits, tmp_path):
    def fails(specs, dataset, runs, progress):
        with runs.claim(specs[0]) as writer:
            writer.save_checkpoint(0, specs[0].build_model(dataset))
            raise MemoryError

    with pytest.raises(MemoryError):
        training.train([spec()], digits, tmp_path, trainer=fails)
    assert os.listdir(Runs(tmp_path).path(spec()).parent) == []


@pytest.mark.full
def test_what_a_killed_run_left_is_swept_up(digits, tmp_path):
    path = Runs(tmp_path).path(spec())
    (path.parent / ".repeat=1.partial").mkdir(parents=True)
    (path.parent / ".repeat=1.partial" / "epoch=0007.keras").write_text("half")
    (path.parent / ".repeat=1.lock").touch()
    training.train([spec()], digits, tmp_path)
    assert os.listdir(path.parent) == ["repeat=1"]
    assert list(results.checkpoints(path)) == [2]


HOLDER = """
import sys
from pathlib import Path
from tfhash.files import FileLock
lock = FileLock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


@pytest.mark.full
def test_runs_in_other_hands_are_left_alone(digits, tmp_path):
    one, two = spec(width=4), spec(width=5)
    path = Runs(tmp_path).path(one)
    path.parent.mkdir(parents=True)
    lock = path.parent / ".repeat=1.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)],
        cwd=tmp_path,  # a checkout's own folder would put its source before what is installed
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        report = training.train([one, two], digits, tmp_path)
        assert (report.trained, report.elsewhere) == ([two], [one])
        holder.kill()  # its lock goes with it
        holder.wait()
        assert training.train([one, two], digits, tmp_path).trained == [one]
    assert not lock.exists()


def test_a_trainer_may_be_anything(digits, tmp_path):
    """The seam for faster ways of training: claims many runs, finishes them in any order."""

    def initial_weights_only(specs, dataset, runs, progress):
        writers = [runs.claim(one) for one in specs]
        for one, writer in reversed(list(zip(specs, writers, strict=True))):
            with writer:
                writer.save_checkpoint(one.epochs, one.build_model(dataset))
                writer.save_history([dict.fromkeys(results.HISTORY_COLUMNS, 0)])
                writer.finish()
            progress.update(one.epochs)

    specs = [spec(width=w) for w in (3, 4, 5)]
    assert training.train(specs, digits, tmp_path, trainer=initial_weights_only).trained == specs
    assert len(results.find_runs(tmp_path)) == 3


@pytest.mark.full
def test_tensorboard_sees_every_epoch(digits, tmp_path):
    """Files as TensorFlow's own reader reads them, checksums too, of both trainers."""
    tf = pytest.importorskip("tensorflow")
    one = spec(epochs=2)
    for name, trainer in (("sweep", training.SweepTrainer()), ("fit", training.fit_one_by_one)):
        training.train([one], digits, tmp_path / name, trainer, tmp_path / "board" / name)
        history = pd.read_csv(Runs(tmp_path / name).path(one) / "history.csv")
        (file,) = (tmp_path / "board" / name / one.directory).iterdir()
        events = list(tf.compat.v1.train.summary_iterator(str(file)))
        assert events[0].file_version == "brain.Event:2"
        assert [event.step for event in events[1:]] == [0, 1, 2]
        for event, row in zip(events[1:], history.to_dict("records"), strict=True):
            for value in event.summary.value:
                measure, split = value.tag.split("/")
                assert value.simple_value == pytest.approx(row[f"{split}_{measure}"], rel=1e-6)
            tested = one.tests_after(event.step, len(digits.x_train), len(digits.x_test))
            assert len(event.summary.value) == (4 if tested else 2)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"TensorBoard.*at .*x\. Received.*Name another folder"):
        training.train([spec(width=9)], digits, tmp_path, tensorboard=tmp_path / "file" / "x")


def test_event_numbers_of_several_bytes(tmp_path):
    tf = pytest.importorskip("tensorflow")
    file = EventFile(tmp_path)
    for step in (0, 127, 128, 2_000, 1 << 40):
        file.write(step, {"a" * 200: float(step)})
    file.close()
    (path,) = tmp_path.iterdir()
    events = list(tf.compat.v1.train.summary_iterator(str(path)))[1:]
    assert [event.step for event in events] == [0, 127, 128, 2_000, 1 << 40]
    assert [event.summary.value[0].tag for event in events] == ["a" * 200] * 5


def test_a_log_gets_a_line_now_and_then(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    with training.progress_bar(10, "epoch", "3 models") as bar:
        progress.skip(bar, 6)
        bar.update(2)
        bar.refresh()
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("3 models: 6 of 10 epochs, 60%, 00:00 gone,") for line in lines)
    assert lines[-1].startswith("3 models: 8 of 10 epochs, 80%")
    assert bar.initial == 6  # what was there already does not count for the speed

    monkeypatch.setattr(progress, "LINE_EVERY", 60.0)
    with training.progress_bar(10, "epoch") as bar:
        bar.update(10)
    assert capsys.readouterr().err == ""


def test_the_loss_is_keras_s_own_until_an_example_is_certain():
    import keras

    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 3, (50, 7)).astype(np.float32), rng.integers(0, 7, 50)
    ours = loss.keras_loss(labels, keras.ops.convert_to_tensor(logits))
    theirs = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    # In double precision, near zero, where logits that are not shifted first lose all digits.
    logits[:, 0] = 1000 + rng.uniform(0, 14, 50).astype(np.float32)
    logits[:, 1:] = 1000
    margins = logits[:, 0].astype(np.float64) - 1000
    np.testing.assert_allclose(
        loss.keras_loss(np.zeros(50, int), keras.ops.convert_to_tensor(logits)),
        np.log1p(6 * np.exp(-margins)),
        atol=1e-6,
    )
    far = keras.ops.convert_to_tensor(np.array([[30.0, 0.0], [0.0, 30.0]], np.float32))
    certain, hopeless = np.asarray(loss.keras_loss(np.array([0, 0]), far))
    assert certain == pytest.approx(1e-7) and hopeless == pytest.approx(-np.log(1e-7))


def test_certain_examples_move_nothing():
    """Rounding once left them a gradient, which in the long run turned all units on."""
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.layers[0].set_weights([np.array([[20, 0, -7], [0, 20, 3]], np.float32), np.ones(3)])
    model.compile(keras.optimizers.SGD(1e6), loss.keras_loss, jit_compile=False)
    before = [np.array(w) for w in model.get_weights()]
    model.train_on_batch(np.eye(2, dtype=np.float32), np.array([0, 1]))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model.train_on_batch(np.array([[0.1, 0.0]], np.float32), np.array([0]))
    assert not np.array_equal(before[0], model.get_weights()[0])
