"""Progress bars: on a terminal and in a notebook, from two seconds on; elsewhere none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

DELAY = 2.0  # seconds

Report = Callable[[float, str], None]


def is_shown() -> bool:
    """Whether somebody sees a bar: standard error is a terminal, or this is a notebook."""
    return _in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def bar_class() -> type[Any]:
    """tqdm's class of bars: its widget in a notebook that can show one, else text."""
    if _in_notebook() and find_spec("ipywidgets") is not None:
        from tqdm.notebook import tqdm
    else:
        from tqdm import tqdm
    return tqdm


def bar(
    iterable: Iterable[Any] | None, description: str, unit: str, shown: bool = True, **options: Any
) -> Any:
    """A tqdm bar that appears after two seconds, where somebody sees it.

    Parameters
    ----------
    iterable
        What is gone through; None where the bar's own `update` is called.
    description, unit
        What the bar says first, and what a piece of the work is called.
    shown
        False for none at all: the work is short.
    **options
        Further options of `tqdm.tqdm`.
    """
    if not (shown and is_shown()):
        return _NoBar(iterable)
    return bar_class()(iterable, description, delay=DELAY, unit=unit, **options)


@contextmanager
def kernel_progress(description: str) -> Iterator[Report | None]:
    """What to hand to a kernel as its `progress`, for the time of one call.

    Parameters
    ----------
    description : str
        What the bar says first, for instance the estimator's name.

    Yields
    ------
    callable (share, note) or None
        None where nobody sees a bar. `share` of the work, from 0 to 1, is done.
    """
    if not is_shown():
        yield None
        return
    drawn = _KernelBar(description)
    try:
        yield drawn
    finally:
        drawn.close()


class _NoBar:
    """Goes through the same, and shows nothing; to make one costs nothing either."""

    def __init__(self, iterable: Iterable[Any] | None) -> None:
        self._iterable = iterable

    def __iter__(self) -> Iterator[Any]:
        return iter(self._iterable or ())

    def __enter__(self) -> _NoBar:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self, n: float = 1) -> None:
        pass


class _KernelBar:
    """A tqdm bar that comes to be when it is first told something after the delay."""

    def __init__(self, description: str) -> None:
        self._description = description
        self._start = time.monotonic()
        self._bar: Any = None

    def __call__(self, share: float, note: str) -> None:
        if self._bar is None:
            if time.monotonic() - self._start < DELAY:
                return
            form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
            self._bar = bar_class()(desc=self._description, total=1.0, leave=False, bar_format=form)
            self._bar.start_t -= time.monotonic() - self._start
        self._bar.n = share
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _in_notebook() -> bool:
    """Whether a kernel of Jupyter runs this; IPython on a terminal is a terminal."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None
