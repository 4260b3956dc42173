"""The state of a group of runs in training: what a killed command needs to go on."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash.runs import HISTORY_COLUMNS, RunSpec, StateFile
from tfhash.training.weight_layout import STATISTICS, Tensors, WeightLayout, variables

if TYPE_CHECKING:
    import keras

PARTS = ("weights", "momentum", "velocity")
_SEEDS = 1 << 31


@dataclass
class SweepState:
    """The progress of some runs' training: everything needed to go on with it.

    It can be resumed beside other runs than those that it was saved with.

    Attributes
    ----------
    specs : list of RunSpec
        The networks (`RunSpec.network`) in the program, by width; some may be finished.
    epoch, steps : int
        Done so far.
    models : dict
        Of "weights" (with the statistics of batch normalization), "momentum" and "velocity", the
        tensors of each run.
    history : list of float64 [4, n_runs]
        The values of `results.HISTORY_COLUMNS` for each epoch from 0, the test set's NaN where it
        was not evaluated.
    """

    specs: list[RunSpec]
    epoch: int
    steps: int
    models: dict[str, list[Tensors]]
    history: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def start(cls, models: Mapping[RunSpec, keras.Model]) -> SweepState:
        """Before training, with the weights that the models have."""
        import keras

        tensors = [
            {
                key: np.array(keras.ops.convert_to_numpy(variable))
                for key, variable in variables(model, spec.depth).items()
            }
            for spec, model in models.items()
        ]
        zeros = [
            {k: np.zeros_like(v) for k, v in model.items() if k[0] not in STATISTICS}
            for model in tensors
        ]
        return cls(list(models), 0, 0, {"weights": tensors, "momentum": zeros, "velocity": zeros})

    def placed(self, layout: WeightLayout) -> dict[str, dict[str, np.ndarray]]:
        """The state as `EpochLoop.load` takes it."""
        placed = {part: layout.weights(self.models[part]) for part in PARTS}
        placed["statistics"] = layout.statistics(self.models["weights"])
        one = self.specs[0]  # seed and repeat are those of all
        seed = np.array([one.seed % _SEEDS, one.repeat % _SEEDS], np.int32)
        placed["steps"] = {"steps": np.array(self.steps, np.int32), "seed": seed}
        return placed

    def update(self, placed: Mapping[str, Mapping[str, np.ndarray]], layout: WeightLayout) -> None:
        """Copy the weights, statistics and moments of the loop into this state."""
        for part in PARTS:
            arrays = dict(placed[part])
            if part == "weights":
                arrays.update(placed["statistics"])
            self.models[part] = [layout.take(arrays, i) for i in range(len(self.specs))]
        self.steps = int(placed["steps"]["steps"])

    def keep(self, chosen: Sequence[int], folder: Path | None = None) -> None:
        """Go on with some of the runs only, by number.

        With a folder, what was saved there of all is replaced: nobody needs the others any more.
        """
        before = folder and self._file(folder)
        self.specs = [self.specs[i] for i in chosen]
        self.models = {part: [of[i] for i in chosen] for part, of in self.models.items()}
        self.history = [row[:, list(chosen)] for row in self.history]
        if folder and before and before.exists():
            self.save(folder)
            before.unlink()

    def index(self, spec: RunSpec) -> int:
        """Number of the network of a run."""
        return self.specs.index(spec.network)

    def assign(self, model: keras.Model, spec: RunSpec) -> None:
        """Give `model` the weights of the run of `spec`."""
        weights = self.models["weights"][self.index(spec)]
        for key, variable in variables(model, spec.depth).items():
            variable.assign(weights[key])

    def rows(self, spec: RunSpec, first: int = 0) -> list[dict[str, float]]:
        """The history of the run of `spec` from epoch `first` on, as `RunWriter` takes it."""
        i = self.index(spec)
        rows = []
        for epoch, row in enumerate(self.history[first:], start=first):
            values = dict(zip(HISTORY_COLUMNS, (epoch, *map(float, row[:, i])), strict=True))
            if np.isnan(values["test_accuracy"]):  # a loss may be NaN, too; an accuracy never is
                del values["test_loss"], values["test_accuracy"]
            rows.append(values)
        return rows

    def has_stalled(self, spec: RunSpec) -> bool:
        """Whether early stopping ends a run now, as Keras's `EarlyStopping` on the loss does."""
        i, patience = self.index(spec), spec.early_stopping
        if patience is None or self.epoch < 2:
            return False
        losses = [row[0, i] for row in self.history[1:]]
        best, waited = losses[0], 0  # whatever it is: nothing is better than NaN
        for loss in losses[1:]:
            best, waited = (loss, 0) if loss < best else (best, waited + 1)
        return waited >= max(patience, 1)

    def save(self, folder: Path) -> None:
        """Write the state to a file in `folder`, whole or not at all."""
        folder.mkdir(exist_ok=True)
        arrays = {
            f"{part}/{i}/{kind}/{layer}": array
            for part in PARTS
            for i, tensors in enumerate(self.models[part])
            for (kind, layer), array in tensors.items()
        }
        header = {
            "specs": [spec.to_json() for spec in self.specs],
            "epoch": self.epoch,
            "steps": self.steps,
        }
        arrays["history"] = np.array(self.history)
        StateFile(self._file(folder)).save(header, arrays)

    def remove(self, folder: Path) -> None:
        """Remove what `save` wrote, or was writing when it was killed."""
        file = self._file(folder)
        for path in (file, *folder.glob(f".{file.name}.*")):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not there, or with states of others
            folder.rmdir()

    def _file(self, folder: Path) -> Path:
        specs = sorted(json.dumps(spec.to_json(), sort_keys=True) for spec in self.specs)
        return folder / f"{hashlib.sha256(''.join(specs).encode()).hexdigest()[:16]}.npz"


