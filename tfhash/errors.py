"""The error of things a user can set right.

The scripts print it as one line and stop; everything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class InputError(ValueError):
    """Something given to tfhash is not what it should be: the message says what to do about it."""


def plain(error: Exception) -> str:
    """What an error says; of a system's error the words and the file, without its number."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + ("" if error.filename is None else f": {error.filename}")
    return str(error)


def shape_of_rows(shape: Iterable[int | None]) -> str:
    """The shape of n arrays of a shape, as messages say it: "(n, 28, 28)"."""
    return f"({', '.join(map(str, ('n', *shape)))})"


def near_layers(name: object, known: Iterable[str]) -> str:
    """The layers that may be meant by `name`, which is none of `known`; else the first of them.

    Deep networks have hundreds, too many for a message.
    """
    known = list(known)
    return ", ".join(near_names(name, known) or known[:20])


def near_names(name: object, known: Iterable[str]) -> list[str]:
    """Up to three of `known` that may be meant by `name`, whatever the case.

    None where `name` is one of them.
    """
    spelled = {other.lower(): other for other in known}
    if name in spelled.values():
        return []
    near = difflib.get_close_matches(str(name).lower(), spelled, n=3, cutoff=0.4)
    return [spelled[other] for other in near]


def unknown_name(what: str, name: object, known: Iterable[str]) -> InputError:
    """The error of a `name` that is none of `known`, with those that may be meant."""
    known = list(known)
    return InputError(
        f"Expected {what} among {', '.join(known)}. Received: {name}."
        + did_you_mean(near_names(name, known))
    )


def did_you_mean(near: Sequence[str]) -> str:
    """The end of a message that names what may be meant, with a space before it; else empty."""
    return f" Did you mean {' or '.join(near)}?" if near else ""
