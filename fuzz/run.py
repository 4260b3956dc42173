"""Running a target: rounds of cases, counted by what came of them."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzz.targets import TARGETS

SLOWEST = 10.0  # seconds of processor time for one case


class Failure(AssertionError):
    """A case that did what the loader does not document."""


def rounds(name: str, cases: int, seconds: float, first_seed: int = 0) -> Counter[str]:
    """Rounds of `cases` cases for at least that time, one round at least.

    Returns
    -------
    collections.Counter
        How many cases were "read" and "refused".

    Raises
    ------
    Failure
        With the file of the smallest failing case; caused by what was raised.
    """
    outcomes: Counter[str] = Counter()
    end = time.monotonic() + seconds
    number = first_seed
    while True:
        outcomes += one_round(name, cases, number)
        number += 1
        if time.monotonic() >= end:
            return outcomes


def one_round(name: str, cases: int, number: int) -> Counter[str]:
    """The cases that a seed stands for. Raises as `rounds` does."""
    target = TARGETS[name]
    outcomes: Counter[str] = Counter()
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    path = folder / name

    @seed(number)
    @settings(
        max_examples=cases,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.contents)
    def every(content: bytes) -> None:
        path.write_bytes(content)
        began = time.process_time()
        outcomes[target.read(path)] += 1
        taken = time.process_time() - began
        assert taken < SLOWEST, f"It took {taken:.0f} s."

    try:
        every()
    except Exception as error:
        # Hypothesis runs the smallest case last: its file is the one that is there.
        raise Failure(
            f"{name}, seed {number}: {type(error).__name__}: {error}. File: {path}"
        ) from error
    shutil.rmtree(folder)
    return outcomes
