"""A little fuzzing of each loader, the same cases in each run; `python -m fuzz` does more."""

import tempfile
from pathlib import Path

import pytest

# The folder is no package that is installed: it lies beside the tests.
ROOT = Path(__file__).parents[2]


@pytest.fixture
def fuzz_run(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from fuzz import run

    return run


@pytest.mark.full
@pytest.mark.parametrize(
    "target",
    ("codes", "monitor", "idx", "npz", "cifar", "cifar100", "spec", "properties", "history"),
)
def test_damaged_files_are_read_or_refused(fuzz_run, target):
    outcomes = fuzz_run.rounds(target, cases=100, seconds=0)
    assert outcomes["read"] + outcomes["refused"] >= 100
    assert outcomes["read"] and outcomes["refused"]


def test_what_is_not_documented_is_a_failure(fuzz_run, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # the file is kept
    from fuzz import targets

    def read(path):
        content = path.read_bytes()
        if content[:1] != b"\0":
            raise KeyError("not documented")
        return "read"

    target = targets.Target(targets.TARGETS["idx"].contents, read)
    monkeypatch.setitem(targets.TARGETS, "idx", target)
    with pytest.raises(fuzz_run.Failure, match=r"idx, seed 0: KeyError.*File: ") as failure:
        fuzz_run.rounds("idx", cases=150, seconds=0)
    file = Path(str(failure.value).rpartition("File: ")[2])
    assert file.read_bytes()[:1] != b"\0"
