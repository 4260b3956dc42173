"""A dataclass field that becomes a flag: its help, its bounds and who takes it are kept with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any

TRAIN, MEASURE = "train", "measure"


def option(
    default: Any,
    text: str,
    *,
    stages: Sequence[str] = (TRAIN, MEASURE),
    least: int | None = None,
    choices: Sequence[str] = (),
    axis: str | None = None,
) -> Any:
    """A dataclass field that becomes a flag.

    Parameters
    ----------
    default
        Its default; None stands for what the recipe says.
    text
        Its help.
    stages
        Whether training takes it, or measuring, or both.
    least
        The smallest number allowed.
    choices
        All values allowed, if they are words.
    axis
        Field of `RunSpec` that it gives the values of, or "measures" where it chooses among those:
        studies without that axis do not take it.
    """
    kept = {"text": text, "stages": stages, "least": least, "choices": choices, "axis": axis}
    return field(default=default, metadata=kept)
