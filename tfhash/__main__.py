"""The command `tfhash`, and `python -m tfhash`."""

from __future__ import annotations

import sys


def entry() -> None:
    """Run the command line with `sys.argv`, and end the process.

    Where an extra is missing, one line names it and the status is 1.
    """
    try:
        from tfhash import cli
    except ModuleNotFoundError as error:
        sys.exit(f"tfhash: {error}")
    cli.entry()


if __name__ == "__main__":
    entry()
