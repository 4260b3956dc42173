"""Codes: packing, selecting, joining, and files that are whole or refused."""

import base64
import io
import mmap
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import BIT_SIZES, ROW_SIZES, pack, random_bits
from tfhash import Codes, metrics
from tfhash.codes import Packer, frozen

SIZES = st.tuples(st.integers(0, 70), st.integers(0, 300), st.integers(0, 2**32 - 1))


@pytest.mark.parametrize("n_bits", (0, *BIT_SIZES))
@pytest.mark.parametrize("n", ROW_SIZES)
def test_from_bits_packs_as_documented(n, n_bits):
    bits = random_bits(n, n_bits, seed=n_bits)
    codes = Codes.from_bits(bits)
    assert codes.words.dtype == np.uint64
    np.testing.assert_array_equal(codes.words, pack(bits))
    np.testing.assert_array_equal(codes.to_bits(), bits)
    assert (len(codes), codes.n_bits, codes.nbytes) == (n, n_bits, 8 * codes.words.size)


@pytest.mark.parametrize("dtype", (bool, np.uint8, np.int64, np.float32, np.float64))
def test_from_bits_takes_any_matrix_of_zeros_and_ones(dtype):
    bits = random_bits(9, 65)
    assert Codes.from_bits(bits.astype(dtype)) == Codes.from_bits(bits)
    assert Codes.from_bits(np.asfortranarray(bits.astype(dtype))) == Codes.from_bits(bits)


@pytest.mark.parametrize("dtype", (np.float16, np.float32, np.float64))
@pytest.mark.parametrize("n_bits", (0, *BIT_SIZES))
def test_from_activations_is_greater_than_zero(n_bits, dtype):
    rng = np.random.default_rng(n_bits)
    a = rng.normal(size=(9, n_bits)).astype(dtype)
    a[rng.random(a.shape) < 0.2] = 0
    a[rng.random(a.shape) < 0.2] = -0.0
    a[rng.random(a.shape) < 0.1] = np.finfo(dtype).smallest_subnormal
    a[rng.random(a.shape) < 0.1] = np.finfo(dtype).max
    np.testing.assert_array_equal(Codes.from_activations(a).to_bits(), a > 0)


@given(SIZES, st.booleans())
@settings(max_examples=60, deadline=None)
def test_packing_is_undone_by_unpacking(sizes, wide):
    n, n_bits, seed = sizes
    a = np.random.default_rng(seed).normal(size=(n, n_bits)).astype("f8" if wide else "f4")
    np.testing.assert_array_equal(Codes.from_activations(a).to_bits(), a > 0)
    np.testing.assert_array_equal(Codes.from_activations(a).words, pack((a > 0).astype("u1")))


@pytest.mark.parametrize("value", (np.nan, np.inf, -np.inf))
@pytest.mark.parametrize("dtype", (np.float16, np.float32, np.float64))
@pytest.mark.parametrize("n_bits", BIT_SIZES)
def test_not_finite_activations_are_named(n_bits, dtype, value):
    a = np.ones((9, n_bits), dtype)
    a[7, n_bits - 1] = value
    a[8, 0] = np.nan
    with pytest.raises(ValueError, match=rf"finite.*row 7, column {n_bits - 1}\."):
        Codes.from_activations(a)


def test_the_first_bad_row_is_named_whatever_thread_meets_it():
    a = np.ones((50_000, 100), np.float32)
    a[40_000:, 3] = np.nan
    with pytest.raises(ValueError, match="row 40000, column 3"):
        Codes.from_activations(a)


