"""What neural codes are worth: regions, neighbours, clusters, classification."""

from tfhash.metrics.clustering import clustering_accuracy
from tfhash.metrics.constant_bits import keep_bits, varying_bits
from tfhash.metrics.kmeans import CodeKMeans
from tfhash.metrics.layer_wise import Part, layer_parts, layer_wise
from tfhash.metrics.logistic import CodeLogisticRegression
from tfhash.metrics.neighbors import HammingKNeighborsClassifier, hamming_knn
from tfhash.metrics.properties import EncodingProperties, encoding_properties
from tfhash.metrics.regions import count_regions, redundancy_ratio, region_ids
from tfhash.metrics.threads import get_num_threads, isa, set_num_threads
from tfhash.metrics.tsne import hamming_tsne

__all__ = [
    "CodeKMeans",
    "CodeLogisticRegression",
    "EncodingProperties",
    "HammingKNeighborsClassifier",
    "Part",
    "clustering_accuracy",
    "count_regions",
    "encoding_properties",
    "get_num_threads",
    "hamming_knn",
    "hamming_tsne",
    "isa",
    "keep_bits",
    "layer_parts",
    "layer_wise",
    "redundancy_ratio",
    "region_ids",
    "set_num_threads",
    "varying_bits",
]
