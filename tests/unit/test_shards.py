"""A folder of shards is one collection: its codes in order, and each shard that is bad is named."""

import gc
import json
import shutil

import numpy as np
import pytest

from reference import random_bits
from tfhash import Codes, _store, metrics
from tfhash.distributed.shards import parts_of

LAYERS = [("a", 0, 60), ("b", 60, 70)]
N_BITS = 70
ROWS = _store.rows_per_page(N_BITS)


def shards(folder, sizes, model="0123456789abcdef"):
    """Shards as encoders write them; their codes in one piece."""
    folder.mkdir(exist_ok=True)
    codes = Codes.from_bits(random_bits(sum(sizes), N_BITS, repeats=0.2), LAYERS)
    names, start = [], 0
    for i, size in enumerate(sizes):
        names.append(f"{i:05d}.codes")
        with _store.GrowingStore(folder / names[-1], N_BITS, LAYERS, model) as store:
            store.append(codes.words[start : start + size], 7)
            store.finish()
        start += size
    return codes, names


@pytest.fixture
def folder(tmp_path):
    _, names = shards(tmp_path / "codes", (2 * ROWS, ROWS, 5))
    _store.write_manifest(tmp_path / "codes", names)
    return tmp_path / "codes"


@pytest.mark.parametrize("mmap", (False, True))
@pytest.mark.parametrize("sizes", ((3,), (ROWS, 1), (2 * ROWS, ROWS, ROWS), (3, 4, 0), (0,)))
def test_shards_are_read_as_one(tmp_path, sizes, mmap):
    whole, names = shards(tmp_path / "codes", sizes)
    _store.write_manifest(tmp_path / "codes", names)
    codes = Codes.load(tmp_path / "codes", mmap=mmap)
    assert codes == whole
    assert codes.source == ({"model": "0123456789abcdef"} if mmap else None)
    codes.verify()
    codes[: len(codes) // 2].release()
    with pytest.raises(ValueError, match="read-only"):
        codes.words[...] = 0
    tail = codes[len(codes) // 2 :]
    del codes
    gc.collect()
    assert tail == whole[len(whole) // 2 :]  # still mapped


def test_metrics_of_shards_are_those_of_one_file(folder):
    whole, mapped = Codes.load(folder), Codes.load(folder, mmap=True)
    for one, other in zip(
        metrics.hamming_knn(whole, whole[:9], 3),
        metrics.hamming_knn(mapped, mapped[:9], 3),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    assert metrics.region_counts(mapped) == metrics.count_regions(whole)


def test_a_shard_that_is_missing_is_named(folder):
    (folder / "00001.codes").unlink()
    with pytest.raises(FileNotFoundError, match=r"00001\.codes: Expected shard 1 of 3"):
        Codes.load(folder)


@pytest.mark.parametrize("left", (0, 10, 8000, -1))
def test_a_shard_that_is_cut_is_named(folder, left):
    path = folder / "00001.codes"
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(ValueError, match=r"00001\.codes: Expected"):
        Codes.load(folder, mmap=True)


@pytest.mark.parametrize("at", (25, 5000, -1))
def test_a_shard_that_is_damaged_is_named(folder, at):
    path = folder / "00001.codes"
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"00001\.codes: Expected"):
        Codes.load(folder, mmap=True).verify()
    with pytest.raises(ValueError, match=r"00001\.codes: Expected"):
        Codes.load(folder)


@pytest.mark.parametrize("mmap", (False, True))
def test_a_shard_of_another_model_or_other_codes_is_named(folder, tmp_path, mmap):
    shards(tmp_path / "other", (1, ROWS), model="f" * 16)
    shutil.copy(tmp_path / "other" / "00001.codes", folder)
    with pytest.raises(ValueError, match=r"00001\.codes: .*fingerprint 0123.*fingerprint fff"):
        Codes.load(folder, mmap=mmap)
    with pytest.raises(ValueError, match=r"00001\.codes: .*Encode to another folder"):
        _store.write_manifest(folder, ["00000.codes", "00001.codes"])
    shards(tmp_path / "other", (1, ROWS))
    shutil.copy(tmp_path / "other" / "00001.codes", folder)
    with pytest.raises(ValueError, match=r"00001\.codes: Expected the shard that manifest\.json"):
        Codes.load(folder, mmap=mmap)


@pytest.mark.parametrize(
    "change",
    (
        {"tfhash_shards": 2},
        {"n_bits": -1},
        {"n_bits": "70"},
        {"model": 3},
        {"shards": []},
        {"shards": {}},
        {"shards": ["00000.codes"]},
        {"shards": [{"file": "../x", "n": 1, "blocks_crc32": 1}]},
        {"shards": [{"file": "x", "n": True, "blocks_crc32": 1}]},
        {"shards": [{"file": "x", "n": 1, "blocks_crc32": -1}]},
    ),
)
def test_a_manifest_is_trusted_in_nothing(folder, change):
    path = folder / _store.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=r"manifest\.json: Expected"):
        Codes.load(folder)


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"folder with manifest\.json"):
        Codes.load(tmp_path)


def test_a_collection_that_is_no_folder_is_named(tmp_path):
    """Not taken for a folder without its manifest."""
    (tmp_path / "file").write_bytes(b"")
    for name, there in (("file", "a file"), ("nowhere", "nothing")):
        with pytest.raises(NotADirectoryError, match=f"Received: {there}: .*{name}"):
            parts_of(tmp_path / name)
