"""Progress of work that takes minutes or days: a bar on a terminal, a line a minute in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from tfhash.progress import bar_class, is_shown

if TYPE_CHECKING:
    from tqdm import tqdm

LINE_EVERY = 60.0  # seconds
TOLD_EVERY = 1.0  # seconds
LINE = "{desc}{n_fmt} of {total_fmt} {unit}s, {percentage:.0f}%, {elapsed} gone, {remaining} left"


def progress_bar(total: int, unit: str, description: str = "") -> tqdm[Any]:
    """A tqdm bar over `total` pieces of work that are called `unit`.

    Where no bar is shown, it writes a plain line once a minute, from the second
    minute on.
    """
    options: dict[str, Any] = {}
    if not is_shown():
        options = {"file": _Lines(sys.stderr), "bar_format": LINE}
    progress = bar_class()(total=total, unit=unit, **options)
    if description:
        progress.set_description(description)
    return progress


def skip(progress: tqdm[Any], n: int) -> None:
    """Count `n` pieces that an earlier command did; the time left is not estimated from them."""
    progress.n += n
    if not progress.disable:
        progress.initial += n
        progress.last_print_n += n
        progress.refresh()


class ToldProgress:
    """The bar of a trainer in another process than the user's: what it would show is told.

    Parameters
    ----------
    tell
        Is given what is done, at most once a second.
    say
        Is given lines for above the user's bar.
    """

    disable = True

    def __init__(self, tell: Callable[[int], object], say: Callable[[str], object]) -> None:
        self._tell, self._say = tell, say
        self._n, self._told = 0, time.monotonic()

    @property
    def n(self) -> int:
        """What is done."""
        return self._n

    @n.setter
    def n(self, value: int) -> None:
        self._n = value
        if time.monotonic() - self._told > TOLD_EVERY:
            self._told = time.monotonic()
            self._tell(value)

    def update(self, n: int = 1) -> None:
        """Count `n` more."""
        self.n += n

    def write(self, line: str, file: Any = None) -> None:
        """Say a line."""
        self._say(line)

    def set_description(self, text: str) -> None:
        """Of several groups at once none is described."""

    def set_postfix_str(self, text: str) -> None:
        """As `set_description`."""


class ToldWarnings(logging.Handler):
    """Has warnings about runs said by the user's process."""

    def __init__(self, say: Callable[[str], object]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(record.getMessage())


def show_done(
    progress: tqdm[Any], amounts: Sequence[int], done: Mapping[int, int], finished: Collection[int]
) -> None:
    """Show what other processes have done of their parts, so many pieces of work each."""
    now = sum(
        amount if i in finished else min(amount, done.get(i, 0)) for i, amount in enumerate(amounts)
    )
    if now > progress.n:
        progress.update(now - progress.n)


class _Lines:
    """A file for tqdm that makes lines of what it draws, and leaves out most of it."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._last = time.monotonic()

    def write(self, drawn: str) -> None:
        line = drawn.strip()
        if line and time.monotonic() - self._last >= LINE_EVERY:
            self._file.write(f"{line}\n")
            self._last = time.monotonic()

    def flush(self) -> None:
        self._file.flush()
