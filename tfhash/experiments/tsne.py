"""A map of the neural codes of one network (Figure 1)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tfhash import datasets, figures, results, training
from tfhash.errors import InputError
from tfhash.experiments import encoding
from tfhash.files import write_text

SPLITS = ("test", "train")


@dataclass(frozen=True, kw_only=True)
class TsneOptions:
    """What the script's flags say.

    Attributes
    ----------
    dataset : str
        Name of the dataset.
    depth, width, repeat : int
        Which network of the layer-width experiment.
    epoch : int or None
        The latest checkpoint up to that epoch; None for the last.
    model : pathlib.Path or None
        A saved Keras model in its place.
    split : str
        "test" or "train": which images are shown.
    examples : int
        Most images, drawn at random.
    perplexity : float
        As for `metrics.hamming_tsne`.
    seed : int
        Of the choice of images and of t-SNE.
    load_path, figures_path : pathlib.Path
        Folders of the runs, and of the figure.
    data_dir, mnist_path, cifar10_path : str or None
        Where the data are, see `datasets.load`.
    """

    dataset: str
    load_path: Path
    figures_path: Path
    depth: int = 1
    width: int = 100
    repeat: int = 1
    epoch: int | None = None
    model: Path | None = None
    split: str = "test"
    examples: int = 10_000
    perplexity: float = 30.0
    seed: int = 0
    data_dir: str | None = None
    mnist_path: str | None = None
    cifar10_path: str | None = None


def run(options: TsneOptions) -> None:
    """Encode, map and draw."""
    import keras

    from tfhash import Encoder, metrics

    file, what = _network(options)
    data = datasets.load(
        options.dataset, options.data_dir, options.mnist_path, options.cifar10_path
    )
    try:
        model = keras.saving.load_model(file, compile=False)
    except Exception as error:  # a damaged file can raise nearly anything
        raise InputError(f"Expected a Keras model in {file}. Received: {error}") from error
    x, y = getattr(data, f"x_{options.split}"), getattr(data, f"y_{options.split}")
    rows = np.sort(np.random.default_rng(options.seed).permutation(len(x))[: options.examples])
    print(
        f"{options.dataset}: t-SNE of {len(rows)} codes ({options.split} set), {what}", flush=True
    )
    started = time.monotonic()
    codes = Encoder(model).encode(x[rows])
    try:
        places = metrics.hamming_tsne(
            codes, perplexity=options.perplexity, random_state=options.seed
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    table = pd.DataFrame(
        {"row": rows, "x": places[:, 0], "y": places[:, 1], "label": y[rows]}
    ).round({"x": 3, "y": 3})
    options.figures_path.mkdir(parents=True, exist_ok=True)
    name = options.figures_path / f"figure_1_{options.dataset}"
    write_text(name.with_suffix(".csv"), table.to_csv(index=False, lineterminator="\n"))
    caption = figures.Caption(
        title=f"{figures.TITLES.get(options.dataset, options.dataset)}: neural codes, t-SNE",
        subtitle=f"{what}, {codes.n_bits:,} bits, Hamming distance, "
        f"{len(rows):,} images of the {options.split} set",
        ours="",
        paper="",
    )
    figures.save(figures.figure_1(table, caption), name)
    print(
        f"Drew {name}.png (and .svg, and the table behind it, .csv) in "
        f"{time.monotonic() - started:.0f} s",
        flush=True,
    )


def _network(options: TsneOptions) -> tuple[Path, str]:
    """The file of the network that is asked for, and what it is."""
    if options.model is not None:
        if not options.model.is_file():
            raise InputError(f"Expected a Keras model at {options.model}. Received: no such file.")
        return options.model, options.model.name
    path = (
        options.load_path
        / "layer_width"
        / options.dataset
        / f"depth={options.depth}"
        / f"width={options.width}"
        / f"repeat={options.repeat}"
    )
    if not (path / results.SPEC_FILE).is_file():
        raise InputError(
            f"Expected a trained network in {path}. Received: none. Train it first "
            f"(run_layer_width_train_mlp.py --dataset {options.dataset} --widths {options.width} "
            f"--repeat {options.repeat}), name the folder of the runs with --load_path, or give a "
            "--model."
        )
    spec = training.read_spec(path)
    try:
        epoch = encoding.choose_checkpoint(path, options.epoch)
    except encoding.BrokenCheckpoint as error:
        raise InputError(f"Expected checkpoints in {path}. Received: {error}.") from error
    layers = "1 hidden layer" if spec.depth == 1 else f"{spec.depth} hidden layers"
    return results.checkpoints(path)[epoch], f"{layers} of {spec.width} units, epoch {epoch}"
