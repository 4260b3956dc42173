"""All encoding properties of one network on all of MNIST, against the authors' released pipeline.

python -m benchmarks.bench_properties --data_dir FOLDER

The peer takes minutes and is timed once; its accuracies are compared with ours.
"""

import time
from collections.abc import Iterator

import keras
import numpy as np
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsOneClassifier
from sklearn.neighbors import KNeighborsClassifier

from benchmarks.harness import Options, Row, main, medians
from tfhash import Encoder, datasets, metrics, models
from tfhash.metrics import EncodingProperties

WIDTH = 100
EPOCHS = 2


def rows(options: Options) -> Iterator[Row]:
    """One row: the whole of encoding_properties."""
    dataset = datasets.load("mnist", data_dir=options.data_dir)
    n, n_test = options.size(60_000), options.size(10_000)
    y, y_test = dataset.y_train[:n], dataset.y_test[:n_test]
    network = models.mlp(dataset.x_train.shape[1:], width=WIDTH, depth=1, n_classes=10, seed=0)
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.fit(dataset.x_train, dataset.y_train, batch_size=128, epochs=EPOCHS, verbose=0)
    encoder = Encoder(network)
    train, test = encoder.encode(dataset.x_train[:n]), encoder.encode(dataset.x_test[:n_test])

    (ours,) = medians(options.repeats, lambda: metrics.encoding_properties(train, y, test, y_test))
    found = metrics.encoding_properties(train, y, test, y_test)
    start = time.perf_counter()
    expected = released(train.to_bits(), y, test.to_bits(), y_test)
    theirs = time.perf_counter() - start
    note = ", ".join(
        f"{name.removesuffix('_accuracy')} {getattr(found, name):.4f} / {value:.4f}"
        for name, value in vars(expected).items()
    )
    work = f"encoding_properties, MNIST {n:,} + {n_test:,}, width {WIDTH}"
    yield Row(work, "released pipeline", ours, theirs, 40, f"ours / theirs: {note}")


def released(
    train: np.ndarray, y: np.ndarray, test: np.ndarray, y_test: np.ndarray
) -> EncodingProperties:
    """What the authors' scripts do with NumPy and scikit-learn."""

    def redundancy(bits: np.ndarray) -> float:
        return (len(bits) - len(np.unique(bits, axis=0))) / len(bits)

    def clustered(bits: np.ndarray, labels: np.ndarray) -> float:
        clusters = KMeans(10, n_init=10, random_state=0).fit(bits).labels_
        counts = np.zeros((10, 10), int)
        np.add.at(counts, (clusters, labels), 1)
        return counts.max(axis=1).sum() / len(labels)

    neighbors = KNeighborsClassifier(9, metric="hamming").fit(train, y)
    logistic = OneVsOneClassifier(LogisticRegression()).fit(train, y)
    return EncodingProperties(
        train_redundancy_ratio=redundancy(train),
        test_redundancy_ratio=redundancy(test),
        train_kmeans_accuracy=clustered(train, y),
        test_kmeans_accuracy=clustered(test, y_test),
        knn_accuracy=neighbors.score(test, y_test),
        logistic_accuracy=logistic.score(test, y_test),
    )


main(__name__, rows, __doc__)
