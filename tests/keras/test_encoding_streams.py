"""Inputs of every kind, and stores that go on where they were cut off."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers as kl

from tfhash import Codes, Encoder

BACKEND = keras.backend.backend()


def net(n_inputs=1, seed=0, width=70):
    """Weights and inputs are small integers: sums are exact, whatever the batch size is."""
    rng = np.random.default_rng(seed)
    inputs = [keras.Input((5,), name=f"in_{i}") for i in range(n_inputs)]
    x = kl.Concatenate(name="join")(inputs) if n_inputs > 1 else inputs[0]
    x = kl.Dense(width, activation="relu", name="a")(x)
    x = kl.Dense(33, activation="relu", name="b")(x)
    model = keras.Model(inputs if n_inputs > 1 else inputs[0], kl.Dense(2, name="c")(x), name="net")
    model.set_weights([rng.integers(-3, 4, w.shape).astype("f4") for w in model.get_weights()])
    return model


def images(n=103, seed=1):
    return np.random.default_rng(seed).integers(-4, 5, (n, 5)).astype("float32")


class Labeled(keras.utils.PyDataset):
    def __init__(self, x, size):
        super().__init__()
        self.x, self.size = x, size

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __getitem__(self, i):
        part = self.x[i * self.size : (i + 1) * self.size]
        return part, np.zeros(len(part))


def sources(x, tmp_path):
    tf = pytest.importorskip("tensorflow")
    np.save(tmp_path / "x.npy", x)
    yield np.load(tmp_path / "x.npy", mmap_mode="r")
    yield x.tolist()
    yield [x]
    yield {"in_0": x}
    yield keras.ops.convert_to_tensor(x)
    yield tf.data.Dataset.from_tensor_slices(x).batch(9)
    yield tf.data.Dataset.from_tensor_slices((x, np.zeros(len(x)))).batch(40)
    yield Labeled(x, 11)
    yield (x[i : i + 7] for i in range(0, len(x), 7))
    yield ((x[i : i + 50], None) for i in range(0, len(x), 50))
    yield iter([x[:1], x[1:90], x[90:90], x[90:]])


def test_every_kind_of_input_gives_the_same_codes(tmp_path):
    x, encoder = images(), Encoder(net())
    expected = encoder.encode(x)
    for i, source in enumerate(sources(x, tmp_path)):
        assert encoder.encode(source, batch_size=16) == expected, i
    for i, source in enumerate(sources(x, tmp_path)):
        assert encoder.encode(source, batch_size=16, out=tmp_path / f"{i}.codes") == expected, i
        assert encoder.encode(x, out=tmp_path / f"{i}.codes") == expected, i


@pytest.mark.parametrize("batch_size", (1, 7, 64, 103, 500))
def test_odd_batch_sizes_give_the_same_codes(batch_size, tmp_path):
    x, encoder = images(), Encoder(net())
    expected = encoder.encode(x)
    assert encoder.encode(x, batch_size) == expected
    assert encoder.encode(x, batch_size, out=tmp_path / "c") == expected
    assert encoder.encode(iter([x[:50], x[50:]]), batch_size) == expected


def test_several_inputs_come_as_the_model_takes_them():
    a, b = images(seed=1), images(seed=2)
    model = net(2)
    encoder = Encoder(model)
    outputs = encoder.activation_model.predict([a, b], verbose=0)
    codes = encoder.encode([a, b])
    np.testing.assert_array_equal(codes.to_bits(), np.concatenate(outputs, axis=1) > 0)
    assert encoder.encode((a, b)) == codes
    assert encoder.encode({"in_0": a, "in_1": b}) == codes
    assert (
        encoder.encode(((p, q), 0) for p, q in zip(np.split(a, [9]), np.split(b, [9]), strict=True))
        == codes
    )
    named = keras.Model({"p": model.inputs[0], "q": model.inputs[1]}, model.output)
    assert Encoder(named).encode({"p": a, "q": b}).words.tolist() == codes.words.tolist()
    for wrong, message in (
        (a, "2 inputs"),
        ([a, b, b], "2 inputs"),
        ([a, b[:-1]], "one length"),
        ({"in_0": a, "x": b}, "named"),
        ([a, b[:, :-1]], "for 'in_1'"),
    ):
        with pytest.raises(ValueError, match=message):
            encoder.encode(wrong)


def test_streams_that_cannot_be_encoded_are_refused():
    tf = pytest.importorskip("tensorflow")
    encoder, x = Encoder(net()), images()
    with pytest.raises(ValueError, match="ends"):
        encoder.encode(tf.data.Dataset.from_tensor_slices(x).batch(9).repeat())
    with pytest.raises(ValueError, match=r"shape \(n, 5\).*\(5,\)"):
        encoder.encode(tf.data.Dataset.from_tensor_slices(x))
    with pytest.raises(ValueError, match=r"shape \(n, 5\)"):
        encoder.encode(iter([x[:, :4]]))
    bad = x.copy()
    bad[77, 2] = np.nan
    with pytest.raises(ValueError, match="row 77"):
        encoder.encode(iter([bad[:50], bad[50:]]), batch_size=16)


class Cut(Exception):
    """Stands for a process that is killed."""


def cut(x, after, size=10):
    for start in range(0, len(x), size):
        if start >= after:
            raise Cut
        yield x[start : start + size]


@pytest.mark.parametrize("after", (0, 10, 60, 100))
@pytest.mark.parametrize("damage", ("none", "torn words", "torn journal", "flipped", "no journal"))
def test_a_store_that_was_cut_off_goes_on_to_the_same_bytes(after, damage, tmp_path):
    x, encoder = images(), Encoder(net())
    encoder.encode(iter([x]), batch_size=10, out=tmp_path / "whole")
    with pytest.raises(Cut):
        encoder.encode(cut(x, after), batch_size=10, out=tmp_path / "c")
    partial, journal = tmp_path / ".c.partial", tmp_path / ".c.journal"
    assert not (tmp_path / "c").exists()
    assert partial.exists() and journal.exists()
    if damage == "torn words":
        partial.write_bytes(partial.read_bytes()[:-5])
    elif damage == "torn journal":
        journal.write_bytes(journal.read_bytes()[:-5])
    elif damage == "flipped" and after:
        raw = bytearray(partial.read_bytes())
        raw[-20] ^= 4
        partial.write_bytes(raw)
    elif damage == "no journal":
        journal.unlink()
    codes = encoder.encode(x, batch_size=10, out=tmp_path / "c")
    assert codes == encoder.encode(x)
    assert (tmp_path / "c").read_bytes() == (tmp_path / "whole").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c", "whole"]


def test_what_is_encoded_is_not_computed_again(tmp_path, monkeypatch):
    x, encoder = images(), Encoder(net())
    with pytest.raises(Cut):
        encoder.encode(cut(x, 60), batch_size=10, out=tmp_path / "c")
    forward, batches = encoder._compiled(), []
    run = forward.run

    def counted(batch):
        batches.append(len(batch[0]))
        return run(batch)

    monkeypatch.setattr(forward, "run", counted)
    encoder.encode(iter([x]), batch_size=10, out=tmp_path / "c")
    assert len(batches) == 5 + 2  # two of the 16 rows that are encoded again
    encoder.encode(x, batch_size=10, out=tmp_path / "c")
    assert len(batches) == 5 + 2 + 2


def test_the_store_of_another_model_or_of_other_inputs_is_refused(tmp_path):
    x, encoder, other = images(), Encoder(net()), Encoder(net(seed=5))
    fewer = Encoder(net(), layers=["a"])
    assert len({encoder.fingerprint, other.fingerprint, fewer.fingerprint}) == 3
    assert encoder.fingerprint == Encoder(net()).fingerprint
    both = f"{other.fingerprint}.*{encoder.fingerprint}"
    with pytest.raises(Cut):
        encoder.encode(cut(x, 60), batch_size=10, out=tmp_path / "c")
    with pytest.raises(ValueError, match=both):
        other.encode(x, out=tmp_path / "c")
    with pytest.raises(ValueError, match=encoder.fingerprint):
        fewer.encode(x, out=tmp_path / "c")
    for wrong in (x[::-1], x[:30], iter([x[::-1]])):
        with pytest.raises(ValueError, match=r"inputs"):
            encoder.encode(wrong, batch_size=10, out=tmp_path / "c")
    encoder.encode(x, batch_size=10, out=tmp_path / "c")
    with pytest.raises(ValueError, match=both):
        other.encode(x, out=tmp_path / "c")
    for wrong in (x[::-1], x[:30], np.concatenate([x, x])):
        with pytest.raises(ValueError, match=r"inputs"):
            encoder.encode(wrong, batch_size=10, out=tmp_path / "c")
    encoder.encode(x).save(tmp_path / "saved")
    with pytest.raises(ValueError, match="no fingerprint"):
        encoder.encode(x, out=tmp_path / "saved")
    with pytest.raises(FileNotFoundError, match="folder"):
        encoder.encode(x, out=tmp_path / "nowhere" / "c")


@pytest.mark.parametrize("where", ("words", "checksums", "cut", "added to"))
def test_a_finished_file_that_is_damaged_is_encoded_again_with_a_warning(where, tmp_path):
    x, encoder, path = images(), Encoder(net()), tmp_path / "c"
    true = encoder.encode(x, out=path)
    whole = path.read_bytes()
    changed = {
        "words": whole[:4200] + bytes([whole[4200] ^ 0x10]) + whole[4201:],
        "checksums": whole[:-1] + bytes([whole[-1] ^ 1]),
        "cut": whole[:-300],
        "added to": whole + b"!",
    }[where]
    path.unlink()
    path.write_bytes(changed)
    with pytest.warns(UserWarning, match=r"c: Expected .* It is encoded again, and replaced"):
        assert encoder.encode(iter([x[:50], x[50:]]), out=path) == true
    assert path.read_bytes() == whole
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c"]


def test_a_file_that_is_no_store_of_this_model_is_never_replaced(tmp_path):
    x, encoder, other = images(), Encoder(net()), Encoder(net(seed=5))
    encoder.encode(x, out=tmp_path / "damaged")
    whole = (tmp_path / "damaged").read_bytes()
    contents = {
        "notes": b"a user's own text",
        "empty": b"",
        "damaged": whole[:-1] + b"!",
        "damaged header": whole[:30] + b"!" + whole[31:],
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"Choose another path, or remove the file"):
            other.encode(x, out=path)
        assert path.read_bytes() == content


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
def test_a_store_is_written_through_a_link(tmp_path):
    x, encoder = images(), Encoder(net())
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far/c")
    for _ in range(2):
        assert encoder.encode(x, out=tmp_path / "link") == encoder.encode(x)
    assert (tmp_path / "link").is_symlink()
    assert [p.name for p in (tmp_path / "far").iterdir()] == ["c"]


def test_a_store_that_another_process_writes_is_left_alone(tmp_path):
    x, encoder = images(), Encoder(net())

    def meanwhile():
        yield x[:50]
        with pytest.raises(BlockingIOError, match="another process"):
            encoder.encode(x, out=tmp_path / "c")
        yield x[50:]

    assert encoder.encode(meanwhile(), batch_size=10, out=tmp_path / "c") == encoder.encode(x)


SCRIPT = """
import signal, sys
sys.path.insert(0, "keras")  # this file's folder
from test_encoding_streams import images, net
from tfhash import Encoder
x = images()
def batches():
    for i in range(0, len(x), 10):
        if i == 40:
            signal.raise_signal(signal.SIGKILL)
        yield x[i : i + 10]
Encoder(net()).encode(batches(), batch_size=10, out=sys.argv[1])
"""


@pytest.mark.full
@pytest.mark.skipif(os.name == "nt", reason="signals and limits of POSIX")
def test_a_killed_process_and_a_full_disk_leave_what_was_written(tmp_path):
    x, encoder, path = images(), Encoder(net()), tmp_path / "c"
    command = [sys.executable, "-c", SCRIPT, str(path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert not path.exists()
    assert len((tmp_path / ".c.partial").read_bytes()) == 4096 + 40 * 16
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096 + 75 * 16, limits[1]))  # the 8th does not fit
    try:
        with pytest.raises(OSError, match="70 codes so far are kept"):
            encoder.encode(x, batch_size=10, out=path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len((tmp_path / ".c.partial").read_bytes()) == 4096 + 70 * 16
    codes = encoder.encode(x, batch_size=10, out=path)
    assert codes == encoder.encode(x)
    assert Codes.load(path) == codes
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_a_disk_that_is_too_small_is_seen_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 100}))
    with pytest.raises(OSError, match=r"bytes free.*100"):
        Encoder(net()).encode(images(), out=tmp_path / "c")
