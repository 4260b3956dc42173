"""Processes that tests start: killed at a given point, and what they say besides progress."""

import os
import re
import runpy
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

# What `tfhash.training.progress.LINE` writes to a log once a minute: due on a busy machine alone.
PROGRESS = re.compile(r".*\d of \d+ \w+, +\d+%, \S+ gone, \S+ left\n?")


def kill_this_process_once(path):
    """Kill this process, as `kill -9` does, as soon as `path` exists.

    A thread of the process itself looks: another process may be kept waiting by a busy machine
    until the work is over.
    """

    def watch():
        while not os.path.exists(path):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def run_until_killed(path, script, flags, cwd):
    """Run a script that is killed as soon as `path` exists; fails where it ends before that."""
    command = [sys.executable, __file__, path, script, *flags]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr


def said_besides_progress(stderr):
    """Standard error of a process without its lines of progress."""
    lines = stderr.splitlines(keepends=True)
    return "".join(line for line in lines if not PROGRESS.fullmatch(line))


if __name__ == "__main__":
    kill_this_process_once(sys.argv[1])
    sys.path[0] = str(Path(sys.argv[2]).parent)
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
