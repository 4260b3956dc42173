"""Files that are either whole or not there, and locks that a killed process lets go of."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
AT_ONCE: int = getattr(os, "O_NONBLOCK", 0)  # opening a FIFO without a partner returns
BINARY: int = getattr(os, "O_BINARY", 0)
TOKEN_BYTES = 4  # random, in the name of a temporary file
LONGEST_STEM = 48  # characters of the name that a temporary file's name repeats


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A new file that takes the place of `path` when the block ends without an error.

    Until then, and for good where the block raises, `path` is what it was. Readers see the old
    content or the new, never a part, also after a power cut.

    A file that was there keeps its permission bits (0600 stays 0600); a new one gets those that
    the process's umask leaves. Where `path` is a symbolic link, the file that it points to is
    replaced and the link stays. The temporary file is `.NAME.XXXXXXXX.tmp` in the same folder,
    locked while its writer lives; those that killed writers of `path` left are removed.

    Parameters
    ----------
    path
        In a folder that is there and may be written.

    Yields
    ------
    binary file, open for writing and reading

    Raises
    ------
    OSError
        Where `path` is something other than a regular file (a folder, a FIFO, a device), or its
        folder is missing or cannot be written, or the disk is full; `path` is named.
    """
    real = destination(path)
    try:
        mode = stat.S_IMODE(os.stat(real).st_mode)
        is_new = False
    except FileNotFoundError:
        mode, is_new = 0o666, True
    try:
        _remove_abandoned(real)
        file, name = _temporary(real, mode)
    except OSError as error:
        raise named(error, path) from error
    try:
        with file:
            if not is_new and os.name != "nt":
                os.fchmod(file.fileno(), mode)  # what umask has taken away
            yield file
            file.flush()
            os.fsync(file.fileno())
            if fcntl is not None:
                os.replace(name, real)  # still locked: nobody takes it for abandoned
        if fcntl is None:
            os.replace(name, real)  # Windows does not rename open files
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(name)
        if isinstance(error, OSError):
            raise named(error, path) from error
        raise


def destination(path: str | os.PathLike[str]) -> Path:
    """The path of the regular file that writing to `path` makes or replaces.

    A symbolic link stands for what it points to, which need not exist yet.

    Raises OSError where `path` is there and is no regular file, or its folder is missing.
    """
    with contextlib.suppress(FileNotFoundError):
        _check_regular(os.stat(path).st_mode, path)
    real = Path(os.path.realpath(path))
    if not real.parent.is_dir():
        raise FileNotFoundError(
            errno.ENOENT,
            f"Expected a folder to write {real.name!r} in. Received: one that does not exist",
            str(real.parent),
        )
    return real


def open_regular(path: str | os.PathLike[str], mode: str, follow: bool = True) -> IO[bytes]:
    """Open a regular file, unbuffered; anything else (a FIFO, a device) is refused, not waited for.

    Parameters
    ----------
    path
    mode : a binary mode of `open`
    follow : bool
        Whether `path` may be a symbolic link.

    Raises OSError, as `open`, and where `path` is no regular file or a link that may not be one.
    """

    def opener(name: str, flags: int) -> int:
        try:
            handle = os.open(name, flags | AT_ONCE | (0 if follow else NO_FOLLOW), 0o666)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a FIFO that nobody reads, a socket
                _check_regular(os.stat(name).st_mode, path)
            if error.errno == errno.ELOOP and not follow:
                raise OSError(
                    errno.ELOOP,
                    "Expected a file of tfhash's own. Received: a symbolic link; remove it",
                    str(path),
                ) from None
            raise
        try:
            _check_regular(os.fstat(handle).st_mode, path)
        except OSError:
            os.close(handle)
            raise
        return handle

    return open(path, mode, buffering=0, opener=opener)


def _check_regular(mode: int, path: str | os.PathLike[str]) -> None:
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "Expected a file. Received: a folder", str(path))
    kinds = {stat.S_IFIFO: "a FIFO or pipe", stat.S_IFSOCK: "a socket"}
    kind = kinds.get(stat.S_IFMT(mode), "a device")
    raise OSError(
        errno.EINVAL,
        f"Expected a regular file, which can be replaced as a whole. Received: {kind}; use a file, "
        "and copy it from there",
        str(path),
    )


def _temporary(path: Path, mode: int) -> tuple[IO[bytes], str]:
    """A new file beside `path`, locked by this process, and its name."""
    while True:
        name = str(path.parent / f"{_stem(path)}{secrets.token_hex(TOKEN_BYTES)}.tmp")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW | BINARY
        try:
            file = os.fdopen(os.open(name, flags, mode), "w+b")
        except FileExistsError:
            continue
        if fcntl is None:
            return file, name
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Before it was locked, somebody else may have taken it for abandoned.
            if _is_at(file, name):
                return file, name
        except BlockingIOError:
            pass
        except OSError:  # a file system without locks: nothing is taken for abandoned there
            return file, name
        file.close()


def _remove_abandoned(path: Path) -> None:
    """Remove the temporary files of `path` whose lock nobody holds: their writers are dead."""
    if fcntl is None:
        return
    pattern = re.compile(re.escape(_stem(path)) + rf"[0-9a-f]{{{2 * TOKEN_BYTES}}}\.tmp")
    try:
        entries = os.listdir(path.parent)
    except PermissionError:  # a folder that may be written and not read
        return
    for entry in filter(pattern.fullmatch, entries):
        name = path.parent / entry
        with contextlib.suppress(OSError), open_regular(name, "rb", follow=False) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(file, name):
                os.unlink(name)


def _stem(path: Path) -> str:
    return f".{path.name[:LONGEST_STEM]}."


def _is_at(file: IO[bytes], path: str | os.PathLike[str]) -> bool:
    """Whether `path` is the open `file`, and not another one or nothing."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.lstat(path))
    except FileNotFoundError:
        return False


def named(error: OSError, path: str | os.PathLike[str]) -> OSError:
    """`error` with the file that it happened to: writing to an open one does not tell."""
    return OSError(error.errno, error.strerror or str(error), str(path))


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` (UTF-8), whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write `content` to `path` as readable JSON, whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


class FileLock:
    """A lock between processes, held on an open file: the system drops it when its holder dies.

    Parameters
    ----------
    path
        The lock's file. It is made when the lock is taken and removed when it is released. A
        symbolic link is refused (OSError).

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
            file = open_regular(self.path, "ab", follow=False)
            try:
                _lock(file)
            except OSError:
                file.close()
                return False
            # Between our open and our lock another holder may have removed the file: then ours is
            # a lock on nothing that anybody else can find.
            if _is_at(file, self.path):
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
