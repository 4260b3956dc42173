"""More than one machine: encoding and measuring on a Ray cluster. Needs `tfhash[ray]`."""

from tfhash.distributed.encoding import encode
from tfhash.distributed.neighbors import hamming_knn, knn_graph
from tfhash.distributed.regions import region_counts

__all__ = ["encode", "hamming_knn", "knn_graph", "region_counts"]
