"""Ctrl-C ends every kernel soon, and a process may end while a thread of it is in one."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

import interrupt_cases

HERE = Path(__file__).parents[1]
SOON = 5.0  # seconds, on a machine that may be very busy; one second on one that is not
posix = pytest.mark.skipif(os.name == "nt", reason="the process is sent a signal")


def run(*command: str, threads: int = 2) -> subprocess.CompletedProcess:
    environment = {**os.environ, "TFHASH_NUM_THREADS": str(threads)}
    return subprocess.run(
        [sys.executable, *command], cwd=HERE, env=environment, capture_output=True, text=True
    )


@functools.cache
def delays() -> dict[str, str]:
    done = run("interrupt_cases.py")
    assert done.returncode == 0, done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


@posix
@pytest.mark.parametrize("name", [case.__name__ for case in interrupt_cases.CASES])
def test_ctrl_c_ends_a_kernel(name):
    assert float(delays()[name]) < SOON


IN_A_THREAD = """
import threading, time
import numpy as np
from tfhash import _native

rng = np.random.default_rng(0)
words = rng.integers(0, 2**63, (3000, 1), np.uint64)
draws = rng.random((100_000, 1 + 9 * 4))
begun = threading.Event()

def tell(share, note):
    begun.set()
    {busy}

def work():
    _native.kmeans(words, 64, 10, draws, 300, 1e-4, 1 << 28, tell)

threading.Thread(target=work, daemon=True).start()
begun.wait()
print("main thread is done", flush=True)
"""


@pytest.mark.parametrize("threads", (1, 3))
@pytest.mark.parametrize("busy", ("pass", "while True: time.sleep(0.001)", "while True: pass"))
def test_a_process_ends_while_a_kernel_is_at_work(busy, threads):
    done = run("-c", IN_A_THREAD.format(busy=busy), threads=threads)
    assert (done.returncode, done.stdout, done.stderr) == (0, "main thread is done\n", "")


def test_an_error_in_progress_ends_the_kernel_and_is_raised():
    def tell(share, note):
        raise ZeroDivisionError("told")

    codes = interrupt_cases.words(50_000, 256)
    with pytest.raises(ZeroDivisionError, match="told"):
        interrupt_cases._native.hamming_knn(codes, codes, 256, 9, tell)
