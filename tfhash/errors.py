"""The error of things a user can set right.

The scripts print it as one line and stop; everything else is a bug and keeps its traceback.
"""

from __future__ import annotations


class InputError(ValueError):
    """Something given to tfhash is not what it should be: the message says what to do about it."""
