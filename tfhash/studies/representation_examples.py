"""Figure 1 and Table 3 of the second paper, from one trained network each.

tfhash run representations --repeat=1 --quick
tfhash run representation_examples

Takes a few minutes. Figure 1: activations of the last hidden layer on the test set, for five of
the regularizers at the loss weights that validation chooses. Table 3: what becomes of the network
without a regularizer where its last hidden layer is transformed, its output weights fitted anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from tfhash.studies.loading import load_model
from tfhash.studies.options import DataOptions, option
from tfhash.studies.representations import STUDY

if TYPE_CHECKING:
    import keras

SHOWN = ("none", "dropout", "bn", "cr", "l1r")
POINTS, BINS = 2_000, 40
# A matrix of ones is scored on so many examples, and taken where its error on the held-out ones is
# at most so many percent points above the network's own; so many are tried, the most correlated
# first.
SCORED, COMPARABLE, TRIED = 2_000, 1.0, 5
FLOOR = 1e-6  # of the eigenvalues that whitening divides by, as a share of the largest


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


@dataclass(frozen=True)
class Example:
    """A trained network: its spec, and the model in its last checkpoint."""

    spec: RunSpec
    model: keras.Model

    @property
    def layer(self) -> str:
        """The last hidden layer's name."""
        return f"relu_{self.spec.depth}"

    def read(self, layer: str, x: np.ndarray) -> np.ndarray:
        """Activations float32 [n, units] of a layer."""
        import keras

        given = self.model.get_layer(layer).output
        return np.asarray(keras.Model(self.model.inputs, given).predict(x, 2048, verbose=0))


def run(options: ExampleOptions) -> None:
    """Read, transform and draw."""
    data = options.load_dataset()
    folder = options.figures_path or options.load_path / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    found = {one.spec.regularizer: one for one in _examples(options)}
    suffix = f"{options.dataset}{f'_{options.sample_size}' if options.sample_size else ''}"
    name = f"representations_figure_1_{suffix}"
    histograms, scatters = figure_1([one for n in SHOWN if (one := found.get(n))], data, options)
    figures.save(figures.units_by_regularizer(histograms, scatters), folder / name)
    for table, end in ((histograms, "histograms"), (scatters, "points")):
        text = table.round(4).to_csv(index=False, lineterminator="\n")
        write_text(folder / f"{name}_{end}.csv", text)
    print(f"Drew {folder / name}.png, of {', '.join(dict.fromkeys(histograms['regularizer']))}")
    if "none" not in found:
        print("Left out Table 3: no network without a regularizer.")
        return
    name = f"representations_table_3_{suffix}"
    table = table_3(found["none"], data, options)
    write_text(folder / f"{name}.csv", table.round(6).to_csv(index=False, lineterminator="\n"))
    text = representation_tables.transformed(table)
    write_text(folder / f"{name}.md", text)
    print(f"{folder / name}.md:\n{text}", flush=True)


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


