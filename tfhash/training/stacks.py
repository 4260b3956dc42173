"""Networks of similar width, stacked, and where their tensors are in a flat vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stack:
    """Networks `start` to `stop` (in order of width), padded to `width`."""

    start: int
    stop: int
    width: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Segment:
    """A tensor of one kind and layer (from 1) of a stack, kept in a flat vector.

    `stack` is None for what the first layers of all networks have in common: a column of all units.
    """

    kind: str
    layer: int
    stack: Stack | None
    shape: tuple[int, ...]


def merged(stacks: Sequence[Stack], max_padding: float) -> list[Stack]:
    """Neighbors among `stacks` made one, where that adds at most this share of units."""
    found: list[Stack] = []
    units = 0  # of all that the last one is made of
    for stack in stacks:
        own = len(stack) * stack.width
        wider = Stack(found[-1].start, stack.stop, stack.width) if found else stack
        if found and len(wider) * wider.width <= (units + own) * (1 + max_padding):
            found[-1] = wider
            units += own
        else:
            found.append(stack)
            units = own
    return found
