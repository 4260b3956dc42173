"""What neural codes are worth: regions, neighbours, clusters, classification."""

from tfhash.metrics.regions import count_regions, redundancy_ratio, region_ids
from tfhash.metrics.threads import get_num_threads, isa, set_num_threads

__all__ = [
    "count_regions",
    "get_num_threads",
    "isa",
    "redundancy_ratio",
    "region_ids",
    "set_num_threads",
]
