"""How well the training set's codes, and the network, fit the labels that it was trained with.

They differ from the true ones where there is label noise. All other measures use the true labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfhash.metrics import CodeKMeans, clustering_accuracy, count_regions
from tfhash.runs import AnySpec
from tfhash.runs.records import PROPERTIES, Record
from tfhash.studies.measure import Measure
from tfhash.studies.shared_pass import Split


def _trained_labels(
    codes: Split, outputs: Split, trained_labels: np.ndarray, spec: AnySpec
) -> Mapping[Record, dict[str, Any]]:
    n_clusters = min(len(np.unique(trained_labels)), count_regions(codes.train))
    clusters = CodeKMeans(n_clusters=n_clusters, random_state=spec.repeat).fit(codes.train).labels_
    predicted = outputs.train.argmax(axis=1)
    return {
        PROPERTIES: {
            "train_noisy_kmeans_accuracy": clustering_accuracy(trained_labels, clusters),
            "train_noisy_accuracy": float(np.mean(predicted == trained_labels)),
        }
    }


MEASURES = (
    Measure(
        name="trained_labels",
        columns={PROPERTIES: ("train_noisy_kmeans_accuracy", "train_noisy_accuracy")},
        needs=("codes", "outputs", "trained_labels", "spec"),
        function=_trained_labels,
    ),
)
