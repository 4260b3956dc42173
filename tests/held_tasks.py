"""Tasks of a cluster that wait in the middle of a job, so that what they run on can be killed then.

python tests/held_tasks.py JOB COLLECTION ADDRESS NOTES

runs a job as a driver of its own.
"""

import sys
from pathlib import Path

from tfhash import Codes, distributed
from tfhash.distributed import cluster

CLUSTERS = {"n_clusters": 5, "n_init": 2, "max_iter": 20, "random_state": 0}
QUERIES, K = 50, 9
LONGEST = 120  # seconds that a task waits; then its test fails

JOBS = {
    "region_counts": lambda folder, address: distributed.region_counts(folder, address),
    "hamming_knn": lambda folder, address: distributed.hamming_knn(
        folder, Codes.load(folder)[:QUERIES], K, address
    ),
    "knn_graph": lambda folder, address: distributed.knn_graph(folder, K, address),
    "kmeans": lambda folder, address: distributed.kmeans(folder, **CLUSTERS, address=address),
}
# Tasks that pass before the others wait. There are 16 shards; K-Means goes through them 10 times
# to choose its starts.
FREE = {"region_counts": 5, "hamming_knn": 5, "knn_graph": 5, "kmeans": 10 * 16 + 5}


def holding(notes, free):
    """In place of `cluster._on_one_thread`: each task leaves a note in the folder `notes`.

    After `free` of them each waits for `notes/go`; its note is then `NODE.PROCESS.held`.
    """
    run = cluster._on_one_thread

    def held(function, *arguments):  # Ray sends it as code: it is no function of a module
        import os
        import time
        import uuid

        import ray

        (notes / f"{uuid.uuid4()}.begun").touch()
        if len(list(notes.glob("*.begun"))) > free:
            node = ray.get_runtime_context().get_node_id()
            (notes / f"{node}.{os.getpid()}.held").touch()
            until = time.monotonic() + LONGEST
            while not (notes / "go").exists() and time.monotonic() < until:
                time.sleep(0.01)
        return run(function, *arguments)

    return held


def held(notes):
    """Node and process of each task that waits, or has waited until it was killed."""
    return [tuple(note.name.split(".")[:2]) for note in notes.glob("*.held")]


if __name__ == "__main__":
    job, folder, address, notes = sys.argv[1:]
    cluster._on_one_thread = holding(Path(notes), FREE[job])
    JOBS[job](folder, address)
