"""Which layers make the code a good hash: each alone, the first k, the last k (Figure 5)."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from tfhash import figures, results, training
from tfhash.datasets import Dataset
from tfhash.experiments import encoding, training_time
from tfhash.experiments.options import Options
from tfhash.files import FileLock, write_text
from tfhash.training import RunSpec

NAME = "layer_wise"
DEPTH = 5
WIDTHS = {"digits": (10,), "mnist": (40,), "cifar10": (40,)}


def specs(options: Options) -> list[RunSpec]:
    """One run for each repeat and width, which keeps its weights at all epochs of the grid."""
    epochs = options.recipe.epochs if options.epoch is None else options.epoch
    kept = tuple(e for e in training_time.EPOCHS[options.dataset] if e <= epochs)
    return [
        options.spec(
            NAME,
            depth=options.depth or DEPTH,
            width=width,
            repeat=repeat,
            checkpoint_epochs=kept,
        )
        for repeat in options.repeats
        for width in options.widths or WIDTHS[options.dataset]
    ]


def encoding_properties(options: Options) -> None:
    """Measure all parts of the code at every epoch that was kept, of all networks there are."""
    found = encoding.trained_runs(
        [training.Runs(options.path).path(spec) for spec in specs(options)]
    )
    started = time.monotonic()
    dataset = options.load_dataset()
    for path in found:
        with FileLock(path.parent / f".{path.name}.lock") as held:
            if not held:
                print(f"{path} is in the hands of another process.", flush=True)
                continue
            spec = training.read_spec(path)
            _measure(path, spec.training_data(dataset), spec.repeat, options)
    print(
        f"Measured the layers of {len(found)} network{'s' if len(found) > 1 else ''} in "
        f"{(time.monotonic() - started) / 60:.1f} min: {results.LAYER_WISE_FILE} in each run under "
        f"{options.path}; draw_figures.py draws it.",
        flush=True,
    )


def _measure(path: Path, data: Dataset, seed: int, options: Options) -> None:
    """Add the epochs that are not measured yet to the run's table, one by one."""
    import keras

    from tfhash import Encoder, metrics

    file = path / results.LAYER_WISE_FILE
    table = pd.read_csv(file) if file.is_file() else pd.DataFrame(columns=["epoch"])
    last = encoding.choose_checkpoint(path, options.epoch)
    todo = {
        epoch: checkpoint
        for epoch, checkpoint in results.checkpoints(path).items()
        if epoch <= last and epoch not in set(table["epoch"])
    }
    with training.progress_bar(len(todo), "epoch", path.name) as progress:
        for epoch, checkpoint in todo.items():
            encoder = Encoder(encoding.load_network(checkpoint))
            rows = metrics.layer_wise(
                encoder.encode(data.x_train),
                data.y_train,
                encoder.encode(data.x_test),
                data.y_test,
                families=options.metrics,
                random_state=seed,
            )
            keras.utils.clear_session()
            rows.insert(0, "epoch", epoch)
            table = rows if table.empty else pd.concat([table, rows], ignore_index=True)
            table = table.sort_values("epoch", kind="stable", ignore_index=True)
            write_text(file, table.round(6).to_csv(index=False, lineterminator="\n"))
            progress.update()


def draw(path: Path, figures_path: Path, datasets: Collection[str] | None = None) -> list[str]:
    """Draw Figure 5 for each dataset (out of `datasets`, if any are given) and width measured.

    Returns the names of the files.
    """
    from tfhash.figures import layer_wise

    table = results.load_layer_wise(path)
    if table.empty:
        return []
    names = []
    settings = ["dataset", "protocol", "depth", "width"]
    several = table.groupby("dataset")["width"].nunique().max() > 1
    for (dataset, protocol, depth, width), rows in table.groupby(settings):
        if datasets is not None and dataset not in datasets:
            continue
        name = f"figure_5_{dataset}" + (f"_width={width}" if several else "")
        if protocol != "paper":
            name += f"_{protocol}"
        measured = layer_wise.tidy(rows)
        repeats = rows["repeat"].nunique()
        caption = figures.Caption(
            title=figures.TITLES.get(dataset, dataset),
            subtitle=f"{depth} hidden layers of {width} units, {protocol} protocol, "
            + (f"mean ± sd of {repeats} repeats" if repeats > 1 else "1 repeat"),
            ours="",
            paper="",
        )
        figures.save(layer_wise.figure_5(measured, caption), figures_path / name)
        write_text(
            figures_path / f"{name}.csv",
            measured.round(6).to_csv(index=False, lineterminator="\n"),
        )
        names.append(f"{name}.png")
    return names
