"""Encoding properties of the codes of single layers, of the first k and of the last k."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pandas as pd

from tfhash.datasets import Dataset
from tfhash.metrics import layer_wise
from tfhash.runs import AnySpec
from tfhash.runs.records import LAYERS, LayerRecord
from tfhash.studies.measure import Measure
from tfhash.studies.measures.encoding import COLUMNS
from tfhash.studies.shared_pass import Split


def _layers(
    family: str, codes: Split, data: Dataset, spec: AnySpec
) -> Mapping[LayerRecord, pd.DataFrame]:
    table = layer_wise(
        codes.train,
        data.y_train,
        codes.test,
        data.y_test,
        families=(family,),
        random_state=spec.repeat,
    )
    return {LAYERS: table}


MEASURES = tuple(
    Measure(
        name=f"layers_{family}",
        columns={LAYERS: columns},
        needs=("codes", "data", "spec"),
        function=partial(_layers, family),
    )
    for family, columns in COLUMNS.items()
)
