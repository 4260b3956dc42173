"""The same bits on every instruction set this machine has, with one thread and with several."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfhash import _native

HERE = Path(__file__).parents[1]


def run(isa: str, threads: int | str, *command: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "TFHASH_ISA": isa, "TFHASH_NUM_THREADS": str(threads)}
    return subprocess.run(
        [sys.executable, *(command or ("isa_cases.py",))],
        cwd=HERE,
        env=environment,
        capture_output=True,
        text=True,
    )


@functools.cache
def digests(isa: str, threads: int) -> tuple[str, ...]:
    done = run(isa, threads)
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first == f"isa={isa} threads={threads}"
    return tuple(rest)


@pytest.mark.parametrize("threads", (2, *(pytest.param(n, marks=pytest.mark.full) for n in (1, 5))))
@pytest.mark.parametrize(
    "isa", (*_native.available_isas()[1:], pytest.param("scalar", marks=pytest.mark.full))
)
def test_results_do_not_depend_on_isa_or_threads(isa, threads):
    assert digests(isa, threads) == digests("scalar", 1)


def test_an_isa_that_is_not_there_is_an_error():
    absent = "neon" if "avx2" in _native.available_isas() else "avx512"
    for isa in (absent, "AVX", "sse9"):
        done = run(isa, 1, "-c", "import tfhash.codes")
        assert done.returncode != 0
        assert f"Received: '{isa}'" in done.stderr
        assert "scalar" in done.stderr


@pytest.mark.parametrize("threads", ("0", "-2", "two", "1.5", "99999"))
def test_a_number_of_threads_that_is_none_is_an_error(threads):
    done = run("scalar", threads, "-c", "import tfhash.codes")
    assert done.returncode != 0
    assert f"from 1 to 4096. Received: '{threads}'" in done.stderr
