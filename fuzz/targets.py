"""What is fuzzed: for each loader its sound files, and what it may do with damaged ones."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import logging
import pickle
import pickletools
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from fuzz.damage import damaged
from tfhash import Codes, metrics, results
from tfhash.audit import RegionMonitor
from tfhash.datasets import DatasetError, cifar10, cifar100, files, idx, npz
from tfhash.datasets.cifar import CifarFiles

SHAPE = (5, 3, 2)
ARRAY = np.arange(30, dtype=np.uint8).reshape(SHAPE)
BATCH = 2  # images


@dataclass(frozen=True)
class Target:
    """A loader under damage.

    Attributes
    ----------
    contents
        Draws the content of a file.
    read
        Has the loader read the file, in a folder of its own: "read", or "refused" where it raised
        what it documents. Whatever else it raises is a failure.
    """

    contents: st.SearchStrategy[bytes]
    read: Callable[[Path], str]


def _same(data: bytes) -> bytes:
    return data


def _variants(
    *variants: tuple[bytes, Callable[[bytes], bytes]], pieces: list[bytes] | None = None
) -> st.SearchStrategy[bytes]:
    """Damage inside of compression, and outside of it."""
    inside = [damaged(data, pieces).map(wrap) for data, wrap in variants]
    outside = [damaged(wrap(data), pieces) for data, wrap in variants if wrap is not _same]
    return st.one_of(*inside, *outside)


def _refused_by_name(error: Exception, path: Path) -> str:
    assert str(path) in str(error), f"The error does not name its file: {error}"
    return "refused"


# ---- datasets ------------------------------------------------------------------------------------


def _idx_content() -> bytes:
    return b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in SHAPE) + ARRAY.tobytes()


def _read_idx(path: Path) -> str:
    try:
        with files.reading(f"Expected an IDX file in {path}.", "Take it again."):
            array = idx.read(path, SHAPE)
    except DatasetError as error:
        return _refused_by_name(error, path)
    assert array.shape == SHAPE and array.dtype == np.uint8
    return "read"


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _archive(method: int) -> Callable[[bytes], bytes]:
    def wrap(member: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr("x.npy", member)
            archive.writestr("y.npy", _npy(ARRAY[:, 0, 0]))
        return file.getvalue()

    return wrap


def _read_npz(path: Path) -> str:
    try:
        with files.reading(f"Expected an archive in {path}.", "Take it again."):
            arrays = npz.read(path, {"x": SHAPE, "y": SHAPE[:1]})
    except DatasetError as error:
        return _refused_by_name(error, path)
    assert arrays["x"].shape == SHAPE and arrays["y"].shape == SHAPE[:1]
    assert arrays["x"].dtype == arrays["y"].dtype == np.uint8
    return "read"


def _batch(protocol: int) -> bytes:
    batch: dict[bytes, Any] = {
        b"batch_label": b"a batch",
        b"labels": [3, 7],
        b"data": np.arange(BATCH * 3072).astype(np.uint8).reshape(BATCH, 3072),
        b"filenames": [b"a.png", b"b.png"],
    }
    return pickle.dumps(batch, protocol=protocol)


def _fine_batch(protocol: int) -> bytes:
    """A batch of CIFAR-100."""
    batch = pickle.loads(_batch(protocol))
    batch[b"fine_labels"], batch[b"coarse_labels"] = batch.pop(b"labels"), [1, 2]
    return pickle.dumps(batch, protocol=protocol)


def _read_fine_batch(path: Path) -> str:
    return _read_batch(path, cifar100.FILES)


def _read_batch(path: Path, layout: CifarFiles = cifar10.FILES) -> str:
    try:
        images, labels = layout.read_batch(path, BATCH)
    except DatasetError as error:
        return _refused_by_name(error, path)
    assert images.shape == (BATCH, 32, 32, 3) and images.dtype == np.uint8
    assert labels.shape == (BATCH,) and labels.dtype.kind in "iu"
    return "read"


_OPCODES = [code.code.encode("latin-1") for code in pickletools.opcodes]
_PICKLED = [
    *_OPCODES,
    b"h\x00h\x00\x86q\x00",  # a pair of what the memo holds, and into the memo
    b"cnumpy\ndtype\n",
    b"cos\nsystem\n(S'true'\ntR",
    b"c_codecs\nencode\n",
    b"\x8c\x05numpy\x8c\x07ndarray\x93",
]


# ---- codes ---------------------------------------------------------------------------------------


def _codes() -> Codes:
    bits = np.random.default_rng(0).integers(0, 2, (40, 70), np.uint8)
    return Codes.from_bits(bits)


def _codes_content(codes: Codes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        codes.save(Path(folder) / "codes")
        return (Path(folder) / "codes").read_bytes()


def _read_codes(path: Path) -> str:
    """Both ways of loading, and use of what they give: no index may leave its array."""
    said = []
    loaded = []
    for mmap in (False, True):
        try:
            codes = Codes.load(path, mmap=mmap)
            # Maps are checked when they are asked to be, or used.
            if mmap and hasattr(codes, "verify"):
                codes.verify()
            loaded.append(codes)
        except ValueError as error:
            assert type(error) is ValueError, f"It is a {type(error).__name__}: {error}"
            said.append(_refused_by_name(error, path))
    if len(loaded) == 2 and hasattr(loaded[1], "verify"):
        assert loaded[0] == loaded[1]
    if loaded and not said and len(loaded[0]):
        regions = metrics.region_ids(loaded[0])
        np.testing.assert_array_equal(regions, metrics.region_ids(loaded[1]))
    return "refused" if said else "read"


def _monitor_members(labels: np.ndarray | None) -> dict[str, bytes]:
    """The arrays in the file of a monitor."""
    codes = _codes()
    monitor = RegionMonitor().fit(codes, labels)
    monitor.calibrate(codes, 0.1, labels)
    with tempfile.TemporaryDirectory() as folder:
        monitor.save(Path(folder) / "monitor")
        with zipfile.ZipFile(Path(folder) / "monitor") as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def _member_of(members: dict[str, bytes], name: str) -> Callable[[bytes], bytes]:
    """An archive in which one array is another."""

    def wrap(member: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for each, content in members.items():
                archive.writestr(each, member if each == name else content)
        return file.getvalue()

    return wrap


def _read_monitor(path: Path) -> str:
    """What is loaded can be used: it scores, and knows whether it is calibrated."""
    try:
        monitor = RegionMonitor.load(path)
    except ValueError as error:
        return _refused_by_name(error, path)
    scores = monitor.score(monitor._codes)
    assert scores.shape == (len(monitor._codes),) and np.isfinite(scores).all()
    if hasattr(monitor, "threshold_"):
        alarms = monitor.predict(monitor._codes, monitor._labels if monitor._by_class else None)
        assert alarms.shape == scores.shape
    return "read"


# ---- run directories -----------------------------------------------------------------------------

_SPEC = {
    "experiment": "layer_width",
    "dataset": "digits",
    "protocol": "paper",
    "depth": 1,
    "width": 5,
    "repeat": 1,
    "seed": 0,
    "epochs": 2,
    "batch_size": 32,
    "learning_rate": 0.003,
    "decay": 1.0,
    "decay_every": 1,
    "batch_norm": False,
    "l2": 0.0,
    "clip_norm": None,
    "early_stopping": None,
    "hold_out": 0.0,
    "sample_size": None,
    "epoch_size": None,
    "inputs": None,
    "checkpoint_epochs": [],
}
_PROPERTIES = {"epochs": {"2": {"train_redundancy_ratio": 0.25, "knn_accuracy": 0.5}}}
_HISTORY = (
    "epoch,train_loss,train_accuracy,test_loss,test_accuracy\n1,2.1,0.3,2.0,0.4\n2,1,0.6,1,0.7\n"
)
_JSON = [b"null", b"NaN", b"1e999", b"[]", b"{}", b'"', b"\\ud800", b"\xff", b"-", b"../", b"/"]
_CSV = [b",", b"\n", b'"', b"nan", b"1e999", b"\xff", b"\0"]


def _write_run(root: Path, width: int) -> Path:
    run = root / "layer_width" / "digits" / "depth=1" / f"width={width}" / "repeat=1"
    run.mkdir(parents=True)
    (run / "spec.json").write_text(json.dumps({**_SPEC, "width": width}))
    (run / "properties.json").write_text(json.dumps(_PROPERTIES))
    (run / "history.csv").write_text(_HISTORY)
    return run


@contextlib.contextmanager
def _logged(text: io.StringIO) -> Iterator[None]:
    """What tfhash says of files goes to `text` alone."""
    log, handler = logging.getLogger("tfhash"), logging.StreamHandler(text)
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.propagate = True
        log.removeHandler(handler)


def _read_run(name: str) -> Callable[[Path], str]:
    """Load a damaged run beside a sound one, whose numbers must all be there."""

    def read(path: Path) -> str:
        root = path.parent / "runs"
        shutil.rmtree(root, ignore_errors=True)
        _write_run(root, 4)
        file = _write_run(root, 5) / name
        shutil.copy(path, file)
        said = io.StringIO()
        with _logged(said):
            table = results.load(root)
        sound = (table["width"] == 4).sum()
        assert sound >= 10, f"The sound run has {sound} of its 10 rows."
        if not said.getvalue():
            return "read"
        assert str(file.parent) in said.getvalue(), f"It is not named: {said.getvalue()}"
        return "refused"

    return read


def _targets() -> dict[str, Target]:
    array, codes, content = _npy(ARRAY), _codes(), _idx_content()
    batches = [(_batch(protocol), _same) for protocol in range(1, 6)]
    return {
        "codes": Target(
            _variants((_codes_content(codes), _same), (_codes_content(codes[:0]), _same)),
            _read_codes,
        ),
        "monitor": Target(
            st.one_of(
                *(
                    _variants((members[name], _member_of(members, name)), pieces=_JSON)
                    for members in (_monitor_members(None), _monitor_members(np.arange(40) % 3))
                    for name in members
                )
            ),
            _read_monitor,
        ),
        "idx": Target(_variants((content, _same), (content, gzip.compress)), _read_idx),
        "npz": Target(
            _variants(
                (array, _archive(zipfile.ZIP_STORED)),
                (array, _archive(zipfile.ZIP_DEFLATED)),
                (_npy(np.asfortranarray(ARRAY)), _archive(zipfile.ZIP_STORED)),
                pieces=[b"(", b"[", b"{", b"-", b",", b"'", b"None", b"O", b"(1,)*9"],
            ),
            _read_npz,
        ),
        "cifar": Target(
            st.one_of(
                _variants(*batches, (_batch(4), gzip.compress), pieces=_PICKLED),
                st.lists(st.sampled_from(_PICKLED), max_size=40).map(
                    lambda pieces: b"\x80\x04" + b"".join(pieces) + b"."
                ),
            ),
            _read_batch,
        ),
        "cifar100": Target(
            _variants((_fine_batch(2), _same), (_fine_batch(4), gzip.compress), pieces=_PICKLED),
            _read_fine_batch,
        ),
        "spec": Target(
            _variants((json.dumps({**_SPEC, "width": 5}).encode(), _same), pieces=_JSON),
            _read_run("spec.json"),
        ),
        "properties": Target(
            _variants((json.dumps(_PROPERTIES).encode(), _same), pieces=_JSON),
            _read_run("properties.json"),
        ),
        "history": Target(
            _variants((_HISTORY.encode(), _same), pieces=_CSV), _read_run("history.csv")
        ),
    }


TARGETS = _targets()
