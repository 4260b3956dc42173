"""A map of the neural codes of one network (Figure 1)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tfhash import figures
from tfhash.errors import InputError
from tfhash.files import write_text
from tfhash.runs import Runs, RunSpec, checkpoints, read_spec
from tfhash.studies import layer_width
from tfhash.studies.loading import load_model
from tfhash.studies.option import option
from tfhash.studies.options import DataOptions

SPLITS = ("test", "train")


@dataclass(frozen=True, kw_only=True)
class TsneOptions(DataOptions):
    """Which network and which images are shown, and where the figure goes.

    That is figures/ beside the runs where `figures_path` is None.
    """

    load_path: Path
    figures_path: Path | None = None
    depth: int = option(1, "Hidden layers of the network.", least=1)
    width: int = option(100, "Units per hidden layer.", least=1)
    repeat: int = option(1, "Number of the repeat.", least=1)
    epoch: int | None = option(None, "The latest checkpoint up to this epoch (the last).", least=0)
    model: Path | None = option(
        None, "A saved Keras model (.keras), in place of a trained network."
    )
    split: str = option("test", "Which images are shown.", choices=SPLITS)
    examples: int = option(10_000, "Most images, drawn at random.", least=1)
    perplexity: float = option(30.0, "Neighbors that count, about.")
    seed: int = option(0, "Of the choice of images, and of t-SNE.", least=0)


OPTIONS = TsneOptions


def run(options: TsneOptions) -> None:
    """Encode, map and draw."""

    from tfhash import Encoder, metrics

    file, what = _network(options)
    data = options.load_dataset()
    model = load_model(file)
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
    folder = options.figures_path or options.load_path / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    name = folder / f"figure_1_{options.dataset}"
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
    made = RunSpec(
        experiment=layer_width.STUDY.directory,
        dataset=options.dataset,
        protocol="paper",
        depth=options.depth,
        width=options.width,
        repeat=options.repeat,
        epochs=0,
        batch_size=1,
        learning_rate=1.0,
    )
    path = Runs(options.load_path).path(made)
    if not path.is_dir():
        raise InputError(
            f"Expected a trained network in {path}. Received: none. Train it first "
            f"(run_layer_width_train_mlp.py --dataset {options.dataset} --widths {options.width} "
            f"--repeat {options.repeat}), name the folder of the runs with --load_path, or give a "
            "--model."
        )
    read_spec(path)  # of another run: refused
    there = checkpoints(path)
    fitting = [epoch for epoch in there if options.epoch is None or epoch <= options.epoch]
    if not fitting:
        raise InputError(
            f"Expected a checkpoint in {path}, of epoch {options.epoch} or before. Received: "
            f"{', '.join(map(str, there)) or 'none'}."
        )
    epoch = fitting[-1]
    layers = "1 hidden layer" if options.depth == 1 else f"{options.depth} hidden layers"
    return there[epoch], f"{layers} of {options.width} units, epoch {epoch}"
