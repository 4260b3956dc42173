"""Datasets: images in [0, 1] with their labels, read from files as they are published."""

from tfhash._extras import named_if_missing

with named_if_missing("tfhash.datasets"):
    from tfhash.datasets.dataset import Dataset, DatasetError
    from tfhash.datasets.record import CnnTraining, MlpTraining, Record
    from tfhash.datasets.registry import NAMES, RECORDS, family, load, of_dataset, record

__all__ = [
    "NAMES",
    "RECORDS",
    "CnnTraining",
    "Dataset",
    "DatasetError",
    "MlpTraining",
    "Record",
    "family",
    "load",
    "of_dataset",
    "record",
]