def figure_1(
    examples: list[Example], data: Dataset, options: ExampleOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A unit's histograms by class, and points of two units, of each network.

    Units are drawn from those that are positive for at least one test example in a hundred. The
    histogram is of positive activations alone.
    """
    rng = np.random.default_rng(options.seed)
    rows = np.sort(rng.permutation(len(data.x_test))[:POINTS])
    histograms, scatters = [], []
    for one in examples:
        z = one.read(one.layer, data.x_test)
        live = np.flatnonzero((z > 0).mean(axis=0) >= 0.01)
        first, second = rng.choice(live, 2, replace=len(live) < 2)
        edges = np.linspace(0, max(float(z[:, first].max()), 1e-6), BINS + 1)
        title = TITLES[one.spec.regularizer]
        for label in range(data.n_classes):
            values = z[data.y_test == label, first]
            counts = np.histogram(values[values > 0], edges)[0]
            part = {"left": edges[:-1], "right": edges[1:], "count": counts, "label": label}
            histograms.append(pd.DataFrame({"regularizer": title, "unit": first, **part}))
        points = {"first": z[rows, first], "second": z[rows, second], "label": data.y_test[rows]}
        scatters.append(pd.DataFrame({"regularizer": title, **points}))
    return pd.concat(histograms, ignore_index=True), pd.concat(scatters, ignore_index=True)


def table_3(example: Example, data: Dataset, options: ExampleOptions) -> pd.DataFrame:
    """The network, and others with its last hidden layer transformed: errors, characteristics.

    Returns
    -------
    pandas.DataFrame
        transform (as the paper calls it), test_error (percent) and the six characteristics of the
        last hidden layer on the test set, each with the paper's after it where the data are its.
    """
    from tfhash import representation

    paper = paper_representations()
    paper = paper[paper["table"] == ("table_3" if options.dataset == "mnist" else "")]
    theirs = paper.pivot_table(index="row", columns="column", values="value")
    theirs = theirs.rename(columns={"error_percent": "test_error"})
    rows = []
    for title, model in _transformed(example, data, options):
        found = representation.characteristics(model, data.x_test, layers=[example.layer])
        row: dict[str, Any] = {"transform": title}
        measured = {"test_error": _error(model, data.x_test, data.y_test)}
        measured.update(found.iloc[0].drop("n_units"))
        for name, value in measured.items():
            row[name] = value
            if title in theirs.index and name in theirs:
                row[f"paper: {name}"] = theirs.loc[title, name]
        rows.append(row)
    return pd.DataFrame(rows)


def _transformed(
    example: Example, data: Dataset, options: ExampleOptions
) -> Iterator[tuple[str, keras.Model]]:
    from tfhash import representation

    model, layer = example.model, example.layer
    rng = np.random.default_rng(options.seed)
    trained = example.spec.measured_data(data)
    rows = rng.permutation(len(trained.x_train))[: options.fit_on]
    x, y = trained.x_train[rows], trained.y_train[rows]
    h = example.read(f"dense_{example.spec.depth}", x).astype(np.float64)
    d = h.shape[1]
    yield "Identity", model
    yield (
        "Random positive diagonal",
        representation.identical_output_network(model, layer, rng.uniform(0, 1, d)),
    )
    ones = _ones(example, h, x, data, rng, options.candidates)
    yield (
        "Ones with random positive diagonal",
        representation.comparable_network(model, layer, ones, x, y),
    )
    mean, covariance = h.mean(axis=0), np.cov(h.T)
    values, vectors = np.linalg.eigh(covariance)
    scales = 1 / np.sqrt(np.maximum(values, FLOOR * values.max()))
    whitening = (vectors * scales) @ vectors.T
    yield "Whitening", representation.comparable_network(model, layer, whitening, x, y, mean)


def _ones(
    example: Example,
    h: np.ndarray,
    x: np.ndarray,
    data: Dataset,
    rng: np.random.Generator,
    candidates: int,
) -> np.ndarray:
    """Of random candidates, the most correlated one whose network is comparable."""
    from tfhash import representation

    d = h.shape[1]
    scored = []
    for diagonal in rng.uniform(0, 1, (candidates, d)):
        matrix = np.ones((d, d))
        matrix[np.diag_indices(d)] = diagonal
        statistics = representation.Statistics(d)
        statistics.update(np.maximum(h[:SCORED] @ matrix.T, 0))
        scored.append((float(np.nan_to_num(statistics.result().correlation)), matrix))
    scored.sort(key=lambda pair: -pair[0])
    kept = len(data.hold_out(example.spec.hold_out).x_train)
    x_held, y_held = data.x_train[kept:], data.y_train[kept:]
    if not len(x_held):
        return scored[0][1]
    own = _error(example.model, x_held, y_held)
    errors = []
    for _, matrix in scored[:TRIED]:
        new = representation.comparable_network(example.model, example.layer, matrix, x[:SCORED])
        errors.append(_error(new, x_held, y_held))
        if errors[-1] <= own + COMPARABLE:
            break
    return scored[int(np.argmin(errors))][1]


def _error(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    """Percent of wrong answers."""
    outputs = model.predict(x, batch_size=2048, verbose=0)
    return 100 * float(np.mean(outputs.argmax(axis=1) != y))
