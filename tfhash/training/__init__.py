"""Training: run specs and a dataset in, checkpoints in run directories out."""

import warnings
from typing import Any

from tfhash import runs
from tfhash.training.cnn import CnnTrainer, steps_per_epoch, train_cnn
from tfhash.training.fit import fit_one_by_one
from tfhash.training.parallel_trainer import ParallelTrainer
from tfhash.training.progress import progress_bar
from tfhash.training.sweep_trainer import SweepTrainer
from tfhash.training.train import Trainer, TrainingReport, train

__all__ = [
    "CnnTrainer",
    "ParallelTrainer",
    "SweepTrainer",
    "Trainer",
    "TrainingReport",
    "fit_one_by_one",
    "progress_bar",
    "steps_per_epoch",
    "train",
    "train_cnn",
]

# What moved to `tfhash.runs`, by its old name here.
_MOVED = {
    "CNN_PROTOCOLS": "CNN_RECIPES",
    "CnnProtocol": "CnnRecipe",
    "CnnSpec": "CnnSpec",
    "PROTOCOLS": "RECIPES",
    "Protocol": "Recipe",
    "RunError": "RunError",
    "RunSpec": "RunSpec",
    "RunWriter": "RunWriter",
    "Runs": "Runs",
    "SpecError": "SpecError",
    "cnn_protocol": "cnn_recipe",
    "protocol": "recipe",
    "read_spec": "read_spec",
    "set_aside": "set_aside",
}


def __getattr__(name: str) -> Any:
    if name not in _MOVED:
        raise AttributeError(f"module 'tfhash.training' has no attribute {name!r}")
    new = _MOVED[name]
    warnings.warn(
        f"tfhash.training.{name} is now tfhash.runs.{new}.", DeprecationWarning, stacklevel=2
    )
    return getattr(runs, new)
