"""Distinct codes counted out of core, beside DuckDB and sort -u, all held to the same memory.

python -m benchmarks.bench_region_counts --folder FOLDER [--rows 10000000 100000000]
    [--peer_rows 10000000] [--memory_gib 2] [--threads 2] [--skip_sort]

Each count is a process of its own; the seconds without its start and the most memory it had in RAM
(`VmHWM`, pages of mapped files among it; not of sort) are printed. Where tfhash asks for more
memory of its own than the limit, the system refuses it (`RLIMIT_DATA`). The 64-bit codes are made
up, a tenth of them repeats, and lie in FOLDER: 10^9 of them take 8 GB there, and as much again
while they are counted. What is made is removed at the end.
DuckDB reads the same numbers from a table in a file
that is loaded first (not counted); it counts SELECT DISTINCT, since its COUNT(DISTINCT) does not
spill and ends "Out of Memory" at 10^8 codes in 2 GiB (DuckDB 2.0.1). `sort -u` reads them as lines
of 16 hexadecimal digits, without a locale. tfhash is given a quarter of the memory less than its
peers, which is for Python, NumPy and the pages that it reads.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from tfhash import Codes, metrics

BLOCK = 1 << 22  # codes made at once
# `ru_maxrss` of a child counts what its parent had before the child's program was started.
PEAK = """
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
OURS = (
    """
import resource
import time
from tfhash import Codes, metrics
resource.setrlimit(resource.RLIMIT_DATA, ({memory}, {memory}))
metrics.set_num_threads({threads})
codes = Codes.load({path!r}, mmap=True)
start = time.perf_counter()
found = metrics.region_counts(codes, {memory} * 3 // 4, folder={folder!r})
print(found, time.perf_counter() - start)
"""
    + PEAK
)
DUCKDB = (
    """
import time
import duckdb
base = duckdb.connect({path!r}, read_only=True, config={{"threads": {threads}}})
base.execute("SET enable_progress_bar = false")
base.execute("SET memory_limit = '{memory}B'")
base.execute("SET temp_directory = '{folder}/duckdb_spill'")
start = time.perf_counter()
query = "SELECT COUNT(*) FROM (SELECT DISTINCT code FROM codes)"
print(base.execute(query).fetchone()[0], time.perf_counter() - start)
"""
    + PEAK
)


def numbers(n: int, start: int, stop: int) -> np.ndarray:
    """uint64: 0.9 n different numbers, then a tenth of them again; mixed so that none is near."""
    i = np.arange(start, stop, dtype=np.uint64) % np.uint64(max(1, n - n // 10))
    i = (i ^ (i >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15)
    return i ^ (i >> np.uint64(29))  # each step can be undone: different numbers stay different


def make_codes(folder: Path, n: int) -> Path:
    """A file of `n` codes."""
    path, scratch = folder / f"regions_{n}.codes", folder / "regions_scratch.npy"
    if not path.exists():
        words = np.lib.format.open_memmap(scratch, "w+", np.uint64, (n, 1))
        for start in range(0, n, BLOCK):
            stop = min(n, start + BLOCK)
            words[start:stop, 0] = numbers(n, start, stop)
        del words
        # Read-only all the way down: not copied.
        Codes(np.load(scratch, mmap_mode="r"), 64).save(path)
        scratch.unlink()
    return path


def counted(command: list[str], expected: int, what: str) -> float:
    """Run a command that prints a number, and perhaps the seconds that it took; the seconds."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = process.stdout.read().split()
    _, status, usage = os.wait4(process.pid, 0)
    taken = float(found[1]) if len(found) > 1 else time.perf_counter() - start
    if status and not found:
        print(f"{what:<36} failed: it needs more memory", flush=True)
        return float("inf")
    if status or int(found[0]) != expected:
        raise AssertionError(f"{what}: Expected {expected}. Received: {found!r}, status {status}.")
    print(
        f"{what:<36} {taken:>8.1f} s  cpu of the process {usage.ru_utime + usage.ru_stime:>8.1f} s"
        f"  {f'{int(found[2]) / 2**20:.2f} GiB' if len(found) > 2 else ''}",
        flush=True,
    )
    return taken


def ours(folder: Path, n: int, memory: int, threads: int) -> float:
    """Seconds of tfhash."""
    path = make_codes(folder, n)
    code = OURS.format(path=str(path), memory=memory, folder=str(folder), threads=threads)
    try:
        return counted([sys.executable, "-c", code], n - n // 10, f"tfhash, {n:,} codes")
    finally:
        path.unlink()


def duckdb_peer(folder: Path, n: int, memory: int, threads: int) -> float:
    """Seconds of DuckDB's SELECT DISTINCT."""
    import duckdb

    path = folder / f"regions_{n}.duckdb"
    with duckdb.connect(str(path)) as base:
        base.execute("CREATE TABLE codes (code UBIGINT)")
        for start in range(0, n, BLOCK):
            block = {"code": numbers(n, start, min(n, start + BLOCK))}
            base.register("block", block)
            base.execute("INSERT INTO codes SELECT code FROM block")
    code = DUCKDB.format(path=str(path), memory=memory, folder=folder, threads=threads)
    try:
        return counted([sys.executable, "-c", code], n - n // 10, f"DuckDB, {n:,} codes")
    finally:
        path.unlink()
        shutil.rmtree(folder / "duckdb_spill", ignore_errors=True)


def sort_peer(folder: Path, n: int, memory: int, threads: int) -> float:
    """Seconds of `sort -u | wc -l`."""
    path = folder / f"regions_{n}.txt"
    with open(path, "wb") as file:
        for start in range(0, n, BLOCK):
            block = numbers(n, start, min(n, start + BLOCK)).astype(">u8").tobytes()
            file.write(block.hex("\n", 8).encode() + b"\n")
    sort = f"LC_ALL=C sort -u --parallel={threads} -S {memory}b -T {folder} {path} | wc -l"
    try:
        return counted(["bash", "-c", f"set -o pipefail; {sort}"], n - n // 10, f"sort -u, {n:,}")
    finally:
        path.unlink()


def run(given: argparse.Namespace) -> None:
    """The peers at their size beside ours, then ours as it grows."""
    folder, memory, threads = given.folder, int(given.memory_gib * 2**30), given.threads
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{threads} threads, {metrics.isa()}, {os.cpu_count()} processors, {memory:,} bytes")
    n = given.peer_rows
    if n:
        here = ours(folder, n, memory, threads)
        there = duckdb_peer(folder, n, memory, threads)
        print(f"    {there / here:.2f} times as fast as DuckDB (>= 3)")
        if not given.skip_sort:
            there = sort_peer(folder, n, memory, threads)
            print(f"    {there / here:.2f} times as fast as sort -u (>= 3)")
    for n in given.rows:
        taken = ours(folder, n, memory, threads)
        print(f"    {1e9 * taken / n:.1f} ns a code", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="on the disk that is measured")
    parser.add_argument("--rows", type=int, nargs="*", default=[10**7, 10**8])
    parser.add_argument("--peer_rows", type=int, default=10**7, help="0 for no peers")
    parser.add_argument("--memory_gib", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=metrics.get_num_threads())
    parser.add_argument("--skip_sort", action="store_true")
    run(parser.parse_args())
