"""Training with plain Keras `fit`, one run after another: the reference for every faster way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash.datasets import Dataset
from tfhash.runs import Runs, RunSpec, RunWriter
from tfhash.training.evaluating import evaluate
from tfhash.training.loss import keras_loss

if TYPE_CHECKING:
    import keras
    from tqdm import tqdm

EVALUATION_BATCH = {"dense": 10_000, "convolutions": 500}  # what a few hundred MB hold
_DROPOUT = 1 << 33  # keeps its draws apart from the orders of the epochs


def fit_one_by_one(
    specs: Sequence[RunSpec], dataset: Dataset, runs: Runs, progress: tqdm[Any]
) -> None:
    """Train every spec that no other process is training. A `Trainer`."""
    import keras

    for i, spec in enumerate(specs):
        progress.set_description(f"model {i + 1}/{len(specs)}, width {spec.width}")
        before = progress.n
        writer = runs.claim(spec)
        if writer is not None:
            with writer:
                fit(spec, dataset, writer, progress)
                writer.finish()
            # Keras keeps every graph it ever traced until told otherwise.
            keras.utils.clear_session()
        # What early stopping left out, or another process does, needs no more of our time.
        progress.update(before + spec.epochs - progress.n)


def fit(spec: RunSpec, dataset: Dataset, writer: RunWriter, progress: tqdm[Any]) -> None:
    """Train the model of `spec` with Keras `fit`, handing checkpoints and history to `writer`."""
    import keras

    data = spec.training_data(dataset)
    model = spec.build_model(dataset)
    # Another model, of the same layers, is compiled and trained, so that what is kept is the bare
    # network: no optimizer state, nothing of how it was trained.
    fitted = _training_model(model, spec)
    batches = _batches(spec, data)
    fitted.compile(
        optimizer=_optimizer(spec),
        loss=keras_loss,
        metrics=["accuracy"],
        # One call into the backend per epoch: steps this small cost less than coming back to
        # Python between them. Compiling them with XLA takes longer than it saves.
        steps_per_execution=len(batches),
        jit_compile=False,
    )

    def evaluated(split: str) -> dict[str, float]:
        x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
        at_once = EVALUATION_BATCH["convolutions" if spec.convolutions else "dense"]
        return evaluate(fitted, x, y, split, at_once)

    history: list[dict[str, float]] = [{"epoch": 0, **evaluated("train")}]
    history[0].update(evaluated("test"))
    writer.show(history[0])

    class Recorder(keras.callbacks.Callback):
        """Keeps what the run should leave behind, as the epochs go by."""

        saved: int | None = None

        def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            # Not in the data's own hook, which Keras calls once or twice an epoch.
            batches.order = spec.batch_order(epoch + 1, len(data.x_train))

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            trained = {f"train_{name}": (logs or {})[name] for name in ("loss", "accuracy")}
            done = epoch + 1
            # Here and not as validation data: for networks this small, Keras's way of setting up
            # a validation pass costs more than the pass.
            tests = spec.tests_after(done, len(data.x_train), len(data.x_test))
            history.append({"epoch": done, **trained, **(evaluated("test") if tests else {})})
            writer.show(history[-1])
            if done in spec.checkpoint_epochs:
                self.save(done)
            progress.update()

        def save(self, epoch: int) -> None:
            if epoch != self.saved:
                writer.save_checkpoint(epoch, model)
                self.saved = epoch

    recorder = Recorder()
    if 0 in spec.checkpoint_epochs:
        recorder.save(0)
    callbacks: list[keras.callbacks.Callback] = [
        keras.callbacks.LearningRateScheduler(lambda epoch, _: spec.rate(epoch + 1)),
        recorder,
    ]
    if spec.early_stopping is not None:
        callbacks.append(keras.callbacks.EarlyStopping("loss", patience=spec.early_stopping))
    if spec.epochs:
        fitted.fit(
            batches,
            epochs=spec.epochs,
            shuffle=False,  # of the batches; the examples are in the spec's order
            verbose=0,
            callbacks=callbacks,
        )
    last = history[-1]
    if "test_loss" not in last:  # where early stopping ended it
        tested = evaluated("test")
        writer.show({"epoch": last["epoch"], **tested})
        last.update(tested)
    recorder.save(int(last["epoch"]))
    writer.save_history(history)


def _optimizer(spec: RunSpec) -> keras.optimizers.Optimizer:
    from keras import optimizers

    if spec.optimizer == "momentum":
        return optimizers.SGD(spec.learning_rate, momentum=0.9, global_clipnorm=spec.clip_norm)
    kind = {"adam": optimizers.Adam, "rmsprop": optimizers.RMSprop}[spec.optimizer]
    return kind(spec.learning_rate, global_clipnorm=spec.clip_norm)


def _training_model(model: keras.Model, spec: RunSpec) -> keras.Model:
    """The same layers, with what acts in training alone behind the last ReLU."""
    import keras

    from tfhash import regularizers

    extra = regularizers.get(spec.regularizer, spec.regularizer_weight, spec.regularizer_normalized)
    kind: Any = keras.Model
    behind: keras.layers.Layer | None = None
    if isinstance(extra, regularizers.RepresentationRegularizer):
        kind, behind = regularizers.RegularizedModel, regularizers.RepresentationPenalty(extra)
    elif isinstance(extra, keras.layers.Dropout):
        seed = np.random.SeedSequence([spec.seed, spec.repeat, _DROPOUT]).generate_state(1)[0]
        behind = keras.layers.Dropout(extra.rate, seed=int(seed >> 1))
    if behind is None:
        return keras.Model(model.inputs, model.outputs)
    x = model.inputs[0]
    for layer in model.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            x = layer(x)
        if layer.name == spec.last_layer:
            x = behind(x)
    return kind(model.inputs, x)


def _batches(spec: RunSpec, data: Dataset) -> Any:
    """A `keras.utils.PyDataset` that goes through `data` in its `order`, batch by batch."""
    import keras

    class Batches(keras.utils.PyDataset):
        order = spec.batch_order(1, len(data.x_train))

        def __len__(self) -> int:
            return math.ceil(len(self.order) / spec.batch_size)

        def __getitem__(self, step: int) -> tuple[Any, Any]:
            rows = self.order[step * spec.batch_size : (step + 1) * spec.batch_size]
            return data.x_train[rows], data.y_train[rows]

    return Batches()
