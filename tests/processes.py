"""Processes that tests start: killed at a given point, and what they say besides progress."""

import gc
import os
import re
import runpy
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

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


def memory_grown(before, work):
    """Bytes that a process of its own grows by in `work`, after the lines `before`."""
    program = f"""
import resource, numpy as np
from tfhash import Codes, metrics
{before}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{work}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024)


def seconds_to_stop(work, after=0.3):
    """Press Ctrl-C `after` so many seconds of `work`: how long it goes on until it stops.

    Without garbage collection: Python ignores what a callback of the collector raises, and
    hypothesis has one, which would swallow the only KeyboardInterrupt.
    """
    pressed = []

    def press():
        pressed.append(time.monotonic())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    timer = threading.Timer(after, press)
    gc.disable()
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        gc.enable()
    timer.join()
    return time.monotonic() - pressed[0]


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
