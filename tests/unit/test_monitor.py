"""The monitor of inputs unlike the training data: against NumPy, and its guarantee."""

import zipfile

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import reference
from reference import random_bits
from tfhash import Codes, _store, audit
from tfhash.audit import RegionMonitor

LAYERS = (("a", 0, 30), ("b", 30, 90))


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 1500)
    bits = random_bits(3, 90)[labels] ^ (rng.random((1500, 90)) < 0.1)
    return bits.astype(np.uint8), labels


@pytest.mark.parametrize("k", (1, 7))
@pytest.mark.parametrize("normalize", (False, True))
def test_scores_are_the_distances_to_the_kth_nearest(data, k, normalize):
    bits, labels = data
    train, new = bits[:500], bits[500:600]
    monitor = RegionMonitor(k, normalize).fit(train, labels[:500])
    distances = reference.hamming_distances(train, new).astype(float)
    share = new.sum(axis=1, keepdims=True) if normalize else 1
    expected = np.sort(distances / share, axis=1)[:, k - 1]
    np.testing.assert_array_equal(monitor.score(new), expected)
    predicted = labels[500:600]
    distances[labels[:500] != predicted[:, np.newaxis]] = 10**6
    expected = np.sort(distances / share, axis=1)[:, k - 1]
    np.testing.assert_array_equal(monitor.score(new, predicted), expected)
    np.testing.assert_array_equal(monitor.score(new[:1]), monitor.score(new)[:1])
    assert monitor.score(new[:0]).shape == (0,)


def test_the_threshold_is_the_conformal_one(data):
    bits, _ = data
    monitor = RegionMonitor().fit(bits[:500])
    held_out = bits[500:599]  # 99 scores: the 95th smallest of 100 for a rate of 0.05
    monitor.calibrate(held_out, false_alarm_rate=0.05)
    scores = np.sort(monitor.score(held_out))
    assert monitor.threshold_ == scores[94]
    np.testing.assert_array_equal(
        monitor.predict(bits[600:]), monitor.score(bits[600:]) > scores[94]
    )
    # 0.01 of 99 is the largest score, of 98 there is none.
    assert monitor.calibrate(held_out).threshold_ == scores[-1]
    with pytest.raises(ValueError, match=r"99 held-out codes or more.*0\.01\. Received: 98"):
        monitor.calibrate(held_out[1:])


def test_false_alarms_stay_within_the_bound_and_strangers_are_told(data):
    bits, _ = data
    rng = np.random.default_rng(1)
    alarms = []
    for _ in range(20):
        order = rng.permutation(len(bits))
        monitor = RegionMonitor().fit(bits[order[:500]])
        monitor.calibrate(bits[order[500:1000]], false_alarm_rate=0.05)
        alarms.append(monitor.predict(bits[order[1000:]]).mean())
    # The expected rate is at most 0.05; a mean of 20 that share data varies by about 0.003.
    assert 0 < np.mean(alarms) < 0.06
    assert monitor.predict(random_bits(50, 90, seed=5)).all()


@pytest.mark.parametrize(
    "names",
    (
        None,
        np.array(["x", "yy", "z"]),
        np.array(["x", "yy", "z"], object),  # as pandas has words
        np.array([7, 8, 9], object),
        np.array(["2026-01-01", "2026-01-02", "2026-01-03"], "M8[D]"),
    ),
)
def test_save_and_load(tmp_path, data, names):
    bits, labels = data
    given = labels if names is None else names[labels]
    codes = Codes.from_bits(bits, LAYERS)
    monitor = RegionMonitor(2, normalize=True).fit(codes[:500], given[:500])
    monitor.calibrate(codes[500:900], 0.02, given[500:900])
    monitor.save(tmp_path / "monitor.npz")
    loaded = RegionMonitor.load(tmp_path / "monitor.npz")
    assert (loaded.k, loaded.normalize) == (2, True)
    assert loaded.threshold_ == monitor.threshold_
    assert loaded.false_alarm_rate_ == 0.02
    np.testing.assert_array_equal(
        loaded.predict(codes[900:], given[900:]), monitor.predict(codes[900:], given[900:])
    )
    with pytest.raises(ValueError, match=r"of the layers \[a .*, as fitted"):
        loaded.score(Codes.from_bits(bits, (("a", 0, 90),)))
    RegionMonitor().fit(bits).save(tmp_path / "monitor")  # the name as it is, and no threshold
    with pytest.raises(NotFittedError, match="calibrate"):
        RegionMonitor.load(tmp_path / "monitor").predict(bits)


