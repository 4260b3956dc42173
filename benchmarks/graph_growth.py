"""How the time and the memory of `knn_graph` grow with the number of codes.

python -m benchmarks.graph_growth [--codes 125000 250000 500000 1000000] [--bits 256] [--threads 2]

Random codes, k = 10. A million codes of 256 bits take 263 s of processor time on AVX2. The
time should be quadratic: the same for each n * n. Memory is the most that the process has had, the
codes and Python with its packages included.
"""

import argparse
import resource
import time

from benchmarks.bench_hamming_knn import random_codes
from benchmarks.harness import use_threads
from tfhash import metrics

K = 10


def main() -> None:
    """A row of Markdown for each number of codes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--codes", type=int, nargs="+", default=[125_000, 250_000, 500_000, 10**6])
    parser.add_argument("--bits", type=int, default=256)
    parser.add_argument("--threads", type=int, default=metrics.get_num_threads())
    given = parser.parse_args()
    use_threads(given.threads)
    print(f"{given.threads} threads, {metrics.isa()}, {given.bits} bits, k = {K}\n")
    print("| codes | processor time | wall | processor time for each n * n | memory |")
    print("|---|---|---|---|---|")
    for n in sorted(given.codes):
        codes = random_codes(n, given.bits, 0)
        wall, taken = time.perf_counter(), time.process_time()
        metrics.knn_graph(codes, K)
        wall, taken = time.perf_counter() - wall, time.process_time() - taken
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"| {n:,} | {taken:.1f} s | {wall:.1f} s | {1e9 * taken / n**2:.2f} ns "
              f"| {memory:.2f} GiB |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
