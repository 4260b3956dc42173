"""Training convolutional networks, step by step, so that they can be stopped at any of them."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash.datasets import Dataset
from tfhash.models import TITLES
from tfhash.runs import HISTORY_COLUMNS, CnnSpec, RunError, Runs, RunWriter
from tfhash.training.evaluating import Sums, evaluate
from tfhash.training.interrupts import Interrupts
from tfhash.training.loss import keras_loss
from tfhash.training.progress import skip

if TYPE_CHECKING:
    import keras
    from tqdm import tqdm

EVALUATION_BATCH = 500
SUMS = {"loss": float, "accuracy": float, "n": int}


def train_cnn(
    spec: CnnSpec,
    dataset: Dataset,
    runs: Runs,
    progress: tqdm[Any],
    save_every: float = 180.0,
) -> bool:
    """Train the network of `spec`, from where a killed command left it.

    On a CPU the outcome is the same bits whether it was stopped or not.

    Parameters
    ----------
    spec, dataset, runs
        What to train, on what, and where to keep it.
    progress
        Moved by one for every step; given a line for every epoch.
    save_every
        Seconds between savings of the state (weights, optimizer, random numbers, place in the
        epoch), which is also saved when Ctrl-C is pressed, after the step that it comes in.

    Returns
    -------
    bool
        False where the run is finished already, or in the hands of another process.

    Raises
    ------
    RunError
        The directory holds, finished or not, a run of another spec; or the loss is not finite.
    KeyboardInterrupt
        Ctrl-C was pressed.
    """
    import keras

    writer = runs.claim(spec, resume=True)
    if writer is None:
        return False
    with writer:
        _Training(spec, dataset, writer, progress, save_every).run()
    keras.utils.clear_session()
    return True


class CnnTrainer:
    """Trains convolutional networks one after another, each a line an epoch. A `Trainer`."""

    unit = "step"

    def work(self, spec: CnnSpec, dataset: Dataset) -> int:
        """Training steps of a run."""
        return spec.epochs * steps_per_epoch(spec, len(spec.training_data(dataset).x_train))

    def __call__(
        self, specs: Sequence[CnnSpec], dataset: Dataset, runs: Runs, progress: tqdm[Any]
    ) -> None:
        for spec in specs:
            steps = steps_per_epoch(spec, len(spec.training_data(dataset).x_train))
            progress.write(
                f"{spec.dataset}: {TITLES[spec.architecture]}, {spec.epochs} epochs of {steps} "
                f"steps, rate {spec.learning_rate:g} x {spec.decay:g} every {spec.decay_every:g} "
                f"epochs, {spec.protocol} protocol, {spec.precision}, into {runs.path(spec)}"
            )
            if not train_cnn(spec, dataset, runs, progress):
                skip(progress, spec.epochs * steps)


def steps_per_epoch(spec: CnnSpec, n: int) -> int:
    """Training steps of an epoch of `n` examples."""
    return -(-n // spec.batch_size)


class _Training:
    """One network in training. `epoch` is the one being trained, from 1; `step` of it are done."""

    def __init__(
        self,
        spec: CnnSpec,
        dataset: Dataset,
        writer: RunWriter,
        progress: tqdm[Any],
        save_every: float,
    ) -> None:
        self.spec, self.writer, self.progress = spec, writer, progress
        self.save_every = save_every
        self.data = spec.training_data(dataset)
        self.kept = spec.build_model(dataset)  # float32 and bare: what the checkpoints hold
        self.model = _compiled(spec, self.kept, dataset)
        self.n_steps = steps_per_epoch(spec, len(self.data.x_train))
        self.epoch, self.step = 1, 0
        self.sums = Sums()
        self.history: list[dict[str, float]] = []
        if not self._restore():
            writer.clear()
            self._keep(0)

    def run(self) -> None:
        """Train to the end, and finish the run."""
        skip(self.progress, (self.epoch - 1) * self.n_steps + self.step)
        saved = time.monotonic()
        # In the middle of a step, weights would be saved that the number of steps does not fit.
        with Interrupts(partial(self.progress.write, file=sys.stderr), "step") as interrupts:
            while self.epoch <= self.spec.epochs:
                order = self.spec.batch_order(self.epoch, len(self.data.x_train))
                started = time.monotonic()
                while self.step < self.n_steps:
                    self._train_step(order)
                    self.progress.update()
                    if interrupts.asked or time.monotonic() - saved > self.save_every:
                        self.save()
                        saved = time.monotonic()
                    interrupts.check()
                self._end_epoch(time.monotonic() - started)
        if self.spec.epochs not in self.spec.checkpoint_epochs:
            self._save_checkpoint(self.spec.epochs)
        self.writer.save_history(self.history)
        self.writer.finish()
        interrupts.check()  # pressed since the last step: no other network is begun

    def save(self) -> None:
        """Write the state of the moment, whole or not at all."""
        header = {
            "spec": self.spec.to_json(),
            "epoch": self.epoch,
            "step": self.step,
            "sums": vars(self.sums),
            "history": self.history,
        }
        variables = enumerate(self._variables())
        self.writer.state.save(header, {f"variable_{i}": np.asarray(v) for i, v in variables})

    def _restore(self) -> bool:
        """Take up the saved state, if there is one."""
        loaded = self.writer.state.load()
        if loaded is None:
            return False
        header, arrays = loaded
        try:
            there = CnnSpec.from_json(header["spec"])
            epoch, step = int(header["epoch"]), int(header["step"])
            sums = Sums(*(kind(header["sums"][k]) for k, kind in SUMS.items()))
            history = [{k: float(row[k]) for k in HISTORY_COLUMNS} for row in header["history"]]
            kept = [arrays[f"variable_{i}"] for i in range(len(arrays))]
        except (ValueError, KeyError, TypeError) as error:
            self.writer.state.set_aside(f"{type(error).__name__}: {error}")
            return False
        differences = self.spec.differences(there)
        if differences:
            raise RunError(
                f"Expected {self.writer.partial} to be a run of the same spec, stopped on its way. "
                f"Received a run of another one ({'; '.join(differences)}). Go on with its "
                "settings, keep this run in another folder, or remove it."
            )
        variables = self._variables()
        if (
            not (1 <= epoch <= self.spec.epochs and 0 <= step <= self.n_steps)
            or len(history) != epoch - 1
            or [a.shape for a in kept] != [tuple(v.shape) for v in variables]
        ):
            self.writer.state.set_aside("that of another network, or of no epoch of this one")
            return False
        if not self.writer.has_checkpoints(epoch - 1):
            return False
        for variable, array in zip(variables, kept, strict=True):
            variable.assign(array)
        self.epoch, self.step, self.sums = epoch, step, sums
        self.history = [{**row, "epoch": i} for i, row in enumerate(history, start=1)]
        return True

    def _variables(self) -> list[keras.Variable]:
        """All that a step reads and writes: weights, statistics, random seeds, moments."""
        return [*self.model.variables, *self.model.optimizer.variables]

    def _train_step(self, order: np.ndarray) -> None:
        size = self.spec.batch_size
        rows = order[self.step * size : (self.step + 1) * size]
        done = (self.epoch - 1) * self.n_steps + self.step
        self.model.optimizer.learning_rate = self.spec.rate(done, self.n_steps)
        if self.step == 0:
            self.sums = Sums()
        # Some versions of Keras begin anew with every batch, some do not.
        self.model.reset_metrics()
        logs = self.model.train_on_batch(
            self.data.x_train[rows], self.data.y_train[rows], return_dict=True
        )
        if not np.isfinite(logs["loss"]):
            raise RunError(
                f"Expected a finite loss. Received {logs['loss']} in step {self.step + 1} of epoch "
                f"{self.epoch}: training has diverged."
            )
        self.step += 1
        self.sums.add(logs, len(rows))
        means = self.sums.means("")
        self.progress.set_postfix_str(f"loss {means['loss']:.3f}, accuracy {means['accuracy']:.3f}")

    def _end_epoch(self, seconds: float) -> None:
        x, y = self.data.x_test, self.data.y_test
        tested = evaluate(self.model, x, y, "test", EVALUATION_BATCH)
        row = {"epoch": self.epoch, **self.sums.means("train_"), **tested}
        self.history.append(row)
        self.progress.write(
            f"{self.spec.architecture}, epoch {self.epoch}/{self.spec.epochs}: "
            f"loss {row['train_loss']:.4f}, accuracy {row['train_accuracy']:.4f}, "
            f"test accuracy {row['test_accuracy']:.4f} ({seconds:.0f} s)"
        )
        self._keep(self.epoch)
        self.epoch, self.step = self.epoch + 1, 0

    def _keep(self, epoch: int) -> None:
        if epoch in self.spec.checkpoint_epochs:
            self._save_checkpoint(epoch)

    def _save_checkpoint(self, epoch: int) -> None:
        network = self.model.get_layer(self.kept.name)
        if network is not self.kept:
            self.kept.set_weights(network.get_weights())
        self.writer.save_checkpoint(epoch, self.kept)


def _compiled(spec: CnnSpec, kept: keras.Model, dataset: Dataset) -> keras.Model:
    """What is trained: augmentation, the network, and the optimizer.

    The network in it is `kept` itself, or a twin that computes in another precision.
    """
    import keras

    from tfhash import backend

    network = kept
    if spec.precision != "float32":
        with _policy(spec.precision):
            network = spec.build_model(dataset)
    inputs = keras.Input(dataset.input_shape)
    images = inputs
    if spec.augment:
        seeds = np.random.SeedSequence([spec.seed, spec.repeat]).generate_state(3)
        rotation, translation, flip = (int(seed >> 1) for seed in seeds)
        for layer in (
            keras.layers.RandomRotation(15 / 360, fill_mode="nearest", seed=rotation),
            keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest", seed=translation),
            keras.layers.RandomFlip("horizontal", seed=flip),
        ):
            images = layer(images)
    model = keras.Model(inputs, network(images))
    optimizer = (
        keras.optimizers.Adam(spec.learning_rate)
        if spec.optimizer == "adam"
        else keras.optimizers.SGD(spec.learning_rate, momentum=spec.momentum)
    )
    model.compile(
        optimizer=optimizer,
        loss=keras_loss,
        metrics=["accuracy"],
        jit_compile=backend.jit_compile(),
    )
    optimizer.build(model.trainable_variables)
    return model


@contextlib.contextmanager
def _policy(name: str) -> Iterator[None]:
    """Layers that are made in this block compute in another precision."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
