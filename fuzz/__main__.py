"""The command: see the package."""

from __future__ import annotations

import argparse
import sys
import time
import traceback

import fuzz
from fuzz.run import Failure, rounds
from fuzz.targets import DEFAULT, TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m fuzz",
        description=fuzz.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", nargs="*", help=f"which to run ({' '.join(DEFAULT)})")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each target (20)")
    parser.add_argument("--cases", type=int, default=500, help="a round (500)")
    parser.add_argument("--seed", type=int, default=0, help="of the first round (0)")
    parser.add_argument("--list", action="store_true", help="print the targets and stop")
    options = parser.parse_args()
    if options.list:
        print("\n".join(TARGETS))
        return 0
    if unknown := set(options.target) - set(TARGETS):
        parser.error(
            f"Expected targets among {', '.join(TARGETS)}. Received: {', '.join(unknown)}."
        )
    failed = False
    for name in options.target or DEFAULT:
        began = time.monotonic()
        try:
            outcomes = rounds(name, options.cases, options.seconds, options.seed)
        except Failure as failure:
            traceback.print_exception(failure.__cause__)
            print(f"{name}: FAILED. {failure}", flush=True)
            failed = True
            continue
        counts = ", ".join(f"{count:,} {what}" for what, count in sorted(outcomes.items()))
        taken = time.monotonic() - began
        print(f"{name}: {outcomes.total():,} cases in {taken:.0f} s: {counts}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
