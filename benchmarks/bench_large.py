"""Every metric on codes of half a million bits: time, memory beyond the codes, share of the limit.

python -m benchmarks.bench_large --folder FOLDER [--rows 60000] [--bits 557056] [--quick]

The codes are made up (ten classes, shared styles, noise, dead units), 5 in 6 of them the training
set, and lie in FOLDER, memory-mapped; `--in_memory` reads them first. 60,000 codes of 557,056
bits, those of a CIFAR-10 ResNet-18, take 4.2 GB of disk and about a quarter of an hour.

K-Means' limit is that of looking at every code in every iteration, which its bounds save most of.
Limits: the bytes that must be read over the bandwidth of reading memory, or the operations over the
rate at which the same kernel does them where everything is in cache. Both are measured first.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Options, medians, seconds, use_threads
from tfhash import Codes, metrics
from tfhash.metrics import CodeKMeans, CodeLogisticRegression

N_CLASSES, N_STYLES, BLOCK = 10, 32, 500
WORKS = ("regions", "knn", "kmeans", "logistic", "score", "varying")


@dataclass(frozen=True)
class Row:
    """One line.

    Attributes
    ----------
    time, cpu : float
        Seconds by the clock, and of all processors together: on a shared machine the clock says
        little.
    memory : int
        Most bytes of anonymous memory beyond the codes.
    limit : float
        Seconds that the reading or the operations would take at the rates measured.
    """

    work: str
    time: float
    cpu: float
    memory: int
    limit: float
    note: str = ""

    def __str__(self) -> str:
        return (
            f"{self.work:<28} {seconds(self.time):>9}  cpu {seconds(self.cpu):>9}"
            f"  limit {seconds(self.limit):>9} ({self.limit / self.time:4.0%})"
            f"  {self.memory / 2**20:5.0f} MiB  {self.note}"
        ).rstrip()


def made_up(n: int, n_bits: int, seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Words and labels of n codes, block by block.

    Half of the words are the class's, now and then mixed with another class's, the other half one
    of 32 styles'; a quarter of the bits is flipped; one in 16 is always off, one in 32 always on.
    """
    rng = np.random.default_rng(seed)
    n_words = -(-n_bits // 64)

    def words(*shape: int) -> np.ndarray:
        return rng.integers(0, 2**64, shape, dtype=np.uint64)

    def rare(power: int, *shape: int) -> np.ndarray:
        """Bits that are 1 once in 2^power times."""
        return np.bitwise_and.reduce([words(*shape) for _ in range(power)])

    base, of_class = words(n_words), words(n_words)
    off, on = rare(4, n_words), rare(5, n_words)
    classes = base ^ rare(4, N_CLASSES, n_words)
    styles = base ^ rare(2, N_STYLES, n_words)
    for first in range(0, n, BLOCK):
        rows = min(BLOCK, n - first)
        y, other = rng.integers(0, N_CLASSES, (2, rows))
        blur = words(rows, n_words) * (rng.random((rows, 1)) < 0.4)
        code = (classes[y] & ~blur | classes[other] & blur) & of_class
        code |= styles[rng.integers(0, N_STYLES, rows)] & ~of_class
        code = (code ^ rare(2, rows, n_words)) & ~off | on
        if n_bits % 64:
            code[:, -1] &= np.uint64(2 ** (n_bits % 64) - 1)
        yield code, y


def load(folder: Path, n: int, n_bits: int, in_memory: bool) -> tuple[Codes, np.ndarray]:
    """The codes, made where the folder does not have them yet, and their labels."""
    path, labels_path = folder / f"large_{n}_{n_bits}.codes", folder / f"large_{n}_{n_bits}.npy"
    if not (path.exists() and labels_path.exists()):
        scratch = np.lib.format.open_memmap(
            folder / "large_scratch.npy", "w+", np.uint64, (n, -(-n_bits // 64))
        )
        labels, first = [], 0
        for words, y in made_up(n, n_bits):
            scratch[first : first + len(words)] = words
            labels.append(y)
            first += len(words)
        scratch.flush()
        np.save(labels_path, np.concatenate(labels))
        Codes(scratch, n_bits).save(path)
        del scratch
        (folder / "large_scratch.npy").unlink()
    return Codes.load(path, mmap=not in_memory), np.load(labels_path)


def anonymous_bytes() -> int:
    """Memory of this process that no file stands behind."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError("Expected RssAnon in /proc/self/status (Linux).")


def measured(work: Callable[[], Any]) -> tuple[tuple[float, float, int], Any]:
    """Seconds by the clock and of processors, the most memory taken beyond before; the result."""
    before, most, done = anonymous_bytes(), 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, anonymous_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start, cpu = time.perf_counter(), time.process_time()
    result = work()
    taken, cpu = time.perf_counter() - start, time.process_time() - cpu
    done.set()
    watcher.join()
    return (taken, cpu, max(0, most - before)), result


@dataclass(frozen=True)
class Rates:
    """What this machine does at best, a second: bytes read, bit pairs compared, table look-ups."""

    bandwidth: float
    pairs: float
    lookups: float

    @classmethod
    def measure(cls) -> "Rates":
        rng = np.random.default_rng(0)
        big = Codes(rng.integers(0, 2**64, (1 << 14, 1 << 11), dtype=np.uint64), 1 << 17)
        small = Codes(rng.integers(0, 2**64, (16_384, 64), dtype=np.uint64), 4096)
        model = CodeKMeans(16, n_init=1, max_iter=1, random_state=0, tol=1).fit(small[:512])
        read, compare, look_up = medians(
            3,
            lambda: metrics.varying_bits(big),
            lambda: metrics.hamming_knn(small, small[:2048], 9),
            lambda: model.transform(small),
        )
        return cls(
            big.nbytes / read,
            len(small) * 2048 * 4096 / compare,
            2 * len(small) * 4096 / 4 / look_up,  # numbers in two parts
        )


def large_rows(codes: Codes, y: np.ndarray, works: tuple[str, ...], rates: Rates) -> Iterator[Row]:
    """The works, one after the other; the last sixth of the codes are the test set."""
    n = len(codes) * 5 // 6
    train, test, y_train, y_test = codes[:n], codes[n:], y[:n], y[n:]
    scan = n * codes.n_bits / 4 / rates.lookups  # of 16 clusters or pairs of classes
    if "regions" in works:
        taken, count = measured(lambda: metrics.count_regions(train))
        limit = train.nbytes / rates.bandwidth
        yield Row("count_regions", *taken, limit, f"{count} regions")
    if "varying" in works:
        taken, bits = measured(lambda: metrics.varying_bits(train, test))
        limit = codes.nbytes / rates.bandwidth
        yield Row("varying_bits", *taken, limit, f"{len(bits)} bits vary")
    if "knn" in works:
        taken, found = measured(lambda: metrics.hamming_knn(train, test, 9))
        limit = n * len(test) * codes.n_bits / rates.pairs
        right = (y_train[found[1][:, 0]] == y_test).mean()
        yield Row("hamming_knn, k = 9", *taken, limit, f"nearest of the class: {right:.3f}")
    if "kmeans" in works:
        kmeans = CodeKMeans(N_CLASSES, n_init=1, random_state=0)
        taken, _ = measured(lambda: kmeans.fit(train))
        agree = metrics.clustering_accuracy(y_train, kmeans.labels_)
        note = f"{kmeans.n_iter_} iterations, accuracy {agree:.3f}"
        yield Row("CodeKMeans, 1 start", *taken, scan * (kmeans.n_iter_ + 1), note)
    if "logistic" in works or "score" in works:
        logistic = CodeLogisticRegression()
        taken, _ = measured(lambda: logistic.fit(train, y_train))
        n_passes = 2 * (logistic.n_iter_.max() + 1) + 2
        note = f"{logistic.n_iter_.max()} iterations at most"
        yield Row("CodeLogisticRegression.fit", *taken, scan * n_passes, note)
        taken, accuracy = measured(lambda: logistic.score(test, y_test))
        limit = 6 * scan * len(test) / n  # 45 pairs, numbers in two parts
        yield Row("its score on the test set", *taken, limit, f"accuracy {accuracy:.3f}")


def rows(options: Options) -> Iterator[Row]:
    """At a hundredth of the codes (a thousandth for a quick look): for the table of everything."""
    n = 120 if options.quick else 600
    with tempfile.TemporaryDirectory() as folder:
        codes, y = load(Path(folder), n, 557_056, in_memory=True)
        yield from large_rows(codes, y, WORKS, Rates.measure())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where the codes are kept")
    parser.add_argument("--rows", type=int, default=60_000, help="training and test codes")
    parser.add_argument("--bits", type=int, default=557_056)
    parser.add_argument("--quick", action="store_true", help="600 codes")
    parser.add_argument("--in_memory", action="store_true")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=WORKS)
    parser.add_argument("--threads", type=int, default=metrics.get_num_threads())
    given = parser.parse_args()
    use_threads(given.threads)
    found = Rates.measure()
    print(
        f"{given.threads} threads, {metrics.isa()}: {found.bandwidth / 1e9:.1f} GB/s, "
        f"{found.pairs / 1e12:.2f}e12 bit pairs/s, {found.lookups / 1e9:.2f}e9 look-ups/s"
    )
    given.folder.mkdir(parents=True, exist_ok=True)
    n_codes = 600 if given.quick else given.rows
    large, labels_ = load(given.folder, n_codes, given.bits, given.in_memory)
    place = "in memory" if given.in_memory else "memory-mapped"
    print(f"{len(large):,} codes of {large.n_bits:,} bits, {large.nbytes / 1e9:.2f} GB, {place}")
    for row in large_rows(large, labels_, tuple(given.works), found):
        print(row, flush=True)
