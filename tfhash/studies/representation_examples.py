"""Figure 1 and Tables 2 and 3 of the second paper, from one trained network each.

tfhash run representations --repeat=1 --quick
tfhash run representations_linear --repeat=1
tfhash run representation_examples

Takes a few minutes. Figure 1: activations of the last hidden layer on the test set, for five of
the regularizers at the loss weights that validation chooses. Table 2: layers of networks whose
sixth is linear, and of a network with the same outputs that has it whitened. Table 3: what becomes
of the network without a regularizer where its last hidden layer is transformed, its output weights
fitted anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tfhash import figures, results
from tfhash.datasets import Dataset
from tfhash.errors import InputError
from tfhash.figures import representation_tables
from tfhash.files import write_text
from tfhash.runs import RunSpec, checkpoints, stored_runs
from tfhash.runs import representation_tables as tables
from tfhash.runs.paper import paper_representations
from tfhash.runs.representation import TITLES
from tfhash.studies import representation_transforms as transforms
from tfhash.studies import representations_linear
from tfhash.studies.drawing_record import how_trained, write_table
from tfhash.studies.drawing_representations import PAPERS_DATASET
from tfhash.studies.loading import load_model
from tfhash.studies.option import option
from tfhash.studies.options import DataOptions
from tfhash.studies.representation_transforms import Example
from tfhash.studies.representations import STUDY

SHOWN = ("none", "dropout", "bn", "cr", "l1r")


@dataclass(frozen=True, kw_only=True)
class ExampleOptions(DataOptions):
    """Which networks are shown, and where figures go: figures/ beside the runs if None."""

    load_path: Path
    figures_path: Path | None = None
    sample_size: int | None = option(
        None, "Training examples of the networks (all that are not held out).", least=1
    )
    repeat: int = option(1, "Number of the repeat.", least=1)
    candidates: int = option(
        100, "Matrices of ones with a random diagonal that Table 3 has the best of.", least=1
    )
    fit_on: int = option(10_000, "Training examples that output weights are fitted on.", least=1)
    seed: int = option(0, "Of units, examples and matrices that are drawn.", least=0)


OPTIONS = ExampleOptions


def run(options: ExampleOptions) -> None:
    """Read, transform and draw."""
    data = options.load_dataset()
    found = {one.spec.regularizer: one for one in _examples(options)}
    folder = options.figures_path or options.load_path / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    suffix = f"{options.dataset}{f'_{options.sample_size}' if options.sample_size else ''}"
    shown = [found[name] for name in SHOWN if name in found]
    if shown:
        _draw_figure_1(shown, data, options, folder / f"representations_figure_1_{suffix}")
    else:
        print(f"Left out Figure 1: no network with {', '.join(TITLES[name] for name in SHOWN)}.")
    linear = {one.spec.regularizer: one for one in _linear(options)}
    linear = {name: linear[name] for name in TITLES if name in linear}
    made = {}
    if linear:
        made[2] = transforms.table_2(linear, data, options.fit_on, options.seed)
    else:
        print(f"Left out Table 2: no networks of `tfhash run {representations_linear.STUDY.name}`.")
    if "none" in found:
        made[3] = transforms.table_3(
            found["none"], data, options.fit_on, options.candidates, options.seed
        )
    else:
        print("Left out Table 3: no network without a regularizer.")
    for number, table in made.items():
        if options.dataset == PAPERS_DATASET and options.sample_size is None:
            table = transforms.beside_papers(table, paper_representations(), f"table_{number}")
        name = f"representations_table_{number}_{suffix}"
        write_table(table, folder / f"{name}.csv")
        text = representation_tables.transformed(table)
        write_text(folder / f"{name}.md", text)
        print(f"{folder / name}.md:\n{text}", flush=True)


def _draw_figure_1(
    examples: list[Example], data: Dataset, options: ExampleOptions, file: Path
) -> None:
    """Write Figure 1 and the tables behind it."""
    histograms, scatters = figure_1(examples, data, options)
    spec = examples[0].spec
    trained = how_trained(spec.depth, spec.width, spec.sample_size, spec.epochs)
    title = f"{figures.TITLES[spec.dataset]}, test set: {trained}"
    figures.save(figures.units_by_regularizer(histograms, scatters, title), file)
    for table, end in ((histograms, "histograms"), (scatters, "points")):
        write_table(table, file.with_name(f"{file.name}_{end}.csv"), digits=4)
    print(f"Drew {file}.png, of {', '.join(dict.fromkeys(histograms['regularizer']))}")


def _examples(options: ExampleOptions) -> Iterator[Example]:
    """The network of each regularizer at its chosen weight."""
    table = results.load(options.load_path, history=False, stages=("encoding",))
    table = table[
        (table["experiment"] == STUDY.directory)
        & (table["dataset"] == options.dataset)
        & (table["sample_size"].fillna(0) == (options.sample_size or 0))
    ]
    if table.empty:
        raise InputError(
            f"Expected measured networks of `tfhash run {STUDY.name}` on {options.dataset}, "
            f"{options.sample_size or 'all'} examples, under {options.load_path}. Received: none."
        )
    networks = tables.networks(results.last_epoch(table))
    widest = networks[networks["width"] == networks["width"].max()]
    chosen = {
        (row["width"], row["regularizer"], row["regularizer_normalized"], row["regularizer_weight"])
        for _, row in tables.chosen_weights(widest).iterrows()
    }
    there = set(networks["repeat"])
    if options.repeat not in there:
        raise InputError(
            f"Expected a repeat that was measured, one of {', '.join(map(str, sorted(there)))}. "
            f"Received: {options.repeat}."
        )
    for run in stored_runs(options.load_path):
        spec = run.spec
        if (
            isinstance(spec, RunSpec)
            and (spec.experiment, spec.dataset) == (STUDY.directory, options.dataset)
            and (spec.sample_size, spec.repeat) == (options.sample_size, options.repeat)
            and (
                *(spec.width, spec.regularizer),
                *(spec.regularizer_normalized, spec.regularizer_weight),
            )
            in chosen
        ):
            yield Example(spec, load_model(list(checkpoints(run.path).values())[-1]))


def _linear(options: ExampleOptions) -> Iterator[Example]:
    """The networks whose sixth layer is linear."""
    wanted = (representations_linear.STUDY.directory, options.dataset)
    for run in stored_runs(options.load_path):
        spec = run.spec
        if (
            isinstance(spec, RunSpec)
            and (spec.experiment, spec.dataset) == wanted
            and (spec.sample_size, spec.repeat) == (options.sample_size, options.repeat)
        ):
            yield Example(spec, load_model(list(checkpoints(run.path).values())[-1]))


def figure_1(
    examples: list[Example], data: Dataset, options: ExampleOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A unit's histograms by class, and points of two units, of each network.

    Units are drawn from those that are positive for at least one test example in a hundred, or from
    all where none is. Zeros are left out of the histogram.
    """
    from tfhash.representation.units import POINTS, histogram

    rng = np.random.default_rng(options.seed)
    rows = np.sort(rng.permutation(len(data.x_test))[:POINTS])
    histograms, scatters = [], []
    for one in examples:
        z = one.read(one.layer, data.x_test)
        live = np.flatnonzero((z > 0).mean(axis=0) >= 0.01)
        live = live if live.size else np.arange(z.shape[1])
        first, second = rng.choice(live, 2, replace=len(live) < 2)
        title = TITLES[one.spec.regularizer]
        bins = histogram(z[:, first], data.y_test)
        histograms.append(pd.DataFrame({"regularizer": title, "unit": first, **bins}))
        points = {"first": z[rows, first], "second": z[rows, second], "label": data.y_test[rows]}
        scatters.append(pd.DataFrame({"regularizer": title, **points}))
    return pd.concat(histograms, ignore_index=True), pd.concat(scatters, ignore_index=True)
