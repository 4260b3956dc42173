"""Training: run specs and a dataset in, checkpoints in run directories out."""

from tfhash.training.cnn import steps_per_epoch, train_cnn
from tfhash.training.cnn_protocols import CNN_PROTOCOLS, CnnProtocol, cnn_protocol
from tfhash.training.cnn_spec import CnnSpec
from tfhash.training.fit import fit_one_by_one
from tfhash.training.progress import progress_bar
from tfhash.training.protocols import PROTOCOLS, Protocol, protocol
from tfhash.training.runs import RunError, Runs, RunWriter, read_spec, read_spec_as, set_aside
from tfhash.training.spec import RunSpec, SpecError
from tfhash.training.sweep import SweepTrainer
from tfhash.training.train import Trainer, TrainingReport, train

__all__ = [
    "CNN_PROTOCOLS",
    "PROTOCOLS",
    "CnnProtocol",
    "CnnSpec",
    "Protocol",
    "RunError",
    "RunSpec",
    "RunWriter",
    "Runs",
    "SpecError",
    "SweepTrainer",
    "Trainer",
    "TrainingReport",
    "cnn_protocol",
    "fit_one_by_one",
    "progress_bar",
    "protocol",
    "read_spec",
    "read_spec_as",
    "set_aside",
    "steps_per_epoch",
    "train",
    "train_cnn",
]
