"""What neural codes are worth: regions, neighbors, clusters, classification."""

from tfhash.metrics.clustering import clustering_accuracy
from tfhash.metrics.constant_bits import keep_bits, varying_bits
from tfhash.metrics.graph import (
    NearPairs,
    iter_close_pairs,
    iter_radius_neighbors,
    knn_graph,
    radius_neighbors,
)
from tfhash.metrics.kmeans import CodeKMeans
from tfhash.metrics.layer_wise import Part, layer_parts, layer_wise
from tfhash.metrics.logistic import CodeLogisticRegression
from tfhash.metrics.neighbors import HammingKNeighborsClassifier, hamming_knn
from tfhash.metrics.properties import encoding_properties
from tfhash.metrics.regions import count_regions, redundancy_ratio, region_counts, region_ids
from tfhash.metrics.threads import get_num_threads, isa, set_num_threads
from tfhash.metrics.tsne import hamming_tsne
from tfhash.properties import EncodingProperties

__all__ = [
    "CodeKMeans",
    "CodeLogisticRegression",
    "EncodingProperties",
    "HammingKNeighborsClassifier",
    "NearPairs",
    "Part",
    "clustering_accuracy",
    "count_regions",
    "encoding_properties",
    "get_num_threads",
    "hamming_knn",
    "hamming_tsne",
    "isa",
    "iter_close_pairs",
    "iter_radius_neighbors",
    "keep_bits",
    "knn_graph",
    "layer_parts",
    "layer_wise",
    "radius_neighbors",
    "redundancy_ratio",
    "region_counts",
    "region_ids",
    "set_num_threads",
    "varying_bits",
]
