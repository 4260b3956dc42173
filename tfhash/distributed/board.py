"""What the workers of a study tell the driver: how much is done, and lines for the user."""

from __future__ import annotations

from dataclasses import dataclass, field


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
