"""Training with plain Keras `fit`, one run after another: the reference for every faster way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfhash.datasets import Dataset
from tfhash.training.runs import Runs, RunWriter
from tfhash.training.spec import RunSpec

if TYPE_CHECKING:
    from tqdm import tqdm


def fit_one_by_one(
    specs: Sequence[RunSpec], dataset: Dataset, runs: Runs, progress: tqdm[Any]
) -> None:
    """Train every spec that nobody else has taken on. A `Trainer`."""
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
    # A second face of the same layers is compiled and trained, so that what is kept is the bare
    # network: no optimiser state, nothing of how it was trained.
    fitted = keras.Model(model.inputs, model.outputs)
    steps = math.ceil(len(data.x_train) / spec.batch_size)
    fitted.compile(
        optimizer=keras.optimizers.Adam(spec.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        # One call into the backend per epoch: steps this small cost less than coming back to
        # Python between them. Compiling them with XLA takes longer than it saves.
        steps_per_execution=steps,
        jit_compile=False,
    )
    test_batch = min(2048, len(data.x_test))
    history: list[dict[str, float]] = []

    class Recorder(keras.callbacks.Callback):
        """Keeps what the run should leave behind, as the epochs go by."""

        saved: int | None = None

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            logs = logs or {}
            done = epoch + 1
            history.append(
                {
                    "epoch": done,
                    "train_loss": logs["loss"],
                    "train_accuracy": logs["accuracy"],
                    "test_loss": logs["val_loss"],
                    "test_accuracy": logs["val_accuracy"],
                }
            )
            if done in spec.checkpoint_epochs:
                self.save(done)
            progress.update()

        def save(self, epoch: int) -> None:
            if epoch != self.saved:
                writer.save_checkpoint(epoch, model)
                self.saved = epoch

    recorder = Recorder()
    history.append(_evaluate(fitted, data, test_batch))
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
            _batches(spec, data),
            epochs=spec.epochs,
            verbose=0,
            validation_data=(data.x_test, data.y_test),
            validation_batch_size=test_batch,
            callbacks=callbacks,
        )
    recorder.save(int(history[-1]["epoch"]))
    writer.save_history(history)


def _evaluate(fitted: Any, data: Dataset, batch_size: int) -> dict[str, float]:
    """The history's row for epoch 0: the network as it was before training."""
    row: dict[str, float] = {"epoch": 0}
    for split, x, y in (
        ("train", data.x_train, data.y_train),
        ("test", data.x_test, data.y_test),
    ):
        logs = fitted.evaluate(x, y, batch_size=batch_size, verbose=0, return_dict=True)
        row[f"{split}_loss"], row[f"{split}_accuracy"] = logs["loss"], logs["accuracy"]
    return row


def _batches(spec: RunSpec, data: Dataset) -> Any:
    """A `keras.utils.PyDataset` that goes through `data` in the spec's own batch order."""
    import keras

    class Batches(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self.epoch = 1
            self.order = spec.batch_order(1, len(data.x_train))

        def __len__(self) -> int:
            return math.ceil(len(self.order) / spec.batch_size)

        def __getitem__(self, step: int) -> tuple[Any, Any]:
            rows = self.order[step * spec.batch_size : (step + 1) * spec.batch_size]
            return data.x_train[rows], data.y_train[rows]

        def on_epoch_end(self) -> None:
            self.epoch += 1
            self.order = spec.batch_order(self.epoch, len(data.x_train))

    return Batches()
