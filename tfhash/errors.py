"""The error of things a user can set right.

The scripts print it as one line and stop; everything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something given to tfhash is not what it should be: the message says what to do about it."""


def near_layers(name: object, known: Iterable[str]) -> str:
    """The layers that may be meant by `name`, which is none of `known`; else the first of them.

    Deep networks have hundreds, too many for a message.
    """
    known = list(known)
    return ", ".join(difflib.get_close_matches(str(name), known, n=3, cutoff=0.4) or known[:20])


def near_names(name: object, known: Iterable[str]) -> list[str]:
    """Those of `known` that may be meant by `name`; none where it is one of them."""
    known = list(known)
    if name in known:
        return []
    return difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)


def unknown_name(what: str, name: object, known: Iterable[str]) -> InputError:
    """The error of a `name` that is none of `known`, with those that may be meant."""
    known = list(known)
    near = near_names(name, known)
    return InputError(
        f"Expected {what} among {', '.join(known)}. Received: {name}."
        + (f" Did you mean {' or '.join(near)}?" if near else "")
    )
