"""Datasets: images in [0, 1] with their labels, read from files as they are published."""

from tfhash.datasets.dataset import Dataset, DatasetError
from tfhash.datasets.registry import NAMES, load

__all__ = ["NAMES", "Dataset", "DatasetError", "load"]
