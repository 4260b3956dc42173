"""Encoding on a cluster: shards of their own that resume, and a manifest that makes them one."""

from __future__ import annotations

import tempfile
import time
from math import lcm
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from tfhash import _store, progress
from tfhash.codes import Codes, whole_number
from tfhash.distributed.cluster import joined
from tfhash.distributed.pool import Pool, Worker

SHARD_ROWS = 1 << 16  # about
LET_GO_WITHIN = 60.0  # seconds: a shard, by a worker whose driver is dead

Model = str | PathLike[str] | bytes
Inputs = str | PathLike[str] | np.ndarray


def encode(
    model: Model,
    inputs: Inputs,
    out: str | PathLike[str],
    batch_size: int | None = None,
    shard_rows: int = SHARD_ROWS,
    address: str | None = None,
) -> Codes:
    """Encode on a Ray cluster, into a folder that `Codes.load` reads as one collection.

    Each worker loads the model once and writes one shard after the other. What is whole stays: a
    killed worker or node is replaced, and after the driver was killed the same call goes on. The
    codes do not depend on the number of workers: shards are cut between batches, whose size is the
    one that `Encoder.encode` would choose for all inputs.

    Parameters
    ----------
    model : path or bytes
        A `.keras` file that every node can read, or its bytes. Models as objects are refused: they
        do not survive the way to other machines.
    inputs : path or array [n, ...]
        A `.npy` file that every node can read, which they map; or an array, which is sent.
    out : folder
        Shared by all nodes; made where it is missing.
    batch_size : int, optional
        As for `Encoder.encode`.
    shard_rows : int
        About how many codes a shard holds: the nearest multiple of whole batches and of whole pages
        of memory, which is up to 512 batches where their size is odd. (A `batch_size` that divides
        `n` is kept as it is; of a multiple of 64 it takes at most 8 batches.) It
        must be the same when a call goes on.
    address : str, optional
        "HOST:PORT" of the cluster, "local" for this machine; None for the cluster that was joined
        before, else this machine.

    Returns
    -------
    Codes
        Memory-mapped, in the order of the inputs.

    Raises
    ------
    ValueError
        As `Encoder.encode`; a shard of another model or other inputs is named. Or a model or
        inputs are of another kind than the above.
    InputError
        Nobody answers at the address, or a node has other versions.
    OSError
        A file cannot be read or written; shards so far are kept.
    ModuleNotFoundError
        Ray is not installed.
    """
    sent = _checked_model(model)
    data = _checked_inputs(inputs)
    shard_rows = whole_number(shard_rows, "shard_rows", 1)
    if batch_size is not None:
        batch_size = whole_number(batch_size, "batch_size", 1)
    folder = Path(out).expanduser().resolve()
    with joined(address) as ray:
        n = len(_opened(data))
        folder.mkdir(parents=True, exist_ok=True)
        shared = ray.put(data) if isinstance(data, np.ndarray) else data
        with Pool(ray, _ShardEncoder, sent) as pool:
            pool.start(-(-n // shard_rows))  # all load while the first says how shards are cut
            [(_, (size, n_bits))] = pool.results("batch_and_bits", [(n, batch_size)])
            spans = _spans(n, size, n_bits, shard_rows)
            tasks = [(shared, *span, size, str(folder / _name(i))) for i, span in enumerate(spans)]
            with progress.bar(None, "encoding", "shard", total=len(spans)) as bar:
                for _ in pool.results("encode", tasks):
                    bar.update()
    _store.write_manifest(folder, [_name(i) for i in range(len(spans))])
    return Codes.load(folder, mmap=True)


def _name(i: int) -> str:
    return f"{i:06d}.codes"


def _spans(n: int, size: int, n_bits: int, shard_rows: int) -> list[tuple[int, int]]:
    """First and last row of each shard: whole batches, and whole pages but for the last shard."""
    unit = lcm(size, _store.rows_per_page(n_bits))
    rows = unit * max(1, round(shard_rows / unit))
    return [(start, min(n, start + rows)) for start in range(0, n, rows)]


def _opened(data: str | np.ndarray) -> np.ndarray:
    return data if isinstance(data, np.ndarray) else np.load(data, mmap_mode="r")


def _checked_model(model: Any) -> str | bytes:
    """The whole path of a model's file, or its bytes."""
    if isinstance(model, bytes):
        return model
    if not isinstance(model, str | PathLike):
        raise ValueError(
            "Expected the path or the bytes of a .keras file. Received: "
            f"{type(model).__name__}: save the model first, with model.save('NAME.keras')."
        )
    path = Path(model).expanduser().resolve()
    if not path.is_file():
        raise FileNotFoundError(f"Expected a model in {path}. Received: no such file.")
    return str(path)


def _checked_inputs(inputs: Any) -> str | np.ndarray:
    """An array, or the whole path of a file that holds one."""
    if isinstance(inputs, np.ndarray):
        found = inputs
    elif isinstance(inputs, str | PathLike):
        path = Path(inputs).expanduser().resolve()
        if not path.is_file():
            raise FileNotFoundError(f"Expected inputs in {path}. Received: no such file.")
        try:
            found = np.load(path, mmap_mode="r")
        except (ValueError, EOFError) as error:
            raise ValueError(
                f"Expected a .npy file of numbers in {path}. Received: {error}"
            ) from None
    else:
        raise ValueError(
            "Expected the path of a .npy file or a NumPy array. Received: "
            f"{type(inputs).__name__}. Save what it holds with np.save('NAME.npy', ...)."
        )
    if not isinstance(found, np.ndarray) or found.ndim == 0:
        raise ValueError(
            "Expected inputs in one array [n, ...]. Received: "
            + ("a single number." if isinstance(found, np.ndarray) else f"several, in {inputs}.")
        )
    if len(found) == 0:
        raise ValueError("Expected at least one input to encode. Received: none.")
    return found if isinstance(inputs, np.ndarray) else str(path)


class _ShardEncoder(Worker):
    """A process with the model loaded once: `given` is its file or its bytes."""

    def load(self) -> None:
        import keras

        from tfhash.encoder import Encoder

        (model,) = self.given
        with tempfile.TemporaryDirectory() as folder:
            if isinstance(model, bytes):
                path = Path(folder) / "model.keras"
                path.write_bytes(model)
            else:
                path = Path(model)
            try:
                loaded = keras.models.load_model(path, compile=False)
            except MemoryError:
                raise
            except Exception as error:  # a damaged file can raise nearly anything
                where = "the bytes given" if isinstance(model, bytes) else path
                reason = (str(error).strip().splitlines() or [""])[0]
                raise ValueError(
                    f"Expected a .keras model in {where} that each node can load. Received: "
                    f"{type(error).__name__}: {reason}"
                ) from error
            self._encoder = Encoder(loaded)

    def batch_and_bits(self, n: int, batch_size: int | None) -> tuple[int, int]:
        """The size of the batches, and bits of a code."""
        return self._encoder.batch_of(n, batch_size), self._encoder.n_bits

    def encode(self, data: Any, start: int, stop: int, size: int, out: str) -> int:
        """Write one shard. Returns how many codes it has."""
        until = time.monotonic() + LET_GO_WITHIN
        while True:
            try:
                return len(self._encoder.encode_part(_opened(data)[start:stop], size, out))
            except BlockingIOError:  # a worker of a driver that was killed just now
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)
