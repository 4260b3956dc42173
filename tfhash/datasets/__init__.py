"""Datasets: images in [0, 1] with their labels, read from files as they are published."""

from tfhash._extras import named_if_missing

with named_if_missing("tfhash.datasets"):
    from tfhash.datasets.dataset import Dataset, DatasetError
    from tfhash.datasets.registry import NAMES, load

__all__ = ["NAMES", "Dataset", "DatasetError", "load"]
