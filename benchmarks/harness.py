"""Timing ours and a peer side by side: the same threads, turn by turn, medians, the ratio.

Machines are shared and noisy, so the two take turns within one process and the ratio of medians is
what to quote. Each benchmark module has `rows(options)`, which yields a `Row` for each piece of
work, and `main(__name__, rows, __doc__)` at its end.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tfhash import metrics


@dataclass(frozen=True)
class Options:
    """What the command line asks of a benchmark.

    Attributes
    ----------
    repeats : int
        Timed turns of each side, after one that is not counted.
    quick : bool
        Smaller work, to see that it runs; its ratios mean little.
    data_dir : Path or None
        Folder with the published `mnist.npz` and `cifar-10-batches-py/`; None is Keras's cache.
    """

    repeats: int = 5
    quick: bool = False
    data_dir: Path | None = None

    def size(self, n: int) -> int:
        """`n`, or a fiftieth of it for a quick look."""
        return max(200, n // 50) if self.quick else n


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    work, peer : str
        What was done, and by whom else.
    ours, theirs : float
        Median seconds.
    target : float or None
        How many times faster than the peer we mean to be; None where only growth is looked at.
    note : str
        What else was measured, such as the rate or the agreement of the results.
    """

    work: str
    peer: str
    ours: float
    theirs: float
    target: float | None
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times faster than the peer: their median over ours."""
        return self.theirs / self.ours

    def __str__(self) -> str:
        goal = ""
        if self.target is not None:
            goal = f" (>= {self.target:g}x{'' if self.ratio >= self.target else ', MISSED'})"
        return (
            f"{self.work:<52} {seconds(self.ours):>9}  {self.peer:<26} {seconds(self.theirs):>9}"
            f"  {f'{self.ratio:.2f}x{goal}':<24}  {self.note}"
        ).rstrip()


HEADER = f"{'work':<52} {'tfhash':>9}  {'peer':<26} {'peer':>9}  ratio"


def seconds(t: float) -> str:
    """A time in the unit that suits it."""
    for limit, unit, factor in ((1e-3, "us", 1e6), (1, "ms", 1e3)):
        if t < limit:
            return f"{t * factor:.3g} {unit}"
    return f"{t:.3g} s"


def medians(repeats: int, *sides: Callable[[], object]) -> list[float]:
    """Median seconds of each of the sides, which take turns; a first turn is not counted."""
    times: list[list[float]] = [[] for _ in sides]
    for turn in range(repeats + 1):
        for side, run in enumerate(sides):
            start = time.perf_counter()
            run()
            if turn > 0:
                times[side].append(time.perf_counter() - start)
    return [statistics.median(t) for t in times]


def use_threads(n: int) -> None:
    """Hold ours, NumPy's, scikit-learn's and FAISS's kernels to `n` threads."""
    import threadpoolctl

    metrics.set_num_threads(n)
    threadpoolctl.threadpool_limits(n)
    try:
        import faiss
    except ImportError:
        return
    faiss.omp_set_num_threads(n)


def parse(description: str) -> Options:
    """The options given on the command line."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small work, to see that it runs")
    parser.add_argument("--data_dir", type=Path, help="published mnist.npz and cifar-10-batches-py")
    parser.add_argument("--threads", type=int, default=metrics.get_num_threads())
    given = parser.parse_args()
    use_threads(given.threads)
    print(f"{given.threads} threads, {metrics.isa()}, {os.cpu_count()} processors")
    return Options(given.repeats, given.quick, given.data_dir)


def show(rows: Iterator[Row]) -> None:
    """Print each row as soon as it is measured."""
    print(HEADER, flush=True)
    for row in rows:
        print(row, flush=True)


def main(module: str, rows: Callable[[Options], Iterator[Row]], description: str) -> None:
    """Run one benchmark module from the command line."""
    if module == "__main__":
        show(rows(parse(description)))
