"""More than one machine: studies, encoding and measuring on a Ray cluster. Needs `tfhash[ray]`."""

from typing import Any

from tfhash.distributed.clustering import kmeans
from tfhash.distributed.encoding import encode
from tfhash.distributed.neighbors import hamming_knn, knn_graph
from tfhash.distributed.regions import region_counts

__all__ = ["encode", "hamming_knn", "kmeans", "knn_graph", "region_counts", "run"]


def __getattr__(name: str) -> Any:
    if name == "run":  # which loads what studies need: other functions do without
        from tfhash.distributed.sweeps import run

        return run
    raise AttributeError(f"module 'tfhash.distributed' has no attribute {name!r}")
