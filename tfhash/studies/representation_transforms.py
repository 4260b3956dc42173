"""Tables 2 and 3 of the second paper: a trained network, and what transforms make of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tfhash.datasets import Dataset
from tfhash.runs import RunSpec
from tfhash.runs.representation import STATISTICS, TITLES
from tfhash.runs.representation_tables import PAPERS_NAMES
from tfhash.studies.networks import PREDICT_AT_ONCE, activations

if TYPE_CHECKING:
    import keras

# A matrix of ones is scored on so many examples, and taken where its error on the held-out ones is
# at most so many percent points above the network's own; so many are tried, the most correlated
# first.
SCORED, COMPARABLE, TRIED = 2_000, 1.0, 5
FLOOR = 1e-6  # of the eigenvalues that whitening divides by, as a share of the largest


@dataclass(frozen=True)
class Example:
    """A trained network: its spec, and the model in its last checkpoint."""

    spec: RunSpec
    model: keras.Model

    @property
    def layer(self) -> str:
        """The last hidden layer's name."""
        return self.spec.last_layer

    def read(self, layer: str, x: np.ndarray) -> np.ndarray:
        """Activations float32 [n, units] of a layer."""
        return activations(self.model, layer, x)


def table_2(examples: Mapping[str, Example], data: Dataset, fit_on: int, seed: int) -> pd.DataFrame:
    """Layers of networks whose last hidden one is linear, and that layer made another.

    Parameters
    ----------
    examples
        By regularizer.
    data
        The dataset of all of them.
    fit_on
        Training examples, drawn at random, whose covariance whitens the linear layer.
    seed
        Of what is drawn.

    Returns
    -------
    pandas.DataFrame
        A row a layer, the first, the last with a ReLU and the linear one, then the linear layer of
        the network of identical outputs that has it whitened: network, test_error (percent), and
        the characteristics of the layer on the test set.
    """
    from tfhash import representation

    rows = []
    for regularizer, one in examples.items():
        title, depth = TITLES[regularizer], one.spec.depth
        h = one.read(one.layer, _training_examples(one, data, fit_on, seed)[0])
        new = representation.identical_output_network(
            one.model, one.layer, *_whitening(h.astype(np.float64))
        )
        for name, model, layer in (
            (f"{title} (1st)", one.model, "relu_1"),
            (f"{title} ({_ordinal(depth - 1)})", one.model, f"relu_{depth - 1}"),
            (f"{title} ({_ordinal(depth)})", one.model, one.layer),
            (f"{title} ({_ordinal(depth)}, whitened)", new, one.layer),
        ):
            rows.append({"network": name, **_measured(model, layer, data)})
    return pd.DataFrame(rows)


def table_3(
    example: Example, data: Dataset, fit_on: int, candidates: int, seed: int
) -> pd.DataFrame:
    """The network, and others with its last hidden layer transformed.

    Parameters
    ----------
    example, data
        The network and its dataset.
    fit_on
        Training examples, drawn at random, that output weights are fitted on.
    candidates
        Matrices of ones with a random diagonal that the best is taken of.
    seed
        Of what is drawn.

    Returns
    -------
    pandas.DataFrame
        network (as the paper calls the transform), test_error (percent) and the six
        characteristics of the last hidden layer on the test set.
    """
    found = _transformed(example, data, fit_on, candidates, np.random.default_rng(seed))
    return pd.DataFrame(
        [{"network": title, **_measured(model, example.layer, data)} for title, model in found]
    )


def beside_papers(table: pd.DataFrame, paper: pd.DataFrame, number: str) -> pd.DataFrame:
    """`table` with a column of the paper's ("paper: ...") after each that it has."""
    theirs = paper[paper["table"] == number].pivot_table(
        index="row", columns="column", values="value"
    )
    theirs = theirs.rename(columns=PAPERS_NAMES)
    table = table.copy()
    for name in [name for name in table if name in theirs]:
        at = int(table.columns.get_indexer([name])[0]) + 1
        table.insert(at, f"paper: {name}", table["network"].map(theirs[name]))
    return table


def _measured(model: keras.Model, layer: str, data: Dataset) -> dict[str, float]:
    from tfhash.representation import Statistics

    z = activations(model, layer, data.x_test)
    statistics = Statistics(z.shape[1])
    statistics.update(z)
    found = statistics.result()
    values = {name: getattr(found, name) for name in STATISTICS}
    return {"test_error": _error(model, data.x_test, data.y_test), **values}


def _transformed(
    example: Example, data: Dataset, fit_on: int, candidates: int, rng: np.random.Generator
) -> Iterator[tuple[str, keras.Model]]:
    from tfhash import representation

    model, layer = example.model, example.layer
    x, y = _training_examples(example, data, fit_on, rng)
    h = example.read(f"dense_{example.spec.depth}", x).astype(np.float64)
    d = h.shape[1]
    yield "Identity", model
    yield (
        "Random positive diagonal",
        representation.identical_output_network(model, layer, rng.uniform(0, 1, d)),
    )
    ones = _ones(example, h, x, data, rng, candidates)
    yield (
        "Ones with random positive diagonal",
        representation.comparable_network(model, layer, ones, x, y),
    )
    whitening, mean = _whitening(h)
    yield "Whitening", representation.comparable_network(model, layer, whitening, x, y, mean)


def _training_examples(
    example: Example, data: Dataset, n: int, seed: int | np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """At most `n` of the examples that the network was trained on, and their labels."""
    trained = example.spec.measured_data(data)
    rows = np.random.default_rng(seed).permutation(len(trained.x_train))[:n]
    return trained.x_train[rows], trained.y_train[rows]


def _whitening(h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The matrix and the shift that make the covariance of `h`, float64 [n, d], the identity."""
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(h.T)))
    scales = 1 / np.sqrt(np.maximum(values, FLOOR * values.max()))
    return (vectors * scales) @ vectors.T, h.mean(axis=0)


def _ordinal(number: int) -> str:
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number, 'th') }"


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
        correlation = statistics.result().absolute_correlation
        scored.append((float(np.nan_to_num(correlation)), matrix))
    scored.sort(key=lambda pair: -pair[0])
    x_held, y_held = data.held_out(example.spec.hold_out)
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
    outputs = model.predict(x, batch_size=PREDICT_AT_ONCE, verbose=0)
    return 100 * float(np.mean(outputs.argmax(axis=1) != y))
