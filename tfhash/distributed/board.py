"""What the workers of a study tell the driver: how much is done, and lines for the user."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

from tfhash.distributed.pool import TICK


@dataclass
class Board:
    """An actor: what the workers have done of each task, and what they say."""

    done: dict[int, int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def count(self, i: int, done: int) -> None:
        """Take note of how much is done of task `i`."""
        self.done[i] = done

    def say(self, line: str) -> None:
        """Keep a line for the driver."""
        self.lines.append(line)

    def news(self) -> tuple[dict[int, int], list[str]]:
        """All counts, and the lines since the last call."""
        lines, self.lines = self.lines, []
        return dict(self.done), lines


class Count:
    """The bar of a trainer in a worker: its count goes to the board, once a second."""

    disable = True

    def __init__(self, board: Any, i: int) -> None:
        self._board, self._i = board, i
        self._n, self._told = 0, time.monotonic()

    @property
    def n(self) -> int:
        """What is done."""
        return self._n

    @n.setter
    def n(self, value: int) -> None:
        self._n = value
        if time.monotonic() - self._told > TICK:
            self._told = time.monotonic()
            self._board.count.remote(self._i, value)

    def update(self, n: int = 1) -> None:
        """Count `n` more."""
        self.n += n

    def write(self, line: str, file: Any = None) -> None:
        """Say a line above the driver's bar."""
        self._board.say.remote(line)

    def set_description(self, text: str) -> None:
        """Of several groups at once none is described."""

    def set_postfix_str(self, text: str) -> None:
        """As `set_description`."""


class OnBoard(logging.Handler):
    """Takes warnings about runs to the driver."""

    def __init__(self, board: Any) -> None:
        super().__init__()
        self._board = board

    def emit(self, record: logging.LogRecord) -> None:
        self._board.say.remote(record.getMessage())
