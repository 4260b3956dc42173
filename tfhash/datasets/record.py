"""What is known of a dataset before it is read: one record a dataset, in the dataset's own file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tfhash.datasets.dataset import Dataset


@dataclass(frozen=True, kw_only=True)
class MlpTraining:
    """How multi-layer perceptrons are trained on one dataset, with Adam (0.9, 0.999) throughout.

    Attributes
    ----------
    depth : int
        Hidden layers of the networks.
    widths : tuple of int
        Units per hidden layer, one network each.
    repeats : int
        Networks of each kind, from different seeds.
    epochs, batch_size : int
        Length of training and examples per step.
    learning_rate : float
        Adam's rate in the first epoch.
    decay : float
        What the rate is multiplied by every `decay_every` epochs; 1 keeps it constant.
    decay_every : int
        Epochs from one decay to the next.
    batch_norm : bool
        Batch normalization before each ReLU.
    """

    depth: int
    widths: tuple[int, ...]
    repeats: int
    epochs: int
    batch_size: int
    learning_rate: float
    decay: float = 1.0
    decay_every: int = 1
    batch_norm: bool = False


@dataclass(frozen=True, kw_only=True)
class CnnTraining:
    """How convolutional networks are trained on one dataset.

    Attributes
    ----------
    optimizer : str
        "adam" (0.9, 0.999) or "sgd".
    momentum : float
        Of SGD.
    epochs, batch_size : int
        Length of training and examples per step.
    learning_rate : float
        The rate in the beginning.
    decay, decay_every : float
        What the rate is multiplied by every so many epochs.
    """

    optimizer: str
    epochs: int
    batch_size: int
    learning_rate: float = 0.01
    decay: float = 0.1
    decay_every: float = 1.0
    momentum: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Download:
    """One published file.

    Attributes
    ----------
    url, sha256 : str
        Where it is, and the checksum of what was published.
    cached_as : str
        Its path in Keras's cache of datasets, as Keras itself calls it where it has the dataset; of
        an archive, the folder that it is unpacked into.
    unpack : bool
        Whether it is an archive.
    """

    url: str
    sha256: str
    cached_as: str
    unpack: bool = False

    def fetch(self) -> Path:
        """Download it into Keras's cache and return its path there.

        Raises
        ------
        Exception
            Whatever Keras, the network or the disk raised, or another checksum.
        """
        import keras

        path = PurePosixPath(self.cached_as)
        return Path(
            keras.utils.get_file(
                fname=path.name,
                origin=self.url,
                file_hash=self.sha256,
                cache_subdir=str(PurePosixPath("datasets") / path.parent),
                extract=self.unpack,
            )
        )


def _nothing_else(path: Path) -> str:
    return ""


def _any_name(path: Path) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of a dataset.

    Attributes
    ----------
    published : str
        What they are called, in a few words, as messages say it.
    downloads : tuple of Download
        Where they are published.
    find : callable
        From a folder that may hold the dataset, among others, or from a file of it, to what `load`
        is handed; None where the dataset is not there.
    find_named : callable
        As `find`, from a place that is said to be this very dataset: its name is not asked for.
    load : callable
        From what was found to the dataset. Raises `DatasetError` where it is not what was
        published.
    instead : callable
        What is known to lie where `find` found nothing, as a message says it; "" if nothing is.
    is_named : callable
        Whether a folder's name says that it holds this dataset.
    """

    published: str
    downloads: tuple[Download, ...]
    find: Callable[[Path], Path | None]
    find_named: Callable[[Path], Path | None]
    load: Callable[[Path], Dataset]
    instead: Callable[[Path], str] = _nothing_else
    is_named: Callable[[Path], bool] = _any_name


@dataclass(frozen=True, kw_only=True)
class Record:
    """A dataset as the registry knows it.

    Attributes
    ----------
    name : str
        What it is asked for by, and the name of its runs' folders.
    title : str
        What figures and messages call it.
    input_shape : tuple of int
        Shape of one image.
    n_classes, n_train, n_test : int
        Classes, and published training and test examples.
    source : Files or callable
        Its files; or, where it needs none, the function that gives it.
    mlp, cnn : MlpTraining, CnnTraining
        How networks are trained on it: the default recipe.
    sample_sizes : tuple of int
        Numbers of training examples that are compared.
    like : str or None
        The dataset whose place it takes: where a study has epochs or widths by dataset and none
        for this one, and for the architectures of convolutional networks, it has those of `like`.
        None for the three that have their own.
    """

    name: str
    title: str
    input_shape: tuple[int, ...]
    n_classes: int
    n_train: int
    n_test: int
    source: Files | Callable[[], Dataset]
    mlp: MlpTraining
    cnn: CnnTraining
    sample_sizes: tuple[int, ...]
    like: str | None = None
