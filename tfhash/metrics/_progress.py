"""Progress of a kernel on the terminal: from two seconds on, and quiet where there is none."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

DELAY = 2.0  # seconds

Report = Callable[[float, str], None]


@contextmanager
def progress(description: str) -> Iterator[Report | None]:
    """What to hand to a kernel as its ``progress``, for the time of one call.

    Parameters
    ----------
    description : str
        What the bar says first, for instance the estimator's name.

    Yields
    ------
    callable (share, note) or None
        None where standard error is no terminal. ``share`` of the work, from 0 to 1, is done.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    bar = _Bar(description)
    try:
        yield bar
    finally:
        bar.close()


class _Bar:
    """A tqdm bar that comes to be when it is first told something after the delay."""

    def __init__(self, description: str) -> None:
        self._description = description
        self._start = time.monotonic()
        self._bar: Any = None

    def __call__(self, share: float, note: str) -> None:
        if self._bar is None:
            if time.monotonic() - self._start < DELAY:
                return
            from tqdm import tqdm

            form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
            self._bar = tqdm(desc=self._description, total=1.0, leave=False, bar_format=form)
            self._bar.start_t -= time.monotonic() - self._start
        self._bar.n = share
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
