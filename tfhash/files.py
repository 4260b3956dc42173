"""Files that are either whole or not there, and locks that a killed process lets go of."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file that takes the place of `path` when the block ends well.

    Until then, and for good where the block raises, `path` is what it was. Readers see the old
    content or the new, never a part, also after a power cut. Where the disk is full, the OSError
    names `path`.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner can read; results are for everyone.
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(name)
        if isinstance(error, OSError):
            raise named(error, path) from error
        raise


def named(error: OSError, path: Path) -> OSError:
    """`error` with the file that it happened to: writing to an open one does not tell."""
    return OSError(error.errno, error.strerror or str(error), str(path))


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` (UTF-8), whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write `content` to `path` as readable JSON, whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class FileLock:
    """A lock between processes, held on an open file: the system drops it when its holder dies.

    Parameters
    ----------
    path
        The lock's file. It is made when the lock is taken and removed when it is released.

    Examples
    --------
    >>> with FileLock(Path("repeat=1.lock")) as held:  # doctest: +SKIP
    ...     if held:
    ...         ...
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Take the lock if nobody has it; never waits. Returns whether it was taken."""
        while True:
            file = open(self.path, "ab")  # noqa: SIM115 - stays open for as long as the lock is held
            try:
                _lock(file)
            except OSError:
                file.close()
                return False
            # Between our open and our lock another holder may have removed the file: then ours is
            # a lock on nothing that anybody else can find.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), os.stat(self.path)):
                    self._file = file
                    return True
            file.close()

    def release(self) -> None:
        """Let go of the lock; does nothing where it is not held."""
        if self._file is None:
            return
        if fcntl is not None:
            # While still locked, so that nobody can hold a file that is about to go. Windows does
            # not remove open files, so there the file stays.
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        self._file.close()
        self._file = None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _lock(file: IO[bytes]) -> None:
    if fcntl is not None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