@pytest.mark.parametrize("n_bits", BIT_SIZES)
def test_a_two_among_bits_is_named(n_bits):
    bits = np.ones((9, n_bits), np.uint8)
    bits[8, n_bits // 2] = 2
    with pytest.raises(ValueError, match=rf"0 or 1.*Received: 2.* row 8, column {n_bits // 2}\."):
        Codes.from_bits(bits)
    with pytest.raises(ValueError, match=r"Received: 2\.0 at row 8"):
        Codes.from_bits(bits.astype(np.float64))


@pytest.mark.parametrize(
    "make, bad, message",
    (
        (Codes.from_bits, np.zeros(5, np.uint8), "matrix of bits"),
        (Codes.from_bits, np.zeros((2, 2, 2), bool), "matrix of bits"),
        (Codes.from_bits, np.array([["a", "b"]]), "0 or 1"),
        (Codes.from_activations, np.zeros((2, 2), int), "from_bits"),
        (Codes.from_activations, np.zeros((2, 2), complex), "float32"),
        (Codes.from_activations, np.zeros(4), "matrix of activations"),
    ),
)
def test_other_inputs_are_refused(make, bad, message):
    with pytest.raises(ValueError, match=message):
        make(bad)


def test_words_of_the_wrong_form_are_refused():
    with pytest.raises(ValueError, match=r"shape \[n, 2\]"):
        Codes(np.zeros((3, 1), np.uint64), 65)
    with pytest.raises(ValueError, match="uint64"):
        Codes(np.zeros((3, 2), np.int64), 65)
    with pytest.raises(ValueError, match="padding"):
        Codes(np.full((3, 2), 2**63, np.uint64), 65)


@pytest.mark.parametrize("n_bits", (3.5, 64.0, -1, "64", None, np.float64(64), True))
def test_numbers_of_bits_that_are_none_are_refused(n_bits):
    with pytest.raises(ValueError, match="n_bits to be a whole number from 0"):
        Codes(np.zeros((3, 1), np.uint64), n_bits)


def test_numbers_of_bits_of_any_integer_type_are_taken():
    for n_bits in (np.int8(1), np.uint64(1), np.array(1)):
        span: Any = ("a", np.int64(0), n_bits)
        codes = Codes(np.ones((3, 1), np.uint64), n_bits, [span])
        assert codes.n_bits == 1 and type(codes.n_bits) is int
        assert codes == Codes(np.ones((3, 1), np.uint64), 1, [("a", 0, 1)])


def test_words_that_others_can_write_to_are_copied():
    words = pack(random_bits(9, 70))
    for other in (words, words[:], frozen(words[:]), words[::2], words.view(np.recarray)):
        codes, before = Codes(other, 70), other.copy()
        assert not np.shares_memory(codes.words, words)
        words[...] = ~words
        np.testing.assert_array_equal(codes.words, before)
        words[...] = ~words
    assert words.flags.writeable
    read_only = frozen(words.copy())
    assert np.shares_memory(Codes(read_only, 70).words, read_only)
    view = frozen(words.copy())[2:5]
    assert np.shares_memory(Codes(view, 70).words, view)
    from_bytes = np.frombuffer(words.tobytes(), np.uint64).reshape(9, 2)
    assert np.shares_memory(Codes(from_bytes, 70).words, from_bytes)
    buffer = bytearray(words.tobytes())
    codes = Codes(frozen(np.frombuffer(buffer, np.uint64).reshape(9, 2)), 70)
    buffer[:] = bytes(len(buffer))
    np.testing.assert_array_equal(codes.words, words)


def test_words_mapped_from_a_file_are_not_copied(tmp_path):
    words = pack(random_bits(9, 70))
    np.save(tmp_path / "w.npy", words)
    mapped = np.load(tmp_path / "w.npy", mmap_mode="r")
    assert np.shares_memory(Codes(mapped, 70).words, mapped)
    for mode in ("r+", "c"):
        mapped = np.load(tmp_path / "w.npy", mmap_mode=mode)
        assert not np.shares_memory(Codes(mapped, 70).words, mapped)


def misaligned(array):
    """The same array one byte off."""
    raw = np.empty(array.nbytes + 1, np.uint8)
    other = raw[1:].view(array.dtype).reshape(array.shape)
    other[...] = array
    assert not other.flags.aligned
    return other


def test_arrays_that_are_misaligned_or_of_another_order_of_bytes_are_read_right():
    bits = random_bits(9, 70)
    codes = Codes.from_bits(bits)
    words = codes.words
    for other in (misaligned(words), words.astype(">u8"), frozen(misaligned(words))):
        made = Codes(other, 70)
        assert made == codes and made.words.flags.aligned and made.words.dtype.isnative
    for dtype in ("f2", "f4", "f8", ">f2", ">f4", ">f8"):
        floats = (bits - 0.5).astype(dtype)
        assert Codes.from_activations(floats) == codes
        assert Codes.from_activations(misaligned(floats)) == codes
    for dtype in ("i8", ">i4", ">f8", "u1", ">u2"):
        assert Codes.from_bits(bits.astype(dtype)) == codes
    packer = Packer([("a", 70)])
    np.testing.assert_array_equal(packer.pack([misaligned((bits - 0.5).astype("f8"))], 0), words)
    odd = np.empty((9, 17), np.uint8)[:, 1:]
    odd[...] = codes.packed_bytes
    np.testing.assert_array_equal(packer.join([odd]), words)


def test_wide_floats_keep_their_digits_in_any_order_of_bytes():
    small = np.array([[1e-50, 1.0, -1e-300, 5e-324]])
    for dtype in ("<f8", ">f8"):
        made = Codes.from_activations(small.astype(dtype))
        assert made.to_bits().tolist() == [[1, 1, 0, 1]]
        assert Codes.from_activations(np.array([[1e300]], dtype)).to_bits().tolist() == [[1]]


@pytest.mark.parametrize("make", (Codes.from_bits, Codes.from_activations, lambda x: Codes(x, 2)))
def test_masked_entries_are_not_read_as_numbers(make):
    masked = np.ma.array(np.ones((3, 2)), mask=[[0, 0], [1, 0], [0, 0]])
    with pytest.raises(ValueError, match=r"without masked entries\. Received: one with 1"):
        make(masked)
    assert Codes.from_bits(np.ma.array(np.ones((3, 2)), mask=False)).to_bits().all()


@pytest.mark.parametrize(
    "bad", ([[1j]], np.array([[1, 0]], object), np.array([["1"]]), np.array([[None]]))
)
def test_complex_numbers_objects_and_strings_are_no_bits_and_no_activations(bad):
    with pytest.raises(ValueError, match=r"0 or 1\. Received dtype"):
        Codes.from_bits(bad)
    with pytest.raises(ValueError, match="Expected activations of dtype"):
        Codes.from_activations(bad)


def test_messages_and_reprs_of_thousands_of_layers_are_short():
    layers = [(f"block_{i}/relu", i, i + 1) for i in range(5000)]
    codes = Codes.from_bits(np.zeros((2, 5000), bool), layers)
    assert len(repr(codes)) < 300 and "5000 in all" in repr(codes)
    for wrong in (layers[:-1], layers + layers[-1:], layers[1:], [*layers, ("x", 9, 2)]):
        with pytest.raises(ValueError) as raised:
            Codes.from_bits(np.zeros((2, 5000), bool), wrong)
        assert len(str(raised.value)) < 300
    with pytest.raises(ValueError) as raised:
        Codes.concatenate([codes, codes.first_layers(4000)])
    assert len(str(raised.value)) < 600
    with pytest.raises(ValueError, match="same layers") as raised:
        metrics.layer_wise(codes, [0, 1], codes.first_layers(4000), [0, 1])
    assert len(str(raised.value)) < 600


def test_words_are_read_only_and_bytes_share_their_memory():
    codes = Codes.from_bits(random_bits(5, 70))
    with pytest.raises(ValueError, match="read-only"):
        codes.words[0, 0] = 0
    assert np.shares_memory(codes.packed_bytes, codes.words)
    unpacked = np.unpackbits(codes.packed_bytes, axis=1, count=70, bitorder="little")
    np.testing.assert_array_equal(unpacked, codes.to_bits())


LAYERS = (("a", 0, 1), ("b", 1, 65), ("c", 65, 65), ("d", 65, 200))


def layered(n=9, seed=0):
    return Codes.from_bits(random_bits(n, 200, seed), LAYERS)


@given(st.permutations("abcd"), st.integers(1, 4), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_select_takes_the_layers_bits_in_order(order, count, n):
    names, codes = order[:count], layered(n)
    spans = {name: slice(start, stop) for name, start, stop in LAYERS}
    expected = np.concatenate([codes.to_bits()[:, spans[name]] for name in names], axis=1)
    chosen = codes.select(names)
    np.testing.assert_array_equal(chosen.to_bits(), expected)
    assert [layer.name for layer in chosen.layers] == list(names)
    for name in names:
        assert chosen.select(name) == codes.select(name)


@pytest.mark.parametrize("mapped", (False, True))
def test_first_and_last_layers_are_those_selected(mapped, tmp_path):
    codes = layered()
    codes.save(tmp_path / "x")
    codes = Codes.load(tmp_path / "x", mmap=mapped)
    names = [layer.name for layer in codes.layers]
    for k in range(1, 5):
        assert codes.first_layers(k) == codes.select(names[:k])
        assert codes.last_layers(k) == codes.select(names[4 - k :])
    assert codes.first_layers(4) == codes.last_layers(4) == codes
    for k in (0, 5, -1):
        for views in (codes.first_layers, codes.last_layers):
            with pytest.raises(ValueError, match="from 1 to 4"):
                views(k)


@pytest.mark.parametrize("sizes", ((1, 63, 64, 65), (64, 64), (130,), (3, 5)))
def test_packed_layers_are_joined(sizes):
    packer = Packer((f"layer{i}", size) for i, size in enumerate(sizes))
    parts = [random_bits(9, size, i) for i, size in enumerate(sizes)]
    packed = [pack(part).astype("<u8").view(np.uint8) for part in parts]
    expected = pack(np.concatenate(parts, axis=1))
    np.testing.assert_array_equal(packer.join(packed), expected)
    activations = [part.astype("f4") for part in parts]
    np.testing.assert_array_equal(packer.pack(activations, 0), expected)


def test_select_refuses_what_is_not_there():
    with pytest.raises(ValueError, match=r"Expected names among .* such as a, b.*Received: 'x'"):
        layered().select(["a", "x"])
    bits = np.zeros((1, 300), bool)
    deep = Codes.from_bits(bits, layers=[(f"block/re_lu_{i}", i, i + 1) for i in range(300)])
    with pytest.raises(ValueError, match=r"such as block/re_lu_2\d\d, .*Received: 're_lu_2990'"):
        deep.select("re_lu_2990")
    with pytest.raises(ValueError, match="different names"):
        layered().select(["a", "a"])
    with pytest.raises(ValueError, match="at least one"):
        layered().select([])


@pytest.mark.parametrize(
    "layers", ([("a", 0, 1)], [("a", 1, 3)], [("a", 0, 2), ("b", 1, 3)], [("a", 0, 1), ("a", 1, 3)])
)
def test_layers_that_are_no_partition_are_refused(layers):
    with pytest.raises(ValueError, match="Expected layers"):
        Codes.from_bits(random_bits(2, 3), layers)


@pytest.mark.parametrize(
    "rows",
    (slice(2, 7), slice(None, None, -2), [3, 1, 1], np.arange(9) % 2 == 0, [], -1, np.int64(4)),
)
def test_rows_are_taken_as_numpy_takes_them(rows):
    codes = layered()
    index = [int(rows)] if isinstance(rows, int | np.integer) else rows
    index = np.asarray(index, int) if isinstance(index, list) else index
    np.testing.assert_array_equal(codes[rows].to_bits(), codes.to_bits()[index])
    assert codes[rows].layers == codes.layers


def test_rows_that_are_not_there_are_refused():
    for rows in (9, -10, [9], np.zeros(3, bool), np.zeros((2, 2), int)):
        with pytest.raises(IndexError):
            layered()[rows]
    assert len(list(layered())) == 9


def test_concatenate_joins_examples_or_bits():
    a, b = layered(3, 1), layered(4, 2)
    joined = Codes.concatenate([a, b])
    np.testing.assert_array_equal(joined.to_bits(), np.concatenate([a.to_bits(), b.to_bits()]))
    assert joined.layers == a.layers
    assert Codes.concatenate([a.select("b"), a.select("d")], axis=1) == a.select(["b", "d"])
    plain = Codes.from_bits(a.to_bits())
    wide = Codes.concatenate([plain, a.select("a")], axis=1)
    assert (wide.n_bits, wide.layers) == (201, ())


def test_concatenate_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="same bits and layers"):
        Codes.concatenate([layered(), Codes.from_bits(random_bits(9, 64))])
    with pytest.raises(ValueError, match="one length"):
        Codes.concatenate([layered(3), layered(4)], axis=1)
    with pytest.raises(ValueError, match="at least one"):
        Codes.concatenate([])
    with pytest.raises(ValueError, match="axis"):
        Codes.concatenate([layered()], axis=2)


@given(SIZES)
@settings(max_examples=25, deadline=None)
def test_saved_and_loaded_codes_are_equal(tmp_path_factory, sizes):
    n, n_bits, seed = sizes
    path = tmp_path_factory.mktemp("codes") / "x.codes"
    layers = [("né/ö#2", 0, n_bits)] if seed % 2 else []
    codes = Codes.from_bits(random_bits(n, n_bits, seed), layers)
    codes.save(path)
    assert Codes.load(path) == codes
    assert Codes.load(path, mmap=True) == codes
    assert [p.name for p in path.parent.iterdir()] == ["x.codes"]


def test_a_memory_mapped_slice_stays_on_disk(tmp_path):
    layered().save(tmp_path / "x")
    mapped = Codes.load(tmp_path / "x", mmap=True)
    assert np.shares_memory(mapped[2:5].words, mapped.words)
    owner: Any = mapped.words
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert isinstance(owner.obj, mmap.mmap)
    assert mapped[2:5] == layered()[2:5]


def test_every_flipped_header_byte_and_every_cut_is_refused(tmp_path):
    path = tmp_path / "x.codes"
    layered().save(path)
    whole = path.read_bytes()
    header_end = whole.index(b"}") + 1
    for at in range(header_end):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        for mapped in (False, True):
            with pytest.raises(ValueError, match="Expected"):
                Codes.load(path, mmap=mapped)
    for length in (0, 5, 19, header_end - 1, header_end, 4096, len(whole) - 1):
        path.write_bytes(whole[:length])
        for mapped in (False, True):
            with pytest.raises(ValueError, match="Expected"):
                Codes.load(path, mmap=mapped)
    path.write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match="added to"):
        Codes.load(path)


