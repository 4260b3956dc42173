"""What neural codes are worth: regions, neighbours, clusters, classification."""

from tfhash.metrics.neighbors import HammingKNeighborsClassifier, hamming_knn
from tfhash.metrics.regions import count_regions, redundancy_ratio, region_ids
from tfhash.metrics.threads import get_num_threads, isa, set_num_threads

__all__ = [
    "HammingKNeighborsClassifier",
    "count_regions",
    "get_num_threads",
    "hamming_knn",
    "isa",
    "redundancy_ratio",
    "region_ids",
    "set_num_threads",
]