def find_state(folder: Path, models: Mapping[RunSpec, keras.Model]) -> SweepState | None:
    """The latest saved state in `folder` that has all of the networks `models`, or None.

    Finished runs stay in it where they were trained with the others to the end: the program, and
    with it every rounding, is then the same as if it had never been stopped. A file that is no
    state of these networks is set aside, and a warning says so.
    """
    found: SweepState | None = None
    for path in _files(folder):
        file = StateFile(path)
        loaded = file.load(lambda header: set(models) <= set(_specs_of(header)))
        if loaded is None or (found and loaded[0]["epoch"] <= found.epoch):
            continue
        try:
            state = _state_of(*loaded)
            _check_shapes(state, models)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            file.set_aside(f"{type(error).__name__}: {error}")
            continue
        found = state
    return found


def saved_networks(folder: Path) -> dict[RunSpec, Path]:
    """The file in `folder` with the latest state of each network; damaged ones are set aside."""
    latest: dict[RunSpec, tuple[int, Path]] = {}

    def note(path: Path, header: Mapping[str, Any]) -> bool:
        epoch = int(header["epoch"])
        for network in _specs_of(header):
            if network not in latest or latest[network][0] < epoch:
                latest[network] = epoch, path
        return False  # the arrays are not needed

    for path in _files(folder):
        StateFile(path).load(partial(note, path))
    return {network: path for network, (_, path) in latest.items()}


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[!.]*.npz"))


def _specs_of(header: Mapping[str, Any]) -> list[RunSpec]:
    return [RunSpec.from_json(spec) for spec in header["specs"]]


def _state_of(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> SweepState:
    specs = _specs_of(header)
    models: dict[str, list[Tensors]] = {part: [{} for _ in specs] for part in PARTS}
    for key, array in arrays.items():
        if key != "history":
            part, i, kind, layer = key.split("/")
            models[part][int(i)][kind, int(layer)] = array
    return SweepState(
        specs, int(header["epoch"]), int(header["steps"]), models, list(arrays["history"])
    )


def _check_shapes(state: SweepState, models: Mapping[RunSpec, keras.Model]) -> None:
    """Raise ValueError where the arrays are not those of `models` at such an epoch."""
    if not 0 <= state.epoch <= min(spec.epochs for spec in models) or state.steps < 0:
        raise ValueError(f"epoch {state.epoch}, step {state.steps}")
    if np.shape(state.history) != (state.epoch + 1, len(HISTORY_COLUMNS) - 1, len(state.specs)):
        raise ValueError(f"a history of shape {np.shape(state.history)}")
    start = SweepState.start(models)
    for spec in models:
        for part in PARTS:
            wanted = start.models[part][start.index(spec)]
            there = state.models[part][state.index(spec)]
            if _shapes(wanted) != _shapes(there):
                raise ValueError(f"{part} of other shapes than those of width {spec.width}")


def _shapes(tensors: Tensors) -> dict[tuple[str, int], tuple[tuple[int, ...], str]]:
    return {key: (array.shape, str(array.dtype)) for key, array in tensors.items()}