def test_damaged_words_are_refused(tmp_path):
    path = tmp_path / "x.codes"
    layered().save(path)
    whole = bytearray(path.read_bytes())
    whole[-9] ^= 1
    path.write_bytes(whole)
    with pytest.raises(ValueError, match=r"CRC-32.*damaged"):
        Codes.load(path)


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.codes"
    layered().save(path)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        layered(3).save(path)
    monkeypatch.undo()
    assert Codes.load(path) == layered()
    assert [p.name for p in tmp_path.iterdir()] == ["x.codes"]


def test_missing_files_say_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.codes"):
        Codes.load(tmp_path / "nothing.codes")
    with pytest.raises(FileNotFoundError):
        layered().save(tmp_path / "no_folder" / "x")


def test_equality_and_repr():
    assert layered() != layered(9, 5)
    assert layered() != Codes.from_bits(layered().to_bits())
    assert layered() != "codes"
    assert repr(layered()) == "Codes(n=9, n_bits=200, layers=[a, b, c, d], nbytes=288)"


def test_in_a_notebook_codes_are_a_picture_and_a_table():
    images = pytest.importorskip("PIL.Image")
    codes = layered()
    html = codes._repr_html_()
    assert "9 of 200 bits, 288 bytes" in html and "<td>b</td>" in html
    (data,) = re.findall(r'base64,([^"]+)', html)
    picture = images.open(io.BytesIO(base64.b64decode(data)))
    assert picture.mode == "1"
    np.testing.assert_array_equal(np.asarray(picture), codes.to_bits() == 0)
    many = Codes.from_bits(np.zeros((2, 5000)), [(f"<{i}>", i, i + 1) for i in range(5000)])
    html = many._repr_html_()
    assert len(html) < 5000 and "4,988 more" in html and "<0>" not in html
    assert "img" not in Codes.from_bits(np.zeros((0, 7)))._repr_html_()
