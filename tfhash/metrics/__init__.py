"""What neural codes are worth: regions, neighbours, clusters, classification."""

from tfhash.metrics.clustering import clustering_accuracy
from tfhash.metrics.kmeans import CodeKMeans
from tfhash.metrics.logistic import CodeLogisticRegression
from tfhash.metrics.regions import count_regions, redundancy_ratio, region_ids
from tfhash.metrics.threads import get_num_threads, isa, set_num_threads

__all__ = [
    "CodeKMeans",
    "CodeLogisticRegression",
    "clustering_accuracy",
    "count_regions",
    "get_num_threads",
    "isa",
    "redundancy_ratio",
    "region_ids",
    "set_num_threads",
]
