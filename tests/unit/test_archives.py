"""Archives of arrays are looked at before NumPy makes room for what they say that they hold."""

import io
import zipfile

import numpy as np
import pytest

from tfhash.archives import check_arrays
from tfhash.audit import RegionMonitor
from tfhash.runs.states import HEADER, StateFile


def head(shape):
    """The head of a uint64 array of that shape, without the array."""
    file = io.BytesIO()
    about = {"descr": "<u8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, about)
    return file.getvalue()


def write(path, method=zipfile.ZIP_STORED, **members):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def test_what_numpy_writes_passes(tmp_path):
    arrays = {
        "words": np.arange(12, dtype=np.uint64).reshape(3, 4),
        "none": np.zeros((0, 5)),
        "one": np.array("text"),
        "columns": np.asfortranarray(np.ones((2, 3), np.float32)),
    }
    np.savez(tmp_path / "file.npz", **arrays)
    check_arrays(tmp_path / "file.npz")
    with open(tmp_path / "file.npz", "rb") as file:
        check_arrays(file)


@pytest.mark.parametrize("shape", [(3,), (1,), (10**15,), (2**40, 2**40)])
def test_sizes_that_are_not_those_of_the_bytes(tmp_path, shape):
    path = write(tmp_path / "bad.npz", words=head(shape) + bytes(16))
    with pytest.raises(ValueError, match=r"words\.npy is uint64 .* in 16 bytes"):
        check_arrays(path)


def test_compressed_arrays(tmp_path):
    many = write(tmp_path / "many.npz", zipfile.ZIP_DEFLATED, words=head((1000,)) + bytes(8000))
    with pytest.raises(ValueError, match="larger than the file, or compressed"):
        check_arrays(many)
    content = np.random.default_rng(0).bytes(800)
    few = write(tmp_path / "few.npz", zipfile.ZIP_DEFLATED, words=head((100,)) + content, z=b"1")
    with pytest.raises(ValueError, match="compressed"):
        check_arrays(few)


def test_readers_refuse_what_asks_for_too_much_memory(tmp_path, caplog):
    """Most of a petabyte, which no machine has: without the check there is a MemoryError."""
    about = io.BytesIO()
    np.save(about, np.array("{}"))
    path = write(tmp_path / "monitor", about=about.getvalue(), words=head((10**14,)), labels=b"")
    with pytest.raises(ValueError, match=r"RegionMonitor\.save wrote.*may be damaged"):
        RegionMonitor.load(path)
    state = write(tmp_path / "state.npz", **{HEADER: about.getvalue()}, weights=head((10**14,)))
    assert StateFile(state).load() is None
    assert "may be damaged" in caplog.text and not state.exists()
