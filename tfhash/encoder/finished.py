"""Codes that `encode(out=)` finds finished: returned where they are what encoding gives again."""

from __future__ import annotations

import warnings
from pathlib import Path

from tfhash import _store
from tfhash.codes import Codes
from tfhash.encoder.batches import InputsChecksum, Source
from tfhash.encoder.checks import check_same_inputs


def finished_codes(path: Path, model: str, source: Source, size: int) -> Codes | None:
    """The codes of a finished store, memory-mapped, every word of them verified.

    Parameters
    ----------
    path : file
    model : str
        Fingerprint of what makes the codes.
    source : Source
        The inputs, which are read to see that they are the same; some rows stay in its sample.
    size : int
        Rows to read at a time.

    Returns
    -------
    Codes, or None
        None, with a warning, where the store is that model's and is damaged: the inputs are then
        not read, for the codes to be encoded again.

    Raises
    ------
    ValueError
        Where the file is no store of codes, or one of another model or of other inputs.
    """
    codes, damage = None, ""
    try:
        codes = Codes.load(path, mmap=True)
        known = codes.source
    except ValueError as error:
        damage = str(error)
        try:
            known = _store.read_source(path)
        except ValueError:
            raise ValueError(f"{damage} Choose another path, or remove the file.") from None
    if known is None or known["model"] != model:
        theirs = "no fingerprint" if known is None else f"fingerprint {known['model']}"
        raise ValueError(
            f"{path}: Expected codes of the model of fingerprint {model}. Received: codes of "
            f"{theirs}. Choose another path, or remove the file."
        )
    if codes is not None:
        try:
            codes.verify()
        except ValueError as error:
            codes, damage = None, str(error)
    if codes is None:
        warnings.warn(f"{damage} It is encoded again, and replaced.", stacklevel=4)
        return None
    _check_inputs(path, source, size, len(codes), known["inputs_crc32"])
    return codes


def _check_inputs(path: Path, source: Source, size: int, n: int, expected: int) -> None:
    checksum, rows = InputsChecksum(), 0
    for batch in source.blocks(size, 0, None):
        checksum.update(batch)
        source.sample.update(batch)
        rows += len(batch[0])
    if rows != n:
        raise ValueError(
            f"{path}: Expected codes of {rows} inputs. Received: codes of {n}. Choose another "
            "path, or remove the file."
        )
    check_same_inputs(path, checksum, rows, expected)
