"""Flags of the commands that are not sweeps of multi-layer perceptrons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import flags

Define = Callable[[flags.FlagValues, Path], None]
Action = Callable[[flags.FlagValues], None]


class _Flags:
    """Defines flags on one set of values."""

    def __init__(self, values: flags.FlagValues) -> None:
        self._values = values

    def integer(self, name: str, text: str, default: int | None = None, least: int = 1) -> None:
        flags.DEFINE_integer(name, default, text, lower_bound=least, flag_values=self._values)

    def number(self, name: str, text: str, default: float | None = None) -> None:
        flags.DEFINE_float(name, default, text, flag_values=self._values)

    def string(self, name: str, text: str, default: str | None = None) -> None:
        flags.DEFINE_string(name, default, text, flag_values=self._values)

    def choice(self, name: str, text: str, choices: list[str], default: str) -> None:
        flags.DEFINE_enum(name, default, choices, text, flag_values=self._values)

    def data(self) -> None:
        self.string("data_dir", "Folder of mnist.npz and cifar-10-batches-py/ (else Keras's own).")
        self.string("mnist_path", "mnist.npz, or its folder.")
        self.string("cifar10_path", "cifar-10-batches-py/, or its folder.")


def _define_cnn(values: flags.FlagValues) -> _Flags:
    """What training and measuring have in common."""
    define = _Flags(values)
    define.choice("dataset", "The dataset.", ["digits", "mnist", "cifar10"], "mnist")
    define.string(
        "architecture",
        "The network: vgg18, resnet18, resnet34, resnext26 or densenet28 for mnist; vgg16, vgg19, "
        "resnet18, resnet20, resnet32 or resnet56 for cifar10.",
        "resnet18",
    )
    define.choice(
        "protocol",
        "How to train: as the paper says, or as its released scripts do.",
        ["paper", "released"],
        "paper",
    )
    define.integer("begin_repeat", "Number of the first repeat.", 1)
    define.integer("repeat", "Networks, from different seeds.", 1)
    define.integer("batch_size", "Examples per step; for measuring, examples encoded at once.")
    define.integer("epoch", "Epochs (protocol's); for measuring, the checkpoint (last).", None, 0)
    define.integer("examples", "Train and test on so many only, drawn at random, to try things.")
    define.integer("seed", "Base seed.", 0, 0)
    define.data()
    return define


def _define_cnn_train(values: flags.FlagValues, home: Path) -> None:
    define = _define_cnn(values)
    define.string("save_path", "Folder of the runs.", str(home / "runs"))
    define.number("learning_rate", "The rate in the beginning (protocol's).")
    define.number(
        "decay_every",
        "Epochs, or a part of one, from one decay of the rate to the next (protocol's); with "
        "--epoch, shorten it as much.",
    )
    define.choice(
        "precision",
        "Arithmetic of training; auto is mixed where the device is made for it.",
        ["auto", "float32", "mixed_bfloat16"],
        "auto",
    )


def _define_cnn_properties(values: flags.FlagValues, home: Path) -> None:
    define = _define_cnn(values)
    define.string("load_path", "Folder of the runs.", str(home / "runs"))
    flags.DEFINE_list(
        "metrics",
        "redundancy,kmeans,knn,logistic",
        "What to measure, of these four.",
        flag_values=values,
    )


def _cnn(action: str) -> Action:
    def act(values: flags.FlagValues) -> None:
        from tfhash.experiments import cnn
        from tfhash.experiments.loading import load_keras

        names = set(cnn.CnnOptions.__dataclass_fields__) & set(values)
        given: dict[str, Any] = {name: values[name].value for name in names}
        if "metrics" in given:
            given["metrics"] = tuple(given["metrics"])
        path = values.save_path if "save_path" in values else values.load_path
        options = cnn.CnnOptions(**given, path=Path(path).expanduser())
        load_keras()
        getattr(cnn, action)(options)

    return act


def _define_tsne(values: flags.FlagValues, home: Path) -> None:
    define = _Flags(values)
    define.choice("dataset", "The dataset.", ["digits", "mnist", "cifar10"], "mnist")
    define.integer("depth", "Hidden layers of the network.", 1)
    define.integer("width", "Units per hidden layer.", 100)
    define.integer("repeat", "Number of the repeat.", 1)
    define.integer("epoch", "The latest checkpoint up to this epoch (the last).", None, 0)
    define.string("model", "A saved Keras model (.keras), in place of a trained network.")
    define.choice("split", "Which images are shown.", ["test", "train"], "test")
    define.integer("examples", "Most images, drawn at random.", 10_000)
    define.number("perplexity", "Neighbours that count, about.", 30.0)
    define.integer("seed", "Of the choice of images, and of t-SNE.", 0, 0)
    define.data()
    define.string("load_path", "Folder of the runs.", str(home / "runs"))
    define.string("figures_path", "Folder for the figure (figures/ in load_path).", None)


def _tsne(values: flags.FlagValues) -> None:
    from tfhash.experiments import tsne
    from tfhash.experiments.loading import load_keras

    names = set(tsne.TsneOptions.__dataclass_fields__) & set(values)
    given: dict[str, Any] = {name: values[name].value for name in names}
    if given["figures_path"] is None:
        given["figures_path"] = Path(given["load_path"]) / "figures"
    for name in ("load_path", "figures_path", "model"):
        if given[name] is not None:
            given[name] = Path(given[name]).expanduser()
    options = tsne.TsneOptions(**given)
    load_keras()
    tsne.run(options)


COMMANDS: dict[str, tuple[Define, Action]] = {
    "cnn_train": (_define_cnn_train, _cnn("train")),
    "cnn_encoding_properties": (_define_cnn_properties, _cnn("encoding_properties")),
    "tsne": (_define_tsne, _tsne),
}
