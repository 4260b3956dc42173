"""The list of the code files in a folder that are read as one, written and trusted in nothing."""

from __future__ import annotations

import errno
import json
import reprlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfhash._store.header import LARGEST, Header, parse_json, read_header
from tfhash.files import open_regular, write_text

MANIFEST = "manifest.json"
VERSION = 1
LONGEST = 1 << 28  # bytes


@dataclass(frozen=True)
class Shard:
    """One file of a manifest.

    Attributes
    ----------
    file : str
        Its name in the folder.
    n : int
        Codes in it.
    blocks_crc32 : int
        The checksum of its table of checksums, which tells its words from all others.
    """

    file: str
    n: int
    blocks_crc32: int


@dataclass(frozen=True)
class Manifest:
    """What a manifest says.

    Attributes
    ----------
    n_bits : int
    model : str or None
        Fingerprint of what the codes were encoded with.
    shards : tuple of Shard
        At least one, in the order of the codes.
    """

    n_bits: int
    model: str | None
    shards: tuple[Shard, ...]

    def check(self, path: Path, shard: Shard, head: Header) -> None:
        """Raise ValueError unless the header in `path` is that of a shard of this manifest."""
        model = None if head.source is None else head.source["model"]
        expected = (shard.n, self.n_bits, shard.blocks_crc32, self.model)
        received = (head.n, head.n_bits, head.checksum, model)
        if received != expected:
            says = "{} codes of {} bits, checksum {:08x}, of the model of fingerprint {}"
            raise ValueError(
                f"{path}: Expected the shard that {MANIFEST} lists: {says.format(*expected)}. "
                f"Received: {says.format(*received)}. Put the right one back, or encode again to "
                "another folder."
            )


def write_manifest(folder: Path, files: Sequence[str]) -> None:
    """Make a folder one collection: list the whole shards that are in it, in order.

    Raises
    ------
    ValueError
        Where one is no file of codes, or has other bits, layers or another model than the first.
    OSError
        Where one is missing, or the folder cannot be written.
    """
    heads = []
    for file in files:
        with open_regular(folder / file, "rb") as opened:
            heads.append(read_header(folder / file, opened))
    models = [None if head.source is None else head.source["model"] for head in heads]
    first = (heads[0].n_bits, heads[0].layers, models[0])
    for file, head, model in zip(files, heads, models, strict=True):
        if (head.n_bits, head.layers, model) != first:
            raise ValueError(
                f"{folder / file}: Expected a shard of the bits, layers and model of {files[0]}: "
                f"{first[0]} bits, fingerprint {first[2]}. Received: {head.n_bits} bits, "
                f"fingerprint {model}. Encode to another folder."
            )
    shards = [Shard(file, head.n, head.checksum) for file, head in zip(files, heads, strict=True)]
    content = {
        "tfhash_shards": VERSION,
        "n_bits": first[0],
        "model": first[2],
        "shards": [asdict(shard) for shard in shards],
    }
    write_text(folder / MANIFEST, json.dumps(content, indent=1) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a folder.

    Raises
    ------
    OSError
        Where there is none (IsADirectoryError), or it cannot be read.
    ValueError
        Where it is none of tfhash, or of a later version.
    """
    path = folder / MANIFEST
    try:
        file = open_regular(path, "rb")
    except FileNotFoundError:
        raise IsADirectoryError(
            errno.EISDIR,
            f"Expected a file of codes, or a folder with {MANIFEST}. Received: a folder without; "
            "if it was begun by distributed.encode, encode again to it",
            str(folder),
        ) from None
    with file:
        text = file.read(LONGEST)
    try:
        return _checked(parse_json(text))
    except ValueError as error:
        raise ValueError(f"{path}: {error} Encode again to the same folder.") from None


def _checked(content: dict[str, Any]) -> Manifest:
    version, n_bits, model, shards = (
        content.get(name) for name in ("tfhash_shards", "n_bits", "model", "shards")
    )
    if version != VERSION:
        raise ValueError(f"Expected 'tfhash_shards' {VERSION}. Received: {reprlib.repr(version)}.")
    if type(n_bits) is not int or not 0 <= n_bits <= LARGEST:
        raise ValueError(f"Expected 'n_bits' from 0. Received: {reprlib.repr(n_bits)}.")
    if not isinstance(model, str | None):
        raise ValueError(f"Expected 'model': a string or null. Received: {reprlib.repr(model)}.")
    if not isinstance(shards, list) or not shards:
        raise ValueError(f"Expected 'shards', at least one. Received: {reprlib.repr(shards)}.")
    return Manifest(n_bits, model, tuple(_shard(one) for one in shards))


def _shard(content: Any) -> Shard:
    if isinstance(content, dict):
        file, n, crc = (content.get(name) for name in ("file", "n", "blocks_crc32"))
        if not isinstance(file, str) or file != Path(file).name or "\0" in file:
            file = None
        if file and type(n) is type(crc) is int and 0 <= n <= LARGEST and 0 <= crc < 1 << 32:
            return Shard(file, n, crc)
    raise ValueError(
        "Expected each of 'shards' to have 'file', a name in the folder, 'n' and 'blocks_crc32'. "
        f"Received: {reprlib.repr(content)}."
    )
