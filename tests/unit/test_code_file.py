"""The file of codes: its format, what is refused, what `verify` finds, and one opening."""

import builtins
import json
import os
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest

from damaged_files import first_version, header_of, with_header
from reference import random_bits
from tfhash import Codes, _store, metrics

LAYERS = (("a", 0, 1), ("b", 1, 65), ("c", 65, 65), ("d", 65, 200))
posix = pytest.mark.skipif(os.name == "nt", reason="links and pipes of POSIX")


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 8 codes of 200 bits."""
    monkeypatch.setattr("tfhash._store.file.BLOCK_BYTES", 8 * 32)


def codes_of(n=50, seed=0):
    return Codes.from_bits(random_bits(n, 200, seed), LAYERS)


def saved(path, n=50):
    codes = codes_of(n)
    codes.save(path)
    return codes, path.read_bytes()


def damage(path, raw, row, word=0, bit=7):
    """Flip a bit of a code of 200 bits."""
    at = header_of(raw)["words_offset"] + 32 * row + 8 * word + bit // 8
    path.write_bytes(raw[:at] + bytes([raw[at] ^ 1 << bit % 8]) + raw[at + 1 :])


# ---- the format ------------------------------------------------------------------------------


def test_the_reader_in_the_documentation_reads_it(tmp_path):
    codes, _ = saved(tmp_path / "x")
    text = (Path(__file__).parents[2] / "docs" / "code_file.md").read_text(encoding="utf-8")
    program = text.split("```python\n")[1].split("```")[0]
    names = {"path": tmp_path / "x"}
    exec(program, names)
    np.testing.assert_array_equal(names["bits"], codes.to_bits())


@pytest.mark.parametrize("n", (0, 1, 7, 8, 9, 50))
def test_each_block_has_its_checksum(n, tmp_path, small_blocks):
    codes, raw = saved(tmp_path / "x", n)
    head = header_of(raw)
    assert head["block_rows"] == 8
    table = np.array([zlib.crc32(codes.words[i : i + 8]) for i in range(0, n, 8)], "<u4").tobytes()
    assert raw[head["words_offset"] + 32 * n :] == table
    assert head["blocks_crc32"] == zlib.crc32(table)
    assert len(raw) == head["words_offset"] + 32 * n + 4 * -(-n // 8)


def test_checksums_take_little_room(tmp_path):
    words = np.zeros((3000, 1024), np.uint64)
    Codes(words, 65_536).save(tmp_path / "x")
    assert (tmp_path / "x").stat().st_size == 4096 + words.nbytes + 4 * -(-3000 // 128)


@pytest.mark.parametrize("mapped", (False, True))
def test_the_first_version_is_read(mapped, tmp_path):
    codes, raw = saved(tmp_path / "x")
    old = first_version(raw)
    assert len(old) == 4096 + codes.nbytes and old[8] == 1
    (tmp_path / "old").write_bytes(old)
    loaded = Codes.load(tmp_path / "old", mmap=mapped)
    assert loaded == codes
    loaded.verify()
    damage(tmp_path / "old", old, 30)
    with pytest.raises(ValueError, match=r"old: Expected words whose CRC-32 .* codes 0 to 49; "):
        Codes.load(tmp_path / "old", mmap=mapped).verify()
    empty = Codes.from_bits(np.zeros((0, 7), bool))
    empty.save(tmp_path / "x")
    (tmp_path / "old").write_bytes(first_version((tmp_path / "x").read_bytes()))
    assert Codes.load(tmp_path / "old", mmap=mapped) == empty


def test_a_growing_store_gives_the_same_words_and_checksums(tmp_path, small_blocks):
    codes, raw = saved(tmp_path / "x")
    for sizes in ((50,), (1, 49), (7, 1, 8, 9, 25), (0, 50)):
        path = tmp_path / "grown"
        with _store.GrowingStore(path, 200, LAYERS, "m") as store:
            at = 0
            for size in sizes:
                store.append(codes.words[at : at + size], at)
                at += size
            store.finish()
        assert path.read_bytes()[4096:] == raw[4096:]
        loaded = Codes.load(path, mmap=True)
        loaded.verify()
        assert loaded == codes
        assert loaded.source == {"model": "m", "inputs_crc32": 50 - sizes[-1]}


# ---- what is damaged -------------------------------------------------------------------------


@pytest.mark.parametrize("row, block", ((0, 0), (7, 0), (8, 1), (49, 6)))
def test_verify_names_the_codes_of_a_damaged_block(row, block, tmp_path, small_blocks):
    _, raw = saved(tmp_path / "x")
    damage(tmp_path / "x", raw, row)
    where = rf"codes {8 * block} to {min(49, 8 * block + 7)};"
    with pytest.raises(ValueError, match=rf"x: .* CRC-32 .* 1 of 7 blocks .* {where}.*damaged"):
        Codes.load(tmp_path / "x")
    mapped = Codes.load(tmp_path / "x", mmap=True)
    for _ in range(2):
        with pytest.raises(ValueError, match=where):
            mapped.verify()
    for rows in (slice(row, row + 1), slice(0, row + 1), slice(row, None)):
        with pytest.raises(ValueError, match=where):
            mapped[rows].verify()
    for rows in (slice(0, 8 * block), slice(8 * block + 8, None), slice(row, row)):
        mapped[rows].verify()  # the blocks that these codes are in are whole
    with pytest.raises(ValueError, match=where):
        mapped[:50].save(tmp_path / "laundered")
    assert not (tmp_path / "laundered").exists()


def test_blocks_found_whole_are_not_read_again_unless_asked(tmp_path, small_blocks):
    _, raw = saved(tmp_path / "x")
    mapped = Codes.load(tmp_path / "x", mmap=True)
    mapped[:20].verify()
    damage(tmp_path / "x", raw, 3)  # in place, so that the map sees it
    mapped.verify(again=False)
    with pytest.raises(ValueError, match="codes 0 to 7;"):
        mapped.verify()


def test_bits_behind_the_last_one_are_refused_though_their_checksum_is_right(tmp_path):
    codes, raw = saved(tmp_path / "x")
    words = codes.words.copy()
    words[17, 3] |= np.uint64(1 << 60)
    table = np.array([zlib.crc32(words)], "<u4").tobytes()
    content = header_of(raw) | {"blocks_crc32": zlib.crc32(table)}
    crafted = with_header(raw[:4096], json.dumps(content).encode()) + words.tobytes() + table
    (tmp_path / "x").write_bytes(crafted)
    with pytest.raises(ValueError, match="x: Expected 0 in the 56 padding bits"):
        Codes.load(tmp_path / "x")
    with pytest.raises(ValueError, match="x: Expected 0 in the 56 padding bits"):
        Codes.load(tmp_path / "x", mmap=True).verify()


def test_estimators_are_not_fitted_to_damaged_codes(tmp_path):
    _, raw = saved(tmp_path / "x")
    damage(tmp_path / "x", raw, 30)
    mapped, y = Codes.load(tmp_path / "x", mmap=True), np.arange(50) % 2
    for estimator in (
        metrics.CodeKMeans(2),
        metrics.CodeLogisticRegression(),
        metrics.HammingKNeighborsClassifier(3),
    ):
        with pytest.raises(ValueError, match="file is damaged"):
            estimator.fit(mapped, y)


def test_a_thousand_damaged_files_are_refused_or_found_or_say_the_same():
    script = Path(__file__).parents[1] / "damaged_files.py"
    done = subprocess.run(
        [sys.executable, str(script), "1000"], cwd=script.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert sum(counts.values()) == 2000  # each is loaded in both ways
    assert counts["flipped, verified"] > 0 and counts["cut, refused"] > 0
    assert not {"cut, same", "inserted, same", "removed, same"} & set(counts)


# ---- headers made by hand --------------------------------------------------------------------


@pytest.mark.parametrize("mapped", (False, True))
@pytest.mark.parametrize(
    "changes, message",
    (
        ({"n": -1}, "'n' to be a whole number"),
        ({"n": True}, "'n' to be a whole number"),
        ({"n": "50"}, "'n' to be a whole number"),
        ({"n": None}, "'n' to be a whole number"),
        ({"n": 2**60}, "'n' to be a whole number"),
        ({"n": 2**63 - 1}, "'n' to be a whole number"),
        ({"n": 2**64 + 50}, "'n' to be a whole number|the number"),
        ({"n": 50.0}, "the number 50.0"),
        ({"n": float("nan")}, "the number NaN"),
        ({"n": 2**48, "n_bits": 2**48}, "bytes"),
        ({"n": 49}, "bytes"),
        ({"n_bits": 2**63}, "'n_bits' to be a whole number"),
        ({"n_bits": 193}, "cover all 193 bits|63 padding bits"),
        ({"words_offset": 0}, "'words_offset' to be a whole number from"),
        ({"words_offset": 4097}, "multiple of 4096"),
        ({"words_offset": 8192}, "bytes"),
        ({"words_offset": 2**63 - 4096}, "'words_offset' to be a whole number"),
        ({"block_rows": 0}, "'block_rows' to be a whole number from 1"),
        ({"block_rows": 1}, "bytes"),
        ({"blocks_crc32": 2**32}, "'blocks_crc32' to be a whole number"),
        ({"blocks_crc32": 1}, "table of checksums whose own CRC-32 is 00000001"),
        ({"layers": None}, "'layers' to be a list"),
        ({"layers": {}}, "'layers' to be a list"),
        ({"layers": [["a", 0]]}, r"\[name, start, stop\]"),
        ({"layers": [[0, 0, 200]]}, r"\[name, start, stop\]"),
        ({"layers": [["a", 0, 200.0]]}, "the number 200.0"),
        ({"layers": [["a", 0, 100]]}, "cover all 200 bits"),
        ({"layers": [["a", 0, 100], ["a", 100, 200]]}, "different names"),
        ({"layers": [["a", 0, 100], ["b", 90, 200]]}, "follow one another"),
        ({"layers": [["\ud800", 0, 200]]}, "surrogates"),
        ({"source": []}, "'source' to be an object"),
        ({"source": {"model": 1}}, "'source' to be an object"),
        ({"source": {"model": "m"}}, "'inputs_crc32' to be a whole number"),
    ),
)
def test_headers_that_say_what_cannot_be_are_refused(changes, message, mapped, tmp_path):
    path = tmp_path / "crafted.codes"
    _, raw = saved(path)
    path.write_bytes(with_header(raw, json.dumps(header_of(raw) | changes).encode()))
    with pytest.raises(ValueError, match=message) as raised:
        Codes.load(path, mmap=mapped)
    assert str(path) in str(raised.value)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("version", (1, 2))
def test_every_field_but_the_source_is_needed(version, tmp_path):
    _, raw = saved(tmp_path / "x")
    raw = first_version(raw) if version == 1 else raw
    for name in header_of(raw):
        content = {key: value for key, value in header_of(raw).items() if key != name}
        (tmp_path / "x").write_bytes(with_header(raw, json.dumps(content).encode()))
        with pytest.raises(ValueError, match=rf"x: Expected '{name}' to be"):
            Codes.load(tmp_path / "x")


@pytest.mark.parametrize(
    "text",
    (
        b"",
        b"null",
        b"5",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"n": 1, "n": 1}',
        b'{"n": ' + b"9" * 100_000 + b"}",
        b'{"n": Infinity}',
    ),
    ids=lambda text: repr(text[:12]),
)
def test_headers_that_are_no_json_object_of_whole_numbers_are_refused(text, tmp_path):
    (tmp_path / "x").write_bytes(with_header(bytes(saved(tmp_path / "x")[1]), text))
    for mapped in (False, True):
        with pytest.raises(ValueError, match=r"x: Expected ") as raised:
            Codes.load(tmp_path / "x", mmap=mapped)
        assert len(str(raised.value)) < 500


def test_a_later_version_says_so(tmp_path):
    _, raw = saved(tmp_path / "x")
    (tmp_path / "x").write_bytes(with_header(raw, b"{}", version=3))
    with pytest.raises(
        ValueError, match=r"version 1 to 2 .* version 3; read it with a later tfhash"
    ):
        Codes.load(tmp_path / "x")


def test_codes_without_bits_or_without_codes_are_kept(tmp_path):
    for shape in ((0, 0), (0, 65), (7, 0)):
        codes = Codes.from_bits(np.zeros(shape, bool))
        codes.save(tmp_path / "x")
        for mapped in (False, True):
            loaded = Codes.load(tmp_path / "x", mmap=mapped)
            loaded.verify()
            assert (loaded, loaded.shape) == (codes, shape)


def test_names_of_layers_that_no_file_has_room_for_are_refused_before_writing(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("tfhash._store.header.LONGEST", 100)
    with pytest.raises(ValueError, match="names of layers that fit in 100 bytes"):
        codes_of().save(tmp_path / "x")
    assert not list(tmp_path.iterdir())


# ---- one file, opened once -------------------------------------------------------------------


@pytest.mark.parametrize("mapped", (False, True))
def test_the_file_is_opened_once(mapped, tmp_path, monkeypatch):
    codes, _ = saved(tmp_path / "x")
    opened, os_open = [], os.open

    def counted(path, *args, **kwargs):
        opened.append(os.fspath(path))
        return os_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", counted)
    whole_open = builtins.open

    def named(file, *args, **kwargs):
        if "opener" not in kwargs and file == tmp_path / "x":
            opened.append(file)
        return whole_open(file, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", named)
    loaded = Codes.load(tmp_path / "x", mmap=mapped)
    loaded.verify()
    assert opened == [str(tmp_path / "x")]
    codes_of(3).save(tmp_path / "x")
    assert loaded == codes


@posix
def test_what_is_loaded_while_the_file_is_replaced_was_saved(tmp_path):
    one = Codes.from_bits(random_bits(300, 512, 1), [("a", 0, 512)])
    other = Codes.from_bits(random_bits(600, 256, 2), [("b", 0, 256)])  # as many bytes
    path, stop = tmp_path / "x", threading.Event()
    one.save(path)

    def replace():
        while not stop.is_set():
            other.save(path)
            one.save(path)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for i in range(400):
            loaded = Codes.load(path, mmap=i % 2 == 0)
            assert loaded in (one, other)
    finally:
        stop.set()
        thread.join()


@posix
def test_pipes_and_folders_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for mapped in (False, True):
        with pytest.raises(OSError, match="FIFO"):
            Codes.load(tmp_path / "pipe", mmap=mapped)
        with pytest.raises(IsADirectoryError):
            Codes.load(tmp_path, mmap=mapped)
    with pytest.raises(OSError, match="FIFO"):
        codes_of().save(tmp_path / "pipe")


@posix
def test_a_link_is_written_through_by_save_and_by_a_growing_store(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far/x")
    codes = codes_of()
    codes.save(tmp_path / "link")
    assert Codes.load(tmp_path / "far" / "x") == codes
    (tmp_path / "far" / "x").unlink()
    with _store.GrowingStore(tmp_path / "link", 200, LAYERS, "m") as store:
        store.append(codes.words, 0)
        assert (tmp_path / "far" / ".x.partial").exists()
        store.finish()
    assert (tmp_path / "link").is_symlink()
    assert Codes.load(tmp_path / "link") == codes
    assert [p.name for p in (tmp_path / "far").iterdir()] == ["x"]


@posix
@pytest.mark.parametrize("which", ("partial", "journal", "lock"))
def test_links_in_the_place_of_a_stores_own_files_are_not_followed(which, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f".x.{which}").symlink_to(victim)
    if which == "partial":
        (tmp_path / ".x.journal").write_bytes(b"")
    with (
        pytest.raises(OSError, match=r"symbolic link; remove it"),
        _store.GrowingStore(tmp_path / "x", 200, LAYERS, "m"),
    ):
        pass
    assert victim.read_text() == "mine"


@pytest.mark.parametrize(
    "line", (b"[]", b"{}", b'{"rows": "1"}', b'{"rows": 1, "words_crc32": 0}', b"[" * 9000, b"1")
)
def test_lines_of_a_journal_that_no_store_wrote_end_it(line, tmp_path):
    codes = codes_of()
    path = tmp_path / "x"
    with _store.GrowingStore(path, 200, LAYERS, "m") as store:
        store.append(codes.words[:20], 5)
    journal = tmp_path / ".x.journal"
    whole = journal.read_bytes()
    torn = b"%08x %s\n" % (zlib.crc32(line), line)
    journal.write_bytes(whole + torn)
    with _store.GrowingStore(path, 200, LAYERS, "m") as store:
        assert store.rows == 20
    journal.write_bytes(torn + whole)  # as its head: another's, or none at all
    try:
        with _store.GrowingStore(path, 200, LAYERS, "m") as store:
            assert store.rows == 0
    except ValueError as error:
        assert line.startswith(b"{") and "begun with the model of fingerprint None" in str(error)


def test_a_store_begun_by_another_version_says_so(tmp_path):
    with _store.GrowingStore(tmp_path / "x", 200, LAYERS, "m"):
        pass
    with (
        pytest.raises(ValueError, match="begun with that model by another version of tfhash"),
        _store.GrowingStore(tmp_path / "x", 200, LAYERS[:1], "m"),
    ):
        pass
