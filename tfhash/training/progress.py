"""Progress of work that takes minutes or days: a bar on a terminal, a line a minute in a log."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from tfhash.progress import bar_class, is_shown

if TYPE_CHECKING:
    from tqdm import tqdm

LINE_EVERY = 60.0  # seconds
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
