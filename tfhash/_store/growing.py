"""A file of codes that grows block by block, and goes on where it was when it is cut off.

Until it is whole it is two files beside the name it will have, described for other readers in
`docs/code_file.md`: `.NAME.partial`, the file as it will be but for its header and checksums, and
`.NAME.journal`, which says after each block how far it goes and what its checksums are.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tfhash._store.checks import CHUNK, BlockChecksums, bytes_of, crc32
from tfhash._store.file import counted, new_content
from tfhash._store.header import PAGE, WIDEST, parse_json, to_bytes
from tfhash.files import FileLock, destination, named, open_regular

JOURNAL_VERSION = 1


class GrowingStore:
    """Codes of one model, written row by row to `path`, which appears when they are all there.

    Parameters
    ----------
    path : Path
        A symbolic link stands for what it points to.
    n_bits : int
    layers : sequence of (name, start, stop)
    model : str
        Fingerprint of what makes the codes. A store begun with another one is refused.

    Attributes
    ----------
    rows : int
        Codes that are in it already: whole blocks, whose checksums were right when it was opened.
    inputs_crc32 : int
        Checksum of the inputs of these rows, as it was given to `append`.

    Raises
    ------
    ValueError
        Where a store is there that is another model's.
    OSError
        Where the folder cannot be written, or another process writes the store.
    """

    def __init__(
        self, path: Path, n_bits: int, layers: Sequence[tuple[str, int, int]], model: str
    ) -> None:
        self.path = path = destination(path)
        self.rows, self.inputs_crc32 = 0, 0
        self._words_crc32 = 0
        self._row_bytes = 8 * -(-n_bits // 64)
        self._content = new_content(n_bits, layers)
        self._content["source"] = {"model": model, "inputs_crc32": WIDEST}
        self._checksums = BlockChecksums(max(1, self._content["block_rows"] * self._row_bytes))
        self._offset = len(to_bytes(self._content))
        self._partial = path.with_name(f".{path.name}.partial")
        self._journal = path.with_name(f".{path.name}.journal")
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))
        self._files: list[IO[bytes]] = []

    def __enter__(self) -> GrowingStore:
        if not self._lock.acquire():
            raise BlockingIOError(
                f"{self.path}: Expected a store that nobody else is writing. Received: one that "
                "another process writes now."
            )
        try:
            self._open()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files:
            file.close()
        self._files = []
        self._lock.release()

    def reserve(self, n: int) -> None:
        """Raise OSError, before any work is done, where `n` rows will not fit on the disk."""
        needed = (n - self.rows) * self._row_bytes + PAGE
        free = shutil.disk_usage(self.path.parent).free
        if needed > free:
            raise OSError(
                errno.ENOSPC,
                f"Expected {needed:,} bytes free for the codes that are still to come. Received: "
                f"{free:,}. Free some, or choose another disk",
                str(self.path),
            )

    def append(self, words: NDArray[np.uint64], inputs_crc32: int) -> None:
        """Add a block of rows; it is kept whole or not at all.

        Parameters
        ----------
        words : uint64 [rows, n_words]
        inputs_crc32 : int
            Of all inputs from the first row to the last of this block.

        Raises
        ------
        OSError
            Where the disk is full or fails; the blocks before are kept.
        """
        data = bytes_of(words)
        crc, rows = crc32(data, self._words_crc32), self.rows + len(words)
        partial, journal = self._files
        length = journal.tell()
        try:
            _write(partial, data)
            _write(journal, _line({"rows": rows, "words_crc32": crc, "inputs_crc32": inputs_crc32}))
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.truncate(self._offset + self.rows * self._row_bytes)
                journal.truncate(length)
            raise OSError(
                error.errno,
                f"Expected room for {len(words)} more codes of {self._row_bytes:,} bytes. "
                f"Received: {error.strerror}. The {self.rows:,} codes so far are kept: encode "
                "again to the same path to go on from there",
                str(self.path),
            ) from None
        self._checksums.update(data)
        self.rows, self._words_crc32, self.inputs_crc32 = rows, crc, inputs_crc32

    def words_of(self, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
        """uint64 [k, n_words]: the words of rows that are in it already."""
        partial, words = self._files[0], []
        for row in rows.tolist():
            partial.seek(self._offset + row * self._row_bytes)
            words.append(partial.read(self._row_bytes))
        partial.seek(0, os.SEEK_END)
        return np.frombuffer(b"".join(words), "<u8").reshape(len(rows), -1)

    def finish(self) -> None:
        """Make the file whole and give it its name."""
        table = self._checksums.table().tobytes()
        source = self._content["source"] | {"inputs_crc32": self.inputs_crc32}
        content = self._content | counted(self.rows, table) | {"source": source}
        partial = self._files[0]
        try:
            _write(partial, table)
            partial.seek(0)
            _write(partial, to_bytes(content, self._offset))
            os.fsync(partial.fileno())
        except OSError as error:
            raise named(error, self.path) from None
        for file in self._files:
            file.close()
        os.replace(self._partial, self.path)
        self._journal.unlink()

    def _open(self) -> None:
        head = {
            "journal": JOURNAL_VERSION,
            "words_offset": self._offset,
            "n_bits": self._content["n_bits"],
            "layers": self._content["layers"],
            "model": self._content["source"]["model"],
        }
        known = os.path.lexists(self._partial) and os.path.lexists(self._journal)
        lines = _lines(self._journal) if known else []
        # Unbuffered: what a block's write has returned from outlives the process.
        for path in (self._partial, self._journal):
            self._files.append(open_regular(path, "r+b" if lines else "w+b", follow=False))
        partial, journal = self._files
        if not lines:
            partial.truncate(self._offset)
            partial.seek(self._offset)
            _write(journal, _line(head))
            return
        begun = lines[0][1]
        if begun != head:
            theirs = f"the model of fingerprint {str(begun.get('model'))[:40]}"
            if begun.get("model") == head["model"]:
                theirs = "that model by another version of tfhash"
            raise ValueError(
                f"{self.path}: Expected a store begun with the model of fingerprint "
                f"{head['model']}. Received: one begun with {theirs}. Choose another path, or "
                f"remove {self._partial.name} and {self._journal.name}."
            )
        end = self._verified(partial, lines[1:]) or lines[0][0]
        partial.truncate(self._offset + self.rows * self._row_bytes)
        partial.seek(0, os.SEEK_END)
        journal.truncate(end)
        journal.seek(end)

    def _verified(self, partial: IO[bytes], lines: list[tuple[int, dict[str, Any]]]) -> int:
        """Reads the blocks until one is not what the journal says; the journal's end up to it."""
        partial.seek(self._offset)
        end = 0
        for position, line in lines:
            rows, words_crc32, inputs_crc32 = (
                line.get(name) for name in ("rows", "words_crc32", "inputs_crc32")
            )
            if not isinstance(rows, int) or not isinstance(inputs_crc32, int):
                break
            mark = self._checksums.mark()
            crc, left = self._words_crc32, (rows - self.rows) * self._row_bytes
            while left > 0 and (data := partial.read(min(left, CHUNK))):
                self._checksums.update(memoryview(data))
                crc, left = zlib.crc32(data, crc), left - len(data)
            if left != 0 or crc != words_crc32:
                self._checksums.go_back(mark)
                break
            self.rows, self._words_crc32 = rows, crc
            self.inputs_crc32, end = inputs_crc32, position
        return end


def _write(file: IO[bytes], data: bytes | memoryview) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _line(content: dict[str, Any]) -> bytes:
    text = json.dumps(content).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _lines(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The lines of a journal up to the first that is torn, each with the position of its end."""
    result, position = [], 0
    with open_regular(path, "rb", follow=False) as file:
        lines = file.read().splitlines(keepends=True)
    for line in lines:
        position += len(line)
        crc, _, text = line.rstrip(b"\n").partition(b" ")
        if not line.endswith(b"\n") or crc != b"%08x" % zlib.crc32(text):
            break
        try:
            result.append((position, parse_json(text)))
        except ValueError:  # no line that a store wrote
            break
    return result
