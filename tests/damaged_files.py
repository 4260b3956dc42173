"""A thousand damaged files of codes, run by test_code_file.py in a process of its own.

Every one must be refused when it is loaded, or found by `verify`, or say the same as before. A
header that was edited and given a checksum that is right again may also be that of another file.
Prints how often each came as JSON.
"""

import json
import sys
import tempfile
import warnings
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

from tfhash import Codes, _store

HOSTILE: tuple[object, ...] = (
    None, True, "5", "", [], {}, [[]], 0, -1, 1, 2, 63, 64, 65, 4095, 4096, 8192, 2**31, 2**32,
    2**48, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 2**64, 10**19, 10**30, -(2**63), 1.0, 1e300,
    float("nan"), float("inf"), [["a", 0, 1]], [["a", 0, 2**63]], [["a", 5, 1]], [["a", 0]], [0, 1],
    {"model": "x"}, {"model": 5, "inputs_crc32": 0}, {"model": "x", "inputs_crc32": -1},
)  # fmt: skip
FIELDS = (
    "n", "n_bits", "layers", "words_offset", "block_rows", "blocks_crc32", "words_crc32", "source",
)  # fmt: skip


def first_version(raw):
    """The same codes as tfhash 0.1 wrote them."""
    content = header_of(raw)
    start, size = content["words_offset"], 8 * content["n"] * -(-content["n_bits"] // 64)
    words = raw[start : start + size]
    del content["block_rows"], content["blocks_crc32"]
    content["words_crc32"] = zlib.crc32(words)
    return with_header(raw[:start], json.dumps(content).encode(), version=1) + words


def header_of(raw):
    return json.loads(raw[20 : 20 + int.from_bytes(raw[12:16], "little")])


def with_header(raw, text, version=None):
    """The file with another header, whose checksum is right."""
    version = raw[8:12] if version is None else version.to_bytes(4, "little")
    prefix = raw[:8] + version + len(text).to_bytes(4, "little")
    head = prefix + zlib.crc32(prefix + text).to_bytes(4, "little") + text
    return head + raw[len(head) :] if len(head) <= len(raw) else head


def whole_files(folder):
    """Small files with many blocks, with layers, without codes, and of version 1."""
    rng = np.random.default_rng(0)
    path, layers = folder / "whole", [("a", 0, 70), ("b", 70, 70), ("ö/c", 70, 100)]
    for n, n_bits, spans in (
        (40, 100, layers),
        (300, 64, ()),
        (3, 1000, ()),
        (0, 5, ()),
        (9, 1, ()),
    ):
        codes = Codes.from_bits(rng.integers(0, 2, (n, n_bits)), spans)
        codes.save(path)
        yield path.read_bytes(), codes
        yield first_version(path.read_bytes()), codes
    with _store.GrowingStore(path, 100, layers, "0123456789abcdef") as store:
        codes = Codes.from_bits(rng.integers(0, 2, (40, 100)), layers)
        store.append(codes.words[:33], 1)
        store.append(codes.words[33:], 2)
        store.finish()
    yield path.read_bytes(), codes


def damaged(raw, rng):
    """How it was damaged, and the bytes."""
    raw, kind = bytearray(raw), rng.integers(8)
    at = int(rng.integers(len(raw)))
    if rng.random() < 0.5:  # not in the zeros between header and words
        used = np.flatnonzero(np.frombuffer(bytes(raw), np.uint8))
        at = int(rng.choice(used))
    length = int(2 ** rng.integers(0, 12))
    if kind == 0:
        for _ in range(int(rng.integers(1, 5))):
            raw[at] ^= 1 << int(rng.integers(8))
            at = int(rng.integers(len(raw)))
        return "flipped", raw
    if kind == 1:
        return "cut", raw[:at]
    if kind == 2:
        return "inserted", raw[:at] + rng.bytes(length) + raw[at:]
    if kind == 3:
        return "removed", raw[:at] + raw[at + length :]
    if kind == 4:
        raw[at : at + length] = bytes(len(raw[at : at + length]))
        return "zeroed", raw
    if kind == 5:
        other = int(rng.integers(len(raw)))
        a, b = raw[at : at + 8], raw[other : other + 8]
        raw[at : at + len(b)], raw[other : other + len(a)] = b, a
        return "swapped", raw
    content = header_of(raw)
    name = str(rng.choice(FIELDS))
    if kind == 6:
        content[name] = HOSTILE[rng.integers(len(HOSTILE))]
        return "edited", with_header(raw, json.dumps(content).encode())
    text = json.dumps(content)
    texts = (
        text[:-1] + f', "{name}": 1}}', "[" * 10_000 + text, text.replace("[", "[" * 2000),
        text.replace("64", "9" * 5000), "", "null", text[: at % len(text)], text + " x",
        '{"a":' * 3000 + "1" + "}" * 3000, text.replace('"a"', '"\\ud800"'),
    )  # fmt: skip
    raw_text = texts[rng.integers(len(texts))].encode()
    return "edited", with_header(raw, b"\xff" + raw_text if rng.random() < 0.1 else raw_text)


def outcome(path, how, codes, mapped):
    try:
        loaded = Codes.load(path, mmap=mapped)
    except ValueError as error:
        assert str(path) in str(error), error
        return "refused"
    try:
        loaded.verify()
    except ValueError as error:
        assert mapped and str(path) in str(error), error
        return "verified"
    if loaded == codes:
        return "same"
    assert how == "edited", (how, loaded, codes)
    assert loaded.to_bits().shape == loaded.shape
    return "another"


def main(n):
    warnings.simplefilter("error")
    _store.file.BLOCK_BYTES = 256
    counts: Counter[str] = Counter()
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "damaged.codes"
        files = list(whole_files(Path(name)))
        for raw, codes in files:
            path.write_bytes(raw)
            for mapped in (False, True):
                assert outcome(path, "not", codes, mapped) == "same"
        for i in range(n):
            raw, codes = files[i % len(files)]
            how, content = damaged(raw, rng)
            path.write_bytes(content)
            for mapped in (False, True):
                counts[f"{how}, {outcome(path, how, codes, mapped)}"] += 1
    print(json.dumps(counts))


if __name__ == "__main__":
    main(int(sys.argv[1]))
