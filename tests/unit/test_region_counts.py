"""Distinct codes counted out of core: as NumPy does, whatever the limit; nothing is left over."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import BIT_SIZES, random_bits
from tfhash import Codes, _native, metrics
from tfhash.metrics import out_of_core

MIB = 1 << 20


def expected_count(bits):
    return len(np.unique(np.packbits(bits, axis=1), axis=0))


def count(bits, memory=MIB, folder=None):
    return out_of_core.count_distinct(Codes.from_bits(bits), memory, folder)


@pytest.mark.parametrize("n_bits", BIT_SIZES)
def test_the_count_is_that_of_numpy_at_all_widths(n_bits):
    bits = random_bits(700, n_bits, repeats=0.4)
    assert count(bits) == expected_count(bits)
    assert metrics.region_counts(bits) == expected_count(bits)


@given(
    st.integers(1, 400),
    st.integers(1, 140),
    st.floats(0, 1),
    st.integers(2, 60),
    st.integers(1, 70),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_groups_that_do_not_fit_are_grouped_again(n, n_bits, repeats, rows, block_rows, seed):
    bits = random_bits(n, n_bits, seed, repeats)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(out_of_core, "MOST_GROUP_BITS", 2)
        limits = out_of_core._Limits(rows, block_rows)
        patch.setattr(out_of_core._Limits, "of", lambda memory, row_bytes: limits)
        assert count(bits) == expected_count(bits)


@pytest.mark.parametrize("distinct", (1, 2, 1000))
def test_many_repeats_of_few_codes(distinct):
    bits = random_bits(distinct, 64)[np.arange(60_000) % distinct]
    assert metrics.region_counts(bits, MIB) == expected_count(bits[:distinct])


def test_from_disk_within_the_limit(tmp_path):
    words = np.random.default_rng(0).integers(0, 2**64, (200_000, 1), np.uint64)
    words[150_000:] = words[:50_000]
    Codes(words, 64).save(tmp_path / "codes")
    codes = Codes.load(tmp_path / "codes", mmap=True)
    spill = tmp_path / "spill"
    spill.mkdir()
    assert metrics.region_counts(codes, MIB, folder=spill) == 150_000
    assert metrics.redundancy_ratio(codes, MIB) == 0.25
    assert list(spill.iterdir()) == []
    codes.release()
    codes[7:99_999].release()
    np.testing.assert_array_equal(codes.words, words)


def test_padding_of_a_damaged_file_does_not_count():
    words = np.full((9, 1), 3, np.uint64)
    words[4:] |= np.uint64(1 << 60)
    out = np.empty_like(words)
    _native.group_by_hash(words, 2, 0, 3, out)
    assert (out == 3).all()


@pytest.mark.parametrize("n_bits", (1, 64, 65, 600))
def test_kernels_group_all_rows_and_keep_the_distinct(n_bits):
    codes = Codes.from_bits(random_bits(3000, n_bits, repeats=0.5))
    out = np.empty_like(codes.words)
    starts = _native.group_by_hash(codes.words, n_bits, 5, 4, out)
    assert (starts[0], starts[-1], len(starts)) == (0, 3000, 17)
    assert sorted(map(bytes, out)) == sorted(map(bytes, codes.words))
    groups = [set(map(bytes, out[a:b])) for a, b in pairwise(starts)]
    assert sum(map(len, groups)) == len(set.union(*groups))
    kept = _native.keep_distinct(out, 3000, 1, np.empty_like(out))
    assert sorted(map(bytes, out[:kept])) == sorted(set.union(*groups))


def test_kernels_refuse_arrays_that_are_too_small():
    words, small = np.zeros((9, 2), np.uint64), np.zeros((8, 2), np.uint64)
    for bad in (
        lambda: _native.group_by_hash(words, 128, 0, 3, small),
        lambda: _native.group_by_hash(words, 128, 0, 13, words.copy()),
        lambda: _native.keep_distinct(words, 9, 0, small),
        lambda: _native.keep_distinct(words, 10, 0, words.copy()),
        lambda: _native.keep_distinct(words, -1, 0, words.copy()),
    ):
        with pytest.raises(ValueError, match="Expected"):
            bad()


@pytest.mark.parametrize("limit", (0, -1, 2.5, "2 GiB", MIB - 1))
def test_limits_that_are_none_are_refused(limit):
    with pytest.raises(ValueError, match=r"memory_limit \(bytes\) to be a whole number"):
        metrics.region_counts(np.eye(5), limit)


def test_a_disk_without_room_is_met_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": 100}))
    with pytest.raises(OSError, match=r"Expected 5,600 bytes free.*Received: 100") as caught:
        count(random_bits(700, 64), folder=tmp_path)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_disk_that_fills_up_meanwhile_is_one_line(tmp_path, monkeypatch):
    def full(**given):
        return open("/dev/full", "r+b", buffering=0)

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(OSError, match=r"room for the temporary file.*No space left") as caught:
        count(random_bits(700, 64), folder=tmp_path)
    assert "\n" not in str(caught.value)
    assert "name another disk with folder" in str(caught.value)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_groups_of_a_shard_on_a_full_disk_name_their_file(tmp_path):
    path = tmp_path / "0.words"
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left.*0\.words") as caught:
        out_of_core.write_groups(Codes.from_bits(random_bits(700, 64)), 2, path)
    assert caught.value.errno == errno.ENOSPC


def test_a_folder_that_is_not_there_is_named(tmp_path):
    says = r"a folder for the temporary file.*No such file.*name another one with folder.*nowhere"
    with pytest.raises(FileNotFoundError, match=says):
        count(random_bits(700, 64), folder=tmp_path / "nowhere")


@contextmanager
def files_of_at_most(n_bytes):
    """As on a disk that fills up, whatever is written and where."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_files_that_may_not_grow_lose_nothing(tmp_path):
    """The same count goes on when there is room, of one machine and of shards alike."""
    codes = Codes.from_bits(random_bits(3000, 64, repeats=0.3))
    distinct = metrics.count_regions(codes)
    for _ in range(2):
        with (
            files_of_at_most(8192),
            pytest.raises(OSError, match=r"room for the temporary file.*too large") as caught,
        ):
            count(codes.to_bits(), folder=tmp_path)
        assert "\n" not in str(caught.value)
        with files_of_at_most(8192), pytest.raises(OSError, match=r"too large.*0\.words"):
            out_of_core.write_groups(codes, 2, tmp_path / "0.words")
    assert count(codes.to_bits(), folder=tmp_path) == distinct
    starts = [out_of_core.write_groups(codes, 2, tmp_path / "0.words")]
    paths = [tmp_path / "0.words"]
    counts = [out_of_core.count_groups(paths, starts, group, 1) for group in range(4)]
    assert sum(counts) == distinct
    os.truncate(paths[0], 8 * (distinct - 1))  # as where a shared folder gives less
    with pytest.raises(OSError, match=r"bytes of codes\. Received.*0\.words"):
        out_of_core.count_groups(paths, starts, 3, 1)


@pytest.mark.full
@pytest.mark.skipif(os.name == "nt", reason="the process is sent a signal")
@pytest.mark.parametrize("kind", (signal.SIGINT, signal.SIGKILL))
def test_nothing_is_left_of_a_count_that_is_stopped(tmp_path, kind):
    code = f"""
        import os
        import numpy as np
        from tfhash import Codes, metrics
        from tfhash.metrics import out_of_core
        read = out_of_core._Spill.read
        def read_and_stop(self, start, rows):
            read(self, start, rows)
            os.kill(os.getpid(), {int(kind)})
        out_of_core._Spill.read = read_and_stop
        codes = Codes(np.arange(100_000, dtype=np.uint64)[:, None], 64)
        try:
            metrics.region_counts(codes, {MIB}, folder={str(tmp_path)!r})
        except KeyboardInterrupt:
            raise SystemExit(130)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True)
    assert done.returncode == (130 if kind == signal.SIGINT else -signal.SIGKILL), done.stderr
    assert list(tmp_path.iterdir()) == []
