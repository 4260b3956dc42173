"""Training: run specs and a dataset in, checkpoints in run directories out."""

from tfhash.training.fit import fit_one_by_one
from tfhash.training.protocols import PROTOCOLS, Protocol, protocol
from tfhash.training.runs import RunError, Runs, RunWriter, read_spec, set_aside
from tfhash.training.spec import RunSpec, SpecError
from tfhash.training.sweep import SweepTrainer
from tfhash.training.train import Trainer, TrainingReport, train

__all__ = [
    "PROTOCOLS",
    "Protocol",
    "RunError",
    "RunSpec",
    "RunWriter",
    "Runs",
    "SpecError",
    "SweepTrainer",
    "Trainer",
    "TrainingReport",
    "fit_one_by_one",
    "protocol",
    "read_spec",
    "set_aside",
    "train",
]
