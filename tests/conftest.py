"""What all tests have in common."""

import signal


def pytest_configure() -> None:
    # In the background of a shell Python is told to ignore Ctrl-C: tests of it would never end.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
