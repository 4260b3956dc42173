"""The command line: `tfhash COMMAND --flags`, and the scripts in `run_scripts/`.

What a user can set right is printed as one line, without a traceback: wrong flags and data end with
status 2, a full disk and the like with 1, Ctrl-C with 130.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

# Before TensorFlow is loaded, or it has no effect.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tfhash import __version__
from tfhash._extras import EXTRAS, named_if_missing

with named_if_missing("tfhash's command line"):
    from absl import flags

    from tfhash.cli.commands import COMMANDS, SUBCOMMANDS, Command
    from tfhash.cli.flag_making import describe
from tfhash.errors import InputError, plain, unknown_name

USAGE = """How good a hash function is the activation pattern of a Keras model?

    tfhash COMMAND [--flags]        tfhash COMMAND --help        tfhash --version

Commands:
"""
HELP = ("--help", "-h", "help")


def main(command: str, doc: str, argv: Sequence[str] | None = None) -> None:
    """Run the command of a script with the flags in `argv`, and end the process.

    Parameters
    ----------
    command
        One of `COMMANDS`, such as "layer_width_train".
    doc
        What `--help` prints before the flags.
    argv
        Program name and flags; `sys.argv` if None.
    """
    _exit(lambda: run(command, doc, sys.argv if argv is None else argv))


def run(command: str, doc: str, argv: Sequence[str]) -> int:
    """Run the command of a script as `main` does, and return its exit status."""
    return _run(COMMANDS[command], doc, Path(argv[0]).name, argv, _home(argv[0]))


def entry(argv: Sequence[str] | None = None) -> None:
    """Run the command `tfhash` with `argv`, `sys.argv` if None, and end the process."""
    _exit(lambda: tfhash(sys.argv if argv is None else argv))


def tfhash(argv: Sequence[str]) -> int:
    """Run `tfhash COMMAND ...`, and return the exit status."""
    words = list(argv[1:])
    if len(words) > 1 and "help" in (words[0], words[-1]):
        words = [*(word for word in words if word != "help"), "--help"]
    studies = words[:1] == ["run"] and words[1:] and words[1] in HELP
    if not words or words[0] in HELP or studies:
        shown = {n: c for n, c in SUBCOMMANDS.items() if not studies or n.startswith("run ")}
        width = max(map(len, shown))
        print(USAGE + "\n".join(f"  {n:{width}} {c.title}" for n, c in shown.items()))
        return 0
    if words[0] == "--version":
        print(f"tfhash {__version__}")
        return 0
    # "run STUDY" is one command; "run" alone falls through to the message with what there is.
    n = 2 if words[0] == "run" and len(words) > 1 and not words[1].startswith("-") else 1
    name = " ".join(words[:n])
    if name not in SUBCOMMANDS:
        known = [one for one in SUBCOMMANDS if words[0] != "run" or one.startswith("run ")]
        return _fail("tfhash", unknown_name("a command", name, known), status=2)
    command = SUBCOMMANDS[name]
    program = f"tfhash {name}"
    return _run(command, command.title, program, [program, *words[n:]], Path.cwd())


def _exit(command: Callable[[], int]) -> None:
    """End the process with the status of `command`, quietly where nothing reads its output."""
    try:
        status = command()
        sys.stdout.flush()
    except BrokenPipeError:  # as after `tfhash --help | head -3`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)


def _run(command: Command, doc: str, program: str, argv: Sequence[str], home: Path) -> int:
    values = flags.FlagValues()
    command.define(values, home)
    flags.DEFINE_bool("help", False, "Show this and stop.", short_name="h", flag_values=values)
    try:
        rest = values(list(argv))[1:]
        if values.help:
            print(f"{doc.strip()}\n\nFlags:\n{describe(values)}")
            return 0
        if len(rest) != len(command.arguments):
            expected = " and ".join((*command.arguments, "flags such as --name=value"))
            raise InputError(f"Expected {expected}. Received: {' '.join(rest) or 'none'}")
        command.act(values, *rest)
    except (InputError, flags.Error) as error:
        return _fail(program, error, status=2)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _fail(program, error, status=1)
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        return _fail(program, error, status=1)
    except KeyboardInterrupt:
        # The bar may have left the cursor in its line.
        print("\nStopped. What is finished is kept: the same command goes on.", file=sys.stderr)
        return 130
    return 0


def _fail(program: str, error: Exception, status: int) -> int:
    print(f"{program}: {' '.join(plain(error).split())}", file=sys.stderr)
    return status


def _home(program: str) -> Path:
    """Where runs/ and figures/ are by default: the checkout the script is in, or this folder."""
    checkout = Path(program).resolve().parent.parent
    return checkout if (checkout / "run_scripts").is_dir() else Path.cwd()
