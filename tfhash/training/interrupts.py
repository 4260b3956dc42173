"""Ctrl-C that waits until what was done is safe."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

_stop = threading.Event()


def request_stop() -> None:
    """Have every `Interrupts` of this process stop as Ctrl-C does, from any thread, in silence."""
    _stop.set()


class Interrupts:
    """A block in which Ctrl-C only asks to stop; a second one stops at once, as usual.

    Parameters
    ----------
    tell
        Prints a line; it is called with the message that training will stop.
    unit
        After what the block checks whether to stop, as the message says: "epoch" or "step".
    """

    def __init__(self, tell: Callable[[str], object], unit: str = "epoch") -> None:
        self._pressed = False
        self._tell = tell
        self._unit = unit
        self._before: Any = None

    @property
    def asked(self) -> bool:
        """Whether Ctrl-C was pressed, or `request_stop` was called."""
        return self._pressed or _stop.is_set()

    def check(self) -> None:
        """Raise KeyboardInterrupt if it was asked to stop."""
        if self.asked:
            raise KeyboardInterrupt

    def __enter__(self) -> Interrupts:
        # Only the main thread is told of signals; elsewhere Ctrl-C is none of our business.
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._pressed:
            raise KeyboardInterrupt
        self._pressed = True
        self._tell(
            f"Stopping after this {self._unit}, with all that is done saved; Ctrl-C again: at once."
        )