def test_files_that_are_none_are_refused(tmp_path, data):
    with pytest.raises(FileNotFoundError):
        RegionMonitor.load(tmp_path / "absent")
    RegionMonitor().fit(data[0]).save(tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    other = tmp_path / "other.npz"
    np.savez(other, words=np.zeros(3))
    # In the record of the first array: packed by an unknown method, and encrypted.
    central = whole.index(b"PK\x01\x02")
    unknown, locked = bytearray(whole), bytearray(whole)
    unknown[central + 10], locked[central + 8] = 99, whole[central + 8] | 1
    cut = (whole[:-40], whole[: len(whole) // 2])
    # A threshold that nothing is above, and a header that NumPy cannot even split into words.
    with zipfile.ZipFile(tmp_path / "whole") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    null, nan = (word.encode("utf-32-le") for word in ("null", " NaN"))
    for name, old, new in (("about.npy", null, nan), ("words.npy", b"}", b"{")):
        assert old in members[name]
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for each, content in members.items():
                archive.writestr(each, content.replace(old, new) if each == name else content)
        with pytest.raises(ValueError, match=rf"RegionMonitor\.save wrote.*{name}"):
            RegionMonitor.load(tmp_path / name)
    for content in (b"", b"text", *cut, other.read_bytes(), bytes(unknown), bytes(locked)):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(ValueError, match=r"file that RegionMonitor\.save wrote.*bad"):
            RegionMonitor.load(tmp_path / "bad")


def test_before_fit_and_before_calibrate(data):
    bits, labels = data
    for use in ("score", "predict", "calibrate"):
        with pytest.raises(NotFittedError, match="Call fit"):
            getattr(RegionMonitor(), use)(bits)
    with pytest.raises(NotFittedError, match="Call fit"):
        RegionMonitor().save("never-written")
    monitor = RegionMonitor().fit(bits, labels)
    with pytest.raises(NotFittedError, match=r"Call calibrate\(held_out\) before predict"):
        monitor.predict(bits)
    monitor.calibrate(bits)
    monitor.fit(bits, labels)  # other codes: the threshold is of no use any more
    with pytest.raises(NotFittedError, match="calibrate"):
        monitor.predict(bits)


def test_bad_input_is_refused(data):
    bits, labels = data
    monitor = RegionMonitor().fit(Codes.from_bits(bits, LAYERS), labels)
    with pytest.raises(ValueError, match=r"90 bits, as fitted. Received: 89"):
        monitor.score(bits[:, 1:])
    with pytest.raises(ValueError, match=r"of the layers \[a .*, as fitted"):
        monitor.score(Codes.from_bits(bits, (("other", 0, 90),)))
    with pytest.raises(ValueError, match="predicted: Expected 1500 labels"):
        monitor.score(bits, labels[1:])
    with pytest.raises(ValueError, match=r"among those of the training codes.*Received: 3"):
        monitor.score(bits, labels + 1)
    for rate in (0, 1, -0.1, np.nan, "a"):
        with pytest.raises(ValueError, match="false_alarm_rate between 0 and 1"):
            monitor.calibrate(bits, rate)
    monitor.calibrate(bits)
    with pytest.raises(ValueError, match=r"it was given none. Received: some"):
        monitor.predict(bits, labels)
    with pytest.raises(ValueError, match="fit was given none"):
        RegionMonitor().fit(bits).score(bits, labels)
    for k in (0, 1501, 1.5, True, None, "a", np.nan, 2.0):
        with pytest.raises(
            ValueError,
            match=r"k \(at most as many as the codes\) to be a whole number from 1 to 1500",
        ):
            RegionMonitor(k).fit(bits)
    with pytest.raises(ValueError, match="y: Expected 1500 labels"):
        RegionMonitor().fit(bits, labels[1:])
    assert audit.RegionMonitor is RegionMonitor


def of_model(path, bits, model):
    """Codes on disk, as an encoder of a model of this fingerprint writes them."""
    codes = Codes.from_bits(bits, LAYERS)
    with _store.GrowingStore(path, codes.n_bits, codes.layers, model) as store:
        store.append(codes.words, 0)
        store.finish()
    return Codes.load(path, mmap=True)


def test_codes_known_to_be_of_another_model_are_refused(tmp_path, data):
    bits, _ = data
    one, same, other = (
        of_model(tmp_path / f"{i}.codes", bits[:200], name) for i, name in enumerate("aab")
    )
    theirs = r"model of fingerprint a, as .*Received: codes of the model of fingerprint b"
    monitor = RegionMonitor().fit(one)
    monitor.save(tmp_path / "monitor.npz")
    for fitted in (monitor, RegionMonitor.load(tmp_path / "monitor.npz")):
        for use in ("score", "calibrate"):
            with pytest.raises(ValueError, match=f"codes: Expected codes of the {theirs}"):
                getattr(fitted, use)(other)
        assert (fitted.score(same) == 0).all()
        assert (fitted.score(bits[:200]) == 0).all()  # not known whose they are
    assert (RegionMonitor().fit(bits).score(other) == 0).all()
    with pytest.raises(ValueError, match=f"test: Expected codes of the {theirs}"):
        audit.leakage(one, other, 1)
    assert len(audit.leakage(one, same, 0)) >= 200
    seen = audit.coverage(one).update(same).update(bits)
    with pytest.raises(ValueError, match=f"codes: Expected codes of the {theirs}"):
        seen.update(other)
    with pytest.raises(ValueError, match=f"other: Expected codes of the {theirs}"):
        seen.merge(audit.coverage(other))
    with pytest.raises(ValueError, match=f"codes: Expected codes of the {theirs}"):
        audit.coverage(other, reference=one)
